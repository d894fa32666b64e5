"""Write predictions to JSONL, CSV or Parquet as they come, and read them back.

A page to read (HTML, see ``stance.prediction_page``) is written the same way, and not read back.

The three kinds of rows hold the columns of ``Prediction.to_row``, in UTF-8. The columns ``mentions,
evidence, windows, warnings`` are lists: JSON in a CSV cell, lists of structs in Parquet.

What ``write`` has returned from stays readable, whatever happens next. JSONL and CSV files only
grow by whole rows. A Parquet file cannot grow, as its index stands at its end; its rows go to small
complete files in ``<output>.parts`` that ``close`` joins, so after a kill that folder has the rows.

``save`` gives a mark, from which ``open_rows`` goes on after an interruption: what was written
later is cut off. A mark counts bytes of a JSONL or CSV file, and parts of a Parquet file.

Instead of one file there may be a folder of several, see ``stance.prediction_shards``.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from pydantic import ValidationError

from stance.schema import LABELS, Document, Prediction

if TYPE_CHECKING:
    import pyarrow

ENDINGS = (".jsonl", ".csv", ".parquet")
"""The file endings that say how rows are written."""

PAGE_ENDING = ".html"
"""The ending of a page to read, which is not read back."""

NESTED_COLUMNS = ("mentions", "evidence", "windows", "warnings")
COLUMNS = (
    *("document_id", "actor_id", "actor", "kind", "target_id", "target", "label"),
    *(f"p_{label}" for label in LABELS),
    *("confidence", "abstained", *NESTED_COLUMNS, "model"),
)
"""The columns of a row, in the order in which they are written."""

Renderer = Callable[[Sequence[Mapping[str, Any]]], str]

ROWS_PER_PART = 1_000
ROWS_PER_GROUP = 50_000
CSV_FIELD_LIMIT = 2**31 - 1


class PredictionFileError(ValueError):
    """A file of predictions cannot be written or read; the message says which and why."""


def check_output(path: str | Path, overwrite: bool = False, sharded: bool = False) -> None:
    """See that ``path`` can be written, as a file or a folder of shards, and change nothing.

    Raises:
        PredictionFileError: if the ending is not known, or if ``path`` or what an interrupted run
            left is there and ``overwrite`` is false; a file never replaces a folder, nor a folder
            a file.
    """
    path = Path(path)
    endings = (*ENDINGS, PAGE_ENDING)
    if path.suffix.lower() not in endings:
        raise PredictionFileError(
            f"output {path}: the ending {path.suffix!r} is not known; use {' or '.join(endings)}"
        )
    if path.is_dir() and not sharded:
        raise PredictionFileError(f"output {path} is a directory; give a file, or set shard_rows")
    if sharded and path.exists() and not path.is_dir():
        raise PredictionFileError(
            f"output {path} is a file, and shards are written to a folder; choose another path"
        )
    if overwrite:
        return
    if path.exists():
        raise PredictionFileError(
            f"output {path} exists; choose another path or set overwrite=true"
        )
    if parts_of(path).exists():
        is_page = path.suffix.lower() == PAGE_ENDING
        reader = "a browser opens texts.html in it" if is_page else "read_predictions reads it"
        raise PredictionFileError(
            f"{parts_of(path)} holds what an interrupted run did; move it away ({reader}) "
            "or set overwrite=true"
        )


class PredictionWriter(Protocol):
    """Takes predictions batch by batch; a context manager that closes itself."""

    def write(self, predictions: Sequence[Prediction], document: Document | None = None) -> None:
        """Write a batch; ``document`` is the text that it is about, which only a page needs."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, _kind: object, _error: BaseException | None, _trace: object) -> None: ...


class GrowingFile:
    """Appends texts to a file; one that could only be written in part is taken back.

    Raises:
        PredictionFileError: if another process writes to the file, or it has no ``size`` bytes.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        # Unbuffered: a text is in the file when append() returns, also if the process is killed.
        self._file = path.open("ab", buffering=0)
        try:
            lock_file(self._file.fileno(), path)
            if self._file.tell() < size:
                raise PredictionFileError(
                    f"{path} is shorter than the interrupted run left it, so it was changed; "
                    "put it back, or set overwrite=true to start anew"
                )
            self._file.truncate(size)
            self._file.seek(size)
        except BaseException:
            self._file.close()
            raise

    def append(self, text: str) -> None:
        start = self._file.tell()
        rest = memoryview(text.encode("utf-8"))
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except BaseException:
            self._file.truncate(start)
            self._file.seek(start)
            raise

    def save(self) -> int:
        """See that what was appended survives the end of power as well; gives the file's size."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


class LineWriter(GrowingFile):
    """Appends rows as lines, each batch as a whole."""

    def __init__(
        self, path: Path, render: Renderer, header: str = "", mark: int | None = None
    ) -> None:
        super().__init__(path, mark or 0)
        self._render = render
        if mark is None:
            self.append(header)

    def write(self, predictions: Sequence[Prediction], document: Document | None = None) -> None:
        self.append(self._render(build_rows(predictions)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ParquetWriter:
    """Collects rows into part files of ``ROWS_PER_PART`` rows or more, joined by ``close``.

    Rows wait in memory until a part is full, so a kill can cost up to that many rows. The file gets
    its name when all rows are in it; after an error or an interruption there are only the parts.
    """

    def __init__(self, path: Path, mark: int | None = None) -> None:
        self._path = path
        self._parts = parts_of(path)
        self._count = mark or 0
        self._rows: list[dict[str, Any]] = []
        self._parts.mkdir(exist_ok=True)
        self._lock = (self._parts / "lock").open("ab")
        try:
            lock_file(self._lock.fileno(), path)
            if mark is None:
                path.unlink(missing_ok=True)
            # A file that is there already has all rows, and its parts may be gone.
            elif not path.exists() and not all(map(Path.is_file, map(self._part, range(mark)))):
                raise PredictionFileError(
                    f"{self._parts} lacks parts that the interrupted run left; "
                    "put them back, or set overwrite=true to start anew"
                )
        except BaseException:
            self._lock.close()
            raise
        kept = set(map(self._part, range(self._count)))
        for part in self._parts.glob("part-*"):
            if part not in kept:
                part.unlink()

    def _part(self, number: int) -> Path:
        return self._parts / f"part-{number:08d}.parquet"

    def write(self, predictions: Sequence[Prediction], document: Document | None = None) -> None:
        self._rows += build_rows(predictions)
        if len(self._rows) >= ROWS_PER_PART:
            self._write_part()

    def _write_part(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        part = self._part(self._count)
        unfinished = part.with_suffix(".unfinished")
        pq.write_table(pa.Table.from_pylist(self._rows, schema=parquet_schema()), unfinished)
        replace_for_good(unfinished, part)
        self._count += 1
        self._rows = []

    def save(self) -> int:
        """See that what was written survives the end of power as well; gives the parts' number."""
        if self._rows:
            self._write_part()
        return self._count

    def close(self) -> None:
        if self._lock.closed:
            return
        self.save()
        if not self._path.exists():
            self._join()
        self._lock.close()
        shutil.rmtree(self._parts)

    def _join(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        joined = self._parts / "joined.unfinished"
        with pq.ParquetWriter(joined, parquet_schema()) as out:
            waiting: list[pa.Table] = []
            for part in sorted(self._parts.glob("part-*.parquet")):
                waiting.append(pq.read_table(part))
                if sum(len(table) for table in waiting) >= ROWS_PER_GROUP:
                    out.write_table(pa.concat_tables(waiting))
                    waiting = []
            if waiting:
                out.write_table(pa.concat_tables(waiting))
        replace_for_good(joined, self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self.close()
            return
        self.save()
        self._lock.close()


RowWriter = LineWriter | ParquetWriter
"""A writer of rows, which can go on after an interruption."""


def open_writer(path: str | Path, overwrite: bool = False) -> PredictionWriter:
    """A writer of the kind that the ending of ``path`` asks for; makes missing folders.

    Raises:
        PredictionFileError: as ``check_output``.
        OSError: if the file cannot be created.
    """
    path = Path(path)
    check_output(path, overwrite)
    if path.suffix.lower() != PAGE_ENDING:
        return open_rows(path)
    from stance.prediction_page import PageWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    return PageWriter(path)


def open_rows(path: Path, mark: int | None = None) -> RowWriter:
    """A writer of rows that replaces ``path``, or goes on from the ``mark`` that ``save`` gave.

    Raises:
        PredictionFileError: if another run writes to ``path``, or less is there than was saved.
        OSError: if the file cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".parquet":
        return ParquetWriter(path, mark)
    if path.suffix.lower() == ".csv":
        return LineWriter(path, render_csv, csv_lines([COLUMNS]), mark)
    return LineWriter(path, render_jsonl, mark=mark)


def parquet_schema() -> pyarrow.Schema:
    """The Arrow schema of the rows; offsets are int64, probabilities float64."""
    import pyarrow as pa

    span = [pa.field("start", pa.int64(), False), pa.field("end", pa.int64(), False)]
    passage = pa.list_(pa.struct([*span, pa.field("text", pa.string())]))
    kinds: dict[str, pa.DataType] = {
        **{f"p_{label}": pa.float64() for label in LABELS},
        "confidence": pa.float64(),
        "abstained": pa.bool_(),
        "mentions": passage,
        "evidence": passage,
        "windows": pa.list_(pa.struct(span)),
        "warnings": pa.list_(pa.string()),
    }
    return pa.schema([pa.field(name, kinds.get(name, pa.string()), False) for name in COLUMNS])


def build_rows(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """The rows of some predictions.

    Raises:
        PredictionFileError: if a probability is not a number, or a mention or piece of evidence
            has other keys than ``start, end, text``: no kind of file may lose one unseen.
    """
    rows = [prediction.to_row() for prediction in predictions]
    for row in rows:
        where = f"document {row['document_id']!r}, actor {row['actor']!r}"
        for column in (*(f"p_{label}" for label in LABELS), "confidence"):
            if not math.isfinite(row[column]):
                raise PredictionFileError(f"{where}: {column} is {row[column]}, not a number")
        for column in ("mentions", "evidence"):
            for passage in row[column]:
                if not {"start", "end"} <= passage.keys() <= {"start", "end", "text"}:
                    raise PredictionFileError(
                        f"{where}: {column} has the keys {sorted(passage)}; "
                        "they must be start, end and, at most, text"
                    )
    return rows


def render_jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def render_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    return csv_lines([render_cell(row[name]) for name in COLUMNS] for row in rows)


def csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    # All text is quoted, so that a lone carriage return in a text does not end the row.
    csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(rows)
    return out.getvalue()


def render_cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | bool) else value


def read_predictions(path: str | Path) -> list[Prediction]:
    """All predictions of a file; see ``iter_predictions``."""
    return list(iter_predictions(path))


def iter_predictions(path: str | Path) -> Iterator[Prediction]:
    """The predictions of a file that this module wrote, one at a time.

    ``path`` may also be a folder of shards, or the ``.parts`` folder that an interrupted run left.

    Raises:
        PredictionFileError: naming file, line (row, in Parquet) and column of what is wrong.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no file of predictions at {path}")
    if path.is_dir():
        for file in find_files_of_rows(path):
            yield from iter_predictions(file)
        return
    readers = {".jsonl": read_jsonl_rows, ".csv": read_csv_rows, ".parquet": read_parquet_rows}
    if path.suffix.lower() not in readers:
        raise PredictionFileError(
            f"{path}: the ending {path.suffix!r} is not known; use {' or '.join(ENDINGS)}"
        )
    for where, row in readers[path.suffix.lower()](path):
        yield build_prediction(row, f"{path}, {where}")


def find_files_of_rows(folder: Path) -> list[Path]:
    """The files of rows in a folder, in order, and folders of parts of a shard that is not
    complete.

    Raises:
        PredictionFileError: if there are none.
    """
    names = sorted(folder.iterdir())
    whole = [name for name in names if name.suffix.lower() in ENDINGS]
    parts = [
        name for name in names if name.suffix == ".parts" and name.with_suffix("") not in whole
    ]
    if not whole and not parts:
        raise PredictionFileError(f"{folder}: a folder without files or parts of predictions")
    return whole + parts


def read_jsonl_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                row = parse_json(line, f"{path}, line {number}")
                if not isinstance(row, dict):
                    raise PredictionFileError(f"{path}, line {number}: not a JSON object")
                yield f"line {number}", row


def read_csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Cells of long texts pass the module's default limit of 128 KiB.
    csv.field_size_limit(CSV_FIELD_LIMIT)
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        for row in reader:
            where = f"line {reader.line_num}"
            for name in (*NESTED_COLUMNS, "abstained"):
                if row.get(name) is not None:
                    row[name] = parse_json(row[name], f"{path}, {where}, field {name}")
            yield where, row


def read_parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
        for number, row in enumerate(rows, start=1):
            for name in ("mentions", "evidence"):
                # A passage without a text has a null there, which its row did not have.
                row[name] = [
                    {key: value for key, value in passage.items() if value is not None}
                    for passage in row.get(name) or ()
                ]
            yield f"row {number}", row


def parse_json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise PredictionFileError(f"{where}: not valid JSON ({error})") from error


def build_prediction(row: Mapping[str, Any], where: str) -> Prediction:
    """The prediction of a row.

    Raises:
        PredictionFileError: if a column is missing or holds what it must not.
    """
    # The kind of an actor need not be known, and rows of the first versions had no such column.
    row = {**row, "kind": row.get("kind") or None}
    missing = [name for name in COLUMNS if name != "kind" and row.get(name) is None]
    if missing:
        raise PredictionFileError(f"{where}: no {', '.join(missing)}; a row has {list(COLUMNS)}")
    fields = {name: row[name] for name in COLUMNS if not name.startswith("p_")}
    try:
        probabilities = tuple(row[f"p_{label}"] for label in LABELS)
        return Prediction.model_validate(fields | {"probabilities": probabilities})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise PredictionFileError(f"{where}, field {field}: {first['msg']}") from error


def lock_file(descriptor: int, path: Path) -> None:
    """Hold an open file until it is closed or the process ends.

    Raises:
        PredictionFileError: if another run holds it; ``path`` is what the message names.
    """
    try:
        import fcntl
    except ImportError:  # on Windows
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PredictionFileError(f"another run is writing {path}; wait for its end") from error
    except OSError:  # a file system that knows no locks
        return


def replace_for_good(unfinished: Path, path: Path) -> None:
    """Give a file that was written its name, so that it survives the end of power whole."""
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def parts_of(path: Path) -> Path:
    """The folder of what is done of a Parquet file or a page while it is being written."""
    return path.with_name(path.name + ".parts")
