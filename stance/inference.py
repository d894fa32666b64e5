"""``StanceClassifier``: load a model once, then turn documents into predictions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from stance.batching import collate_windows, mentioned_actors, plan_batches
from stance.entity_recognition import TAGGER, Recogniser, load_recognisers
from stance.evidence import choose_sentences
from stance.examples import Example, build_examples
from stance.features import Features, TokenMention, build_features
from stance.gazetteer import KnownActor, read_gazetteer
from stance.locations import default_model_dir
from stance.mentions import locate_actors
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
from stance.withholding import withhold

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from stance.actor_finding import ActorFinder
    from stance.model import StanceModel

AUTO = "auto"
"""Stands for actors that are found in each text."""
DOCUMENTS_PER_SEARCH = 64
"""Actors are looked for in so many texts at once."""
CALIBRATION_FILE = "calibration.json"
NOT_MENTIONED = "the text does not mention the actor; not read by the model"
NOT_SHOWN = "a baseline that is not shown the {}"
"""Said of each verdict of a model that was trained without the text or the target."""


class StanceClassifier:
    """A trained model with its tokenizer and calibration.

    Build it with ``StanceClassifier.from_pretrained``. ``predict`` takes documents or a single
    text, ``iter_predict`` streams.
    """

    has_probabilities = True

    def __init__(
        self,
        model: StanceModel,
        tokenizer: PreTrainedTokenizerFast,
        *,
        name: str,
        temperature: float = 1.0,
        runtime: Runtime | None = None,
        max_tokens_per_batch: int | None = None,
        abstain_below: float = 0.0,
        directory: Path | None = None,
        gazetteer: Sequence[KnownActor] = (),
        tags_actors: bool = True,
        recognisers: Sequence[Recogniser] = (),
    ) -> None:
        self.runtime = runtime or choose_runtime()
        self.model = model.eval()
        self.model.to(self.runtime.device)
        self.tokenizer = tokenizer
        self.name = name
        self.temperature = temperature
        self.max_tokens_per_batch = max_tokens_per_batch or self.runtime.tokens_per_batch
        self.abstain_below = abstain_below
        self.directory = directory
        self.gazetteer = tuple(gazetteer)
        self.tags_actors = tags_actors
        self.recognisers = tuple(recognisers)

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path | None = None,
        *,
        device: str = "auto",
        max_tokens_per_batch: int | None = None,
        abstain_below: float | None = None,
        precision: float | None = None,
        gazetteer: str | Path | None = None,
        finders: Sequence[str] = (TAGGER,),
    ) -> StanceClassifier:
        """Load a model directory that training wrote, by default the shipped model.

        Args:
            device: auto, cpu, cuda, cuda:N or mps.
            max_tokens_per_batch: padded tokens that the encoder gets at once; None takes what suits
                the device.
            abstain_below: verdicts with a lower confidence are marked as ``abstained``.
            precision: take the confidence from which on this share of verdicts was right on the
                validation data, as stored with the model.
            gazetteer: a CSV file of known actors, see ``stance.gazetteer``, that are looked for
                where actors are to be found.
            finders: what looks for actors: ``tagger``, the model's own, ``spacy:PIPELINE`` and
                ``gliner:MODEL``, together or alone.

        Raises:
            FileNotFoundError: if the directory or the gazetteer is not there.
            DocumentError: if the gazetteer cannot be read.
            FinderError: if a finder is unknown, or its package or model is not there.
            ValueError: if it holds no stance model, the device is not there, or no threshold is
                stored for the precision.
        """
        from stance.weights import load_model, load_tokenizer

        directory = Path(path) if path is not None else default_model_dir()
        runtime = choose_runtime(device)
        recognisers = load_recognisers(finders, str(runtime.device))
        model = load_model(directory)
        calibration = directory / CALIBRATION_FILE
        stored: dict[str, Any] = {}
        if calibration.is_file():
            stored = json.loads(calibration.read_text(encoding="utf-8"))
        if precision is not None:
            abstain_below = find_threshold(stored, precision)
        return cls(
            model,
            load_tokenizer(directory),
            name=directory.resolve().name,
            temperature=float(stored.get("temperature", 1.0)),
            runtime=runtime,
            max_tokens_per_batch=max_tokens_per_batch,
            abstain_below=abstain_below or 0.0,
            directory=directory,
            gazetteer=() if gazetteer is None else read_gazetteer(gazetteer),
            tags_actors=TAGGER in finders,
            recognisers=recognisers,
        )

    def predict(
        self,
        documents: Iterable[Document] | Document | str,
        *,
        targets: Sequence[str | Target] | None = None,
        actors: Sequence[str | Actor] | Literal["auto"] | None = None,
    ) -> list[Prediction]:
        """Predict all actor-target pairs.

        Args:
            documents: documents, or one text.
            targets, actors: asked about in every document instead of the document's own; actors
                given by name are located in each text, and ``"auto"`` finds them there.

        Returns:
            Predictions in the order document, target, actor; none for a text in which no actor was
            found.

        Raises:
            FileNotFoundError: if actors are to be found and the model has no tagger.
            ValueError: if a document has no targets or no actors.
        """
        if isinstance(documents, str):
            documents = [Document(id="text", text=documents)]
        elif isinstance(documents, Document):
            documents = [documents]
        if actors == AUTO:
            found = self.find_actors(ask(document, targets, None) for document in documents)
            asked = (document for document in found if document.actors)
        else:
            assert not isinstance(actors, str), "a single name; give a list"
            asked = (ask(document, targets, actors) for document in documents)
        return [prediction for row in self.iter_predict(asked) for prediction in row]

    @cached_property
    def finder(self) -> ActorFinder:
        """What finds actors; raises as ``stance.actor_tagging.load_tagger``."""
        from stance.actor_finding import ActorFinder

        if not self.tags_actors:
            return ActorFinder(
                self.model,
                None,
                self.tokenizer,
                self.runtime,
                recognisers=self.recognisers,
                gazetteer=self.gazetteer,
            )
        if self.directory is None:
            raise FileNotFoundError("a model that was not loaded from a directory has no tagger")
        return ActorFinder.from_directory(
            self.directory,
            self.model,
            self.tokenizer,
            self.runtime,
            recognisers=self.recognisers,
            gazetteer=self.gazetteer,
            max_tokens_per_batch=self.max_tokens_per_batch,
        )

    @property
    def finds_actors(self) -> bool:
        """Whether the model has a tagger, or others are to find actors without one."""
        from stance.actor_tagging import TAGGER_FILE

        if not self.tags_actors:
            return True
        return self.directory is not None and (self.directory / TAGGER_FILE).is_file()

    def find_actors(
        self, documents: Iterable[Document], *, replace: bool = True
    ) -> Iterator[Document]:
        """Documents with the actors that their texts name, in place of their own and of the gold
        stances of these; an author stays.

        Args:
            replace: without it documents that bring actors along stay as they are.

        Raises:
            FileNotFoundError: if the model has no tagger.
        """
        waiting = iter(documents)
        while part := list(islice(waiting, DOCUMENTS_PER_SEARCH)):
            bare = [document for document in part if replace or not document.actors]
            found = iter(self.finder.find([document.text for document in bare]) if bare else ())
            for document in part:
                if not replace and document.actors:
                    yield document
                    continue
                authors = tuple(actor for actor in document.actors if actor.author)
                yield document.model_copy(
                    update={"actors": free_ids(authors, next(found)), "stances": ()}
                )

    def iter_predict(
        self, documents: Iterable[Document], *, buffer_tokens: int = 50_000
    ) -> Iterator[list[Prediction]]:
        """Predictions of one document after the other, in order, with bounded memory.

        Documents are gathered until they hold ``buffer_tokens`` tokens, so that batches can be
        formed of windows of like length. Among these, documents that say and ask the same (a report
        of an agency in several papers) are read once.

        Raises:
            ValueError: if a document has no targets or no actors.
        """
        waiting: list[tuple[Document, list[Example], list[Features]]] = []
        known: dict[tuple[str, tuple[Actor, ...], tuple[Target, ...]], list[Features]] = {}
        tokens = 0
        for document in documents:
            examples = build_examples([document])
            if not examples:
                missing = "targets" if not document.targets else "actors"
                raise ValueError(f"document {document.id!r} has no {missing} to ask about")
            question = document.text, document.actors, document.targets
            features = known.get(question)
            if features is None:
                shown = withhold(document, self.model.config.withhold)
                features = [self._build(example) for example in build_examples([shown])]
                known[question] = features
            waiting.append((document, examples, features))
            tokens += sum(feature.tokens for feature in features)
            if tokens >= buffer_tokens:
                yield from self._flush(waiting)
                waiting, known, tokens = [], {}, 0
        yield from self._flush(waiting)

    def _build(self, example: Example) -> Features:
        config = self.model.config
        return build_features(
            example,
            self.tokenizer,
            max_tokens=config.max_tokens,
            overlap_tokens=config.overlap_tokens,
            names_hidden=config.names_hidden,
        )

    def _flush(
        self, waiting: list[tuple[Document, list[Example], list[Features]]]
    ) -> Iterator[list[Prediction]]:
        # Documents that say and ask the same share one list of features.
        unique = {id(features): features for _, _, features in waiting}
        flat = [feature for features in unique.values() for feature in features]
        readings = iter(
            read_examples(
                self.model,
                flat,
                pad_id=self.tokenizer.pad_token_id,
                runtime=self.runtime,
                max_tokens_per_batch=self.max_tokens_per_batch,
            )
        )
        answers = {key: list(islice(readings, len(unique[key]))) for key in unique}
        for _, examples, features in waiting:
            rows = zip(examples, features, answers[id(features)], strict=True)
            yield [
                self._make_prediction(example, feature, reading, position, row)
                for example, feature, reading in rows
                for position, row in enumerate(to_probabilities(reading.logits, self.temperature))
            ]

    def _make_prediction(
        self,
        example: Example,
        features: Features,
        reading: Reading,
        position: int,
        row: NDArray[np.float64],
    ) -> Prediction:
        actor, text = example.actors[position], example.document.text
        numbers = sorted({m.window for m in features.mentions if m.actor == position})
        windows = [features.windows[number].characters for number in numbers]
        withheld = self.model.config.withhold
        warnings = features.warnings + (() if numbers else (NOT_MENTIONED,))
        if withheld is not None:
            warnings += (NOT_SHOWN.format(withheld),)
        if withheld == "text":
            windows = []  # what was read in its place has no offsets in the text
        best = int(row.argmax())
        shown: list[tuple[int, int]] = []
        if LABELS[best] != StanceLabel.NONE and withheld != "text":
            shown = choose_sentences(
                [features.windows[number] for number in numbers],
                [reading.words[position, number] for number in numbers],
            )
        return Prediction(
            document_id=example.document.id,
            actor_id=actor.id,
            actor=actor.name,
            kind=actor.kind,
            target_id=example.target.id,
            target=example.target.text,
            label=StanceLabel(LABELS[best]),
            probabilities=tuple(float(value) for value in row),
            confidence=float(row[best]),
            abstained=float(row[best]) < self.abstain_below,
            mentions=quote_spans(text, ((m.start, m.end) for m in actor.mentions)),
            evidence=quote_spans(text, shown),
            windows=tuple(Mention(start=start, end=end) for start, end in windows),
            warnings=warnings,
            model=self.name,
        )


def find_threshold(calibration: Mapping[str, Any], precision: float) -> float:
    """The confidence that a model's calibration.json has for a share of right verdicts.

    Raises:
        ValueError: if it has none; it names the shares that there are.
    """
    thresholds = calibration.get("thresholds", {})
    found = thresholds.get(f"{precision:g}")
    if found is None:
        there = ", ".join(share for share, value in thresholds.items() if value)
        raise ValueError(
            f"no threshold for precision={precision:g} is stored with the model (stored: "
            f"{there or 'none'}); give one of these, or a confidence as abstain_below"
        )
    return float(found["confidence"])


def ask(
    document: Document,
    targets: Sequence[str | Target] | None,
    actors: Sequence[str | Actor] | None,
) -> Document:
    """The document with other targets and actors where these are given; gold stances are dropped
    then, since they belong to the pairs that were replaced."""
    if targets is None and actors is None:
        return document
    fields: dict[str, Any] = {**dict(document), **(document.model_extra or {}), "stances": ()}
    if targets is not None:
        fields["targets"] = tuple(
            target if isinstance(target, Target) else Target(id=f"t{number}", text=target)
            for number, target in enumerate(targets, start=1)
        )
    if actors is not None:
        fields["actors"] = tuple(
            located
            for number, actor in enumerate(actors, start=1)
            for located in (
                [actor] if isinstance(actor, Actor) else [Actor(id=f"a{number}", name=actor)]
            )
        )
        given = [actor for actor in fields["actors"] if not actor.author and not actor.mentions]
        found = {actor.id: actor for actor in locate_actors(document.text, given)}
        fields["actors"] = tuple(found.get(actor.id, actor) for actor in fields["actors"])
    return Document(**fields)


def free_ids(authors: Sequence[Actor], found: Sequence[Actor]) -> tuple[Actor, ...]:
    """Authors and found actors together; an author whose id is taken gets another."""
    taken = {actor.id for actor in found}
    kept = []
    for author in authors:
        number = next(n for n in range(len(taken) + 1) if f"author{n or ''}" not in taken)
        name = f"author{number or ''}" if author.id in taken else author.id
        taken.add(name)
        kept.append(author.model_copy(update={"id": name}))
    return (*kept, *found)


@dataclass(frozen=True)
class Reading:
    """What the model makes of an example with A actors: ``logits`` (A, 4), NaN for actors without a
    mention; ``words``, for each actor and window with mentions of it, how much the window's tokens
    (T,) count."""

    logits: NDArray[np.float64]
    words: dict[tuple[int, int], NDArray[np.float32]]


def read_examples(
    model: StanceModel,
    features: Sequence[Features],
    *,
    pad_id: int,
    runtime: Runtime,
    max_tokens_per_batch: int,
) -> list[Reading]:
    """What the model makes of each example, in order.

    The windows of all examples are encoded in batches of like length, then the mentions are put
    together again by actor: a text of any length fits.
    """
    import torch

    windows = [(e, w) for e, feature in enumerate(features) for w in range(len(feature.windows))]
    mentions: dict[tuple[int, int], list[tuple[int, TokenMention]]] = {key: [] for key in windows}
    for e, feature in enumerate(features):
        for number, mention in enumerate(feature.mentions):
            mentions[e, mention.window].append((number, mention))
    vectors = [
        torch.empty(len(feature.mentions), 4 * model.mention_kind.embedding_dim)
        for feature in features
    ]
    words: list[list[NDArray[np.float32]]] = [
        [np.empty(0, np.float32)] * len(feature.mentions) for feature in features
    ]
    lengths = [len(features[e].windows[w].input_ids) for e, w in windows]
    device, half = runtime.device, runtime.dtype != torch.float32
    readings = []
    with torch.inference_mode():
        for batch in plan_batches(lengths, max_tokens_per_batch):
            keys = [windows[position] for position in batch]
            owners = [(e, number) for e, w in keys for number, _ in mentions[e, w]]
            inputs = collate_windows(
                [features[e].windows[w] for e, w in keys],
                [
                    replace(mention, window=row)
                    for row, key in enumerate(keys)
                    for _, mention in mentions[key]
                ],
                pad_id,
            )
            inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
            with torch.autocast(device.type, runtime.dtype, enabled=half):
                encoded, weights = model.encode_mentions(**inputs)
            rows = zip(owners, encoded.float().cpu(), weights.cpu().numpy(), strict=True)
            for (e, number), vector, row in rows:
                vectors[e][number] = vector
                window = features[e].windows[features[e].mentions[number].window]
                words[e][number] = row[: len(window.input_ids)].copy()
        for feature, states, parts in zip(features, vectors, words, strict=True):
            logits = np.full((len(feature.author), len(LABELS)), np.nan)
            attended: dict[tuple[int, int], NDArray[np.float32]] = {}
            present = mentioned_actors(feature)
            if present:
                numbers = {actor: row for row, actor in enumerate(present)}
                table, shares = model.classify_actors(
                    states.to(device),
                    torch.tensor([numbers[m.actor] for m in feature.mentions], device=device),
                    torch.tensor([feature.author[a] for a in present], device=device),
                )
                logits[present] = table.double().cpu().numpy()
                for mention, share, part in zip(
                    feature.mentions, shares.tolist(), parts, strict=True
                ):
                    key = mention.actor, mention.window
                    attended[key] = attended.get(key, 0) + np.float32(share) * part
            readings.append(Reading(logits, attended))
    return readings


def to_probabilities(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Softmax of ``logits / temperature`` (N, 4); a row of NaN (an actor that the text does not
    mention) becomes certain ``none``, for the text shows no stance of this actor."""
    from scipy.special import softmax

    absent = np.isnan(logits).any(axis=1)
    probabilities: NDArray[np.float64] = softmax(np.nan_to_num(logits) / temperature, axis=1)
    probabilities[absent] = [float(label == StanceLabel.NONE) for label in LABELS]
    return probabilities
