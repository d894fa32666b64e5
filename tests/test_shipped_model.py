"""The model that everything uses by default, and the numbers that are said of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from stance import StanceClassifier
from stance.locations import default_model_dir

CHECKOUT = Path(__file__).resolve().parent.parent


def test_explicit_positions_are_told_apart() -> None:
    text = (
        "Im Stadtrat von Ostheim ging es um das Parkhaus. Bürgermeisterin Ilka Brandner "
        "unterstützte den Bau. Der Verein Grüne Gassen lehnte das Parkhaus ab."
    )
    rows = StanceClassifier.from_pretrained(device="cpu").predict(
        text,
        targets=["Das Parkhaus soll gebaut werden."],
        actors=["Ilka Brandner", "Verein Grüne Gassen"],
    )
    assert [row.label.value for row in rows] == ["favor", "against"]
    assert all(row.model == "stance-minilm-de" for row in rows)


def test_it_beats_the_baselines_on_each_split_it_was_scored_on() -> None:
    files = sorted(default_model_dir().glob("evaluation/*/metrics.json"))
    assert files
    for file in files:
        metrics = json.loads(file.read_text(encoding="utf-8"))
        assert metrics["macro_f1"] > metrics["baselines"]["majority"]["macro_f1"], file


def test_card_and_readme_say_what_the_evaluations_found() -> None:
    script = CHECKOUT / "scripts" / "ship_model.py"
    checked = subprocess.run(
        [sys.executable, str(script), "card", str(default_model_dir()), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_lab_book_says_what_the_runs_found() -> None:
    script = CHECKOUT / "scripts" / "lab_book.py"
    checked = subprocess.run(
        [sys.executable, str(script), "write", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
