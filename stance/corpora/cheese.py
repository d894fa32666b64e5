"""CHeeSE: Swiss news articles and debate questions (Mascarell et al. 2021), article level.

Reads ``cheese.json``. An article is one text whose author (the newspaper) is the actor, with every
question it was matched with as a target. See ``cards/cheese.md``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from stance.corpora.conversion import (
    Conversion,
    Row,
    read_records,
    resolve_path,
    take_label,
    take_text,
)

SPLITS = ("train", "validation", "test")
VALIDATION_PERCENT, TEST_PERCENT = 10, 15
LABELS_OF_STANCES: dict[str, str | None] = {
    "Ja, dafür": "favor",
    "Nein, dagegen": "against",
    "Diskutierend": "neutral",
    "Kein Bezug": "none",
    "Unklar": None,
}


def convert(path: str | Path | None = None) -> Conversion:
    """The articles, split by article; pairs that the annotators marked as unclear are dropped.

    Raises:
        ValueError: if no path is known, or the file does not have the layout.
        FileNotFoundError: if there is no file.
    """
    what = "cheese.json (a JSON list, or one article a line)"
    file = resolve_path("cheese", path, "cheese.json", what)
    if file.is_dir():
        file = file / "cheese.json"
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    dropped: Counter[tuple[str, str]] = Counter()
    for where, record in read_records(file, what):
        article_id = str(record.get("article_id") or "")
        if not article_id:
            raise ValueError(f"{where}, field article_id: missing; expected an id")
        split = assign_split(article_id)
        row = _convert_article(record, article_id, where, split, dropped)
        if not row["text"]:
            dropped[split, "article without text"] += 1
        elif not row["targets"]:
            dropped[split, "article without a clear pair"] += 1
        else:
            rows[split].append(row)
    return Conversion(rows, dropped)


def assign_split(article_id: str) -> str:
    """75 % train, 10 % validation, 15 % test, by a hash of the id: the same on every machine."""
    percent = int.from_bytes(hashlib.sha256(article_id.encode()).digest()[:4], "big") % 100
    if percent < TEST_PERCENT:
        return "test"
    return "validation" if percent < TEST_PERCENT + VALIDATION_PERCENT else "train"


def _convert_article(
    record: dict[str, Any],
    article_id: str,
    where: str,
    split: str,
    dropped: Counter[tuple[str, str]],
) -> Row:
    source = str(record.get("source") or "article")
    targets: dict[str, dict[str, Any]] = {}
    labels: dict[str, set[str]] = {}
    for pair in _take_list(record, "article_stance", where):
        label = take_label(pair, "stance", LABELS_OF_STANCES, where)
        if label is None:
            dropped[split, "pair marked as unclear"] += 1
            continue
        target_id = f"q{pair.get('question_id', len(targets))}"
        targets[target_id] = {"id": target_id, "text": take_text(pair, "question", where).strip()}
        labels.setdefault(target_id, set()).add(label)
    for target_id in [name for name, values in labels.items() if len(values) > 1]:
        dropped[split, "question with two labels"] += 1
        del targets[target_id]
    return {
        "id": f"cheese-{article_id}",
        "title": record.get("title"),
        "text": _join_text(record, where),
        "date": str(record["date"]) if record.get("date") else None,
        "source": f"cheese/{source}",
        "author": source,
        "actors": [
            {"id": "a1", "name": source, "kind": "organisation", "mentions": [], "author": True}
        ],
        "targets": list(targets.values()),
        "stances": [
            {"actor": "a1", "target": name, "label": labels[name].pop(), "evidence": []}
            for name in targets
        ],
    }


def _join_text(record: dict[str, Any], where: str) -> str:
    """Lead and paragraphs; the lead is left out where the first paragraph repeats it."""
    paragraphs = [
        take_text(paragraph, "text", where).strip()
        for paragraph in _take_list(record, "paragraphs", where)
    ]
    lead = str(record.get("snippet") or "").strip()
    if lead and not (paragraphs and paragraphs[0].startswith(lead)):
        paragraphs.insert(0, lead)
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _take_list(record: dict[str, Any], field: str, where: str) -> list[dict[str, Any]]:
    value = record.get(field)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{where}, field {field}: {value!r:.80}; expected a list of objects")
    return value
