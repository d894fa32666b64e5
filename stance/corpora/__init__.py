"""Public corpora as documents: ``load_corpus("newsstance", "train")``.

Each corpus is one module with ``SPLITS`` and ``convert(path) -> Conversion``: it reads the original
layout and returns native rows by split, and counts what it left out. From there on everything goes
through ``datasets``: ``as_dataset`` gives the rows as a ``datasets.Dataset`` with fixed features
(equal for all corpora, so they can be concatenated), and ``load_corpus`` turns that into documents.
The tables are built in memory on each call, so that a changed file is never hidden by a cache.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.corpora.conversion import Conversion, Row
from stance.schema import Document

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class Corpus:
    """An entry of the registry; ``default`` is what ``path=None`` stands for."""

    name: str
    splits: tuple[str, ...]
    default: str

    def convert(self, path: str | Path | None = None) -> Conversion:
        """All splits of the corpus; see the ``convert`` of its module for the errors."""
        conversion: Conversion = import_module(f"stance.corpora.{self.name}").convert(path)
        return conversion


CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus("newsstance", ("train", "validation", "test"), "in the package"),
        Corpus("realnews", ("validation",), "$STANCE_DATA_DIR/realnews/dev.jsonl"),
        Corpus(
            "wahlomat",
            ("train", "validation", "test", "test_unseen"),
            "$STANCE_DATA_DIR/qual-o-mat-data",
        ),
        Corpus(
            "xstance", ("train", "validation", "test"), "$STANCE_DATA_DIR/xstance-data-v1.0.zip"
        ),
        Corpus("cheese", ("train", "validation", "test"), "$STANCE_DATA_DIR/cheese.json"),
        Corpus("stance_llm", ("test",), "$STANCE_DATA_DIR/stance_llm.json"),
    )
}

NATIVE_FIELDS = ("id", "text", "title", "date", "source", "author")
NESTED_FIELDS = {
    "actors": {"id", "name", "kind", "mentions", "author"},
    "targets": {"id", "text"},
    "stances": {"actor", "target", "label", "evidence"},
}


def load_corpus(
    name: str, split: str | None = None, path: str | Path | None = None
) -> list[Document]:
    """The documents of a split, or of all splits that do not overlap if ``split`` is None.

    Raises:
        ValueError: for an unknown corpus or split, a missing path, or a malformed file.
        FileNotFoundError: if there is nothing at the path.
    """
    return list(documents_from_dataset(as_dataset(name, split, path)))


def as_dataset(
    name: str, split: str | None = None, path: str | Path | None = None
) -> datasets.Dataset:
    """The rows of a split as a ``datasets.Dataset``; the errors are those of ``load_corpus``.

    Mentions and evidence are offsets. Keys that the format does not define (party, style, ...)
    are in the column ``extra`` as a JSON object.
    """
    corpus = find_corpus(name)
    check_split(corpus, split)
    return dataset_from_rows(select_rows(corpus.convert(path), split))


def find_corpus(name: str) -> Corpus:
    """The entry of the registry.

    Raises:
        ValueError: if there is none.
    """
    if name not in CORPORA:
        raise ValueError(f"no corpus {name!r}; there are {', '.join(CORPORA)}")
    return CORPORA[name]


def check_split(corpus: Corpus, split: str | None) -> None:
    """Check that the corpus has the split.

    Raises:
        ValueError: if not; the message says what it has.
    """
    if split is None or split in corpus.splits:
        return
    if corpus.splits == ("validation",):
        raise ValueError(
            f"corpus {corpus.name!r} is for validation only and has no split {split!r}; "
            "use split='validation', and another corpus to train on"
        )
    raise ValueError(
        f"corpus {corpus.name!r} has no split {split!r}; there are {', '.join(corpus.splits)}"
    )


def select_rows(conversion: Conversion, split: str | None) -> list[Row]:
    """The rows of a split; with None those of all splits, each row once."""
    if split is not None:
        return conversion.rows[split]
    rows: dict[str, Row] = {}
    for part in conversion.rows.values():
        rows.update((row["id"], row) for row in part)
    return list(rows.values())


def dataset_from_rows(rows: Iterable[Row]) -> datasets.Dataset:
    """Native rows (mentions and evidence as offsets) as a table in memory."""
    import datasets

    features = _make_features()
    flat = [_flatten(row) for row in rows]
    # By columns, since from_list() fails on an empty list.
    columns = {key: [row[key] for row in flat] for key in features}
    return datasets.Dataset.from_dict(columns, features=features)


def documents_from_dataset(dataset: datasets.Dataset) -> Iterator[Document]:
    """The documents of a dataset with the columns of ``as_dataset``, also after ``filter`` etc."""
    for row in dataset:
        extra = json.loads(row.pop("extra") or "{}")
        yield Document.model_validate(row | extra)


def _flatten(row: Row) -> dict[str, Any]:
    for key, fields in NESTED_FIELDS.items():
        unknown = {name for item in row[key] for name in item} - fields
        if unknown:
            raise ValueError(
                f"document {row['id']!r}: the table has no column for {sorted(unknown)} in {key}; "
                "keys of your own belong on the document"
            )
    extra = {key: row[key] for key in row if key not in (*NATIVE_FIELDS, *NESTED_FIELDS)}
    return {
        **{key: row.get(key) for key in NATIVE_FIELDS},
        **{key: row[key] for key in NESTED_FIELDS},
        "extra": json.dumps(extra, ensure_ascii=False),
    }


def _make_features() -> datasets.Features:
    from datasets import Features, Value

    string = Value("string")
    spans = [{"start": Value("int32"), "end": Value("int32")}]
    return Features(
        dict.fromkeys(NATIVE_FIELDS, string)
        | {
            "actors": [
                {
                    "id": string,
                    "name": string,
                    "kind": string,
                    "mentions": spans,
                    "author": Value("bool"),
                }
            ],
            "targets": [{"id": string, "text": string}],
            "stances": [{"actor": string, "target": string, "label": string, "evidence": spans}],
            "extra": string,
        }
    )
