"""Models of others for the same question: NLI models zero-shot, and stance classifiers by name.

A model for natural language inference (NLI) says whether a premise entails a hypothesis. That makes
it a classifier for labels that it was never trained on: the text is the premise, each label becomes
a hypothesis, and the label with the most entailment wins (Yin, Hay and Roth 2019, "Benchmarking
Zero-shot Text Classification"; for political texts Laurer et al. 2024, "Less Annotating, More
Classifying"). As in the zero-shot pipeline of transformers, probabilities are the softmax of the
four entailment logits; the pipeline itself cuts long texts, which is why it is not used.

A model that was trained on stance needs no hypotheses: it gets the text with "actor: target" beside
it. Which kind a model is follows from its labels.

A long text becomes overlapping windows, of which those count that name the actor. A stance can be
shown anywhere, so ``favor``, ``against`` and ``neutral`` get the highest score of all windows; that
no stance is shown must hold everywhere, so ``none`` gets the lowest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stance.batching import plan_batches
from stance.evaluation import iter_pairs
from stance.features import MIN_TEXT_TOKENS
from stance.inference import NOT_MENTIONED
from stance.runtime import Runtime, choose_runtime
from stance.schema import (
    LABELS,
    Actor,
    Document,
    Mention,
    Prediction,
    StanceLabel,
    Target,
    quote_spans,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

HYPOTHESES = {
    "favor": "{actor} ist dafür: {target}",
    "against": "{actor} ist dagegen: {target}",
    "neutral": "{actor} äußert sich neutral dazu: {target}",
    "none": "{actor} äußert sich nicht dazu: {target}",
}
"""What an NLI model is asked for each label."""
AUTHOR = "Der Verfasser des Textes"
"""Stands for the author in a hypothesis: the text does not have the name, so nothing about it could
be entailed."""
QUESTION = "{actor}: {target}"
"""What a stance model gets beside the text."""

MAX_TOKENS = 512
"""Of a window: more than that few of these models were trained on, and memory grows with it."""
OVERLAP_TOKENS = 96
"""Tokens that neighbouring windows share, as in our own models."""


@dataclass(frozen=True)
class PairWindow:
    """A part of a text, ``characters``, with each question beside it: ``inputs`` has the lists that
    the tokenizer makes, one dict a question."""

    characters: tuple[int, int]
    inputs: tuple[dict[str, list[int]], ...]


class ZeroShotClassifier:
    """A sequence classification model of Hugging Face as a ``stance.evaluation.Classifier``.

    Build it with ``ZeroShotClassifier.from_pretrained``.
    """

    has_probabilities = True

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        *,
        name: str,
        label_names: Mapping[str, str] | None = None,
        runtime: Runtime | None = None,
        max_tokens_per_batch: int = 2048,
    ) -> None:
        id2label: Any = model.config.id2label
        self.labels = [str(id2label[number]) for number in range(len(id2label))]
        self.entailment = find_entailment(self.labels) if label_names is None else None
        self.columns: list[list[int]] = []
        if self.entailment is None:
            self.columns = map_columns(self.labels, name, label_names)
        self.runtime = runtime or choose_runtime()
        self.model = model.eval()
        self.model.to(self.runtime.device)
        self.tokenizer = tokenizer
        self.name = name
        self.max_tokens = min(MAX_TOKENS, tokenizer.model_max_length, count_positions(model))
        self.max_tokens_per_batch = max_tokens_per_batch

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str,
        *,
        label_names: Mapping[str, str] | None = None,
        device: str = "auto",
        max_tokens_per_batch: int = 2048,
    ) -> ZeroShotClassifier:
        """Load a model by its name on the hub, or from a directory.

        Args:
            label_names: for a stance model that names its labels otherwise, ours for each of its
                own, such as ``{"PRO": "favor", "CON": "against", "REST": "none"}``; probabilities
                of names for one label are added up.
            device: auto, cpu, cuda, cuda:N or mps.
            max_tokens_per_batch: padded tokens that the model gets at once.

        Raises:
            ValueError: if its labels are not those of an NLI or stance model, it has no trained
                classification head or no fast tokenizer, or the device is not there.
            OSError: if there is no such model.
        """
        import torch
        from transformers import AutoModelForSequenceClassification

        from stance.weights import load_tokenizer

        runtime = choose_runtime(device)
        loaded: Any = AutoModelForSequenceClassification.from_pretrained(
            name_or_path, dtype=torch.float32, output_loading_info=True
        )
        model, loading = loaded
        if missing := sorted(loading["missing_keys"]):
            raise ValueError(
                f"{name_or_path}: no weights for {', '.join(missing)}, so this model was not "
                "trained to classify texts; name one that was trained on NLI or on stance"
            )
        path = Path(name_or_path)
        return cls(
            model,
            load_tokenizer(name_or_path),
            name=path.resolve().name if path.is_dir() else name_or_path,
            label_names=label_names,
            runtime=runtime,
            max_tokens_per_batch=max_tokens_per_batch,
        )

    def predict(self, documents: Iterable[Document]) -> list[Prediction]:
        """Predict all actor-target pairs, in the order document, target, actor.

        An actor that the text does not mention is not put to the model: the row is a certain
        ``none`` with a warning.

        Raises:
            ValueError: if a target is so long that it leaves no room for the text.
        """
        pairs = list(iter_pairs(documents))
        windows = [self._cut(*pair) for pair in pairs]
        inputs = [row for part in windows for window in part for row in window.inputs]
        logits = iter(self._read(inputs))
        predictions = []
        for (document, target, actor), part in zip(pairs, windows, strict=True):
            scores = [self._score([next(logits) for _ in window.inputs]) for window in part]
            probabilities = (
                combine_windows(scores)
                if scores
                else np.array([float(label == StanceLabel.NONE) for label in LABELS])
            )
            best = int(probabilities.argmax())
            prediction = Prediction(
                document_id=document.id,
                actor_id=actor.id,
                actor=actor.name,
                target_id=target.id,
                target=target.text,
                label=StanceLabel(LABELS[best]),
                probabilities=tuple(probabilities.tolist()),
                confidence=float(probabilities[best]),
                mentions=quote_spans(document.text, ((m.start, m.end) for m in actor.mentions)),
                windows=tuple(
                    Mention(start=start, end=end)
                    for start, end in (window.characters for window in part)
                ),
                warnings=() if part else (NOT_MENTIONED,),
                model=self.name,
            )
            predictions.append(prediction)
        return predictions

    def _cut(self, document: Document, target: Target, actor: Actor) -> list[PairWindow]:
        """The windows of the text that count for the actor, with what is asked about it."""
        questions = [QUESTION.format(actor=actor.name, target=target.text)]
        if self.entailment is not None:
            name = AUTHOR if actor.author else actor.name
            questions = [
                HYPOTHESES[label].format(actor=name, target=target.text) for label in LABELS
            ]
        try:
            windows = cut_windows(document.text, questions, self.tokenizer, self.max_tokens)
        except ValueError as error:
            raise ValueError(f"document {document.id!r}, target {target.id!r}: {error}") from error
        return choose_windows(windows, actor)

    def _read(self, inputs: Sequence[Mapping[str, list[int]]]) -> NDArray[np.float64]:
        """The model's logits (N, C) for N inputs, which are read in batches of like length."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        logits = np.empty((len(inputs), len(self.labels)))
        device, half = self.runtime.device, self.runtime.dtype != torch.float32
        padding = {"input_ids": self.tokenizer.pad_token_id or 0}
        lengths = [len(row["input_ids"]) for row in inputs]
        with torch.inference_mode():
            for batch in plan_batches(lengths, self.max_tokens_per_batch):
                tensors = {
                    name: pad_sequence(
                        [torch.tensor(inputs[position][name]) for position in batch],
                        batch_first=True,
                        padding_value=padding.get(name, 0),
                    ).to(device)
                    for name in inputs[batch[0]]
                }
                with torch.autocast(device.type, self.runtime.dtype, enabled=half):
                    output = self.model(**tensors).logits
                logits[batch] = output.double().cpu().numpy()
        return logits

    def _score(self, logits: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Scores (4,) of a window from the logits (C,) of each of its questions."""
        if self.entailment is not None:
            return np.array([row[self.entailment] for row in logits])
        return merge_columns(logits[0], self.columns)


def find_entailment(names: Sequence[str]) -> int | None:
    """The column of the entailment label, found as the pipeline of transformers does; None without.

    ``not_entailment`` is not taken for it.
    """
    return next((i for i, name in enumerate(names) if name.lower().startswith("entail")), None)


def map_columns(
    names: Sequence[str], model: str, label_names: Mapping[str, str] | None = None
) -> list[list[int]]:
    """The columns of a stance model that stand for each of ``LABELS``, by its label names.

    Raises:
        ValueError: if the names are not our labels (in any case), or ``label_names`` does not map
            every name to one of them.
    """
    mapping = dict(label_names or {})
    if label_names is None and sorted(map(str.lower, names)) == sorted(LABELS):
        mapping = {name: name.lower() for name in names}
    unknown = [name for name in names if mapping.get(name) not in LABELS]
    extra = sorted(mapping.keys() - set(names))
    if unknown or extra:
        given = "" if label_names is None else f" and label_names is {mapping}"
        raise ValueError(
            f"{model}: the labels are {', '.join(names)}{given}; needed is a label 'entailment' "
            f"(an NLI model), the labels {', '.join(LABELS)} (a stance model), or label_names that "
            "map each label of the model to one of these four"
        )
    return [[i for i, name in enumerate(names) if mapping[name] == label] for label in LABELS]


def merge_columns(
    logits: NDArray[np.float64], columns: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Log-probabilities (4,) of our labels from logits (C,); -inf for one that the model lacks."""
    from scipy.special import log_softmax, logsumexp

    rows = log_softmax(logits)
    return np.array([logsumexp(rows[part]) if part else -math.inf for part in map(list, columns)])


def combine_windows(scores: ArrayLike) -> NDArray[np.float64]:
    """Probabilities (4,) from the scores (W, 4) of at least one window, in the order of ``LABELS``:
    the softmax of the highest score of each label, and the lowest of ``none``."""
    from scipy.special import softmax

    table = np.asarray(scores, dtype=np.float64)
    none = LABELS.index(StanceLabel.NONE)
    combined = table.max(axis=0)
    combined[none] = table[:, none].min()
    probabilities: NDArray[np.float64] = softmax(combined)
    return probabilities


def count_positions(model: PreTrainedModel) -> int:
    """How many tokens the model has learned positions for; ``MAX_TOKENS`` where it has none."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            # Models of the RoBERTa family count from the padding's id, which the table knows.
            padding = module.padding_idx
            return int(module.num_embeddings) - (0 if padding is None else int(padding) + 1)
    return MAX_TOKENS


def cut_windows(
    text: str, questions: Sequence[str], tokenizer: PreTrainedTokenizerFast, max_tokens: int
) -> list[PairWindow]:
    """Overlapping windows that cover the text, the same for all questions; none without a token.

    With the longest question beside it a window has at most ``max_tokens`` tokens.

    Raises:
        ValueError: if a question leaves fewer than ``MIN_TEXT_TOKENS`` for the text.
    """
    special = tokenizer.num_special_tokens_to_add(pair=True)
    sizes = [
        len(tokenizer(question, add_special_tokens=False, verbose=False)["input_ids"])
        for question in questions
    ]
    room = max_tokens - special - max(sizes)
    if room < MIN_TEXT_TOKENS:
        raise ValueError(
            f"with actor and target as {questions[0]!r} the text has only {max(room, 0)} of the "
            f"model's {max_tokens} tokens; shorten the target so that {MIN_TEXT_TOKENS} are left"
        )
    rows: list[list[dict[str, list[int]]]] = []
    spans: list[tuple[int, int] | None] = []
    for question, size in zip(questions, sizes, strict=True):
        encoded = tokenizer(
            text,
            question,
            truncation="only_first",
            # Its own limit for each question, so that the text is cut at the same places.
            max_length=room + special + size,
            stride=min(OVERLAP_TOKENS, room // 2),
            return_overflowing_tokens=True,
            verbose=False,
        )
        encodings = encoded.encodings
        assert encodings is not None, "only fast tokenizers give offsets"
        names = [name for name in tokenizer.model_input_names if name in encoded]
        rows.append([{name: encoded[name][i] for name in names} for i in range(len(encodings))])
        spans = [find_text(encoding.sequence_ids, encoding.offsets) for encoding in encodings]
    inputs = zip(*rows, strict=True)
    return [
        PairWindow(span, row) for span, row in zip(spans, inputs, strict=True) if span is not None
    ]


def find_text(
    sequence_ids: Sequence[int | None], offsets: Sequence[tuple[int, int]]
) -> tuple[int, int] | None:
    """The characters of the text (the first of two sequences) that an input's tokens stand for."""
    tokens = [position for position, number in enumerate(sequence_ids) if number == 0]
    return (offsets[tokens[0]][0], offsets[tokens[-1]][1]) if tokens else None


def choose_windows(windows: Sequence[PairWindow], actor: Actor) -> list[PairWindow]:
    """The windows that hold a mention of the actor, or all of them if the actor is the author.

    A mention counts in the windows that hold the whole of it, if there is one.
    """
    if actor.author:
        return list(windows)
    chosen: set[int] = set()
    for mention in actor.mentions:
        spans = [(number, *window.characters) for number, window in enumerate(windows)]
        whole = {n for n, start, end in spans if start <= mention.start and mention.end <= end}
        parts = {n for n, start, end in spans if start < mention.end and mention.start < end}
        chosen |= whole or parts
    return [windows[number] for number in sorted(chosen)]
