"""Temperature scaling: one number that makes a classifier's confidences honest.

Dividing all logits by one temperature keeps every verdict (the order within a row does not change)
and repairs the over-confidence that fine-tuning leaves behind (Guo et al. 2017, "On Calibration of
Modern Neural Networks"). One parameter cannot overfit a validation split of a few hundred rows,
which is what there is. The errors it should lower are measured in ``stance.metrics``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
"""Bounds of the fit. They only bind when the data give no optimum: a validation split without a
mistake asks for temperature 0, one predicted worse than by chance for infinity."""


def fit_temperature(logits: ArrayLike, gold: ArrayLike) -> float:
    """The temperature T that minimises the negative log likelihood of ``softmax(logits / T)``.

    The likelihood is convex in 1/T, so the bounded scalar search finds the one minimum.

    Args:
        logits: (N, C) logits or log-probabilities (they differ by a constant per row).
        gold: (N,) column indices of the true classes.

    Returns:
        T > 1 if the model is over-confident, T < 1 if it is under-confident.

    Raises:
        ValueError: for wrong shapes, no rows, values that are not finite, or indices outside the
            columns.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    scores, truth = np.asarray(logits, dtype=np.float64), np.asarray(gold)
    if scores.ndim != 2 or truth.shape != scores.shape[:1]:
        raise ValueError(
            f"logits must be (N, C) and gold (N,), got {scores.shape} and {truth.shape}"
        )
    if not len(truth):
        raise ValueError("a temperature needs at least one labelled row, got none")
    if not np.isfinite(scores).all():
        raise ValueError("logits must be finite; clip log-probabilities of zero before the fit")
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= scores.shape[1]:
        raise ValueError(f"gold must hold column indices 0..{scores.shape[1] - 1}, got {gold!r}")

    centred = scores - scores[np.arange(len(truth)), truth][:, None]

    def mean_nll(inverse_temperature: float) -> float:
        return float(logsumexp(inverse_temperature * centred, axis=1).mean())

    found = minimize_scalar(
        mean_nll,
        bounds=(1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(1 / found.x)
