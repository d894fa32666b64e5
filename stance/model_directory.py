"""What a training run leaves: weights, tokenizer, calibration, manifest, metrics and model card.

Files appear under their final name only when all of them are there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stance.abstention import choose_thresholds
from stance.calibration import fit_temperature
from stance.examples import IGNORED
from stance.features import Features
from stance.inference import CALIBRATION_FILE, read_examples, to_probabilities
from stance.metrics import score_direction, score_labels, score_probabilities
from stance.runtime import Runtime
from stance.schema import LABELS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from stance.model import StanceModel

MANIFEST_FILE = "training_manifest.json"
METRICS_FILE = "metrics.json"


def write_model(
    directory: Path,
    model: StanceModel,
    tokenizer: PreTrainedTokenizerFast,
    validation: Mapping[str, Sequence[Features]],
    runtime: Runtime,
) -> dict[str, Any]:
    """Write a model in fp16, read it back, calibrate it and score what was read.

    The temperature is fitted on all validation sets together.

    Returns:
        Scores by validation set, as also written to ``metrics.json``.
    """
    from stance.weights import load_model

    building = directory.with_name(directory.name + ".part")
    shutil.rmtree(building, ignore_errors=True)
    model.half().save_pretrained(building)
    tokenizer.save_pretrained(building)
    metrics: dict[str, Any] = {}
    if validation:
        saved = load_model(building).eval()
        saved.to(runtime.device)
        predicted = {
            name: predict_labelled(saved, features, tokenizer.pad_token_id, runtime)
            for name, features in validation.items()
        }
        # A pair that the model did not read says nothing about its confidence.
        read = {name: ~np.isnan(logits).any(axis=1) for name, (logits, _) in predicted.items()}
        logits = np.concatenate([predicted[name][0][rows] for name, rows in read.items()])
        gold = np.concatenate([predicted[name][1][rows] for name, rows in read.items()])
        temperature = fit_temperature(logits, gold)
        before = score_probabilities(to_probabilities(logits, 1.0), gold)
        calibrated = to_probabilities(logits, temperature)
        after = score_probabilities(calibrated, gold)
        write_json(
            building / CALIBRATION_FILE,
            {
                "method": "temperature scaling",
                "temperature": temperature,
                "fitted_on": sorted(validation),
                "pairs": len(gold),
                "before": before,
                "after": after,
                "thresholds": choose_thresholds(
                    calibrated.max(axis=1), calibrated.argmax(axis=1) == gold
                ),
            },
        )
        metrics = {
            name: score_logits(table, labels, temperature)
            for name, (table, labels) in predicted.items()
        }
    write_json(building / METRICS_FILE, metrics)
    shutil.rmtree(directory, ignore_errors=True)
    building.rename(directory)
    return metrics


def predict_labelled(
    model: StanceModel, features: Sequence[Features], pad_id: int, runtime: Runtime
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits (N, 4), NaN for actors that a text does not mention, and gold label ids (N,) of the
    labelled pairs."""
    readings = read_examples(
        model,
        features,
        pad_id=pad_id,
        runtime=runtime,
        max_tokens_per_batch=runtime.tokens_per_batch,
    )
    gold = np.concatenate([np.array(feature.labels, dtype=np.int64) for feature in features])
    scored = gold != IGNORED
    return np.concatenate([reading.logits for reading in readings])[scored], gold[scored]


def score_logits(
    logits: NDArray[np.float64], gold: NDArray[np.int64], temperature: float
) -> dict[str, Any]:
    """Scores of labels and probabilities, as ``stance-evaluate`` computes them."""
    probabilities = to_probabilities(logits, temperature)
    names = np.array(LABELS)
    truth = names[gold].tolist()
    scores = score_labels(truth, names[probabilities.argmax(axis=1)].tolist())
    return scores | {
        "direction": score_direction(truth, probabilities),
        "calibration": score_probabilities(probabilities, gold),
    }


def read_git_revision() -> str | None:
    """The checkout's revision, with ``-dirty`` where files differ; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
