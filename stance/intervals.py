"""How sure a score is: bootstrap intervals that resample texts.

The pairs of actors and targets of one text share its difficulty, its author and its topic. Drawing
pairs as if they were independent would give intervals that are too narrow, so whole documents are
drawn with replacement, as many as there are (the cluster bootstrap; Davison and Hinkley 1997,
"Bootstrap Methods and their Application", section 3.8), and the scores are computed anew on every
draw. The intervals are the percentiles of ``scipy.stats.bootstrap``.

The expected calibration error gets no interval: it is a mean of absolute values, which every
resample makes larger, so its percentiles lie above what they should tell of.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stance.metrics import (
    DIRECTIONS,
    count_confusions,
    encode_labels,
    restrict_probabilities,
    score_confusions,
)
from stance.schema import LABELS

LEVEL = 0.95
RESAMPLES = 2_000
CELLS_PER_BATCH = 4_000_000
"""Numbers that are held at once: 32 MB."""

Interval = list[float] | None
"""Lower and upper end; None where it cannot be computed."""


def number_groups(names: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """The names (N,) as numbers from 0 in the order of their first appearance, and how many."""
    numbers: dict[str, int] = {}
    found = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
    return found, len(numbers)


def estimate_intervals(
    gold: Sequence[str],
    predicted: Sequence[str],
    documents: Sequence[str],
    probabilities: ArrayLike | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """95 % intervals of the scores of labelled pairs, ready for JSON.

    Args:
        gold, predicted: label names (N,).
        documents: the id of the document of each pair (N,), what is resampled.
        probabilities: (N, 4), in the order of ``LABELS``, for ``brier`` and ``direction``.

    Returns:
        ``macro_f1, accuracy, alpha, mcc`` and ``per_class`` (label → precision, recall, f1), and
        with probabilities ``brier`` and ``direction`` (macro-F1 between favor and against): each a
        pair of lower and upper end, or None where a score is not defined on some draws, or where
        all pairs are of one document. Beside them ``level``, ``resamples``, ``documents``.

    Raises:
        ValueError: as ``stance.metrics.score_labels``.
    """
    groups, count = number_groups(documents)
    confusions = count_confusions(gold, predicted, groups)
    names = ["macro_f1", "accuracy", "alpha", "mcc"]
    ratios = ("precision", "recall", "f1")

    def score(draws: NDArray[np.int64]) -> NDArray[np.float64]:
        scores = score_confusions(confusions[draws].sum(axis=-3))
        rows = [scores[name] for name in names]
        return np.stack([*rows, *(scores[ratio][..., c] for ratio in ratios for c in range(4))])

    found = iter(_bootstrap(score, count, confusions[0].size, resamples, seed))
    result: dict[str, Any] = {"level": LEVEL, "resamples": resamples, "documents": count}
    result |= {name: next(found) for name in names}
    by_ratio = {ratio: {label: next(found) for label in LABELS} for ratio in ratios}
    result["per_class"] = {
        label: {ratio: by_ratio[ratio][label] for ratio in ratios} for label in LABELS
    }
    if probabilities is not None:
        result |= _bootstrap_probabilities(
            gold, np.asarray(probabilities, dtype=np.float64), groups, count, resamples, seed
        )
    return result


def _bootstrap_probabilities(
    gold: Sequence[str],
    probabilities: NDArray[np.float64],
    groups: NDArray[np.int64],
    count: int,
    resamples: int,
    seed: int,
) -> dict[str, Interval]:
    truth = encode_labels(gold)
    distance = ((probabilities - np.eye(len(LABELS))[truth]) ** 2).sum(axis=1)
    sums = np.stack([np.bincount(groups, distance, count), np.bincount(groups, minlength=count)])

    def brier(draws: NDArray[np.int64]) -> NDArray[np.float64]:
        total, pairs = sums[:, draws].sum(axis=-1)
        return (total / pairs)[None]

    directed = np.isin(truth, encode_labels(DIRECTIONS))
    result = {"brier": _bootstrap(brier, count, 2, resamples, seed)[0], "direction": None}
    if not directed.any():
        return result
    likelier = restrict_probabilities(probabilities[directed], DIRECTIONS).argmax(axis=1)
    confusions = np.zeros((count, len(LABELS), len(LABELS)))
    np.add.at(confusions, (groups[directed], truth[directed], likelier), 1)

    def direction(draws: NDArray[np.int64]) -> NDArray[np.float64]:
        return score_confusions(confusions[draws].sum(axis=-3))["macro_f1"][None]

    result["direction"] = _bootstrap(direction, count, confusions[0].size, resamples, seed)[0]
    return result


def _bootstrap(
    statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    count: int,
    width: int,
    resamples: int,
    seed: int,
) -> list[Interval]:
    """Intervals of the S statistics (S, ...) of draws (..., D) out of ``count`` documents, each of
    which is ``width`` numbers."""
    from scipy.stats import DegenerateDataWarning, bootstrap

    if count < 2:
        return [None] * len(statistic(np.arange(count)))
    with warnings.catch_warnings():
        # An alpha that is not defined on some draw becomes None, which says enough.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            (np.arange(count),),
            lambda draws, axis: statistic(draws),
            n_resamples=resamples,
            confidence_level=LEVEL,
            method="percentile",
            vectorized=True,
            batch=max(1, CELLS_PER_BATCH // (count * width)),
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return [
        None if np.isnan(low + high) else [float(low), float(high)]
        for low, high in zip(found.low, found.high, strict=True)
    ]
