"""Scores against scikit-learn and torchmetrics, a slow reference for the calibration error, and
hand-made cases."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import krippendorff
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from stance.metrics import (
    SMALLEST_PROBABILITY,
    bin_confidence,
    brier_score,
    count_confusions,
    encode_labels,
    expected_calibration_error,
    negative_log_likelihood,
    restrict_probabilities,
    score_confusions,
    score_direction,
    score_labels,
    score_probabilities,
)
from stance.schema import LABELS

label_pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1)


@st.composite
def probabilities_and_gold(
    draw: st.DrawFn, highest_weight: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    rows = draw(st.integers(1, 40))
    # Small integer weights also give confidences of exactly 1, 1/2, 1/3, on the edges of bins.
    weight = st.integers(0, highest_weight)
    row = st.tuples(weight, weight, weight, weight).filter(any)
    weights = np.array(draw(st.lists(row, min_size=rows, max_size=rows)), dtype=float)
    gold = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    return weights / weights.sum(axis=1, keepdims=True), np.array(gold)


def slow_calibration_error(probabilities: np.ndarray, gold: np.ndarray, bins: int) -> float:
    """The definition read aloud: for each bin (lower, upper], |accuracy - confidence|, weighted."""
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for lower, upper in pairwise(edges):
        members = [
            (max(row), int(np.argmax(row)) == label)
            for row, label in zip(probabilities, gold, strict=True)
            if lower < max(row) <= upper
        ]
        if members:
            confidence = sum(value for value, _ in members) / len(members)
            accuracy = sum(hit for _, hit in members) / len(members)
            total += len(members) / len(gold) * abs(accuracy - confidence)
    return total


@settings(deadline=None, max_examples=50)
@given(label_pairs)
def test_scores_agree_with_sklearn(pairs: list[tuple[str, str]]) -> None:
    gold, predicted = zip(*pairs, strict=True)
    scores = score_labels(gold, predicted)
    present = [label for label in LABELS if label in gold]
    expected = f1_score(gold, predicted, labels=present, average="macro", zero_division=0)
    assert scores["macro_f1"] == pytest.approx(expected, abs=1e-9)
    assert scores["accuracy"] == pytest.approx(accuracy_score(gold, predicted), abs=1e-9)
    by_class = precision_recall_fscore_support(gold, predicted, labels=LABELS, zero_division=0)
    for name, expected in zip(("precision", "recall", "f1"), by_class, strict=False):
        found = [scores["per_class"][label][name] for label in LABELS]
        assert found == pytest.approx(expected, abs=1e-9)
    one_sided = len(set(gold)) == 1 or len(set(predicted)) == 1
    correlation = None if one_sided else pytest.approx(matthews_corrcoef(gold, predicted), abs=1e-9)
    assert scores["mcc"] == correlation
    if len(set(gold + predicted)) == 1:
        assert scores["alpha"] is None
    else:
        codes = [encode_labels(gold), encode_labels(predicted)]
        alpha = krippendorff.alpha(
            reliability_data=codes, value_domain=range(4), level_of_measurement="nominal"
        )
        assert scores["alpha"] == pytest.approx(alpha, abs=1e-9)
    assert scores["classes_left_out"] == [label for label in LABELS if label not in gold]
    assert scores["n"] == len(pairs) == np.sum(scores["confusion_matrix"])
    for row, label in enumerate(LABELS):
        assert scores["per_class"][label]["support"] == gold.count(label)
        assert scores["per_class"][label]["predicted"] == predicted.count(label)
        for column, other in enumerate(LABELS):
            assert scores["confusion_matrix"][row][column] == pairs.count((label, other))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(*[st.sampled_from(LABELS)] * 2, st.integers(0, 2)), min_size=1))
def test_groups_are_scored_as_each_would_be_alone(rows: list[tuple[str, str, int]]) -> None:
    gold, predicted, groups = zip(*rows, strict=True)
    together = score_confusions(count_confusions(gold, predicted, groups))
    for group in set(groups):
        own = [row[:2] for row in rows if row[2] == group]
        alone = score_labels(*zip(*own, strict=True))
        for name in ("macro_f1", "accuracy", "alpha", "mcc"):
            value = together[name][group]
            assert alone[name] == (None if np.isnan(value) else pytest.approx(value, abs=1e-12))


def test_a_class_missing_from_the_gold_is_left_out_but_predicting_it_costs() -> None:
    gold = ["favor", "favor", "against", "against"]
    perfect = score_labels(gold, gold)
    assert perfect["macro_f1"] == 1.0
    assert perfect["classes_left_out"] == ["neutral", "none"]
    stray = score_labels(gold, ["favor", "none", "against", "against"])
    assert stray["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert stray["per_class"]["none"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 0,
        "predicted": 1,
    }


def test_scores_are_plain_json() -> None:
    scores = score_labels(["favor", "none"], ["none", "none"])
    assert json.loads(json.dumps(scores)) == scores
    assert scores["labels"] == list(LABELS)


def test_a_bad_label_is_named() -> None:
    with pytest.raises(ValueError, match=r"'dafür' at row 1; labels are .*favor"):
        score_labels(["favor", "dafür"], ["favor", "favor"])
    with pytest.raises(ValueError, match="'pro' at row 0"):
        score_labels(["favor"], ["pro"])
    with pytest.raises(ValueError, match="'pro'"):
        restrict_probabilities([[0.25] * 4], ["favor", "pro"])


def test_lengths_must_agree_and_something_must_be_there() -> None:
    with pytest.raises(ValueError, match="2 gold labels but 1 predicted"):
        score_labels(["favor", "none"], ["favor"])
    with pytest.raises(ValueError, match="no labelled pair"):
        score_labels([], [])


@settings(deadline=None, max_examples=50)
@given(probabilities_and_gold(), st.integers(1, 20))
def test_calibration_error_agrees_with_the_slow_reference(
    case: tuple[np.ndarray, np.ndarray], bins: int
) -> None:
    assert expected_calibration_error(*case, bins=bins) == pytest.approx(
        slow_calibration_error(*case, bins)
    )


@settings(deadline=None, max_examples=50)
@given(probabilities_and_gold(), st.integers(1, 20))
def test_bins_agree_with_sklearn(case: tuple[np.ndarray, np.ndarray], bins: int) -> None:
    """Also on the edges: as ours, the bins of its reliability curve are (lower, upper]."""
    probabilities, gold = case
    found = bin_confidence(probabilities, gold, bins)
    right = probabilities.argmax(axis=1) == gold
    accuracy, confidence = calibration_curve(right, probabilities.max(axis=1), n_bins=bins)
    assert [row["accuracy"] for row in found] == pytest.approx(accuracy, abs=1e-9)
    assert [row["confidence"] for row in found] == pytest.approx(confidence, abs=1e-9)
    assert sum(row["n"] for row in found) == len(gold)


@settings(deadline=None, max_examples=50)
@given(probabilities_and_gold(highest_weight=1_000), st.integers(1, 20))
def test_calibration_error_agrees_with_torchmetrics(
    case: tuple[np.ndarray, np.ndarray], bins: int
) -> None:
    """Its bins are [lower, upper), with one of its own for 1; ours are (lower, upper], as in
    Guo et al. (2017). So rows with a confidence on an edge are left out."""
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities, gold = case
    steps = probabilities.max(axis=1) * bins
    inside = abs(steps - steps.round()) > 1e-9
    assume(inside.any())
    probabilities, gold = probabilities[inside], gold[inside]
    with pytest.MonkeyPatch.context() as patch:
        # It rounds confidences to single precision, which would hide differences below 1e-6.
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        expected = multiclass_calibration_error(
            torch.tensor(probabilities), torch.tensor(gold), num_classes=4, n_bins=bins, norm="l1"
        )
    found = expected_calibration_error(probabilities, gold, bins)
    assert found == pytest.approx(expected.item(), abs=1e-9)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    probabilities, gold = [[0.5, 0.5, 0, 0], [0.75, 0.25, 0, 0], [1, 0, 0, 0]], [0, 0, 0]
    found = bin_confidence(probabilities, gold, bins=4)
    assert [(row["lower"], row["upper"]) for row in found] == [(0.25, 0.5), (0.5, 0.75), (0.75, 1)]


@settings(deadline=None, max_examples=50)
@given(probabilities_and_gold())
def test_brier_and_likelihood_agree_with_sklearn(case: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, gold = case
    brier = brier_score_loss(gold, probabilities, labels=range(4), scale_by_half=False)
    assert brier_score(probabilities, gold) == pytest.approx(brier, abs=1e-9)
    floored = np.maximum(probabilities, SMALLEST_PROBABILITY)
    floored /= floored.sum(axis=1, keepdims=True)
    loss = log_loss(gold, floored, labels=range(4))
    assert negative_log_likelihood(probabilities, gold) == pytest.approx(loss, abs=1e-9)


def test_confident_and_half_wrong_is_badly_calibrated() -> None:
    scores = score_probabilities([[1, 0, 0, 0], [1, 0, 0, 0]], [0, 1])
    assert scores["ece"] == pytest.approx(0.5)
    assert scores["brier"] == pytest.approx(1.0)
    assert scores["nll"] == pytest.approx(-math.log(SMALLEST_PROBABILITY) / 2)
    assert scores["bins"] == 15
    honest = score_probabilities([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]], [0, 1])
    assert honest["ece"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("probabilities", "gold", "message"),
    [
        ([[0.5, 0.5]], ["favor"], "column indices"),
        ([[0.5, 0.5]], [2], "index 2"),
        ([[0.5, 0.4]], [0], "sums to 0.9"),
        ([[1.5, -0.5]], [0], "row 0"),
        ([[float("nan"), 1.0]], [0], "row 0"),
        ([0.5, 0.5], [0, 1], "shape"),
        ([[0.5, 0.5]], [0, 1], "shape"),
        (np.zeros((0, 4)), [], "no labelled pair"),
        ([], [], "no labelled pair"),
        ([[1.0]], [0], "probabilities of 1 classes; give a column for each of two or more"),
        ([[]], [0], "probabilities of 0 classes"),
    ],
)
def test_wrong_probabilities_are_refused(probabilities: object, gold: object, message: str) -> None:
    for score in (expected_calibration_error, brier_score, negative_log_likelihood):
        with pytest.raises(ValueError, match=message):
            score(probabilities, gold)  # type: ignore[arg-type]


def test_one_pair_and_a_single_class_are_scored() -> None:
    one = score_probabilities([[0.7, 0.1, 0.1, 0.1]], [0])
    assert one["ece"] == pytest.approx(0.3)
    assert one["brier"] == pytest.approx(0.3**2 + 3 * 0.1**2)
    assert one["nll"] == pytest.approx(-math.log(0.7))
    same = score_probabilities([[0.7, 0.1, 0.1, 0.1]] * 5, [0] * 5)
    assert same == pytest.approx(one)
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        expected_calibration_error([[0.7, 0.3]], [0], bins=0)


@settings(deadline=None, max_examples=50)
@given(probabilities_and_gold(), st.sets(st.sampled_from(LABELS), min_size=1))
def test_restriction_keeps_ratios_among_the_candidates(
    case: tuple[np.ndarray, np.ndarray], candidates: set[str]
) -> None:
    probabilities, _ = case
    kept = encode_labels(sorted(candidates))
    out = [index for index in range(4) if index not in kept]
    restricted = restrict_probabilities(probabilities, sorted(candidates))
    assert np.allclose(restricted.sum(axis=1), 1)
    assert (restricted[:, out] == 0).all()
    mass = probabilities[:, kept].sum(axis=1, keepdims=True)
    assert np.allclose(restricted[:, kept] * mass, probabilities[:, kept])


def test_restriction_without_mass_is_uniform() -> None:
    restricted = restrict_probabilities([[0, 0, 0, 1.0]], ["favor", "against"])
    assert restricted.tolist() == [[0.5, 0.5, 0, 0]]
    with pytest.raises(ValueError, match="different labels"):
        restrict_probabilities([[0, 0, 0, 1.0]], ["favor", "favor"])


@given(data=probabilities_and_gold())
def test_direction_is_the_score_of_favor_and_against_alone(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    probabilities, gold = data
    direction = score_direction([LABELS[index] for index in gold], probabilities)
    rows = gold < 2
    if not rows.any():
        assert direction is None
        return
    assert direction is not None
    predicted = probabilities[rows][:, :2].argmax(axis=1)
    occurring = sorted(set(gold[rows].tolist()))
    expected = f1_score(gold[rows], predicted, labels=occurring, average="macro", zero_division=0)
    assert direction["macro_f1"] == pytest.approx(expected, abs=1e-9)
    assert direction["accuracy"] == pytest.approx(accuracy_score(gold[rows], predicted), abs=1e-9)
    assert direction["n"] == rows.sum()
