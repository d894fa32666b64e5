"""The command, from Hydra overrides to the table and the file."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from rich.console import Console

from stance import peak_share
from stance.actor_tagging import ActorTagger, TaggerSettings, save_tagger
from stance.benchmark import HEADLINE, PROFILES, Profile
from stance.commands.benchmark import BenchmarkArguments, benchmark, build_arguments
from stance.locations import config_dir
from stance.weights import load_model

CHECKOUT = Path(__file__).resolve().parent.parent
SMALL = Profile(2, 1, (3, 6), "memory_ratio_2k_200", starts=1)


def run_script(*overrides: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CHECKOUT / "scripts" / "benchmark.py"), *overrides],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_config_is_the_arguments() -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        arguments = build_arguments(compose("benchmark"))
    assert arguments == BenchmarkArguments()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"profile": "slow"}, "profile is 'slow'; give quick or full"),
        ({"profile": ["quick"]}, "give quick or full"),
        ({"output": "numbers.csv"}, r"must end in \.json"),
        ({"output": 3}, "output is 3; give a path or null"),
        ({"model_dir": 3}, "model_dir is 3; give a path or null"),
    ],
)
def test_a_wrong_argument_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BenchmarkArguments(**values)


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    for overrides, message in (
        (["profile=slow"], "error: profile is 'slow'; give quick or full\n"),
        ([f"model_dir={tmp_path}"], "error: {}: no config.json; give a trained model directory\n"),
    ):
        done = run_script(*overrides, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr == message.format(tmp_path)
        assert not done.stdout


def test_an_output_that_is_a_directory_is_refused_before_the_run(tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    output.mkdir()
    with pytest.raises(OSError, match="is a directory"):
        benchmark(BenchmarkArguments(output=str(output)), Console())


def test_one_run_is_shown_and_written(
    tiny_stance_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_dir = tmp_path / "Modell Ü"
    shutil.copytree(tiny_stance_model_dir, model_dir)
    encoder = load_model(model_dir).config.encoder_config()
    save_tagger(ActorTagger(encoder, TaggerSettings(1, 1)), model_dir, {}, {})
    monkeypatch.setitem(PROFILES, "quick", SMALL)
    monkeypatch.setattr(peak_share, "MATRIX_SIZES", (64,))
    output = tmp_path / "folder" / "numbers.json"
    console = Console(file=io.StringIO(), width=120)

    benchmark(BenchmarkArguments(model_dir=str(model_dir), output=str(output)), console)

    written = output.read_text(encoding="utf-8")
    numbers = json.loads(written)
    assert list(numbers) == [
        "profile",
        "machine",
        "model",
        "speedup_vs_pipeline_fp32",
        "speedup_vs_padded_pipeline_fp32",
        "auto_cost_ratio",
        "peak_share_inference",
        "peak_share_training",
        "peak_gflops",
        "memory_ratio_2k_200",
        "memory_texts",
        "memory_mb",
        "cold_start_s",
        "import_s",
        "workloads",
    ]
    headline = numbers["workloads"][HEADLINE]
    seconds = headline["seconds"]
    assert numbers["speedup_vs_pipeline_fp32"] == seconds["pipeline"] / seconds["classifier"]
    assert numbers["auto_cost_ratio"] == seconds["classifier_auto"] / seconds["classifier"]
    assert numbers["memory_texts"] == [3, 6]
    few, many = numbers["memory_mb"]
    assert numbers["memory_ratio_2k_200"] == many / few
    assert 0 < numbers["import_s"] < numbers["cold_start_s"]
    assert numbers["model"] == model_dir.name
    assert str(tmp_path) not in written
    assert str(CHECKOUT) not in written

    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for name in numbers["workloads"]:
        assert name in shown
    assert "peak memory: 6 texts / 3" in shown
    assert f"{headline['speedup_vs_pipeline']:.3g}" in shown


def test_without_a_tagger_only_finding_actors_is_left_out(
    tiny_stance_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROFILES, "quick", SMALL)
    monkeypatch.setattr(peak_share, "MATRIX_SIZES", (64,))
    # Without fresh processes, which the test above starts.
    monkeypatch.setattr("stance.benchmark.run_python", lambda *_: "1")
    console = Console(file=io.StringIO(), width=120)
    benchmark(BenchmarkArguments(model_dir=str(tiny_stance_model_dir)), console)
    (row,) = (
        line
        for line in console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        if "actors=auto" in line
    )
    assert [cell.strip() for cell in row.split("│")][3] == "-"
