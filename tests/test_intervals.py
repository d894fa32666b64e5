"""Intervals of scores: they cover, they widen with the dependence within texts, they survive."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stance.intervals import estimate_intervals
from stance.metrics import score_labels
from stance.schema import LABELS

NAMES = list(LABELS)


def draw_pairs(
    rng: np.random.Generator, documents: int, pairs: int, shared: float = 0.0
) -> tuple[list[str], list[str], list[str]]:
    """Gold, predicted and document ids; with ``shared`` a whole text is often right or wrong."""
    gold = rng.integers(0, 4, (documents, pairs))
    right = rng.random((documents, pairs)) < 0.6
    together = rng.random(documents) < shared
    right[together] = rng.random((together.sum(), 1)) < 0.6
    predicted = np.where(right, gold, (gold + rng.integers(1, 4, gold.shape)) % 4)
    ids = np.repeat(np.arange(documents), pairs)
    names = np.array(NAMES)
    return (
        names[gold.ravel()].tolist(),
        names[predicted.ravel()].tolist(),
        [f"d{number}" for number in ids],
    )


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = []
    for number in range(200):
        gold, predicted, documents = draw_pairs(rng, 60, 4, shared=0.7)
        low, high = estimate_intervals(gold, predicted, documents, resamples=300, seed=number)[
            "accuracy"
        ]
        covered.append(low <= 0.6 <= high)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_pairs_of_one_text_that_stand_or_fall_together_make_the_interval_wider() -> None:
    gold, predicted, documents = draw_pairs(np.random.default_rng(1), 80, 8, shared=1.0)
    widths = [
        high - low
        for unit in (documents, [f"pair {row}" for row in range(len(gold))])
        for low, high in [estimate_intervals(gold, predicted, unit)["macro_f1"]]
    ]
    assert widths[0] > 1.5 * widths[1]


def test_every_score_lies_in_its_interval_and_all_is_json() -> None:
    rng = np.random.default_rng(3)
    gold, predicted, documents = draw_pairs(rng, 50, 5)
    probabilities = rng.dirichlet(np.ones(4), len(gold))
    intervals = estimate_intervals(gold, predicted, documents, probabilities)
    assert json.loads(json.dumps(intervals)) == intervals
    scores = score_labels(gold, predicted)
    for name in ("macro_f1", "accuracy", "alpha", "mcc"):
        low, high = intervals[name]
        assert low < scores[name] < high
    for label, by_ratio in intervals["per_class"].items():
        for ratio, (low, high) in by_ratio.items():
            assert low <= scores["per_class"][label][ratio] <= high
    assert intervals["brier"][0] < intervals["brier"][1]
    assert intervals["direction"][0] < intervals["direction"][1]
    assert intervals["documents"] == 50
    assert estimate_intervals(gold, predicted, documents, probabilities) == intervals


def test_one_text_has_no_interval_and_one_class_no_alpha() -> None:
    alone = estimate_intervals(["favor", "none"], ["favor", "favor"], ["d1", "d1"], np.eye(4)[:2])
    assert alone["macro_f1"] is None
    assert alone["brier"] is None
    assert alone["documents"] == 1
    same = estimate_intervals(["none"] * 3, ["none"] * 3, ["d1", "d2", "d3"], np.eye(4)[[3] * 3])
    assert same["accuracy"] == [1.0, 1.0]
    assert same["alpha"] is None
    assert same["direction"] is None


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="no labelled pair"):
        estimate_intervals([], [], [])
