"""The training command: configs that compose, stages, a kill, several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from safetensors.torch import load_file

from stance.commands.train import build, build_sources, check_same_run
from stance.corpora import load_corpus
from stance.documents import write_documents
from stance.locations import config_dir
from stance.training import ModelArguments, OptimisationArguments

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "train.py"
GROUPS = [
    f"{file.parent.name}={file.stem}"
    for group in ("model", "data", "trainer", "experiment")
    for file in sorted((config_dir() / group).glob("*.yaml"))
]


@pytest.mark.parametrize("override", GROUPS)
def test_every_config_composes_and_fits_its_arguments(override: str) -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose("train", overrides=[override, "data.path=x", "output_dir=x"])
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    for changes in (values.pop("stages") or {"": {}}).values():
        stage = OmegaConf.to_container(OmegaConf.merge(values, changes))
        assert isinstance(stage, dict)
        build(ModelArguments, "model", stage["model"])
        build(OptimisationArguments, "trainer", stage["trainer"] | {"output_dir": "x"})
        if stage["data"]["name"] in ("realnews", "stance_llm"):
            with pytest.raises(ValueError, match="has nothing to train on"):
                build_sources(stage)
            continue
        train, validation = build_sources(stage)
        assert train[0].name == stage["data"]["name"]
        assert bool(validation) == bool(stage["data"]["validation"] or stage["validate_on"])


def test_the_baselines_that_do_not_see_it_all_are_the_shipped_recipe() -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        shipped, text_only, target_only = (
            compose("train", overrides=[f"experiment={name}", "output_dir=x"])
            for name in ("shipped", "text_only", "target_only")
        )
    assert (shipped.withhold, text_only.withhold, target_only.withhold) == (None, "target", "text")
    for config in (text_only, target_only):
        assert OmegaConf.merge(config, {"withhold": None}) == shipped


def test_searches_compose() -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="the extra optuna is missing")
    for file in (config_dir() / "search").glob("*.yaml"):
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            config = compose("train", [f"search={file.stem}"], return_hydra_config=True)
        known = {f"trainer.{key}" for key in config.trainer} | {f"model.{k}" for k in config.model}
        assert set(config.hydra.sweeper.params) <= known


def test_unknown_keys_and_wrong_types_are_errors() -> None:
    with pytest.raises(ValueError, match="trainer has no lr; there are"):
        build(OptimisationArguments, "trainer", {"output_dir": "x", "lr": 1})
    with pytest.raises(ValueError, match=r"model: .*name_or_path"):
        build(ModelArguments, "model", {})


def test_a_directory_with_another_run_is_refused(tmp_path: Path) -> None:
    check_same_run({"seed": 1, "device": "cpu"}, tmp_path)
    check_same_run({"seed": 1, "device": "cuda"}, tmp_path)
    # An option that was not there yet, and is not used, does not part a run from its beginning.
    check_same_run({"seed": 1, "device": "cpu", "withhold": None}, tmp_path)
    with pytest.raises(ValueError, match="another withhold"):
        check_same_run({"seed": 1, "device": "cpu", "withhold": "text"}, tmp_path)
    with pytest.raises(ValueError, match="another seed"):
        check_same_run({"seed": 2, "device": "cpu"}, tmp_path)


@pytest.fixture
def command(tiny_encoder_dir: Path, tmp_path: Path) -> list[str]:
    """Overrides of a run of ten or so steps on a file of documents."""
    documents = load_corpus("newsstance", "train")
    write_documents(documents[:400:20], tmp_path / "train.jsonl")
    return [
        f"model.name_or_path={tiny_encoder_dir}",
        "model.max_tokens=256",
        "data.name=file",
        f"data.path={tmp_path / 'train.jsonl'}",
        "data.validation=null",
        "trainer.epochs=3",
        "trainer.max_tokens_per_batch=1500",
        "trainer.save_steps=1",
        "device=cpu",
    ]


def run_script(arguments: list[str], *launcher: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def assert_same_weights(one: Path, other: Path) -> None:
    expected, found = (load_file(path / "model" / "model.safetensors") for path in (one, other))
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name


def test_a_killed_run_goes_on_to_the_same_weights(command: list[str], tmp_path: Path) -> None:
    whole = run_script([*command, f"output_dir={tmp_path / 'whole'}"])
    assert whole.returncode == 0, whole.stderr
    arguments = [*command, f"output_dir={tmp_path / 'killed'}"]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    while process.poll() is None and not (tmp_path / "killed" / "checkpoint-2").is_dir():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model").exists(), "the kill came too late"
    resumed = run_script(arguments)
    assert resumed.returncode == 0, resumed.stderr
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")
    again = run_script(arguments)
    assert "is done already" in again.stdout + again.stderr


def test_two_processes_train_one_model(command: list[str], tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29617")
    done = run_script([*command, f"output_dir={tmp_path / 'two'}"], *launcher)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two" / "model" / "model.safetensors").is_file()
    refused = run_script(command, *launcher)
    assert refused.returncode != 0
    assert "give output_dir=DIR" in refused.stderr


def test_stages_follow_one_another(command: list[str], tmp_path: Path) -> None:
    stages = "stages={one:{trainer:{epochs:1}},two:{trainer:{seed:7,epochs:1}}}"
    done = run_script([*command, stages, "withhold=target", f"output_dir={tmp_path / 'run'}"])
    assert done.returncode == 0, done.stderr
    for name in ("one", "two"):
        config = json.loads((tmp_path / "run" / name / "model" / "config.json").read_text())
        assert config["withhold"] == "target", "holds for all stages"
    one, two = (
        load_file(tmp_path / "run" / name / "model" / "model.safetensors")
        for name in ("one", "two")
    )
    assert not torch.equal(one["classifier.weight"], two["classifier.weight"])
    first, second = (
        json.loads((tmp_path / "run" / name / "model" / "training_manifest.json").read_text())
        for name in ("one", "two")
    )
    assert second["model"]["name_or_path"] == str(tmp_path / "run" / "one" / "model")
    assert second["started_from"] == first


def test_errors_are_one_line(command: list[str], tmp_path: Path) -> None:
    wrong = run_script([*command, f"data.path={tmp_path / 'Übersicht (1).jsonl'}"])
    assert wrong.returncode == 1
    assert "Übersicht (1).jsonl" in wrong.stderr
    assert "Traceback" not in wrong.stderr
