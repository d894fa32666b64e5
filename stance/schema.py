"""The records that flow through the package, and the order of the labels.

All records are frozen and validated when they are built. Offsets are Python string indices into
``Document.text`` (code points, end exclusive). Keys that the format does not define are kept (they
show up in ``model_extra`` and are written back), so a user's own columns survive a round trip.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class StanceLabel(StrEnum):
    """What a text shows of an actor's stance on a target, in the model's label order."""

    FAVOR = "favor"
    AGAINST = "against"
    NEUTRAL = "neutral"
    NONE = "none"


LABELS: tuple[str, ...] = tuple(label.value for label in StanceLabel)
"""Label names in the order of the model's outputs."""

ActorKind = Literal["person", "organisation", "state", "group"]


class Record(BaseModel):
    """Settings that all records share: frozen, unknown keys kept, nothing coerced by accident."""

    model_config = ConfigDict(frozen=True, extra="allow", str_strip_whitespace=False)


class Mention(Record):
    """A stretch of a document's text, ``text[start:end]``; also used for evidence and windows."""

    start: int = Field(ge=0)
    end: int

    @model_validator(mode="after")
    def check_order(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"end must be greater than start, got {self.start}..{self.end}")
        return self


class Actor(Record):
    """Somebody whose stance is asked for: named in the text, or (``author=True``) its author.

    ``mentions`` may be empty for an actor that the text does not name; such an actor gets a row
    marked as not mentioned, never a guess.
    """

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    kind: ActorKind | None = None
    mentions: tuple[Mention, ...] = ()
    author: bool = False

    @model_validator(mode="after")
    def check_author(self) -> Self:
        if self.author and self.mentions:
            raise ValueError("an actor with author=true is the author of the text: no mentions")
        return self


class Target(Record):
    """A sentence one can be for or against, a noun phrase, or a question."""

    id: str = Field(min_length=1)
    text: str

    @field_validator("text")
    @classmethod
    def check_text(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("a target needs a text, such as a sentence one can be for or against")
        return text


class Stance(Record):
    """The gold label of one actor-target pair, with the stretches of text that show it."""

    actor: str
    target: str
    label: StanceLabel
    evidence: tuple[Mention, ...] = ()


class Document(Record):
    """A text with the actors and targets that are asked about, and gold stances where known.

    Pairs of actor and target without a stance are unlabelled: predicted, and not scored.

    Raises:
        pydantic.ValidationError: if ids repeat, a stance names an unknown actor or target or
            repeats a pair, or a mention or piece of evidence lies outside the text.
    """

    id: str = Field(min_length=1)
    text: str
    title: str | None = None
    date: str | None = None
    source: str | None = None
    author: str | None = None
    actors: tuple[Actor, ...] = ()
    targets: tuple[Target, ...] = ()
    stances: tuple[Stance, ...] = ()

    @model_validator(mode="after")
    def check_references(self) -> Self:
        actor_ids = unique_ids([actor.id for actor in self.actors], "actors")
        target_ids = unique_ids([target.id for target in self.targets], "targets")
        for actor in self.actors:
            for mention in actor.mentions:
                self._check_inside(mention, f"a mention of actor {actor.id!r}")
        seen: set[tuple[str, str]] = set()
        for stance in self.stances:
            pair = (stance.actor, stance.target)
            if stance.actor not in actor_ids:
                raise ValueError(
                    f"a stance names actor {stance.actor!r}, but actors has {sorted(actor_ids)}"
                )
            if stance.target not in target_ids:
                raise ValueError(
                    f"a stance names target {stance.target!r}, but targets has {sorted(target_ids)}"
                )
            if pair in seen:
                raise ValueError(f"the pair {pair} has two stances; give each pair at most one")
            seen.add(pair)
            for evidence in stance.evidence:
                self._check_inside(evidence, f"evidence of the pair {pair}")
        return self

    def _check_inside(self, span: Mention, what: str) -> None:
        if span.end > len(self.text):
            raise ValueError(
                f"{what} is {span.start}..{span.end}, "
                f"outside the text, which has {len(self.text)} characters"
            )

    @property
    def labels(self) -> dict[tuple[str, str], StanceLabel]:
        """Gold labels by (actor id, target id)."""
        return {(stance.actor, stance.target): stance.label for stance in self.stances}

    @property
    def evidence(self) -> dict[tuple[str, str], tuple[Mention, ...]]:
        """Annotated evidence of the gold labels by (actor id, target id)."""
        return {(stance.actor, stance.target): stance.evidence for stance in self.stances}


def quote_spans(text: str, spans: Iterable[tuple[int, int]]) -> tuple[dict[str, Any], ...]:
    """Stretches (start, end) of a text as predictions have them: with offsets and wording."""
    return tuple({"start": start, "end": end, "text": text[start:end]} for start, end in spans)


class Prediction(Record):
    """The verdict on one document x actor x target.

    ``probabilities`` are in the order of ``LABELS`` and sum to one. ``windows`` are the stretches
    of the text that the model read for this actor. ``warnings`` says what the model could not take.
    """

    document_id: str
    actor_id: str
    actor: str
    kind: ActorKind | None = None
    target_id: str
    target: str
    label: StanceLabel
    probabilities: tuple[float, float, float, float]
    confidence: float
    abstained: bool = False
    mentions: tuple[dict[str, Any], ...] = ()
    evidence: tuple[dict[str, Any], ...] = ()
    windows: tuple[Mention, ...] = ()
    warnings: tuple[str, ...] = ()
    model: str

    def to_row(self) -> dict[str, Any]:
        """The flat row that is written to files, its columns in the documented order."""
        row: dict[str, Any] = {
            "document_id": self.document_id,
            "actor_id": self.actor_id,
            "actor": self.actor,
            "kind": self.kind or "",
            "target_id": self.target_id,
            "target": self.target,
            "label": self.label.value,
        }
        for label, probability in zip(LABELS, self.probabilities, strict=True):
            row[f"p_{label}"] = probability
        row |= {
            "confidence": self.confidence,
            "abstained": self.abstained,
            "mentions": list(self.mentions),
            "evidence": list(self.evidence),
            "windows": [{"start": span.start, "end": span.end} for span in self.windows],
            "warnings": list(self.warnings),
            "model": self.model,
        }
        return row


def unique_ids(ids: list[str], field: str) -> set[str]:
    """The ids as a set.

    Raises:
        ValueError: if an id occurs twice.
    """
    for position, name in enumerate(ids):
        if name in ids[:position]:
            raise ValueError(f"{field} has the id {name!r} twice; ids must be unique in a document")
    return set(ids)
