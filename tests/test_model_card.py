"""The model card: a header that the Hub's own reader takes, and the numbers that were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from stance.metrics import score_labels
from stance.model_card import write_model_card

GOLD = ["favor", "favor", "against", "against"]


def build_evaluation() -> dict[str, Any]:
    return score_labels(GOLD, ["favor", "none", "against", "against"]) | {
        "data": {"corpus": "newsstance", "path": None, "split": "test", "sha256": "0" * 64},
        "direction": {"macro_f1": 0.9, "accuracy": 0.9, "n": 4},
        "calibration": {"ece": 0.041, "brier": 0.2, "nll": 0.5, "bins": 15},
        "evidence_hit_rate": 0.75,
        "evidence_n": 8,
        "robustness": {
            "target_negation_mirrored": 0.5,
            "target_negation_mirrored_n": 6,
            "name_replacement_changed": None,
            "name_replacement_changed_n": 0,
        },
        "baselines": {"majority": score_labels(GOLD, ["favor"] * 4)},
    }


def write_card(directory: Path, **changes: Any) -> Path:
    arguments: dict[str, Any] = {
        "name": "stance-test",
        "base_model": "deepset/gbert-base",
        "license_id": "mit",
        "manifest": {
            "seed": 3,
            "trainer": {"learning_rate": 2e-5, "note": "a|b"},
            "revision": None,
        },
        "evaluations": [build_evaluation()],
    }
    return write_model_card(directory, **arguments | changes)


def test_the_hub_reads_the_header(tmp_path: Path) -> None:
    data = ModelCard.load(write_card(tmp_path)).data
    assert (data.language, data.license, data.base_model) == ("de", "mit", "deepset/gbert-base")
    assert "stance-detection" in data.tags
    scores = {result.metric_type: result.metric_value for result in data.eval_results}
    assert scores == {"f1": pytest.approx(5 / 6, abs=1e-4), "accuracy": 0.75}
    assert {result.dataset_split for result in data.eval_results} == {"test"}


def test_the_text_has_scores_baselines_and_manifest(tmp_path: Path) -> None:
    text = write_card(tmp_path, limitations=["Kurze Texte."]).read_text(encoding="utf-8")
    model = "| newsstance test | **this model** | 0.833 | 0.750 | 0.667 | 1.000 | - | - | 0.900 | "
    assert model + "0.041 | 4 |" in text
    baseline = "| newsstance test | majority | 0.333 | 0.500 | 0.667 | 0.000 | - | - | - | - | 4 |"
    assert baseline in text
    assert "touches an annotated one in 75.0% of 8 pairs" in text
    assert "the label turns round with the target in 50.0% of 6 pairs" in text
    assert "invented name" not in text  # nothing to check there
    assert "| seed | 3 |" in text
    assert "| trainer.learning_rate | 2e-05 |" in text
    assert r"| trainer.note | a\|b |" in text
    assert "revision" not in text
    assert "- Kurze Texte." in text


def test_a_model_that_was_not_evaluated_says_so(tmp_path: Path) -> None:
    path = write_card(tmp_path / "new", evaluations=[], manifest={})
    assert "Not evaluated." in path.read_text(encoding="utf-8")
    assert ModelCard.load(path).data.eval_results is None


def test_an_incomplete_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no accuracy, data"):
        write_card(tmp_path, evaluations=[{"macro_f1": 1.0, "per_class": {}, "n": 1}])
    assert not (tmp_path / "README.md").exists()
