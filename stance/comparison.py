"""Is one system better than another on the same texts?

Both have labelled the same pairs, so they are compared text by text. The interval of the difference
comes from a paired bootstrap over documents (the same draw for both; see ``stance.intervals``). The
p-value comes from a permutation test: if the systems were equally good, it would not matter which
of them gave which document's labels, so these are exchanged at random (Yeh 2000, "More accurate
tests for the statistical significance of result differences"; ``scipy.stats.permutation_test``).
The size of the effect is Cohen's g (Cohen 1988): how far the better system's share of the pairs
that only one of the two has right is from one half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.intervals import CELLS_PER_BATCH, LEVEL, RESAMPLES, number_groups
from stance.metrics import count_confusions, score_confusions

PERMUTATIONS = 9_999
KEY = ("document_id", "target_id", "actor_id")
COMPARED = ("macro_f1", "accuracy")


def compare_predictions(
    first: Sequence[Mapping[str, Any]],
    second: Sequence[Mapping[str, Any]],
    *,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> dict[str, Any]:
    """The difference, second minus first, of two systems' labels, ready for JSON.

    Args:
        first, second: rows as in predictions.jsonl, with ``gold``; those without gold are left
            out. They may be in any order.

    Returns:
        For ``macro_f1`` and ``accuracy``: ``first``, ``second``, ``difference``, its 95 %
        ``interval`` and the two-sided ``p_value``; ``only_first_right``, ``only_second_right``
        (pairs) and ``cohens_g`` (-0.5 to 0.5, above 0 if the second is better; None if no pair
        tells them apart); ``changed_labels``, ``n`` pairs and ``documents``. Interval and p-value
        are None where all pairs are of one document.

    Raises:
        ValueError: if the rows are not the same pairs with the same gold labels.
    """
    first, second = match_pairs(first, second)
    gold = [row["gold"] for row in first]
    groups, count = number_groups([row["document_id"] for row in first])
    labels = [[row["label"] for row in rows] for rows in (first, second)]
    confusions = np.stack([count_confusions(gold, given, groups) for given in labels])
    right = np.array([[a == b for a, b in zip(gold, given, strict=True)] for given in labels])
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    apart = only_first + only_second
    result: dict[str, Any] = {
        "n": len(gold),
        "documents": count,
        "level": LEVEL,
        "resamples": resamples,
        "permutations": permutations,
        "changed_labels": sum(a != b for a, b in zip(*labels, strict=True)),
        "only_first_right": only_first,
        "only_second_right": only_second,
        "cohens_g": only_second / apart - 0.5 if apart else None,
    }
    for name in COMPARED:
        scores = score_confusions(confusions.sum(axis=1))[name]
        result[name] = {
            "first": float(scores[0]),
            "second": float(scores[1]),
            "difference": float(scores[1] - scores[0]),
            **_test_difference(confusions, name, resamples, permutations, seed),
        }
    return result


def match_pairs(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The rows with a gold label, those of ``second`` in the order of ``first``.

    Raises:
        ValueError: if they are not the same pairs with the same gold labels, or there are none.
    """
    tables = []
    for rows in (first, second):
        table = {tuple(row[key] for key in KEY): row for row in rows if row["gold"] is not None}
        if not table:
            raise ValueError("a run has no pair with a gold label; there is nothing to compare")
        tables.append(table)
    kept, other = tables
    if kept.keys() != other.keys():
        odd = min(kept.keys() ^ other.keys())
        raise ValueError(
            f"the runs were scored on different pairs ({len(kept):,} and {len(other):,}): only one "
            f"has document {odd[0]!r}, target {odd[1]!r}, actor {odd[2]!r}; evaluate both on the "
            "same data"
        )
    for key, row in kept.items():
        if row["gold"] != other[key]["gold"]:
            raise ValueError(
                f"document {key[0]!r}, target {key[1]!r}, actor {key[2]!r}: the gold label is "
                f"{row['gold']!r} in one run and {other[key]['gold']!r} in the other"
            )
    return list(kept.values()), [other[key] for key in kept]


def _test_difference(
    confusions: NDArray[np.int64], name: str, resamples: int, permutations: int, seed: int
) -> dict[str, Any]:
    from scipy.stats import bootstrap, permutation_test

    count = confusions.shape[1]
    if count < 2:
        return {"interval": None, "p_value": None}
    # One row for each document's labels by the first system, then one by the second.
    flat = confusions.reshape(2 * count, *confusions.shape[2:])

    def differ(
        ours: NDArray[np.int64], theirs: NDArray[np.int64], axis: int = -1
    ) -> NDArray[np.float64]:
        scores = [score_confusions(flat[rows].sum(axis=-3))[name] for rows in (ours, theirs)]
        return scores[1] - scores[0]

    documents = np.arange(count)
    batch = max(1, CELLS_PER_BATCH // (2 * count * flat[0].size))
    interval = bootstrap(
        (documents, documents + count),
        differ,
        paired=True,
        n_resamples=resamples,
        confidence_level=LEVEL,
        method="percentile",
        vectorized=True,
        batch=batch,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    test = permutation_test(
        (documents, documents + count),
        differ,
        permutation_type="samples",
        n_resamples=permutations,
        vectorized=True,
        batch=batch,
        rng=np.random.default_rng(seed),
    )
    return {
        "interval": [float(interval.low), float(interval.high)],
        "p_value": float(test.pvalue),
    }
