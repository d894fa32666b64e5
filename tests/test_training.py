"""Training writes a model that scores as it says, and goes on after an interruption."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from stance import StanceClassifier
from stance.corpora import load_corpus
from stance.evaluation import evaluate_documents
from stance.schema import Document
from stance.trainer import StanceTrainer, balance_classes
from stance.training import (
    ModelArguments,
    OptimisationArguments,
    TrainingData,
    resolve_model,
    train_model,
)
from stance.withholding import withhold

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast


@pytest.fixture(scope="module")
def data() -> TrainingData:
    documents = load_corpus("newsstance", "train")[:400:40]
    return TrainingData(documents[:7], {"news": documents[7:]})


@pytest.fixture
def arguments(tmp_path: Path) -> OptimisationArguments:
    return OptimisationArguments(
        output_dir=str(tmp_path / "run"),
        epochs=2,
        learning_rate=1e-3,
        max_tokens_per_batch=1024,
        save_steps=2,
        logging_steps=1,
        device="cpu",
        trackers=(),
    )


def start_from(path: Path) -> ModelArguments:
    return ModelArguments(str(path), max_tokens=256, overlap_tokens=32, license="mit")


def read_weights(run: str) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_file(Path(run) / "model" / "model.safetensors")
    return weights


def test_a_run_leaves_all_that_is_needed_to_use_and_repeat_it(
    tiny_encoder_dir: Path, arguments: OptimisationArguments, data: TrainingData
) -> None:
    metrics = train_model(start_from(tiny_encoder_dir), arguments, data)
    model_dir = Path(arguments.output_dir) / "model"
    names = {path.name for path in model_dir.iterdir()}
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "calibration.json",
        "training_manifest.json",
        "metrics.json",
        "README.md",
    } <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    manifest = json.loads((model_dir / "training_manifest.json").read_text(encoding="utf-8"))
    assert manifest["documents"] == {"train": 7, "news": 3}
    assert manifest["optimisation"]["seed"] == 1
    assert len(manifest["sha256"]["train"]) == 64
    assert manifest["started_from"] is None
    assert read_weights(arguments.output_dir)["classifier.weight"].dtype == torch.float16

    # train and evaluate report the same numbers
    classifier = StanceClassifier.from_pretrained(model_dir, device="cpu")
    evaluated = evaluate_documents(classifier, list(data.validation["news"])).metrics
    assert evaluated["macro_f1"] == pytest.approx(metrics["news"]["macro_f1"])
    assert evaluated["confusion_matrix"] == metrics["news"]["confusion_matrix"]
    assert evaluated["calibration"]["nll"] == pytest.approx(
        metrics["news"]["calibration"]["nll"], abs=1e-6
    )


class StopAfter(TrainerCallback):
    """Ends a run in the middle of an epoch, as a kill would, after the step was saved."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_save(self, args: object, state: object, control: object, **kwargs: object) -> None:
        if state.global_step >= self.steps:  # type: ignore[attr-defined]
            raise KeyboardInterrupt


def test_a_resumed_run_ends_with_the_same_weights(
    tiny_encoder_dir: Path,
    arguments: OptimisationArguments,
    data: TrainingData,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    start = replace(start_from(tiny_encoder_dir), dropout=0.1)
    train_model(start, arguments, data)
    interrupted = replace(arguments, output_dir=str(tmp_path / "interrupted"))
    original = StanceTrainer.__init__

    def build(self: StanceTrainer, **kwargs: object) -> None:
        original(self, **kwargs)
        self.add_callback(StopAfter(2))

    with monkeypatch.context() as patch:
        patch.setattr(StanceTrainer, "__init__", build)
        with pytest.raises(KeyboardInterrupt):
            train_model(start, interrupted, data)
    assert not (tmp_path / "interrupted" / "model").exists()
    train_model(start, interrupted, data)
    expected, found = read_weights(arguments.output_dir), read_weights(interrupted.output_dir)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name


@pytest.mark.parametrize("architecture", ["xlm-roberta", "deberta-v2", "modernbert"])
def test_every_architecture_of_the_configs_trains_and_predicts(
    architecture: str,
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    tiny_tokenizer: PreTrainedTokenizerFast,
    arguments: OptimisationArguments,
    data: TrainingData,
    tmp_path: Path,
) -> None:
    from transformers import AutoModel

    base = tmp_path / "base"
    AutoModel.from_config(tiny_encoder_config(architecture)).save_pretrained(base)
    tiny_tokenizer.save_pretrained(base)
    few = TrainingData(data.train[:2], {})
    train_model(start_from(base), replace(arguments, epochs=1), few)
    classifier = StanceClassifier.from_pretrained(
        Path(arguments.output_dir) / "model", device="cpu"
    )
    document = data.train[0]
    rows = classifier.predict(document)
    assert len(rows) == len(document.actors) * len(document.targets)
    assert all(sum(row.probabilities) == pytest.approx(1) for row in rows)


def test_training_goes_on_from_a_stance_model(
    tiny_stance_model_dir: Path, arguments: OptimisationArguments, data: TrainingData
) -> None:
    start = replace(start_from(tiny_stance_model_dir), dropout=0.0, head_dropout=0.0)
    train_model(start, replace(arguments, learning_rate=1e-9, head_learning_rate=1e-9), data)
    before = load_file(tiny_stance_model_dir / "model.safetensors")
    after = read_weights(arguments.output_dir)
    torch.testing.assert_close(
        after["classifier.weight"].float(), before["classifier.weight"], atol=1e-4, rtol=1e-3
    )
    config = json.loads((Path(arguments.output_dir) / "model" / "config.json").read_text())
    assert config["max_tokens"] == 256


def test_word_attention_is_trained_kept_and_not_put_into_a_model_without_it(
    tiny_encoder_dir: Path,
    tiny_stance_model_dir: Path,
    arguments: OptimisationArguments,
    data: TrainingData,
) -> None:
    start = replace(start_from(tiny_encoder_dir), word_attention=True)
    train_model(start, replace(arguments, head_learning_rate=0.01), data)
    weights = read_weights(arguments.output_dir)
    assert weights["words.from_mention"].abs().max() > 0
    document = data.train[0]
    rows = StanceClassifier.from_pretrained(Path(arguments.output_dir) / "model").predict(document)
    assert len(rows) == len(document.actors) * len(document.targets)
    late = replace(start_from(tiny_stance_model_dir), word_attention=True)
    with pytest.raises(ValueError, match="word_attention is for a new head"):
        train_model(late, arguments, data)


@pytest.mark.parametrize("part", ["text", "target"])
def test_what_is_withheld_in_training_is_withheld_in_use(
    part: str, tiny_encoder_dir: Path, arguments: OptimisationArguments, data: TrainingData
) -> None:
    start = replace(start_from(tiny_encoder_dir), withhold=part)
    metrics = train_model(start, replace(arguments, epochs=1), data)
    model_dir = Path(arguments.output_dir) / "model"
    assert json.loads((model_dir / "config.json").read_text())["withhold"] == part
    assert f"not shown the {part}" in (model_dir / "README.md").read_text(encoding="utf-8")
    classifier = StanceClassifier.from_pretrained(model_dir, device="cpu")
    documents = list(data.validation["news"])
    evaluated = evaluate_documents(classifier, documents).metrics
    assert evaluated["confusion_matrix"] == metrics["news"]["confusion_matrix"]
    nll = metrics["news"]["calibration"]["nll"]
    assert evaluated["calibration"]["nll"] == pytest.approx(nll, abs=1e-6)
    blinded = [withhold(document, part) for document in documents]
    assert [row.probabilities for row in classifier.predict(blinded)] == [
        row.probabilities for row in classifier.predict(documents)
    ]


def test_nothing_to_train_on_is_an_error(
    tiny_encoder_dir: Path, arguments: OptimisationArguments
) -> None:
    unlabelled = Document(id="d", text="Niemand sagt etwas.")
    with pytest.raises(ValueError, match="the training data: no labelled pair"):
        train_model(start_from(tiny_encoder_dir), arguments, TrainingData([unlabelled], {}))


def test_wrong_arguments_are_errors() -> None:
    with pytest.raises(ValueError, match="use balanced or null"):
        OptimisationArguments("x", class_weights="equal")
    with pytest.raises(ValueError, match="must be positive"):
        OptimisationArguments("x", epochs=0)
    with pytest.raises(ValueError, match="withhold is 'actor'; give text or target"):
        ModelArguments("x", withhold="actor")


def test_class_weights_even_out_the_classes(
    tiny_tokenizer: PreTrainedTokenizerFast, data: TrainingData
) -> None:
    from stance.features import Features

    def make(labels: tuple[int, ...]) -> Features:
        return Features((), (), (False,) * len(labels), labels)

    weights = balance_classes([make((0, 0, 0, 1)), make((-100, 1, 2, 0))])
    assert weights[:3] * torch.tensor([4, 2, 1]) == pytest.approx(torch.full((3,), 7 / 3))
    assert weights[3] == 1


def test_names_of_shipped_models_and_of_the_hub_are_told_apart(tmp_path: Path) -> None:
    assert resolve_model("minilm-de").endswith("models/minilm-de")
    assert resolve_model("deepset/gbert-base") == "deepset/gbert-base"
    assert resolve_model(str(tmp_path)) == str(tmp_path)
