"""When a model should rather say nothing: risk against coverage, and the confidence to ask for.

A user who keeps only confident verdicts trades coverage (the share of pairs that is kept) for risk
(the share of wrong ones among those kept). The curve of the two, and the area under it, say how
well the confidence ranks right before wrong (El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017,
"Selective Classification for Deep Neural Networks"). Verdicts of the same confidence cannot be told
apart, so they are kept or left out together.

A threshold is chosen on validation data and holds for texts like those.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

PRECISIONS = (0.6, 0.7, 0.8, 0.9, 0.95)
"""Shares of right verdicts for which thresholds are stored with a model."""
SMALLEST_SAMPLE = 30
"""A share of right verdicts among fewer pairs than this is not relied on."""


def trace_risk(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What is kept and what is wrong in it, for every confidence that could be asked for.

    Args:
        confidence: (N,) of the verdicts; any numbers, the higher the surer.
        correct: (N,) whether each is right.

    Returns:
        Thresholds (K,), the distinct confidences from the highest to the lowest; coverage (K,), the
        share of pairs with at least that confidence; risk (K,), the share of wrong ones in them.

    Raises:
        ValueError: for differing lengths, nothing at all, or a confidence that is no number.
    """
    values, right = _check(confidence, correct)
    thresholds, inverse, counts = np.unique(-values, return_inverse=True, return_counts=True)
    wrong = np.cumsum(np.bincount(inverse, ~right))
    kept = np.cumsum(counts)
    return -thresholds, kept / len(values), wrong / kept


def area_under_risk(confidence: ArrayLike, correct: ArrayLike) -> float:
    """The mean risk of the 1, 2, ..., N surest verdicts (AURC), in [0, 1]; lower is better.

    Among verdicts of the same confidence the order is left open: the mean over all orders counts.
    Arguments and errors as in ``trace_risk``.
    """
    values, right = _check(confidence, correct)
    _, inverse, counts = np.unique(-values, return_inverse=True, return_counts=True)
    share_wrong = np.bincount(inverse, ~right) / counts
    wrong = np.cumsum(np.repeat(share_wrong, counts))
    return float((wrong / np.arange(1, len(values) + 1)).mean())


def choose_threshold(
    confidence: ArrayLike, correct: ArrayLike, precision: float
) -> dict[str, float] | None:
    """The lowest confidence from which on at least this share of the verdicts is right.

    Returns:
        ``confidence`` to ask for, the ``coverage`` and the ``precision`` that it gives here; None
        if no threshold that keeps ``SMALLEST_SAMPLE`` pairs or more gives it.

    Raises:
        ValueError: as ``trace_risk``, or if ``precision`` is not between 0 and 1.
    """
    if not 0 < precision <= 1:
        raise ValueError(f"precision is {precision}; give a share above 0, at most 1")
    thresholds, coverage, risk = trace_risk(confidence, correct)
    good = (1 - risk >= precision) & (coverage * len(np.asarray(correct)) >= SMALLEST_SAMPLE - 0.5)
    if not good.any():
        return None
    last = int(np.flatnonzero(good)[-1])
    return {
        "confidence": float(thresholds[last]),
        "coverage": float(coverage[last]),
        "precision": float(1 - risk[last]),
    }


def choose_thresholds(
    confidence: ArrayLike, correct: ArrayLike
) -> dict[str, dict[str, float] | None]:
    """``choose_threshold`` for each of ``PRECISIONS``, by its decimal number, ready for JSON."""
    return {f"{share:g}": choose_threshold(confidence, correct, share) for share in PRECISIONS}


def score_abstention(confidence: ArrayLike, correct: ArrayLike) -> dict[str, Any]:
    """``aurc``, its value for a confidence that says nothing (``aurc_random``, the share of errors)
    and for the best order there is (``aurc_best``), and the ``thresholds`` on these pairs."""
    _, right = _check(confidence, correct)
    return {
        "aurc": area_under_risk(confidence, correct),
        "aurc_random": float((~right).mean()),
        "aurc_best": area_under_risk(right.astype(float), right),
        "thresholds": choose_thresholds(confidence, correct),
    }


def _check(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=bool)
    if values.shape != right.shape or values.ndim != 1:
        raise ValueError(f"confidence and correct must be (N,), got {values.shape}, {right.shape}")
    if not len(values):
        raise ValueError("no labelled pair to score; give at least one")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"confidence of row {row} is {values[row]}, not a number")
    return values, right
