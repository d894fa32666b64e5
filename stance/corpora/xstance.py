"""x-stance: answers of Swiss candidates to political questions (Vamvas & Sennrich 2020), in German.

Reads the official ``xstance-data-v1.0.zip`` or the folder it unpacks to. See ``cards/xstance.md``.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from stance.corpora.conversion import (
    Conversion,
    Row,
    make_author_row,
    parse_records,
    read_records,
    resolve_path,
    take_label,
    take_text,
)

FILES = {"train": "train.jsonl", "validation": "valid.jsonl", "test": "test.jsonl"}
SPLITS = tuple(FILES)
LANGUAGE = "de"
LABELS_OF_ANSWERS = {"FAVOR": "favor", "AGAINST": "against"}
EXTRA_FIELDS = ("question_id", "numerical_label", "topic", "test_set")
WHAT = "xstance-data-v1.0.zip, or its folder with train.jsonl, valid.jsonl and test.jsonl"


def convert(path: str | Path | None = None) -> Conversion:
    """The German comments in the corpus's own splits.

    Raises:
        ValueError: if no path is known, or a file does not have the layout.
        FileNotFoundError: if the zip, the folder or one of the files is missing.
    """
    source = resolve_path("xstance", path, "xstance-data-v1.0.zip", WHAT)
    rows: dict[str, list[Row]] = {}
    dropped: Counter[tuple[str, str]] = Counter()
    for split, file in FILES.items():
        rows[split] = []
        for where, record in _read_split(source, file):
            language = take_text(record, "language", where)
            if language != LANGUAGE:
                dropped[split, f"language {language}"] += 1
                continue
            row = _convert_record(record, where)
            if row["text"]:
                rows[split].append(row)
            else:
                dropped[split, "empty comment"] += 1
    return Conversion(rows, dropped)


def _read_split(source: Path, file: str) -> list[tuple[str, dict[str, Any]]]:
    if source.is_dir():
        return read_records(source / file, WHAT)
    if not zipfile.is_zipfile(source):
        raise ValueError(f"{source}: neither a zip file nor a folder; expected {WHAT}")
    with zipfile.ZipFile(source) as archive:
        members = [
            name
            for name in archive.namelist()
            if Path(name).name == file and not name.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            raise FileNotFoundError(f"{source}: {len(members)} files {file} in it; expected {WHAT}")
        return parse_records(archive.read(members[0]), f"{source}/{members[0]}", WHAT)


def _convert_record(record: dict[str, Any], where: str) -> Row:
    label = take_label(record, "label", LABELS_OF_ANSWERS, where)
    if record.get("id") is None:
        raise ValueError(f"{where}, field id: missing; expected a number")
    return make_author_row(
        row_id=f"xstance-{record['id']}",
        text=take_text(record, "comment", where).strip(),
        author=str(record.get("author") or "author"),
        kind="person",
        target=take_text(record, "question", where).strip(),
        label=str(label),
        source="xstance",
        **{key: record[key] for key in EXTRA_FIELDS if key in record},
    )
