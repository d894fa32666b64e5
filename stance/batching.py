"""Batches by token budget, and the tensors that the model takes.

Padding is the cost to avoid: batches hold windows of like length, and as many as a budget of
padded tokens allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        costs: tokens of each example (all its windows).
        lengths: tokens of each example's longest window.
        max_tokens: the budget of a batch; a batch may pass it by one example.
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
        batches = _cut_evenly(order, self.costs[order], total)
        return [batches[position] for position in random.permutation(total)]


def _cut_evenly(order: np.ndarray, costs: np.ndarray, parts: int) -> list[list[int]]:
    """``order`` cut into exactly ``parts`` non-empty runs of about equal cost."""
    ends = np.searchsorted(np.cumsum(costs), np.arange(1, parts) * costs.sum() / parts, "left") + 1
    cuts = [0]
    for number, end in enumerate(ends):
        cuts.append(int(np.clip(end, cuts[-1] + 1, len(order) - (parts - 1 - number))))
    cuts.append(len(order))
    return [order[begin:end].tolist() for begin, end in zip(cuts[:-1], cuts[1:], strict=True)]


def collate_windows(
    windows: Sequence[Window],
    mentions: Sequence[TokenMention],
    pad_id: int,
) -> dict[str, torch.Tensor]:
    """Tensors of some windows and the mentions in them (``mention.window`` counts in ``windows``).

    Returns:
        ``input_ids``, ``attention_mask``, ``token_type_ids`` (B, T); ``target_spans`` (B, 2);
        ``mention_spans`` (M, 3): window, start, end.
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
        "mention_spans": torch.tensor(
            [(m.window, m.start, m.end) for m in mentions], dtype=torch.long
        ).reshape(len(mentions), 3),
    }


def collate_examples(examples: Sequence[Features], pad_id: int) -> dict[str, torch.Tensor]:
    """Tensors of whole examples: those of ``collate_windows``, and for the A actors of the batch
    (those with a mention) ``mention_actors`` (M,), ``author_actors`` (A,) and ``labels`` (A,).
    """
    import torch

    windows: list[Window] = []
    mentions: list[TokenMention] = []
    owners: list[int] = []
    author: list[bool] = []
    labels: list[int] = []
    for example in examples:
        numbers = {actor: len(labels) + n for n, actor in enumerate(mentioned_actors(example))}
        for mention in example.mentions:
            mentions.append(
                TokenMention(
                    mention.actor, mention.window + len(windows), mention.start, mention.end
                )
            )
            owners.append(numbers[mention.actor])
        author += [example.author[actor] for actor in numbers]
        labels += [example.labels[actor] for actor in numbers]
        windows += example.windows
    return collate_windows(windows, mentions, pad_id) | {
        "mention_actors": torch.tensor(owners, dtype=torch.long),
        "author_actors": torch.tensor(author, dtype=torch.bool),
        "labels": torch.tensor(labels, dtype=torch.long),
    }


def mentioned_actors(example: Features) -> list[int]:
    """Positions of the actors that have at least one mention, in order."""
    return sorted({mention.actor for mention in example.mentions})
