"""How well actors are found: mentions as spans, actors as clusters, and stances end to end.

The cluster scores are those of the CoNLL shared tasks (Pradhan et al. 2014, "Scoring Coreference
Partitions of Predicted Mentions"): MUC counts links, B³ mentions, CEAF-e aligned clusters; their
mean F1 is the CoNLL score. Counts are summed over the texts before they are divided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stance.schema import Actor, Document, Prediction, StanceLabel

Span = tuple[int, int]
Clusters = Sequence[Collection[Span]]


@dataclass(frozen=True)
class Fractions:
    """Numerators and denominators of precision and recall; they add up over texts."""

    precise: float = 0.0
    predicted: float = 0.0
    recalled: float = 0.0
    gold: float = 0.0

    def __add__(self, other: Fractions) -> Fractions:
        return Fractions(
            self.precise + other.precise,
            self.predicted + other.predicted,
            self.recalled + other.recalled,
            self.gold + other.gold,
        )

    @property
    def precision(self) -> float:
        return self.precise / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.recalled / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def score_actors(
    gold: Iterable[Sequence[Actor]], predicted: Iterable[Sequence[Actor]]
) -> dict[str, Any]:
    """Scores of found actors over texts, ready for metrics.json.

    Authors have no mentions and play no part. A score is 0 where there is nothing to find or
    nothing was found.

    Returns:
        ``actor_mention_f1``, ``_precision`` and ``_recall`` over exact spans; ``actor_muc_f1``,
        ``actor_b_cubed_f1``, ``actor_ceaf_e_f1`` and their mean, ``actor_conll_f1``; the numbers of
        annotated and found mentions and actors.
    """
    spans = muc = cubed = ceaf = Fractions()
    actors = Counter[str]()
    for wanted, found in zip(gold, predicted, strict=True):
        first, second = list_clusters(wanted), list_clusters(found)
        spans += count_spans(first, second)
        muc += count_muc(first, second)
        cubed += count_b_cubed(first, second)
        ceaf += count_ceaf_e(first, second)
        actors.update(gold=len(first), found=len(second))
    return {
        "actor_mention_f1": spans.f1,
        "actor_mention_precision": spans.precision,
        "actor_mention_recall": spans.recall,
        "actor_muc_f1": muc.f1,
        "actor_b_cubed_f1": cubed.f1,
        "actor_ceaf_e_f1": ceaf.f1,
        "actor_conll_f1": (muc.f1 + cubed.f1 + ceaf.f1) / 3,
        "actor_mentions": {"gold": int(spans.gold), "found": int(spans.predicted)},
        "actors": dict(actors),
    }


def list_clusters(actors: Iterable[Actor]) -> list[set[Span]]:
    """The spans of each actor's mentions."""
    return [
        {(mention.start, mention.end) for mention in actor.mentions}
        for actor in actors
        if actor.mentions
    ]


def count_spans(gold: Clusters, predicted: Clusters) -> Fractions:
    """Mentions with the same start and end."""
    wanted, found = set().union(*gold), set().union(*predicted)
    same = float(len(wanted & found))
    return Fractions(same, len(found), same, len(wanted))


def count_muc(gold: Clusters, predicted: Clusters) -> Fractions:
    """Links that a cluster's mentions need, and those of them that the other side has."""

    def count(own: Clusters, other: Clusters) -> tuple[float, float]:
        owner = {span: number for number, cluster in enumerate(other) for span in cluster}
        kept = links = 0
        for cluster in own:
            parts = {owner.get(span, span) for span in cluster}
            kept += len(cluster) - len(parts)
            links += len(cluster) - 1
        return float(kept), float(links)

    return Fractions(*count(predicted, gold), *count(gold, predicted))


def count_b_cubed(gold: Clusters, predicted: Clusters) -> Fractions:
    """For each mention, the share of its cluster that the other side puts with it."""

    def count(own: Clusters, other: Clusters) -> tuple[float, float]:
        shares = sum(
            len(set(cluster) & set(against)) ** 2 / len(cluster)
            for cluster in own
            for against in other
        )
        return shares, float(sum(map(len, own)))

    return Fractions(*count(predicted, gold), *count(gold, predicted))


def count_ceaf_e(gold: Clusters, predicted: Clusters) -> Fractions:
    """The overlap of the clusters of both sides, each aligned with at most one of the other."""
    from scipy.optimize import linear_sum_assignment

    if not gold or not predicted:
        return Fractions(0.0, len(predicted), 0.0, len(gold))
    overlap = np.array(
        [
            [2 * len(set(one) & set(other)) / (len(one) + len(other)) for other in predicted]
            for one in gold
        ]
    )
    total = float(overlap[linear_sum_assignment(overlap, maximize=True)].sum())
    return Fractions(total, len(predicted), total, len(gold))


def align_actors(gold: Sequence[Actor], found: Sequence[Actor]) -> dict[str, str]:
    """Gold actor ids by the ids of found actors: one to one, by the most characters in common."""
    from scipy.optimize import linear_sum_assignment

    shared = np.array(
        [[count_shared_characters(one, other) for other in gold] for one in found]
    ).reshape(len(found), len(gold))
    rows, columns = linear_sum_assignment(shared, maximize=True)
    return {
        found[row].id: gold[column].id
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if shared[row, column]
    }


def count_shared_characters(one: Actor, other: Actor) -> int:
    """Characters of the text in mentions of both."""
    return sum(
        max(0, min(first.end, second.end) - max(first.start, second.start))
        for first in one.mentions
        for second in other.mentions
    )


def score_end_to_end(
    documents: Iterable[Document],
    found: Iterable[Sequence[Actor]],
    predictions: Iterable[Sequence[Prediction]],
) -> dict[str, Any]:
    """Micro-F1 over the stances (favor, against, neutral) of texts without given actors.

    A prediction is right when its actor is aligned with an annotated one (see ``align_actors``)
    that has the label on the target. One on a pair that is not annotated counts neither way; one
    of an actor that nobody annotated is wrong. Authors, who need not be found, are left out.

    Args:
        found, predictions: the actors of each document, and what is predicted of them.

    Returns:
        ``end_to_end_micro_f1``, ``_precision``, ``_recall``.
    """
    right = claimed = wanted = 0
    for document, actors, verdicts in zip(documents, found, predictions, strict=True):
        mentioned = [actor for actor in document.actors if not actor.author]
        aligned = align_actors(mentioned, actors)
        labels = {
            pair: label
            for pair, label in document.labels.items()
            if any(actor.id == pair[0] for actor in mentioned)
        }
        wanted += sum(label != StanceLabel.NONE for label in labels.values())
        for prediction in verdicts:
            if prediction.label == StanceLabel.NONE:
                continue
            actor = aligned.get(prediction.actor_id)
            label = None if actor is None else labels.get((actor, prediction.target_id))
            if actor is not None and label is None:
                continue
            claimed += 1
            right += label == prediction.label
    scores = Fractions(right, claimed, right, wanted)
    return {
        "end_to_end_micro_f1": scores.f1,
        "end_to_end_micro_precision": scores.precision,
        "end_to_end_micro_recall": scores.recall,
    }
