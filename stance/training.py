"""Fine-tuning: documents in, a model directory out, with everything needed to repeat the run.

A run directory holds ``checkpoint-*`` while it runs and ``model/`` when it is done. A run that was
killed goes on from its last checkpoint, with the same batches and the same result.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import (
    EarlyStoppingCallback,
    PreTrainedTokenizerFast,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import IntervalStrategy

from stance.batching import TrainingBatchSampler
from stance.evaluation import describe_versions, hash_documents
from stance.examples import IGNORED, build_examples
from stance.features import Features, build_features
from stance.locations import models_dir
from stance.model import StanceConfig, StanceModel, check_positions, set_dropout
from stance.model_card import write_model_card
from stance.model_directory import (
    MANIFEST_FILE,
    read_git_revision,
    write_json,
    write_model,
)
from stance.name_hiding import draw_shown
from stance.runtime import Runtime, choose_runtime
from stance.schema import Document
from stance.trainer import StanceTrainer, balance_classes
from stance.weights import load_model, load_tokenizer
from stance.withholding import check_withheld, withhold

logger = logging.getLogger(__name__)

MODEL_FOLDER = "model"
LIMITATIONS = (
    "Labels say what the text shows of an actor, not what the actor thinks.",
    "Mentions must be given or found by name: an actor named only by a role is not seen.",
    "Most training texts are synthetic news or party statements; check scores on your own texts.",
)
BLIND = "A baseline that is not shown the {}, to see what can be known without; not for other use."


@dataclass(frozen=True)
class ModelArguments:
    """What to start from.

    ``name_or_path`` is a shipped model's name, a model directory or a hub name: an encoder gets a
    new head, a stance model goes on with the head it has.
    """

    name_or_path: str
    max_tokens: int = 512
    overlap_tokens: int = 96
    freeze_embeddings: bool = False
    freeze_layers: int = 0
    """So many of the encoder's first layers, and all of it but its layers, stay as they are."""
    dropout: float | None = None
    attention_dropout: float | None = None
    head_dropout: float = 0.1
    word_attention: bool = False
    """A new head learns which words are an actor's; without it they are the mentions' sentences."""
    license: str = "unknown"
    notice: str | None = None
    withhold: str | None = None
    """``text`` or ``target``: train a baseline that does not see it; null shows both."""
    names_hidden: bool = False
    """Read stand-ins for the names of persons (``stance.name_hiding``)."""
    names_shown: float = 0.0
    """In this share of the training examples some persons keep their names all the same."""

    def __post_init__(self) -> None:
        check_withheld(self.withhold)
        if not 0 <= self.names_shown <= 1:
            raise ValueError(f"names_shown is {self.names_shown}; give a share from 0 to 1")


@dataclass(frozen=True)
class OptimisationArguments:
    """How to train. Learning rates are the highest, reached after warm-up; then they fall to 0."""

    output_dir: str
    epochs: float = 4
    learning_rate: float = 5e-5
    head_learning_rate: float = 3e-4
    weight_decay: float = 0.01
    warmup_ratio: float = 0.06
    max_tokens_per_batch: int = 768
    gradient_accumulation_steps: int = 1
    max_grad_norm: float = 1.0
    label_smoothing: float = 0.0
    evidence_weight: float = 0.2
    """Weight of the loss that draws word attention to annotated evidence; 0 leaves it out."""
    class_weights: str | None = None
    """``balanced`` weighs a class by the inverse of its share, null weighs all alike."""
    evaluations_per_epoch: int = 1
    patience: int | None = None
    """Stop after this many evaluations without a better macro-F1; null trains to the end."""
    save_steps: int = 200
    logging_steps: int = 20
    seed: int = 1
    device: str = "auto"
    trackers: tuple[str, ...] = ("tensorboard",)

    def __post_init__(self) -> None:
        if self.class_weights not in (None, "balanced"):
            raise ValueError(f"class_weights={self.class_weights!r}; use balanced or null")
        if self.epochs <= 0 or self.learning_rate <= 0 or self.max_tokens_per_batch <= 0:
            raise ValueError("epochs, learning_rate and max_tokens_per_batch must be positive")
        if self.evidence_weight < 0:
            raise ValueError(f"evidence_weight is {self.evidence_weight}; give 0 or more")


@dataclass(frozen=True)
class TrainingData:
    """Documents to train on, and validation sets by name; ``origins`` describes each for the
    manifest (corpus, split, path, how many)."""

    train: Sequence[Document]
    validation: Mapping[str, Sequence[Document]]
    origins: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def train_model(
    model_arguments: ModelArguments, arguments: OptimisationArguments, data: TrainingData
) -> dict[str, Any]:
    """Fine-tune a model and write it to ``output_dir/model``.

    Goes on from the last checkpoint in ``output_dir`` where there is one. Calibrates on all
    validation sets together, and scores them with the weights as they are saved.

    Returns:
        Scores by validation set, as in ``output_dir/model/metrics.json`` (empty on other ranks
        than 0).

    Raises:
        ValueError: if there is nothing to train on, or the arguments do not fit the model.
    """
    started = time.time()
    output_dir = Path(arguments.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    set_seed(arguments.seed)
    runtime = choose_runtime(arguments.device)
    logger.info("training on %s in %s: %s", runtime.device, runtime.dtype, runtime.reason)
    if model_arguments.notice:
        logger.warning("%s: %s", model_arguments.name_or_path, model_arguments.notice)

    model, tokenizer = load_start(model_arguments)
    train = encode_documents(
        data.train, tokenizer, model.config, model_arguments.names_shown, arguments.seed
    )
    validation = {
        name: encode_documents(documents, tokenizer, model.config)
        for name, documents in data.validation.items()
    }
    for name, part in {"the training data": train, **validation}.items():
        if not any(feature.windows for feature in part):
            raise ValueError(f"{name}: no labelled pair of an actor that its text mentions")
    # A batch without a labelled actor that its text mentions would have no loss.
    train = [
        feature
        for feature in train
        if any(feature.labels[mention.actor] != IGNORED for mention in feature.mentions)
    ]
    model.label_smoothing = arguments.label_smoothing
    model.evidence_weight = arguments.evidence_weight
    if arguments.class_weights == "balanced":
        model.class_weights = balance_classes(train)

    settings = build_settings(arguments, runtime)
    sampler = TrainingBatchSampler(
        [feature.longest * len(feature.windows) for feature in train],
        [feature.longest for feature in train],
        max_tokens=arguments.max_tokens_per_batch,
        seed=arguments.seed,
        rank=settings.process_index,
        processes=settings.world_size,
    )
    if validation:
        schedule_evaluations(settings, arguments, len(sampler))
    tokens = sum(feature.tokens for feature in train)
    logger.info("%d examples, %d tokens, %d batches an epoch", len(train), tokens, len(sampler))
    trainer = StanceTrainer(
        model=model,
        args=settings,
        tokenizer=tokenizer,
        features=train,
        sampler=sampler,
        validation=validation,
        head_learning_rate=arguments.head_learning_rate,
        runtime=runtime,
    )
    if arguments.patience is not None and validation:
        trainer.add_callback(EarlyStoppingCallback(arguments.patience))
    trainer.train(resume_from_checkpoint=find_checkpoint(output_dir))
    if not trainer.is_world_process_zero():
        return {}
    model_dir = output_dir / MODEL_FOLDER
    metrics = write_model(model_dir, model, tokenizer, validation, runtime)
    manifest = build_manifest(model_arguments, arguments, data, trainer, time.time() - started)
    write_json(model_dir / MANIFEST_FILE, manifest)
    withheld = model_arguments.withhold
    write_model_card(
        model_dir,
        name=output_dir.name,
        base_model=model_arguments.name_or_path,
        license_id=model_arguments.license,
        manifest=manifest,
        evaluations=[
            scores | {"data": {"corpus": name, "split": "validation"}}
            for name, scores in metrics.items()
        ],
        limitations=(*([BLIND.format(withheld)] if withheld else []), *LIMITATIONS),
    )
    return metrics


def find_checkpoint(output_dir: Path) -> str | None:
    """The last checkpoint that was written to its end; the trainer writes its state last."""
    complete = []
    for state in output_dir.glob("checkpoint-*/trainer_state.json"):
        try:
            complete.append((json.loads(state.read_text())["global_step"], str(state.parent)))
        except (ValueError, KeyError):
            logger.warning("%s is not complete and is not used", state.parent)
    return max(complete)[1] if complete else None


def load_start(arguments: ModelArguments) -> tuple[StanceModel, PreTrainedTokenizerFast]:
    """The model and tokenizer to start from.

    Raises:
        ValueError: if the arguments do not fit the model.
    """
    path = resolve_model(arguments.name_or_path)
    tokenizer = load_tokenizer(path)
    config_file = Path(path) / "config.json"
    kind = json.loads(config_file.read_text()).get("model_type") if config_file.is_file() else None
    if kind == "stance":
        config = StanceConfig.from_pretrained(path)
        if arguments.word_attention and not config.word_attention:
            raise ValueError(
                f"word_attention is for a new head, but {path} is a stance model without it; start "
                "from a base model, or set word_attention=false"
            )
        encoder_config = config.encoder_config()
        set_dropout(encoder_config, arguments.dropout, arguments.attention_dropout)
        check_positions(encoder_config, arguments.max_tokens)
        config.encoder = encoder_config.to_dict()
        config.head_dropout = arguments.head_dropout
        config.max_tokens = arguments.max_tokens
        config.overlap_tokens = arguments.overlap_tokens
        model = load_model(path, config)
        if arguments.freeze_embeddings:
            model.encoder.get_input_embeddings().weight.requires_grad_(False)
    else:
        model = StanceModel.from_encoder(
            path,
            max_tokens=arguments.max_tokens,
            overlap_tokens=arguments.overlap_tokens,
            dropout=arguments.dropout,
            attention_dropout=arguments.attention_dropout,
            head_dropout=arguments.head_dropout,
            word_attention=arguments.word_attention,
            freeze_embeddings=arguments.freeze_embeddings,
            notice=arguments.notice,
        )
    model.config.withhold = arguments.withhold
    model.config.names_hidden = arguments.names_hidden
    model.freeze_layers(arguments.freeze_layers)
    return model, tokenizer


def resolve_model(name_or_path: str) -> str:
    """A directory as it is, the name of a shipped model as its directory, else a hub name."""
    shipped = models_dir() / name_or_path
    if not Path(name_or_path).exists() and "/" not in name_or_path and shipped.is_dir():
        return str(shipped)
    return name_or_path


def encode_documents(
    documents: Sequence[Document],
    tokenizer: PreTrainedTokenizerFast,
    config: StanceConfig,
    names_shown: float = 0.0,
    seed: int = 0,
) -> list[Features]:
    """Features of all labelled examples of the documents, without what the model is not shown; cut
    targets are counted in the log. ``names_shown`` is as in ``ModelArguments``."""
    seen = (withhold(document, config.withhold) for document in documents)
    draw = Random(seed)
    features = [
        build_features(
            example,
            tokenizer,
            max_tokens=config.max_tokens,
            overlap_tokens=config.overlap_tokens,
            names_hidden=config.names_hidden,
            names_shown=draw_shown(example, names_shown, draw),
        )
        for example in build_examples(seen, labelled_only=True)
    ]
    marked = [feature.warnings for feature in features if feature.warnings]
    if marked:
        logger.warning("%d examples with warnings, the first: %s", len(marked), marked[0][0])
    return features


def build_settings(arguments: OptimisationArguments, runtime: Runtime) -> TrainingArguments:
    """The arguments of ``transformers.Trainer``."""
    return TrainingArguments(
        output_dir=arguments.output_dir,
        num_train_epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        warmup_steps=arguments.warmup_ratio,  # below 1 it is a share of all steps
        optim="adamw_torch_fused",
        gradient_accumulation_steps=arguments.gradient_accumulation_steps,
        max_grad_norm=arguments.max_grad_norm,
        save_strategy="steps",
        save_steps=arguments.save_steps,
        save_total_limit=2,
        logging_steps=arguments.logging_steps,
        seed=arguments.seed,
        bf16=runtime.dtype == torch.bfloat16,
        use_cpu=runtime.device.type == "cpu",
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=list(arguments.trackers) or "none",
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=False,
        disable_tqdm=int(os.environ.get("RANK", "0")) > 0,
    )


def schedule_evaluations(
    settings: TrainingArguments, arguments: OptimisationArguments, batches: int
) -> None:
    """Set when to evaluate and to save: the best model must be a checkpoint, so evaluations fall
    on saves, and the last one on the end of an epoch or shortly before."""
    steps = max(1, batches // arguments.gradient_accumulation_steps)
    every = max(1, steps // arguments.evaluations_per_epoch)
    saves = max(1, round(every / arguments.save_steps))
    settings.save_steps = max(1, every // saves)
    settings.eval_steps = settings.save_steps * saves
    settings.eval_strategy = IntervalStrategy.STEPS
    settings.load_best_model_at_end = True
    settings.metric_for_best_model = "macro_f1"
    settings.greater_is_better = True


def build_manifest(
    model: ModelArguments,
    optimisation: OptimisationArguments,
    data: TrainingData,
    trainer: StanceTrainer,
    seconds: float,
) -> dict[str, Any]:
    """What is needed to repeat a run and to know what it was.

    ``minutes`` counts from the last start: what ran before an interruption is not in it. What the
    model was trained on before, in an earlier stage or by somebody else, is ``started_from``.
    """
    parts = {"train": data.train, **data.validation}
    earlier = Path(resolve_model(model.name_or_path)) / MANIFEST_FILE
    started_from = json.loads(earlier.read_text("utf-8")) if earlier.is_file() else None
    return {
        "model": asdict(model),
        "optimisation": {k: v for k, v in asdict(optimisation).items() if k != "output_dir"},
        "origins": [dict(origin) for origin in data.origins],
        "documents": {name: len(documents) for name, documents in parts.items()},
        "sha256": {name: hash_documents(documents) for name, documents in parts.items()},
        "steps": trainer.state.global_step,
        "best_step": trainer.state.best_global_step,
        "best_macro_f1": trainer.state.best_metric,
        "minutes": round(seconds / 60, 1),
        "git_revision": read_git_revision(),
        "versions": describe_versions(),
        "started_from": started_from,
    }
