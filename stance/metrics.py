"""How good predicted labels and probabilities are.

The headline is **macro-F1**: news is mostly quiet about most pairs of actor and target, so accuracy
can be bought by answering ``none`` a lot, and a model that never sees the rarer ``neutral`` still
looks fine. Macro-F1 gives every class the same say. Its mean runs over the classes of the label set
that occur in the gold: a class without a single gold example has an F1 of zero whatever the model
does, which would say something about the corpus and nothing about the model. Such classes are named
in ``classes_left_out``; predicting one still costs, because it is a miss for the class it should
have been.

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
        ``macro_f1`` (mean F1 of the classes that occur in the gold), ``accuracy``, ``per_class``
        (label → precision, recall, f1, support = gold count, predicted = predicted count; a ratio
        with nothing below the line is 0), ``confusion_matrix`` (rows gold, columns predicted, in
        the order of ``labels``), ``classes_left_out``, ``n`` and ``labels``.

    Raises:
        ValueError: for an unknown label, differing lengths, or no rows at all.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels but {len(predicted)} predicted ones")
    if not len(gold):
        raise ValueError("no labelled pair to score; give at least one")
    names = [str(label) for label in labels]
    truth, guess = encode_labels(gold, labels), encode_labels(predicted, labels)
    indices = list(range(len(names)))
    matrix = confusion_matrix(truth, guess, labels=indices)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, guess, labels=indices, zero_division=0
    )
    occurs = support > 0
    return {
        "macro_f1": float(f1[occurs].mean()),
        "accuracy": float((truth == guess).mean()),
        "per_class": {
            name: {
                "precision": float(precision[index]),
                "recall": float(recall[index]),
                "f1": float(f1[index]),
                "support": int(support[index]),
                "predicted": int(matrix[:, index].sum()),
            }
            for index, name in enumerate(names)
        },
        "confusion_matrix": matrix.tolist(),
        "classes_left_out": [name for name, found in zip(names, occurs, strict=True) if not found],
        "n": len(truth),
        "labels": names,
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


def expected_calibration_error(probabilities: ArrayLike, gold: ArrayLike, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy, in [0, 1].

    Top-label, equal-width version of Guo et al. (2017, "On Calibration of Modern Neural Networks"):
    rows are put into ``bins`` intervals ``(lower, upper]`` by their highest probability, and the
    gaps |accuracy - mean confidence| of the bins are averaged with the bins' sizes as weights.

    Args:
        probabilities: (N, C), rows sum to one.
        gold: (N,) column indices of the true classes.

    Raises:
        ValueError: for wrong shapes, indices outside the columns, no rows, or fewer than one bin.
    """
    matrix, truth = _check_pair(probabilities, gold)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    confidence = matrix.max(axis=1)
    correct = matrix.argmax(axis=1) == truth
    # Inner edges only, so that 0 and 1 (and a float a hair above 1) fall into the outer bins.
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]
    membership = np.digitize(confidence, inner_edges, right=True)
    gaps = np.bincount(membership, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


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
    matrix, truth = _check_matrix(probabilities), np.asarray(gold)
    if not len(matrix):
        raise ValueError("no labelled pair to score; give at least one")
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
