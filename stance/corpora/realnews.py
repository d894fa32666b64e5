"""realnews: real newspaper articles with actor stances, a native JSONL file for validation only.

See ``cards/realnews.md``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from stance.corpora.conversion import Conversion, resolve_path
from stance.documents import iter_documents

SPLITS = ("validation",)


def convert(path: str | Path | None = None) -> Conversion:
    """The articles, all of them validation; ``altered`` counts the pairs without a label.

    Raises:
        ValueError: if no path is known, or a record is malformed.
        FileNotFoundError: if the file is missing.
    """
    file = resolve_path("realnews", path, "realnews/dev.jsonl", "the file dev.jsonl")
    if file.is_dir():
        file = resolve_path("realnews", file / "dev.jsonl", "", "the file dev.jsonl")
    rows = []
    altered: Counter[tuple[str, str]] = Counter()
    for document in iter_documents(file):
        row = document.model_dump(mode="json")
        row["source"] = row["source"] or "realnews"
        rows.append(row)
        pairs = len(document.actors) * len(document.targets)
        altered["validation", "pair without a label (not scored)"] += pairs - len(document.stances)
    return Conversion({"validation": rows}, altered=+altered)
