"""``stance-train-tagger``: a trained model in, the same with a tagger of actors out."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.markup import escape

from stance.commands.overrides import quote_paths
from stance.locations import config_dir
from stance.schema import Document

PATH_KEYS = ("model_dir", "documents", "validation", "output_dir")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainTaggerArguments:
    """What the command takes; ``configs/train_tagger.yaml`` sets the defaults.

    Raises:
        ValueError: if an argument has a value that cannot be right; the message names it.
    """

    model_dir: str
    """Directory of a trained model; the tagger is written there."""
    documents: str | None
    """Documents with mentions to learn from; None takes newsstance."""
    validation: str | None
    """Documents to score; None takes newsstance, or none where ``documents`` is given."""
    max_validation: int | None
    """How many of these are scored, drawn at random; None takes all."""
    tagger: Mapping[str, Any]
    """Of ``stance.actor_tagging.TaggerSettings``."""
    training: Mapping[str, Any]
    """Of ``stance.tagger_training.TaggerTrainingSettings``."""
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("documents", "validation"):
            if not isinstance(getattr(self, name), str | None):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give a path or null")
        if not isinstance(self.model_dir, str):
            raise ValueError(f"model_dir is {self.model_dir!r}; give a trained model's directory")
        limit = self.max_validation
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ValueError(f"max_validation is {limit!r}; give a number from 1 up, or null")


def main() -> None:
    """The console command; what is wrong with arguments or data is one line and exit status 1."""
    sys.argv[1:] = quote_paths(sys.argv[1:], PATH_KEYS)
    run_from_config()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train_tagger")
def run_from_config(config: DictConfig) -> None:
    try:
        values: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        values.pop("output_dir")
        train(TrainTaggerArguments(**values), Console())
    except (ValueError, TypeError, OSError, OmegaConfBaseException) as error:
        raise SystemExit(f"error: {' '.join(str(error).split())}") from error


def train(arguments: TrainTaggerArguments, console: Console) -> None:
    """Read, train, write, print the scores.

    Raises:
        ValueError: for settings, documents or a model that do not fit.
        OSError: for files that are not there or cannot be written.
    """
    from stance.actor_tagging import TaggerSettings
    from stance.evaluation import hash_documents
    from stance.tagger_training import TaggerTrainingSettings, train_tagger
    from stance.weights import load_model, load_tokenizer

    shape = TaggerSettings(**arguments.tagger)
    settings = TaggerTrainingSettings(**arguments.training)
    model, tokenizer = load_model(arguments.model_dir), load_tokenizer(arguments.model_dir)
    documents = load_documents(arguments.documents, "train")
    validation: Sequence[Document] = []
    if arguments.validation is not None or arguments.documents is None:
        validation = load_documents(arguments.validation, "validation")
    if arguments.max_validation is not None and len(validation) > arguments.max_validation:
        validation = random.Random(0).sample(list(validation), arguments.max_validation)
    scores = train_tagger(
        model,
        tokenizer,
        documents,
        validation,
        arguments.model_dir,
        tagger=shape,
        settings=settings,
        device=arguments.device,
        facts={"documents": len(documents), "sha256": hash_documents(documents)},
    )
    for name, score in scores.items():
        if isinstance(score, float):
            console.print(f"{name}: {score:.3f}")
    console.print(f"written into {escape(arguments.model_dir)}", soft_wrap=True)


def load_documents(path: str | None, split: str) -> list[Document]:
    """Those of a file, or of a split of newsstance."""
    if path is not None:
        from stance.documents import read_documents

        return read_documents(path)
    from stance.corpora import load_corpus

    return load_corpus("newsstance", split, None)
