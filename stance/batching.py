"""Batches by token budget, and the tensors that the model takes.

Padding is the cost to avoid: batches hold windows of like length, and as many as a budget of
padded tokens allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from stance.features import Features, TokenMention, Window

if TYPE_CHECKING:
    import torch

MEGABATCH_BATCHES = 50
"""Examples are sorted by length within a random draw of about this many batches: enough to pad
little, few enough that the order stays random."""


def plan_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Positions grouped so that (number x longest) stays within ``max_tokens``; longest first.

    A single item longer than the budget gets a batch of its own. Every position occurs once.
    """
    batches: list[list[int]] = []
    longest = 0
    for position in sorted(range(len(lengths)), key=lambda p: (-lengths[p], p)):
        if batches and (len(batches[-1]) + 1) * longest <= max_tokens:
            batches[-1].append(position)
        else:
            batches.append([position])
            longest = lengths[position]
    return batches


class TrainingBatchSampler:
    """Batches of example positions for training, drawn anew each epoch.

    Each epoch has the same number of batches, all of about ``max_tokens`` tokens, and every example
    once. The draw depends on ``seed`` and epoch alone, so a resumed run sees the same batches.
    With several processes, give each its ``rank``: the batches are dealt out in turn.

    Args:
        costs: tokens of each example (all its windows, padded to the longest of them).
        lengths: tokens of each example's longest window.
        max_tokens: the budget of a batch, padding included. A batch passes it where one example
            does, and otherwise as little as the number of batches allows, which is that of the
            tokens without padding between examples.

    Raises:
        ValueError: if there are no examples, or fewer than processes.
    """

    def __init__(
        self,
        costs: Sequence[int],
        lengths: Sequence[int],
        *,
        max_tokens: int,
        seed: int,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        if not costs:
            raise ValueError("there are no training examples")
        if len(costs) < processes:
            raise ValueError(
                f"{len(costs)} training examples for {processes} processes; "
                f"start at most {len(costs)}"
            )
        self.costs = np.asarray(costs, dtype=np.int64)
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.max_tokens = max_tokens
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.epoch = 0
        rounds = -(-int(self.costs.sum()) // (max_tokens * processes))
        self.batches = max(1, min(rounds, len(costs) // processes))

    def __len__(self) -> int:
        return self.batches

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches the next iteration gives."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        for number, batch in enumerate(self.draw(self.epoch)):
            if number % self.processes == self.rank:
                yield batch

    def draw(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch, over all processes."""
        random = np.random.default_rng((self.seed, epoch))
        order = random.permutation(len(self.costs))
        total = self.batches * self.processes
        size = max(1, -(-len(order) * MEGABATCH_BATCHES // total))
        parts = []
        for number, begin in enumerate(range(0, len(order), size)):
            part = order[begin : begin + size]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            # Up, then down: neighbours across the seam of two draws are of like length as well.
            parts.append(part[::-1] if number % 2 else part)
        order = np.concatenate(parts)
        cuts = _cut_evenly(self.costs[order], self.lengths[order], total, self.max_tokens)
        batches = [order[a:b].tolist() for a, b in pairwise(cuts)]
        return [batches[position] for position in random.permutation(total)]


def _cut_evenly(costs: np.ndarray, lengths: np.ndarray, parts: int, max_tokens: int) -> list[int]:
    """Positions 0 to N that cut N examples into exactly ``parts`` runs of about equal cost.

    Padded, no run of several examples passes ``max_tokens``, or where that needs more runs, the
    next higher limit for which ``parts`` are enough.
    """
    windows = (-(-costs // np.maximum(lengths, 1))).tolist()
    longest = lengths.tolist()
    limit = max_tokens
    while len(last := _fill_from_end(windows, longest, limit)) > parts:
        limit += max(1, limit // 20)
    last += [0] * (parts - len(last))
    ideal = np.searchsorted(np.cumsum(costs), np.arange(1, parts) * costs.sum() / parts) + 1
    cuts = [0]
    for begin_after, end in zip(reversed(last[:-1]), ideal.tolist(), strict=True):
        left = parts - len(cuts)
        earliest = max(begin_after, cuts[-1] + 1)
        latest = min(_fill(windows, longest, cuts[-1], limit), len(costs) - left)
        cuts.append(min(max(end, earliest), latest))
    return [*cuts, len(costs)]


def _fill(windows: Sequence[int], longest: Sequence[int], begin: int, limit: int) -> int:
    """The end of the longest run from ``begin`` that has one example or fits the limit padded."""
    rows = width = 0
    for end in range(begin, len(windows)):
        rows, width = rows + windows[end], max(width, longest[end])
        if end > begin and rows * width > limit:
            return end
    return len(windows)


def _fill_from_end(windows: Sequence[int], longest: Sequence[int], limit: int) -> list[int]:
    """Where the last run, the last two runs, ... begin at the earliest; ends with 0."""
    begins: list[int] = []
    windows, longest = windows[::-1], longest[::-1]
    end = 0
    while end < len(windows):
        end = _fill(windows, longest, end, limit)
        begins.append(len(windows) - end)
    return begins


def collate_windows(
    windows: Sequence[Window],
    mentions: Sequence[TokenMention],
    pad_id: int,
) -> dict[str, torch.Tensor]:
    """Tensors of some windows and the mentions in them (``mention.window`` counts in ``windows``).

    Returns:
        ``input_ids``, ``attention_mask``, ``token_type_ids`` (B, T); ``target_spans`` and
        ``text_spans`` (B, 2); ``mention_spans`` (M, 5): window, start and end of the mention, start
        and end of its sentence (again those of the mention where it has none).
    """
    import torch

    width = max(len(window.input_ids) for window in windows)
    input_ids = torch.full((len(windows), width), pad_id, dtype=torch.long)
    attention_mask = torch.zeros((len(windows), width), dtype=torch.long)
    type_ids = torch.zeros((len(windows), width), dtype=torch.long)
    for row, window in enumerate(windows):
        length = len(window.input_ids)
        input_ids[row, :length] = torch.tensor(window.input_ids)
        attention_mask[row, :length] = 1
        type_ids[row, :length] = torch.tensor(window.type_ids)
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "token_type_ids": type_ids,
        "target_spans": torch.tensor([window.target_span for window in windows], dtype=torch.long),
        "text_spans": torch.tensor([window.text_span for window in windows], dtype=torch.long),
        "mention_spans": torch.tensor(
            [(m.window, m.start, m.end, *(m.sentence or (m.start, m.end))) for m in mentions],
            dtype=torch.long,
        ).reshape(len(mentions), 5),
    }


def collate_examples(examples: Sequence[Features], pad_id: int) -> dict[str, torch.Tensor]:
    """Tensors of whole examples: those of ``collate_windows``, and for the A actors of the batch
    (those with a mention) ``mention_actors`` (M,), ``author_actors`` (A,) and ``labels`` (A,);
    ``evidence_spans`` (E, 3) are a mention, and start and end of evidence in its window.
    """
    import torch

    windows: list[Window] = []
    mentions: list[TokenMention] = []
    owners: list[int] = []
    author: list[bool] = []
    labels: list[int] = []
    evidence: list[tuple[int, int, int]] = []
    for example in examples:
        numbers = {actor: len(labels) + n for n, actor in enumerate(mentioned_actors(example))}
        pieces = group_evidence(example)
        for mention in example.mentions:
            evidence += [
                (len(mentions), start, end)
                for start, end in pieces.get((mention.actor, mention.window), ())
            ]
            mentions.append(replace(mention, window=mention.window + len(windows)))
            owners.append(numbers[mention.actor])
        author += [example.author[actor] for actor in numbers]
        labels += [example.labels[actor] for actor in numbers]
        windows += example.windows
    return collate_windows(windows, mentions, pad_id) | {
        "mention_actors": torch.tensor(owners, dtype=torch.long),
        "author_actors": torch.tensor(author, dtype=torch.bool),
        "evidence_spans": torch.tensor(evidence, dtype=torch.long).reshape(len(evidence), 3),
        "labels": torch.tensor(labels, dtype=torch.long),
    }


def group_evidence(example: Features) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Token spans of the evidence by actor and window; those that overlap are joined."""
    pieces: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for piece in sorted(example.evidence, key=lambda piece: (piece.start, piece.end)):
        spans = pieces.setdefault((piece.actor, piece.window), [])
        if spans and piece.start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], piece.end))
        else:
            spans.append((piece.start, piece.end))
    return pieces


def mentioned_actors(example: Features) -> list[int]:
    """Positions of the actors that have at least one mention, in order."""
    return sorted({mention.actor for mention in example.mentions})
