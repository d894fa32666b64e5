"""Risk and coverage against the definitions read aloud, and thresholds that keep their word."""

from __future__ import annotations

import json
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.abstention import (
    SMALLEST_SAMPLE,
    area_under_risk,
    choose_threshold,
    score_abstention,
    trace_risk,
)

verdicts = st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.7, 0.9]), st.booleans()), min_size=1)


@settings(deadline=None, max_examples=50)
@given(verdicts)
def test_the_curve_is_what_counting_gives(rows: list[tuple[float, bool]]) -> None:
    thresholds, coverage, risk = trace_risk(*zip(*rows, strict=True))
    assert thresholds.tolist() == sorted({value for value, _ in rows}, reverse=True)
    for threshold, covered, wrong in zip(thresholds, coverage, risk, strict=True):
        kept = [right for value, right in rows if value >= threshold]
        assert covered == pytest.approx(len(kept) / len(rows), abs=1e-12)
        assert wrong == pytest.approx(1 - sum(kept) / len(kept), abs=1e-12)
    assert coverage[-1] == 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.9]), st.booleans()), min_size=1, max_size=6))
def test_the_area_is_the_mean_over_all_orders_of_equal_confidences(
    rows: list[tuple[float, bool]],
) -> None:
    areas = []
    for order in permutations(rows):
        if all(a[0] >= b[0] for a, b in pairwise(order)):
            wrong = np.cumsum([not right for _, right in order])
            areas.append(np.mean(wrong / np.arange(1, len(order) + 1)))
    assert area_under_risk(*zip(*rows, strict=True)) == pytest.approx(np.mean(areas), abs=1e-9)


def test_a_good_order_has_a_smaller_area_than_a_bad_one() -> None:
    right = np.arange(100) < 70
    scores = score_abstention(-np.arange(100), right)
    assert json.loads(json.dumps(scores)) == scores
    assert scores["aurc"] == scores["aurc_best"]
    assert scores["aurc_random"] == pytest.approx(0.3)
    assert scores["aurc"] < area_under_risk(np.zeros(100), right)
    assert area_under_risk(np.zeros(100), right) < area_under_risk(np.arange(100), right)


def test_a_threshold_keeps_as_many_as_it_can_at_the_wanted_precision() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(500)
    right = rng.random(500) < confidence
    found = choose_threshold(confidence, right, 0.8)
    assert found is not None
    kept = confidence >= found["confidence"]
    assert right[kept].mean() == pytest.approx(found["precision"])
    assert found["precision"] >= 0.8
    assert kept.mean() == pytest.approx(found["coverage"])
    for lower in confidence[confidence < found["confidence"]]:
        assert right[confidence >= lower].mean() < 0.8


def test_a_precision_that_few_pairs_give_by_chance_is_not_promised() -> None:
    confidence = np.linspace(1, 0, 200)
    right = np.arange(200) < SMALLEST_SAMPLE - 1
    assert choose_threshold(confidence, right, 0.99) is None
    right = np.arange(200) < SMALLEST_SAMPLE
    found = choose_threshold(confidence, right, 0.99)
    assert found is not None
    assert found["coverage"] == pytest.approx(SMALLEST_SAMPLE / 200)


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(ValueError, match="no labelled pair"):
        trace_risk([], [])
    with pytest.raises(ValueError, match="confidence of row 1 is nan"):
        area_under_risk([0.5, float("nan")], [True, False])
    with pytest.raises(ValueError, match=r"must be \(N,\)"):
        trace_risk([0.5], [True, False])
    with pytest.raises(ValueError, match="precision is 0"):
        choose_threshold([0.5], [True], 0)
