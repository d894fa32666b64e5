"""Read documents from JSONL, CSV, TSV, Parquet and text files, write them as JSONL, split them.

Files of text may be packed: ``.jsonl.gz``, ``.csv.zst``.

Reading streams: one document, or one block of rows, is in memory at a time (for flat rows see
``iter_documents``). What cannot be read raises a ``DocumentError`` with file, line and field.
"""

from __future__ import annotations

import glob
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from stance.encodings import PACKED_ENDINGS, DocumentError, drop_packing, open_text
from stance.native import parse_document, to_record
from stance.records import READERS, Report
from stance.schema import Document
from stance.triples import DEFAULT_LABELS, LabelMapping, TripleColumns, group_rows

__all__ = [
    "DEFAULT_LABELS",
    "DocumentError",
    "LabelMapping",
    "TripleColumns",
    "find_files",
    "iter_documents",
    "parse_document",
    "read_documents",
    "split_documents",
    "to_record",
    "write_documents",
]

logger = logging.getLogger(__name__)

ENDINGS = (*READERS, ".txt")
_ENDINGS_IN_WORDS = (
    f"{', '.join(ENDINGS)}, or (but for .parquet) in one of these and {' or '.join(PACKED_ENDINGS)}"
)

# Up to this size a file's flat rows are held in memory and may lie in any order.
MAX_GROUPED_BYTES = 64 * 1024 * 1024
# A packed text is taken for so many times its size: how large it is shows only at its end.
PACKING_RATIO = 8


class _Source(NamedTuple):
    path: Path
    name: str  # the beginning of the ids that documents without one get

    @property
    def ending(self) -> str:
        return drop_packing(self.path).suffix.lower()


def iter_documents(
    paths: str | Path | Sequence[str | Path],
    columns: TripleColumns | None = None,
    labels: LabelMapping | None = None,
    on_error: Report | None = None,
) -> Iterator[Document]:
    """Read documents one by one from ``.jsonl``, ``.csv``, ``.tsv``, ``.parquet`` and ``.txt``, and
    from packed files of these (``.jsonl.gz``, ``.jsonl.zst``), but of Parquet.

    A file holds native records (see ``parse_document``) or flat rows of text, actor and target; its
    first record decides: a row has an actor or target column and no lists of actors or targets. A
    table with neither gives texts, whose other columns are kept. A text file is one document. The
    text of a document is never altered.

    Flat rows of one document are put together wherever they lie in files of up to 64 MiB. In larger
    files they must follow one another, which is checked. Columns that are not used are logged.

    Documents without an id get the name of their file without its ending (in a directory: the path
    below it) and, but for text files, the line.

    Args:
        paths: files, directories (read in depth, sorted by path) or glob patterns.
        columns: the columns of flat rows, where they are named otherwise.
        labels: what the labels of flat rows mean, beside ``DEFAULT_LABELS``.
        on_error: takes the error of a record or file, which is then left out; by default the first
            error is raised.

    Raises:
        DocumentError: if there is no such file or none that can be read, or, without ``on_error``,
            at the first invalid record, an id that occurs twice or a file without documents.
    """
    report = _Reporter(on_error)
    ids: set[str] = set()
    for source in _find_sources([paths] if isinstance(paths, str | Path) else paths):
        report.count = 0
        is_empty = True
        try:
            for line, document in _iter_source(source, columns or TripleColumns(), labels, report):
                is_empty = False
                if document.id in ids:
                    problem = f"an earlier document has the id {document.id!r}; give each its own"
                    report(DocumentError(problem, source.path, line, "id"))
                    continue
                ids.add(document.id)
                yield document
            if is_empty and report.count == 0:
                raise DocumentError("the file is empty: it holds no documents", source.path)
        except DocumentError as error:
            report(error)


def find_files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files that ``iter_documents`` reads, in order.

    Raises:
        DocumentError: as ``iter_documents``, if there are none.
    """
    given = [paths] if isinstance(paths, str | Path) else paths
    return [source.path for source in _find_sources(given, log_others=False)]


def read_documents(
    paths: str | Path | Sequence[str | Path],
    columns: TripleColumns | None = None,
    labels: LabelMapping | None = None,
) -> list[Document]:
    """All documents of ``iter_documents`` in a list."""
    return list(iter_documents(paths, columns, labels))


def write_documents(documents: Iterable[Document], path: str | Path) -> int:
    """Write documents as native JSONL in UTF-8 and return how many.

    The file appears under its name once it is complete, so a failure leaves no half file.

    Raises:
        ValueError: if the name of the file does not end in ``.jsonl``.
    """
    path = Path(path)
    if path.suffix.lower() != ".jsonl":
        raise ValueError(f"documents are written as JSONL; name the file *.jsonl, not {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for document in documents:
                file.write(json.dumps(to_record(document), ensure_ascii=False) + "\n")
                count += 1
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def split_documents(
    documents: Sequence[Document],
    fractions: Mapping[str, float],
    seed: int = 0,
    stratify_by: Callable[[Document], str] | None = None,
) -> dict[str, list[Document]]:
    """Split documents at random, so that all pairs of a document are in one split.

    Args:
        documents: the documents; each split keeps their order.
        fractions: the share of each split by its name; they sum to 1.
        seed: the same seed gives the same split.
        stratify_by: gives the stratum of a document, such as ``lambda document: document.source``;
            every stratum is split by the fractions, as far as its size allows.

    Raises:
        ValueError: if the fractions do not sum to 1 or are not positive, or there are too few
            documents in all or in a stratum.
    """
    from sklearn.model_selection import train_test_split

    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise ValueError(f"the fractions must be positive and sum to 1, got {dict(fractions)}")
    strata = [stratify_by(document) if stratify_by else "" for document in documents]
    rare = sorted(name for name, count in Counter(strata).items() if count < len(fractions))
    if rare or len(documents) < len(fractions):
        raise ValueError(
            f"too few documents for {len(fractions)} splits"
            + (f" in the strata {', '.join(map(repr, rare))}; put them together" if rare else "")
        )
    splits: dict[str, list[Document]] = {}
    rest = list(range(len(documents)))
    left = 1.0
    *first_names, last_name = fractions
    for name in first_names:
        size = min(max(round(fractions[name] / left * len(rest)), 1), len(rest) - 1)
        try:
            taken, rest = train_test_split(
                rest,
                train_size=size,
                random_state=seed,
                stratify=[strata[index] for index in rest] if stratify_by else None,
            )
        except ValueError as error:
            raise ValueError(
                f"too few documents in a stratum for the split {name!r} ({error}); put strata "
                "together"
            ) from error
        left -= fractions[name]
        splits[name] = [documents[index] for index in sorted(taken)]
    splits[last_name] = [documents[index] for index in sorted(rest)]
    return splits


@dataclass
class _Reporter:
    """Counts errors and hands them on, or raises them where nobody takes them."""

    take: Report | None
    count: int = 0

    def __call__(self, error: DocumentError) -> None:
        if self.take is None:
            raise error
        self.count += 1
        self.take(error)


def _find_sources(paths: Sequence[str | Path], log_others: bool = True) -> Iterator[_Source]:
    if not paths:
        raise DocumentError("no paths given; give files, directories or patterns")
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            texts = [file for file in files if is_readable(file)]
            if not texts:
                raise DocumentError(
                    f"a directory without texts; it needs files that end in {_ENDINGS_IN_WORDS}",
                    path,
                )
            others = [str(file.relative_to(path)) for file in files if not is_readable(file)]
            if others and log_others:
                logger.warning("%s: files of unknown kinds not read: %s", path, ", ".join(others))
            for file in texts:
                inner = drop_packing(file.relative_to(path))
                yield _Source(file, inner.with_suffix("").as_posix())
        elif path.exists():
            if not is_readable(path):
                raise DocumentError(
                    f"a file of an unknown kind; it must end in {_ENDINGS_IN_WORDS}", path
                )
            yield _Source(path, drop_packing(path).stem)
        elif matches := sorted(glob.glob(str(given), recursive=True)):  # noqa: PTH207, absolute
            readable = [name for name in matches if is_readable(Path(name))]
            others = [name for name in matches if name not in readable]
            if others and log_others:
                logger.warning("%s: files of unknown kinds not read: %s", path, ", ".join(others))
            if not readable:
                raise DocumentError(
                    f"matches no files that end in {_ENDINGS_IN_WORDS}, and no directory", path
                )
            yield from _find_sources(readable, log_others)
        else:
            raise DocumentError("there is no such file, directory or match of a pattern", path)


def is_readable(path: Path) -> bool:
    if path.is_dir() or path.suffix.lower() in ENDINGS:
        return True
    inner = drop_packing(path)
    return inner != path and inner.suffix.lower() in ENDINGS and inner.suffix.lower() != ".parquet"


def _iter_source(
    source: _Source, columns: TripleColumns, labels: LabelMapping | None, report: Report
) -> Iterator[tuple[int | None, Document]]:
    path = source.path
    if source.ending == ".txt":
        with open_text(path) as file:
            text = file.read()
        if not text.strip():
            raise DocumentError("the file is empty; a document needs a text", path)
        yield None, Document(id=source.name, text=text)
        return
    records = READERS[source.ending](path, report)
    first = next(records, None)
    if first is None:
        return
    records = chain([first], records)
    found = columns.find(first[1].keys())
    if not _has_lists(first[1]) and ("actor" in found or "target" in found):
        found = columns.resolve(first[1].keys(), path, first[0])
        if unused := [key for key in first[1] if key not in found.values()]:
            logger.warning("%s: columns not used: %s", path, ", ".join(unused))
        size = path.stat().st_size * (1 if drop_packing(path) == path else PACKING_RATIO)
        keep_all = size <= MAX_GROUPED_BYTES
        yield from group_rows(records, path, source.name, columns, report, labels, keep_all)
        return
    if source.ending != ".jsonl":
        columns.resolve(first[1].keys(), path, first[0], needed=("text",))
    for line, record in records:
        try:
            yield line, _parse_native(record, source, line, columns)
        except DocumentError as error:
            report(error)


def _parse_native(
    record: Mapping[str, Any], source: _Source, line: int, columns: TripleColumns
) -> Document:
    """A native record, or a row of a table of texts, which may lack an id."""
    found = columns.find(record.keys())
    if not _has_lists(record) and ("actor" in found or "target" in found):
        raise DocumentError(
            "a flat row among native records; put rows of one kind in a file", source.path, line
        )
    record = dict(record)
    for name in ("text", "id"):
        if name in found and found[name] in record:
            record[name] = record.pop(found[name])
    identity = record.get("id")
    if identity is None or identity == "":
        record["id"] = f"{source.name}-{line}"
    elif isinstance(identity, int) and source.ending == ".parquet":
        record["id"] = str(identity)
    return parse_document(record, source.path, line)


def _has_lists(record: Mapping[str, Any]) -> bool:
    return any(isinstance(record.get(key), list) for key in ("actors", "targets", "stances"))
