"""Two systems on the same pairs: what differs, how surely, and what cannot be compared."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stance.comparison import compare_predictions
from stance.schema import LABELS

NAMES = list(LABELS)


def build_rows(gold: np.ndarray, labels: np.ndarray, pairs: int = 4) -> list[dict[str, Any]]:
    return [
        {
            "document_id": f"d{row // pairs}",
            "target_id": "t1",
            "actor_id": f"a{row % pairs}",
            "gold": NAMES[truth],
            "label": NAMES[label],
        }
        for row, (truth, label) in enumerate(zip(gold, labels, strict=True))
    ]


def spoil(gold: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(gold)) < share, (gold + rng.integers(1, 4, len(gold))) % 4, gold)


def test_a_clearly_better_system_is_told_from_a_worse_one() -> None:
    rng = np.random.default_rng(2)
    gold = rng.integers(0, 4, 400)
    worse, better = spoil(gold, 0.5, rng), spoil(gold, 0.2, rng)
    result = compare_predictions(build_rows(gold, worse), build_rows(gold, better))
    assert json.loads(json.dumps(result)) == result
    scored = result["macro_f1"]
    assert scored["first"] == pytest.approx(f1_score(gold, worse, average="macro"), abs=1e-9)
    assert scored["second"] == pytest.approx(f1_score(gold, better, average="macro"), abs=1e-9)
    assert scored["interval"][0] > 0
    assert scored["interval"][0] < scored["difference"] < scored["interval"][1]
    assert scored["p_value"] < 0.01
    assert result["cohens_g"] > 0.1
    assert result["only_second_right"] == ((better == gold) & (worse != gold)).sum()
    assert result["changed_labels"] == (better != worse).sum()
    turned = compare_predictions(build_rows(gold, better), build_rows(gold, worse))
    assert turned["macro_f1"]["difference"] == pytest.approx(-scored["difference"])
    assert turned["cohens_g"] == pytest.approx(-result["cohens_g"])


def test_the_p_value_is_rarely_small_where_nothing_differs() -> None:
    rng = np.random.default_rng(5)
    small = 0
    for number in range(100):
        gold = rng.integers(0, 4, 120)
        rows = [build_rows(gold, spoil(gold, 0.4, rng)) for _ in range(2)]
        result = compare_predictions(*rows, resamples=10, permutations=199, seed=number)
        small += result["accuracy"]["p_value"] <= 0.05
    assert small <= 12


def test_the_order_of_rows_and_rows_without_gold_do_not_matter() -> None:
    rng = np.random.default_rng(4)
    gold = rng.integers(0, 4, 60)
    first, second = (build_rows(gold, spoil(gold, 0.3, rng)) for _ in range(2))
    expected = compare_predictions(first, second)
    extra = first[0] | {"actor_id": "a9", "gold": None}
    assert compare_predictions([extra, *first], second[::-1]) == expected


def test_equal_systems_and_a_single_text_have_no_effect_and_no_interval() -> None:
    gold = np.array([0, 1, 2, 3])
    rows = build_rows(gold, gold)
    result = compare_predictions(rows, rows)
    assert result["cohens_g"] is None
    assert result["macro_f1"]["difference"] == 0
    assert result["macro_f1"]["interval"] is None


def test_what_was_scored_on_other_pairs_or_gold_is_refused() -> None:
    gold = np.array([0, 1, 2, 3])
    rows = build_rows(gold, gold)
    with pytest.raises(ValueError, match="only one has document 'd0', target 't1', actor 'a3'"):
        compare_predictions(rows, rows[:-1])
    with pytest.raises(ValueError, match="gold label is 'favor' in one run and 'none'"):
        compare_predictions(rows, [rows[0] | {"gold": "none"}, *rows[1:]])
    with pytest.raises(ValueError, match="nothing to compare"):
        compare_predictions(rows, [row | {"gold": None} for row in rows])
