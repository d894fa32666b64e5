"""``transformers.Trainer`` as stance models need it: batches of whole texts by token budget, one
learning rate for encoder and one for head, and the evaluation of ``stance-evaluate``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast, Trainer

from stance.batching import TrainingBatchSampler, collate_examples
from stance.examples import IGNORED
from stance.features import Features
from stance.model import StanceModel
from stance.model_directory import predict_labelled, score_logits
from stance.runtime import Runtime
from stance.schema import LABELS


class EpochLoader(DataLoader[Any]):
    """A data loader that passes the epoch on to its batch sampler."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches the next iteration gives."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


class StanceTrainer(Trainer):
    """``Trainer`` with batches by token budget, a learning rate of its own for the head, and an
    evaluation that runs the same code as ``stance-evaluate``, so that both report one number.

    In a distributed run every process evaluates all of the validation data: a text's actors are too
    uneven to be gathered, and the data are small.
    """

    def __init__(
        self,
        *,
        model: StanceModel,
        tokenizer: PreTrainedTokenizerFast,
        features: Sequence[Features],
        sampler: TrainingBatchSampler,
        validation: Mapping[str, Sequence[Features]],
        head_learning_rate: float,
        runtime: Runtime,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model=model,
            train_dataset=list(features),
            eval_dataset={name: list(part) for name, part in validation.items()} or None,
            processing_class=tokenizer,
            **kwargs,
        )
        self.stance_model = model  # Trainer.model may be wrapped
        self.pad_id: int = tokenizer.pad_token_id
        self.features = list(features)
        self.sampler = sampler
        self.validation = validation
        self.head_learning_rate = head_learning_rate
        self.runtime = runtime

    def get_train_dataloader(self) -> EpochLoader:
        """Batches of this process; their inputs are moved to the device by the trainer."""
        return EpochLoader(
            self.features,  # type: ignore[arg-type]  # a list is a dataset
            batch_sampler=self.sampler,
            collate_fn=lambda features: collate_examples(features, self.pad_id),
        )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW; no decay of biases and norms, ``head_learning_rate`` outside the encoder."""
        if self.optimizer is None:
            groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
            for name, parameter in self.stance_model.named_parameters():
                if parameter.requires_grad:
                    key = (name.startswith("encoder."), parameter.ndim > 1)
                    groups.setdefault(key, []).append(parameter)
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args)
            rates = {True: self.args.learning_rate, False: self.head_learning_rate}
            self.optimizer = optimizer_class(
                [
                    {
                        "params": parameters,
                        "lr": rates[encoder],
                        "weight_decay": self.args.weight_decay if decays else 0.0,
                    }
                    for (encoder, decays), parameters in groups.items()
                ],
                **options,
            )
        return self.optimizer

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Scores of each validation set; ``eval_macro_f1`` is the mean over the sets."""
        started = time.time()
        model = self.stance_model.eval()
        scores = {
            name: score_logits(*predict_labelled(model, features, self.pad_id, self.runtime), 1.0)
            for name, features in self.validation.items()
        }
        model.train()
        metrics = {
            f"eval_{name}_{key}": values[key]
            for name, values in scores.items()
            for key in ("macro_f1", "accuracy")
        }
        metrics |= {f"eval_{name}_nll": v["calibration"]["nll"] for name, v in scores.items()}
        metrics |= {
            f"eval_{name}_direction": v["direction"]["macro_f1"]
            for name, v in scores.items()
            if v["direction"] is not None
        }
        metrics["eval_macro_f1"] = float(np.mean([v["macro_f1"] for v in scores.values()]))
        metrics["eval_seconds"] = round(time.time() - started, 1)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def balance_classes(features: Sequence[Features]) -> torch.Tensor:
    """Weights (4,), the inverse of each class's share, 1 on average over the pairs; a class that
    does not occur gets 1."""
    labels = [label for feature in features for label in feature.labels if label != IGNORED]
    counts = np.bincount(labels, minlength=len(LABELS)).astype(float)
    weights = np.where(counts > 0, len(labels) / ((counts > 0).sum() * np.maximum(counts, 1)), 1.0)
    return torch.tensor(weights, dtype=torch.float32)
