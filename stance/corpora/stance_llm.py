"""stance_llm: the lists that the package stance-llm reads, one text, entity and statement a record.

See ``cards/stance_llm.md``.
"""

from __future__ import annotations

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
from stance.mentions import find_occurrences

SPLITS = ("test",)
LABELS_OF_STANCES = {"support": "favor", "opposition": "against", "irrelevant": "none"}
LABEL_FIELDS = ("stance_true", "stance")
OWN_FIELDS = ("id", "text", "ent_text", "statement", *LABEL_FIELDS)
RESERVED_FIELDS = ("title", "date", "source", "author", "actors", "targets", "stances")


def convert(path: str | Path | None = None) -> Conversion:
    """The records, each a document; one without a stance has an unlabelled pair.

    Raises:
        ValueError: if no path is known, or the file does not have the layout.
        FileNotFoundError: if there is no file.
    """
    what = 'a JSON list of {"text", "ent_text", "statement", "stance_true"}'
    file = resolve_path("stance_llm", path, "stance_llm.json", what)
    rows: list[Row] = []
    dropped: Counter[tuple[str, str]] = Counter()
    altered: Counter[tuple[str, str]] = Counter()
    first_of: dict[str, str] = {}
    for number, (where, record) in enumerate(read_records(file, what), 1):
        row = _convert_record(record, f"stance_llm-{record.get('id', number)}", where)
        if row["id"] in first_of:
            raise ValueError(
                f"{where}, field id: {record['id']!r} is also the id of {first_of[row['id']]}"
            )
        first_of[row["id"]] = where
        if not row["text"].strip():
            dropped["test", "empty text"] += 1
            continue
        if not row["stances"]:
            altered["test", "pair without a label (not scored)"] += 1
        if not row["actors"][0]["mentions"]:
            altered["test", "entity not in the text"] += 1
        rows.append(row)
    return Conversion({"test": rows}, dropped, altered)


def _convert_record(record: dict[str, Any], row_id: str, where: str) -> Row:
    text, entity = take_text(record, "text", where), take_text(record, "ent_text", where).strip()
    if not entity:
        raise ValueError(f"{where}, field ent_text: empty; expected the entity as the text has it")
    label_field = next((key for key in LABEL_FIELDS if record.get(key) is not None), None)
    label = label_field and take_label(record, label_field, LABELS_OF_STANCES, where)
    mentions = find_occurrences(text, {"a1": [entity]})["a1"]
    actor = {
        "id": "a1",
        "name": entity,
        "kind": None,
        "mentions": [mention.model_dump() for mention in mentions],
        "author": False,
    }
    stance: Row = {"actor": "a1", "target": "t1", "label": label, "evidence": []}
    # Other keys are the user's; those whose names the native format uses itself get a prefix.
    others = {
        f"record_{key}" if key in RESERVED_FIELDS else key: value
        for key, value in record.items()
        if key not in OWN_FIELDS
    }
    return {
        "id": row_id,
        "text": text,
        "source": "stance_llm",
        "actors": [actor],
        "targets": [{"id": "t1", "text": take_text(record, "statement", where).strip()}],
        "stances": [stance] if label else [],
        **others,
    }
