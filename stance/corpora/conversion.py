"""What the converters of the public corpora share: their result, and how they read files."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""A native record, as in a line of the JSONL format; mentions and evidence are offsets."""

DATA_DIR_VARIABLE = "STANCE_DATA_DIR"
NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Conversion:
    """The rows of each split, and what was left out of it and why.

    ``dropped`` and ``altered`` count by (split, reason): records that are not in the rows, and
    records that are, with a text that differs from the source.
    """

    rows: dict[str, list[Row]]
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    altered: Counter[tuple[str, str]] = field(default_factory=Counter)


def resolve_path(corpus: str, path: str | Path | None, default: str, what: str) -> Path:
    """The given path, or else ``default`` inside the folder that $STANCE_DATA_DIR names.

    Raises:
        ValueError: if no path is given and the environment variable is not set.
        FileNotFoundError: if there is nothing at the path.
    """
    if path is None:
        folder = os.environ.get(DATA_DIR_VARIABLE)
        if not folder:
            raise ValueError(
                f"corpus {corpus!r} is not part of the package; give the path of {what} "
                f"(data.path=...), or set ${DATA_DIR_VARIABLE} to a folder that has {default!r}"
            )
        path = Path(folder) / default
    resolved = Path(path).expanduser()
    if not resolved.exists():
        raise FileNotFoundError(f"corpus {corpus!r}: nothing at {resolved}; expected {what}")
    return resolved


def read_json(path: Path, what: str) -> Any:
    """The content of a JSON file (UTF-8, with or without a byte order mark).

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if it is not UTF-8 or not JSON; the message names the file and the line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected {what}")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error}); expected {what}") from error


def read_records(path: Path, what: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects of a file that is a JSON list or JSON Lines, each with where it stands.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if it is neither, or holds something else than objects.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected {what}")
    return parse_records(path.read_bytes(), str(path), what)


def parse_records(content: bytes, name: str, what: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects in the content of a file; see ``read_records``."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: not UTF-8 ({error}); expected {what}") from error
    records: list[tuple[str, Any]]
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{name}, line {error.lineno}: not JSON ({error.msg})") from error
        records = [(f"{name}, record {number}", item) for number, item in enumerate(items, 1)]
    else:
        records = []
        # Not splitlines(): that would also break lines at U+2028 and the like inside strings.
        for number, line in enumerate(text.split("\n"), 1):
            where = f"{name}, line {number}"
            try:
                if line.strip():
                    records.append((where, json.loads(line)))
            except json.JSONDecodeError as error:
                raise ValueError(f"{where}: not JSON ({error.msg}); expected {what}") from error
    for where, record in records:
        if not isinstance(record, dict):
            raise ValueError(f"{where}: {type(record).__name__} instead of an object")
    if not records:
        raise ValueError(f"{name}: no records; expected {what}")
    return records


def take_text(record: dict[str, Any], field: str, where: str) -> str:
    """A field that must hold a string.

    Raises:
        ValueError: if it does not.
    """
    value = record.get(field)
    if not isinstance(value, str):
        raise ValueError(f"{where}, field {field}: {value!r}; expected a string")
    return value


def take_label(
    record: dict[str, Any], field: str, labels: Mapping[str, str | None], where: str
) -> str | None:
    """The native label of a field with one of the corpus's own labels (the keys of ``labels``).

    Raises:
        ValueError: if the field holds none of them.
    """
    value = record.get(field)
    if not isinstance(value, str) or value not in labels:
        raise ValueError(f"{where}, field {field}: {value!r}; expected one of {list(labels)}")
    return labels[value]


def make_author_row(
    *,
    row_id: str,
    text: str,
    author: str,
    target: str,
    label: str,
    source: str,
    kind: str | None = None,
    date: str | None = None,
    **extra: Any,
) -> Row:
    """The row of a text whose author is the only actor, with one target."""
    return {
        "id": row_id,
        "text": text,
        "date": date,
        "source": source,
        "author": author,
        "actors": [{"id": "a1", "name": author, "kind": kind, "mentions": [], "author": True}],
        "targets": [{"id": "t1", "text": target}],
        "stances": [{"actor": "a1", "target": "t1", "label": label, "evidence": []}],
        **extra,
    }


def normalise(text: str) -> str:
    """The form in which texts are compared: case and everything but letters and digits ignored."""
    return NOT_ALPHANUMERIC.sub("", text.casefold())


def drop_leaks_and_repeats(
    rows: dict[str, list[Row]], order: Iterable[str]
) -> tuple[dict[str, list[Row]], Counter[tuple[str, str]]]:
    """Rows of single-target texts without leaks, contradictions and repeats, and the counts.

    ``order`` lists the splits from training to test. A text that a later split has, too, is
    dropped from the earlier one. Within a split, a (text, target) with more than one label is
    dropped altogether, and of equal (text, target, label) the first is kept.
    """
    kept: dict[str, list[Row]] = {}
    dropped: Counter[tuple[str, str]] = Counter()
    later_texts: dict[str, str] = {}
    for split in reversed(list(order)):
        keys = [
            (normalise(row["text"]), normalise(row["targets"][0]["text"])) for row in rows[split]
        ]
        labels: dict[tuple[str, str], set[str]] = {}
        for key, row in zip(keys, rows[split], strict=True):
            labels.setdefault(key, set()).add(row["stances"][0]["label"])
        seen: set[tuple[str, str]] = set()
        kept[split] = []
        for key, row in zip(keys, rows[split], strict=True):
            if key[0] in later_texts:
                dropped[split, f"same text in {later_texts[key[0]]}"] += 1
            elif len(labels[key]) > 1:
                dropped[split, "same text and target with another label"] += 1
            elif key in seen:
                dropped[split, "repeats a text, target and label"] += 1
            else:
                seen.add(key)
                kept[split].append(row)
        for text, _ in seen:
            later_texts.setdefault(text, split)
    return {split: kept[split] for split in order}, dropped
