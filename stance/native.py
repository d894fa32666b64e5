"""The native format: records of JSONL, one document each, to documents and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from stance.encodings import DocumentError
from stance.mentions import find_occurrences, name_forms
from stance.schema import LABELS, Actor, Document, Mention

_HINTS = {
    "id": 'give it a string, such as "n1"',
    "text": "give it a string",
    "name": "give the actor's name as a string",
    "kind": "one of person, organisation, state, group, or null",
    "actor": "give the id of one of the document's actors",
    "target": "give the id of one of the document's targets",
    "label": f"one of {', '.join(LABELS)}",
    "author": "for a document a name as a string or null, for an actor true or false",
    "start": "give a character offset from 0 up",
    "end": "give the character offset after the last character, greater than start",
}
_SPAN_HINT = 'give strings found in the text, or offsets like {"start": 0, "end": 12}'


def parse_document(
    record: Mapping[str, Any], file: str | Path | None = None, line: int | None = None
) -> Document:
    """A document from a record of the native format.

    Strings in ``mentions`` and ``evidence`` become the spans of all their occurrences (see
    ``find_occurrences``). Actors without the key ``mentions``, unless they are the author, are
    located by name; an empty list stays empty. Keys that the format does not know are kept.

    Args:
        record: what a line of JSONL holds.
        file: the file that errors name.
        line: the line that errors name.

    Raises:
        DocumentError: if the record does not fit the format.
    """
    return _NativeRecord(record, file, line).parse()


@dataclass(frozen=True)
class _NativeRecord:
    record: Mapping[str, Any]
    file: str | Path | None
    line: int | None

    def parse(self) -> Document:
        record = dict(self.record)
        text = record.get("text")
        if "text" not in record:
            raise self.error("is missing; give the document's text as a string", "text")
        if not isinstance(text, str):
            raise self.error(f"must be a string, not {_describe(text)}", "text")
        if not text.strip():
            raise self.error("is empty; a document needs a text", "text")
        actors = self.objects("actors")
        targets = self.objects("targets")
        stances = self.objects("stances")
        self.check_references(actors, targets, stances)
        self.resolve_mentions(text, actors)
        for index, stance in enumerate(stances):
            self.resolve_evidence(text, stance, f"stances[{index}].evidence")
        record |= {"actors": actors, "targets": targets, "stances": stances}
        try:
            return Document.model_validate(record)
        except pydantic.ValidationError as error:
            raise self.translate(error) from error

    def error(self, problem: str, field: str | None) -> DocumentError:
        return DocumentError(problem, self.file, self.line, field)

    def objects(self, field: str) -> list[dict[str, Any]]:
        """Copies of the objects of a list; a missing list, or null, is an empty one."""
        values = self.record.get(field)
        if values is None:
            return []
        if not isinstance(values, list | tuple):
            raise self.error(f"must be a list of objects, not {_describe(values)}", field)
        for index, value in enumerate(values):
            if not isinstance(value, Mapping):
                raise self.error(
                    f"must be an object, not {_describe(value)}; write it like "
                    + {
                        "actors": '{"id": "a1", "name": "..."}',
                        "targets": '{"id": "t1", "text": "..."}',
                        "stances": '{"actor": "a1", "target": "t1", "label": "favor"}',
                    }[field],
                    f"{field}[{index}]",
                )
        return [dict(value) for value in values]

    def check_references(
        self,
        actors: list[dict[str, Any]],
        targets: list[dict[str, Any]],
        stances: list[dict[str, Any]],
    ) -> None:
        """What the schema also refuses, here with the field that is to blame."""
        ids: dict[str, list[Any]] = {}
        for field, values in (("actors", actors), ("targets", targets)):
            seen = ids.setdefault(field.removesuffix("s"), [])
            for index, value in enumerate(values):
                name = value.get("id")
                if name is not None and name in seen:
                    raise self.error(
                        f"{field}[{seen.index(name)}] already has the id {name!r}; ids must be "
                        "unique in a document",
                        f"{field}[{index}].id",
                    )
                seen.append(name)
        pairs: list[tuple[Any, Any]] = []
        for index, stance in enumerate(stances):
            for key, known in ids.items():
                if key in stance and stance[key] not in known:
                    raise self.error(
                        f"{stance[key]!r} is no id of the document's {key}s; it has "
                        + (", ".join(map(repr, known)) or "none"),
                        f"stances[{index}].{key}",
                    )
            if "label" in stance and stance["label"] not in LABELS:
                raise self.error(
                    f"unknown label {stance['label']!r}; it must be one of {', '.join(LABELS)}",
                    f"stances[{index}].label",
                )
            pair = (stance.get("actor"), stance.get("target"))
            if pair in pairs:
                raise self.error(
                    f"stances[{pairs.index(pair)}] already labels the pair of actor {pair[0]!r} "
                    f"and target {pair[1]!r}; give each pair at most one stance",
                    f"stances[{index}]",
                )
            pairs.append(pair)

    def resolve_mentions(self, text: str, actors: list[dict[str, Any]]) -> None:
        """Replace string mentions by spans, all actors at once, since they compete for the text."""
        spans: dict[str, list[Mapping[str, Any]]] = {}
        strings: dict[str, list[str]] = {}
        owners: dict[str, int] = {}
        unlocated: list[Actor] = []
        by_key = {f"actors[{index}]": actor for index, actor in enumerate(actors)}
        for index, (key, actor) in enumerate(by_key.items()):
            if actor.get("mentions") is None:
                actor.pop("mentions", None)
                name = actor.get("name")
                if isinstance(name, str) and name.strip() and not actor.get("author"):
                    kind = actor.get("kind")
                    unlocated.append(Actor.model_construct(id=key, name=name, kind=kind))
                continue
            spans[key], strings[key] = self.sort_spans(text, actor["mentions"], f"{key}.mentions")
            for string in strings[key]:
                if owners.setdefault(string, index) != index:
                    raise self.error(
                        f"{string!r} is also a mention of "
                        f"{_describe_actor(actors, owners[string])}, not only of "
                        f"{_describe_actor(actors, index)}; a string belongs to one actor, so "
                        "give offsets instead, or take it from one of the two",
                        f"{key}.mentions[{list(actor['mentions']).index(string)}]",
                    )
        try:
            forms = name_forms(text, unlocated, taken=owners)
        except ValueError as error:
            raise self.error(str(error), "actors") from error
        fixed = [span for actor_spans in spans.values() for span in actor_spans]
        for key, occurrences in find_occurrences(text, {**strings, **forms}).items():
            free = [
                {"start": span.start, "end": span.end}
                for span in occurrences
                if not any(
                    span.start < other["end"] and other["start"] < span.end for other in fixed
                )
            ]
            by_key[key]["mentions"] = _in_order([*spans.get(key, []), *free])

    def resolve_evidence(self, text: str, stance: dict[str, Any], field: str) -> None:
        if stance.get("evidence") is None:
            stance.pop("evidence", None)
            return
        spans, strings = self.sort_spans(text, stance["evidence"], field)
        found = find_occurrences(text, {"": strings})[""]
        stance["evidence"] = _in_order(
            [*spans, *({"start": span.start, "end": span.end} for span in found)]
        )

    def sort_spans(
        self, text: str, values: Any, field: str
    ) -> tuple[list[Mapping[str, Any]], list[str]]:
        """The offsets and the strings of a list, each checked against the text."""
        if not isinstance(values, list | tuple):
            raise self.error(f"must be a list, not {_describe(values)}; {_SPAN_HINT}", field)
        spans: list[Mapping[str, Any]] = []
        strings: list[str] = []
        for index, value in enumerate(values):
            place = f"{field}[{index}]"
            if isinstance(value, str):
                if not value.strip():
                    raise self.error(f"is empty; {_SPAN_HINT}", place)
                if value not in text:
                    raise self.error(
                        f"{value!r} is not in the text{_suggest(text, value)}; {_SPAN_HINT}", place
                    )
                strings.append(value)
            elif isinstance(value, Mapping):
                try:
                    span = Mention.model_validate(dict(value), strict=True)
                except pydantic.ValidationError as error:
                    raise self.translate(error, place) from error
                if span.end > len(text):
                    raise self.error(
                        f"{span.start}..{span.end} lies outside the text, which has {len(text)} "
                        "characters; offsets count characters from 0, end excluded",
                        place,
                    )
                quoted = value.get("text")
                if isinstance(quoted, str) and quoted != text[span.start : span.end]:
                    raise self.error(
                        f"the text has {text[span.start : span.end]!r} at {span.start}..{span.end}"
                        f", not {quoted!r}; offsets count characters (not bytes) from 0",
                        place,
                    )
                spans.append(value)
            else:
                raise self.error(f"must not be {_describe(value)}; {_SPAN_HINT}", place)
        return spans, strings

    def translate(self, error: pydantic.ValidationError, prefix: str = "") -> DocumentError:
        """The first of pydantic's errors in our words."""
        first = error.errors(include_url=False)[0]
        field = prefix
        for part in first["loc"]:
            field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
        if first["type"] == "missing":
            problem = "is missing"
        else:
            problem = re.sub(r"^(Value error, |Input )", "", first["msg"])
            if first["type"] != "value_error":
                problem += f", not {_describe(first['input'])}"
        hint = _HINTS.get(str(first["loc"][-1])) if first["loc"] else None
        return self.error(f"{problem}; {hint}" if hint else problem, field or None)


def to_record(document: Document) -> dict[str, Any]:
    """The record of the native format, with offsets, that ``parse_document`` reads back."""
    record = document.model_dump(mode="json")
    for field in ("title", "date", "source", "author"):
        if record[field] is None:
            del record[field]
    for actor in record["actors"]:
        if actor["kind"] is None:
            del actor["kind"]
        if actor["author"]:
            del actor["mentions"]
        else:
            del actor["author"]
    return record


def _in_order(spans: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sorted by place; of several for one place the first is kept."""
    by_place: dict[tuple[int, int], Mapping[str, Any]] = {}
    for span in spans:
        by_place.setdefault((span["start"], span["end"]), span)
    return [by_place[place] for place in sorted(by_place)]


def _suggest(text: str, string: str) -> str:
    """What the text has instead, if only case or white space differ."""
    pattern = r"\s+".join(map(re.escape, string.split()))
    match = re.search(pattern, text, re.IGNORECASE)
    return f", which has {match.group()!r}" if match else ""


def _describe_actor(actors: list[dict[str, Any]], index: int) -> str:
    return f"actors[{index}] ({actors[index].get('name')!r})"


def _describe(value: Any) -> str:
    """A JSON value for an error message, short."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return f"an object with the keys {', '.join(map(str, value))}" if value else "an object"
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return f"{shown} ({type(value).__name__})"
