"""``stance-train``: a Hydra config in, a model directory out."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stance.commands.overrides import quote_paths
from stance.locations import config_dir

logger = logging.getLogger(__name__)

CONFIG_FILE = "config.yaml"
PATH_KEYS = ("data.path", "model.name_or_path", "output_dir")
MACHINE_KEYS = ("output_dir", "device")
"""What may differ between a run and its continuation."""

T = TypeVar("T")


def main() -> None:
    """The console command; what is wrong with arguments or data is one line and exit status 1."""
    sys.argv[1:] = quote_paths(sys.argv[1:], PATH_KEYS)
    run_from_config()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")
def run_from_config(config: DictConfig) -> float | None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "${now:" in str(
        config._get_node("output_dir")
    ):
        raise SystemExit("error: several processes need one place; give output_dir=DIR")
    try:
        return train(config, Path(HydraConfig.get().runtime.output_dir))
    except (ValueError, OSError, OmegaConfBaseException) as error:
        raise SystemExit(f"error: {' '.join(str(error).split())}") from error


def train(config: DictConfig, output_dir: Path) -> float | None:
    """Run all stages of a config, each from the model of the one before.

    A stage that is done is not run again, one that was interrupted goes on.

    Returns:
        Mean validation macro-F1 of the last stage, for hyper-parameter search; None without
        validation data.

    Raises:
        ValueError: if the directory holds a run of another config, or arguments are wrong.
    """
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    check_same_run(resolved, output_dir)
    stages: Mapping[str, Any] = resolved.pop("stages") or {"": {}}
    metrics: dict[str, Any] = {}
    start: str | None = None
    for name, changes in stages.items():
        values: Any = OmegaConf.to_container(OmegaConf.merge(resolved, changes))
        if start is not None:
            values["model"]["name_or_path"] = start
        if name:
            logger.info("stage %s", name)
        metrics = run_stage(values, output_dir / name)
        start = str(output_dir / name / "model")
    scores = [values["macro_f1"] for values in metrics.values()]
    return sum(scores) / len(scores) if scores else None


def run_stage(values: Mapping[str, Any], output_dir: Path) -> dict[str, Any]:
    """Build the typed arguments of one stage and train, unless it is done already."""
    import json

    from stance.model_directory import MANIFEST_FILE, METRICS_FILE
    from stance.training import (
        MODEL_FOLDER,
        ModelArguments,
        OptimisationArguments,
        TrainingData,
        train_model,
    )
    from stance.training_data import load_source, load_sources

    model_dir = output_dir / MODEL_FOLDER
    if (model_dir / MANIFEST_FILE).is_file():
        logger.info("%s is done already; remove it to train again", model_dir)
        metrics: dict[str, Any] = json.loads((model_dir / METRICS_FILE).read_text())
        return metrics
    trainer = build(OptimisationArguments, "trainer", values["trainer"] | {
        "output_dir": str(output_dir), "device": values["device"],
    })  # fmt: skip
    model = build(ModelArguments, "model", values["model"] | {"withhold": values["withhold"]})
    sources, validation_sources = build_sources(values)
    documents, origins = load_sources(sources, trainer.seed)
    validation = {
        name: load_source(source, trainer.seed) for name, source in validation_sources.items()
    }
    metrics = train_model(model, trainer, TrainingData(documents, validation, origins))
    logger.info("the model is in %s", model_dir)
    for name, scores in metrics.items():
        logger.info("validation on %s: macro-F1 %.3f", name, scores["macro_f1"])
    return metrics


def build_sources(values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Sources to train on and, by name, to validate on: ``data`` first, then those of ``mix`` and
    ``validate_on``.

    Raises:
        ValueError: for a corpus that is not for training, or a wrong entry.
    """
    from stance.training_data import Source

    data = values["data"]
    if data["train"] is None and data["name"] != "file":
        raise ValueError(f"data={data['name']} has nothing to train on; use another corpus")
    place = {"name": data["name"], "path": data["path"]}
    splits = ("name", "path", "train", "validation", "test")
    options = {key: value for key, value in data.items() if key not in splits}
    train = [build(Source, "data", place | options | {"split": data["train"]})]
    train += [build(Source, "mix", entry) for entry in values["mix"]]
    validation = []
    if data["validation"] is not None:
        part = place | {"split": data["validation"]}
        validation.append(build(Source, "data", part))
    validation += [build(Source, "validate_on", entry) for entry in values["validate_on"]]
    names = [source.name for source in validation]
    named = {
        source.name if names.count(source.name) == 1 else f"{source.name}-{number}": source
        for number, source in enumerate(validation, start=1)
    }
    return train, named


def build(kind: type[T], section: str, values: Mapping[str, Any]) -> T:
    """Typed arguments from a section of the config.

    Raises:
        ValueError: for a key that the section does not have, or a wrong value.
    """
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ValueError(f"{section} has no {', '.join(unknown)}; there are {sorted(known)}")
    frozen = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return kind(**frozen)
    except TypeError as error:
        raise ValueError(f"{section}: {error}") from error


def check_same_run(resolved: Mapping[str, Any], output_dir: Path) -> None:
    """See that an earlier run in the directory had the same config; note the config otherwise.

    Raises:
        ValueError: if it had another one; the message names what differs.
    """
    file = output_dir / CONFIG_FILE
    wanted = {key: value for key, value in resolved.items() if key not in MACHINE_KEYS}
    if file.is_file():
        found: Any = OmegaConf.to_container(OmegaConf.load(file))
        changed = sorted(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k))
        if changed:
            raise ValueError(
                f"{output_dir} holds a run with another {', '.join(changed)}; "
                "choose another output_dir, or the same config to go on with that run"
            )
    elif int(os.environ.get("RANK", "0")) == 0:
        output_dir.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(dict(wanted)), file)
