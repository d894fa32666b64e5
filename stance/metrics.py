"""How good predicted labels and probabilities are.

The headline is **macro-F1**: news is mostly quiet about most pairs of actor and target, so accuracy
can be bought by answering ``none`` a lot, and a model that never sees the rarer ``neutral`` still
looks fine. Macro-F1 gives every class the same say. Its mean runs over the classes of the label set
that occur in the gold: a class without a single gold example has an F1 of zero whatever the model
does, which would say something about the corpus and nothing about the model. Such classes are named
in ``classes_left_out``; predicting one still costs, because it is a miss for the class it should
have been. Beside it stand Krippendorff's alpha for nominal data (Krippendorff 2011, "Computing
Krippendorff's Alpha-Reliability"), which takes the model for a second coder next to the gold, and
Matthews' correlation for several classes (Gorodkin 2004).

Probabilities are judged by three numbers that fail in different ways: the expected calibration
error says whether a stated confidence can be taken at its word but is blind to how well classes are
told apart; the Brier score and the negative log likelihood are proper (only the true probabilities
minimise them), the first bounded and forgiving, the second harsh on a confident mistake.

Label arrays hold label names; ``gold`` arrays next to probabilities hold column indices (N,).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stance.schema import LABELS

SMALLEST_PROBABILITY = 1e-12
"""Floor inside the logarithm: a certain mistake costs 27.6 nats instead of infinity."""


def encode_labels(names: Sequence[str], labels: Sequence[str] = LABELS) -> NDArray[np.int64]:
    """Label names as positions in ``labels``, shape (N,).

    Raises:
        ValueError: naming the first label that is not in ``labels``.
    """
    positions = {str(label): index for index, label in enumerate(labels)}
    for row, name in enumerate(names):
        if str(name) not in positions:
            raise ValueError(f"unknown label {name!r} at row {row}; labels are {list(positions)}")
    return np.array([positions[str(name)] for name in names], dtype=np.int64)


def score_labels(
    gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str] = LABELS
) -> dict[str, Any]:
    """Scores of predicted label names (N,) against gold label names (N,), ready for JSON.

    Returns:
        ``macro_f1`` (mean F1 of the classes that occur in the gold), ``accuracy``, ``alpha`` and
        ``mcc`` (None where they are not defined), ``per_class`` (label → precision, recall, f1,
        support = gold count, predicted = predicted count; a ratio with nothing below the line is
        0), ``confusion_matrix`` (rows gold, columns predicted, in the order of ``labels``),
        ``classes_left_out``, ``n`` and ``labels``.

    Raises:
        ValueError: for an unknown label, differing lengths, or no rows at all.
    """
    names = [str(label) for label in labels]
    matrix = count_confusions(gold, predicted, [0] * len(gold), labels)[0]
    scores = score_confusions(matrix)
    support, guessed = matrix.sum(axis=1), matrix.sum(axis=0)
    return {
        "macro_f1": float(scores["macro_f1"]),
        "accuracy": float(scores["accuracy"]),
        **{name: _none_if_undefined(scores[name]) for name in ("alpha", "mcc")},
        "per_class": {
            name: {
                **{ratio: float(scores[ratio][index]) for ratio in ("precision", "recall", "f1")},
                "support": int(support[index]),
                "predicted": int(guessed[index]),
            }
            for index, name in enumerate(names)
        },
        "confusion_matrix": matrix.tolist(),
        "classes_left_out": [name for name, n in zip(names, support, strict=True) if not n],
        "n": len(gold),
        "labels": names,
    }


def count_confusions(
    gold: Sequence[str],
    predicted: Sequence[str],
    groups: ArrayLike,
    labels: Sequence[str] = LABELS,
) -> NDArray[np.int64]:
    """Confusion matrices (G, C, C), rows gold and columns predicted, of each group of rows.

    Args:
        gold, predicted: label names (N,).
        groups: (N,), the number of each row's group, 0 to G - 1.

    Raises:
        ValueError: as ``score_labels``.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels but {len(predicted)} predicted ones")
    if not len(gold):
        raise ValueError("no labelled pair to score; give at least one")
    numbers = np.asarray(groups)
    matrices = np.zeros((int(numbers.max()) + 1, len(labels), len(labels)), dtype=np.int64)
    cells = numbers, encode_labels(gold, labels), encode_labels(predicted, labels)
    np.add.at(matrices, cells, 1)
    return matrices


def score_confusions(matrices: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Scores of confusion matrices (..., C, C), for as many as there are at once.

    Returns:
        ``macro_f1, accuracy, alpha, mcc`` (...,) and ``precision, recall, f1`` (..., C). A ratio
        with nothing below the line is 0; ``alpha`` and ``mcc`` are NaN where they say nothing:
        alpha if all labels of both sides are one, mcc if all of one side are.
    """
    counts = np.asarray(matrices, dtype=np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    gold, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    n, right = gold.sum(axis=-1), hits.sum(axis=-1)
    f1 = _divide(2 * hits, gold + predicted)
    # Of the 2n labels of both sides, n_c are of class c.
    both = gold + predicted
    disagreeing = 2 * (n - right)
    by_chance = (2 * n) ** 2 - (both**2).sum(axis=-1)
    covariance = right * n - (gold * predicted).sum(axis=-1)
    spreads = (n**2 - (gold**2).sum(axis=-1)) * (n**2 - (predicted**2).sum(axis=-1))
    return {
        "macro_f1": _divide((f1 * (gold > 0)).sum(axis=-1), (gold > 0).sum(axis=-1)),
        "accuracy": _divide(right, n),
        "alpha": 1 - _divide((2 * n - 1) * disagreeing, by_chance, np.nan),
        "mcc": _divide(covariance, np.sqrt(spreads), np.nan),
        "precision": _divide(hits, predicted),
        "recall": _divide(hits, gold),
        "f1": f1,
    }


def restrict_probabilities(
    probabilities: ArrayLike, candidate_labels: Sequence[str], labels: Sequence[str] = LABELS
) -> NDArray[np.float64]:
    """Probabilities (N, C) with all mass on the candidate labels, each row renormalised.

    For corpora that cannot contain a class: the question becomes "which of these?". A row
    without any mass on the candidates becomes uniform over them.

    Raises:
        ValueError: for an unknown candidate label, none at all, or one given twice.
    """
    columns = encode_labels(candidate_labels, labels)
    if not len(columns) or len(set(columns.tolist())) < len(columns):
        raise ValueError(
            f"candidate labels must be different labels out of {list(labels)}, "
            f"got {list(candidate_labels)}"
        )
    kept = np.zeros_like(_check_matrix(probabilities))
    kept[:, columns] = np.asarray(probabilities, dtype=np.float64)[:, columns]
    mass = kept.sum(axis=1, keepdims=True)
    uniform = np.zeros(kept.shape[1])
    uniform[columns] = 1 / len(columns)
    return np.where(mass > 0, kept / np.where(mass > 0, mass, 1), uniform)


DIRECTIONS = ("favor", "against")


def score_direction(
    gold: Sequence[str], probabilities: ArrayLike, labels: Sequence[str] = LABELS
) -> dict[str, Any] | None:
    """Favor or against? Scores of the likelier of the two on the rows whose gold is one of them.

    It tells a model that finds stances and mistakes their direction from one that misses them.

    Args:
        probabilities: (N, C), in the order of ``labels``.

    Returns:
        ``macro_f1``, ``accuracy`` and ``n``; None where no gold label is favor or against.

    Raises:
        ValueError: as ``score_labels`` and ``restrict_probabilities``.
    """
    encode_labels(gold, labels)
    rows = [row for row, label in enumerate(gold) if label in DIRECTIONS]
    if not rows:
        return None
    restricted = restrict_probabilities(np.asarray(probabilities)[rows], DIRECTIONS, labels)
    scores = score_labels(
        [gold[row] for row in rows],
        [labels[index] for index in restricted.argmax(axis=1)],
        labels,
    )
    return {name: scores[name] for name in ("macro_f1", "accuracy", "n")}


def bin_confidence(
    probabilities: ArrayLike, gold: ArrayLike, bins: int = 15
) -> list[dict[str, float]]:
    """What a reliability diagram shows: the rows by their highest probability.

    Args:
        probabilities: (N, C), rows sum to one.
        gold: (N,) column indices of the true classes.

    Returns:
        For each of the ``bins`` intervals ``(lower, upper]`` of equal width that has rows:
        ``lower``, ``upper``, ``n``, mean ``confidence`` and ``accuracy``.

    Raises:
        ValueError: for wrong shapes, indices outside the columns, no rows, fewer than two columns
            or fewer than one bin.
    """
    matrix, truth = _check_pair(probabilities, gold)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    confidence = matrix.max(axis=1)
    correct = matrix.argmax(axis=1) == truth
    edges = np.linspace(0, 1, bins + 1)
    # Inner edges only, so that 0 and 1 (and a float a hair above 1) fall into the outer bins.
    membership = np.digitize(confidence, edges[1:-1], right=True)
    return [
        {
            "lower": float(edges[number]),
            "upper": float(edges[number + 1]),
            "n": int(members.sum()),
            "confidence": float(confidence[members].mean()),
            "accuracy": float(correct[members].mean()),
        }
        for number in range(bins)
        if (members := membership == number).any()
    ]


def expected_calibration_error(probabilities: ArrayLike, gold: ArrayLike, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy, in [0, 1].

    Top-label, equal-width version of Guo et al. (2017, "On Calibration of Modern Neural Networks"):
    the gaps |accuracy - mean confidence| of the bins of ``bin_confidence``, averaged with the bins'
    sizes as weights. Arguments and errors are those of ``bin_confidence``.
    """
    rows = bin_confidence(probabilities, gold, bins)
    gaps = [row["n"] * abs(row["accuracy"] - row["confidence"]) for row in rows]
    return float(sum(gaps) / sum(row["n"] for row in rows))


def brier_score(probabilities: ArrayLike, gold: ArrayLike) -> float:
    """Mean squared distance to the one-hot truth, summed over classes, in [0, 2] (Brier 1950).

    Arguments and errors as in ``expected_calibration_error``.
    """
    matrix, truth = _check_pair(probabilities, gold)
    one_hot = np.eye(matrix.shape[1])[truth]
    return float(((matrix - one_hot) ** 2).sum(axis=1).mean())


def negative_log_likelihood(probabilities: ArrayLike, gold: ArrayLike) -> float:
    """Mean of -ln p(true class), in nats; probabilities below ``SMALLEST_PROBABILITY`` count as it.

    Arguments and errors as in ``expected_calibration_error``.
    """
    matrix, truth = _check_pair(probabilities, gold)
    chosen = matrix[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(chosen, SMALLEST_PROBABILITY)).mean())


def score_probabilities(
    probabilities: ArrayLike, gold: ArrayLike, bins: int = 15
) -> dict[str, float | int]:
    """The three numbers as ``ece``, ``brier``, ``nll``, with the ``bins``; ready for JSON."""
    return {
        "ece": expected_calibration_error(probabilities, gold, bins),
        "brier": brier_score(probabilities, gold),
        "nll": negative_log_likelihood(probabilities, gold),
        "bins": bins,
    }


def _divide(above: ArrayLike, below: ArrayLike, otherwise: float = 0.0) -> NDArray[np.float64]:
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    quotient: NDArray[np.float64] = np.where(
        below > 0, above / np.where(below > 0, below, 1), otherwise
    )
    return quotient


def _none_if_undefined(value: ArrayLike) -> float | None:
    return None if np.isnan(value) else float(value)  # type: ignore[arg-type]


def _check_matrix(probabilities: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(probabilities, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"probabilities must have the shape (N, C), got {matrix.shape}")
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        row = int(np.argwhere(~np.isfinite(matrix) | (matrix < 0))[0, 0])
        raise ValueError(f"row {row} of the probabilities is {matrix[row].tolist()}; must be >= 0")
    return matrix


def _check_pair(
    probabilities: ArrayLike, gold: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    truth = np.asarray(gold)
    if not truth.size and not np.size(probabilities):
        raise ValueError("no labelled pair to score; give at least one")
    matrix = _check_matrix(probabilities)
    if matrix.shape[1] < 2:
        raise ValueError(
            f"probabilities of {matrix.shape[1]} classes; give a column for each of two or more"
        )
    if truth.shape != (len(matrix),):
        raise ValueError(f"gold must have the shape ({len(matrix)},), got {truth.shape}")
    if truth.dtype.kind not in "iu":
        raise ValueError(f"gold must hold column indices, got {truth.dtype}; see encode_labels")
    outside = truth[(truth < 0) | (truth >= matrix.shape[1])]
    if len(outside):
        raise ValueError(f"gold index {outside[0]} is not among the {matrix.shape[1]} columns")
    if not np.allclose(matrix.sum(axis=1), 1, atol=1e-3):
        row = int(np.abs(matrix.sum(axis=1) - 1).argmax())
        raise ValueError(f"row {row} of the probabilities sums to {matrix[row].sum()}, not to 1")
    return matrix, truth.astype(np.int64)
