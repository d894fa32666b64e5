"""Flat rows of text, actor, target and label, and how they become documents."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_args

from stance.encodings import DocumentError
from stance.mentions import locate_actors
from stance.schema import LABELS, Actor, ActorKind, Document, Stance, StanceLabel, Target

LabelMapping = Mapping[str, str]

_LABEL_NAMES = {
    "favor": "favor|favour|in favor|for|pro|support|supports|agree|dafür|ja|ja, dafür|zustimmung|"
    "stimme zu|befürwortend",
    "against": "against|anti|con|contra|oppose|opposes|opposition|disagree|dagegen|nein|"
    "nein, dagegen|ablehnung|stimme nicht zu|ablehnend",
    "neutral": "neutral|discuss|discussing|diskutierend",
    "none": "none|no stance|unrelated|irrelevant|kein bezug",
}
DEFAULT_LABELS: LabelMapping = {
    name: label for label, names in _LABEL_NAMES.items() for name in names.split("|")
}
"""Names of labels in other corpora, in lower case, and the label that each one means here."""


@dataclass(frozen=True)
class TripleColumns:
    """The names of the columns that hold each field of a flat row.

    A field left at None is read from the column of the field's own name, where the file has one; a
    column that is named here must be there. Text, actor and target are always needed.
    """

    text: str | None = None
    """The text of the document."""
    actor: str | None = None
    """The actor's name."""
    target: str | None = None
    """The target as a sentence, noun phrase or question."""
    label: str | None = None
    """The stance, in the words of ``DEFAULT_LABELS`` or a mapping; an empty cell is unlabelled."""
    id: str | None = None
    """The document's id: rows with one id form one document, without ids rows with one text."""
    author: str | None = None
    """The name of the text's author; an actor of the same name is the author of the text."""
    kind: str | None = None
    """The actor's kind: person, organisation, state or group."""
    title: str | None = None
    date: str | None = None
    source: str | None = None

    def find(self, present: Collection[str]) -> dict[str, str]:
        """The column of each field that is named here or among those ``present``."""
        named = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: column or name for name, column in named.items() if column or name in present}

    def resolve(
        self,
        present: Collection[str],
        file: str | Path,
        line: int,
        needed: Sequence[str] = ("text", "actor", "target"),
    ) -> dict[str, str]:
        """The column of each field of a flat row.

        Raises:
            DocumentError: if a column that is named or needed is not among those ``present``.
        """
        columns = {name: name for name in needed} | self.find(present)
        for name, column in columns.items():
            if column not in present:
                raise DocumentError(
                    f"there is no column {column!r} for the {name}; the columns are "
                    f"{', '.join(map(repr, present)) or 'none'}, so set columns.{name} to one of "
                    "these, or add the column",
                    file,
                    line,
                    column,
                )
        return columns


def map_label(value: str, labels: LabelMapping | None = None) -> StanceLabel:
    """The label that ``value`` means by ``labels`` (exact), else by ``DEFAULT_LABELS`` (any case).

    Raises:
        ValueError: if neither knows the value, or ``labels`` maps it to an unknown label.
    """
    value = value.strip()
    label = (labels or {}).get(value) or DEFAULT_LABELS.get(value.casefold())
    if label is None:
        own = f"{', '.join(labels)}, " if labels else ""
        raise ValueError(
            f"unknown label {value!r}; it must be one of {own}{', '.join(DEFAULT_LABELS)}, or be "
            f"mapped to one of {', '.join(LABELS)}"
        )
    if label not in LABELS:
        raise ValueError(
            f"the label mapping has {value!r}: {label!r}; map it to one of {', '.join(LABELS)}"
        )
    return StanceLabel(label)


def group_rows(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    file: str | Path,
    name: str,
    columns: TripleColumns,
    report: Callable[[DocumentError], None],
    labels: LabelMapping | None = None,
    keep_all: bool = True,
) -> Iterator[tuple[int, Document]]:
    """Documents from flat rows, each with the line of its first row.

    The rows of one document are those with one id, or, without ids, with one text. Actors are
    located in the text by name and surname.

    Args:
        rows: the rows with their lines, as mappings from columns to values.
        file: the file that errors name.
        name: the beginning of the ids that documents without one get, before the line.
        columns: which column holds what.
        report: takes the error of a row, which is then left out (or raises it).
        labels: what the file's labels mean, beside ``DEFAULT_LABELS``.
        keep_all: True holds all rows in memory, so that those of one document may lie anywhere;
            False holds one document, whose rows must follow one another. A text that comes back
            later is then an error, never a second document.
    """
    drafts: dict[str, _Draft] = {}
    done: set[int] = set()
    for line, row in rows:
        try:
            found = columns.resolve(row.keys(), file, line)
            cells = {key: _read_cell(key, row[column]) for key, column in found.items()}
            _check_cells(cells, found, file, line)
            key = cells.get("id") or cells["text"]
            draft = drafts.get(key)
            if draft is None:
                if not keep_all:
                    yield from _finish(drafts, file, report)
                if hash(key) in done:
                    raise DocumentError(
                        "a row of a document after rows of other documents; sort the file, so "
                        "that the rows of a document follow one another",
                        file,
                        line,
                    )
                draft = _Draft(cells.get("id") or f"{name}-{line}", cells["text"], line)
            draft.add(cells, found, labels, file, line)
            drafts[key] = draft
            done.add(hash(key))
        except DocumentError as error:
            report(error)
    yield from _finish(drafts, file, report)


@dataclass
class _Draft:
    """A document that rows are still added to."""

    id: str
    text: str
    line: int
    about: dict[str, str] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    stances: dict[tuple[str, str], Stance] = field(default_factory=dict)

    def add(
        self,
        cells: Mapping[str, str],
        columns: Mapping[str, str],
        labels: LabelMapping | None,
        file: str | Path,
        line: int,
    ) -> None:
        """Take in a row, or raise a ``DocumentError`` and stay as it was."""
        if cells["text"] != self.text:
            raise DocumentError(
                f"the id {self.id!r} belongs to another text in line {self.line}; give each text "
                "its own id",
                file,
                line,
                columns["id"],
            )
        label = None
        if cells.get("label"):
            try:
                label = map_label(cells["label"], labels)
            except ValueError as error:
                raise DocumentError(str(error), file, line, columns["label"]) from error
        actor = self.actors.get(cells["actor"]) or Actor(
            id=f"a{len(self.actors) + 1}",
            name=cells["actor"],
            kind=cast("ActorKind | None", cells.get("kind") or None),
            author=cells["actor"] == cells.get("author"),
        )
        target = self.targets.get(cells["target"]) or Target(
            id=f"t{len(self.targets) + 1}", text=cells["target"]
        )
        pair = (actor.id, target.id)
        if label is not None:
            known = self.stances.get(pair)
            if known is not None and known.label != label:
                raise DocumentError(
                    f"this row says {label.value!r} of {actor.name!r} and {target.text!r}, an "
                    f"earlier one {known.label.value!r}; give each pair one label",
                    file,
                    line,
                    columns["label"],
                )
            self.stances[pair] = Stance(actor=actor.id, target=target.id, label=label)
        self.actors[actor.name] = actor
        self.targets[target.text] = target
        for key in ("author", "title", "date", "source"):
            if cells.get(key):
                self.about.setdefault(key, cells[key])

    def build(self) -> Document:
        return Document(
            id=self.id,
            text=self.text,
            actors=locate_actors(self.text, list(self.actors.values())),
            targets=tuple(self.targets.values()),
            stances=tuple(self.stances.values()),
            **cast("dict[str, Any]", self.about),
        )


def _finish(
    drafts: dict[str, _Draft], file: str | Path, report: Callable[[DocumentError], None]
) -> Iterator[tuple[int, Document]]:
    """Build all drafts and take them out."""
    while drafts:
        draft = drafts.pop(next(iter(drafts)))
        try:
            document = draft.build()
        except ValueError as error:
            report(DocumentError(str(error), file, draft.line))
        else:
            yield draft.line, document


def _read_cell(field_name: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    cell = value if isinstance(value, str) else str(value)
    return cell if field_name == "text" else cell.strip()


def _check_cells(
    cells: Mapping[str, str], columns: Mapping[str, str], file: str | Path, line: int
) -> None:
    for name in ("text", "actor", "target"):
        if not cells[name].strip():
            raise DocumentError(
                f"the {name} is empty; every row needs one", file, line, columns[name]
            )
    kinds = get_args(ActorKind)
    if cells.get("kind") and cells["kind"] not in kinds:
        raise DocumentError(
            f"unknown kind {cells['kind']!r}; it must be one of {', '.join(kinds)}, or empty",
            file,
            line,
            columns["kind"],
        )
