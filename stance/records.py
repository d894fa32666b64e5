"""Files of records, one at a time, each with its line: JSONL, CSV, TSV and Parquet.

All but Parquet may be packed, see ``stance.encodings``.
"""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from stance.encodings import DocumentError, drop_packing, open_text

Report = Callable[[DocumentError], None]
"""Takes the error of a record, which is then left out; or raises it."""

Records = Iterator[tuple[int, Mapping[str, Any]]]

_PARQUET_ROWS_PER_BATCH = 256


def _iter_jsonl(path: Path, report: Report) -> Records:
    with open_text(path, newline="\n") as file:
        for line, raw in enumerate(file, start=1):
            if not raw.strip():
                continue
            try:
                record = json.loads(raw.rstrip("\r\n"))
            except (ValueError, RecursionError) as error:
                column = f" at character {error.colno}" if hasattr(error, "colno") else ""
                problem = f"not valid JSON ({getattr(error, 'msg', 'nested too deep')}{column})"
            else:
                if isinstance(record, dict) and _is_encodable(raw, record):
                    yield line, record
                    continue
                problem = (
                    "half a surrogate pair in an escape sequence, which is no character"
                    if isinstance(record, dict)
                    else f"a JSON {type(record).__name__}, not an object"
                )
            report(DocumentError(f"{problem}; write one JSON object a line", path, line))


def _is_encodable(raw: str, record: Mapping[str, Any]) -> bool:
    if "\\ud" not in raw.lower():
        return True
    try:
        json.dumps(record, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _iter_csv(path: Path, report: Report) -> Records:
    """Rows of a table with a header, by the standard library: pandas tells no lines of rows."""
    csv.field_size_limit(2**31 - 1)  # the default refuses long texts
    with open_text(path) as file:
        heading = file.readline()
        choices = "\t" if drop_packing(path).suffix.lower() == ".tsv" else ",;\t"
        separator = max(choices, key=heading.count)
        reader = csv.reader(chain([heading], file), delimiter=separator, strict=True)
        line = 1
        header: list[str] | None = None
        try:
            for row in reader:
                if header is None:
                    header = [name.strip() for name in row]
                    if len(set(header)) < len(header):
                        raise DocumentError(
                            f"columns of one name in {header}; name them apart", path, line
                        )
                elif len(row) == len(header):
                    yield line, dict(zip(header, row, strict=True))
                elif row:
                    report(
                        DocumentError(
                            f"{len(row)} cells, but {len(header)} columns in the first line; "
                            "put cells that hold a separator, a quote or a line end in quotes",
                            path,
                            line,
                        )
                    )
                line = reader.line_num + 1
        except csv.Error as error:
            raise DocumentError(
                f"not a valid table ({error}); put cells that hold a separator, a quote or a line "
                "end in quotes, and double the quotes inside them",
                path,
                line,
            ) from error


def _iter_parquet(path: Path, report: Report) -> Records:
    del report  # a damaged file cannot be read on
    import pyarrow
    from pyarrow import parquet

    row = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS_PER_BATCH):
                for record in batch.to_pylist():
                    row += 1
                    yield (
                        row,
                        {
                            key: value.isoformat() if isinstance(value, datetime.date) else value
                            for key, value in record.items()
                        },
                    )
    except (pyarrow.ArrowException, OSError) as error:
        raise DocumentError(f"not a valid Parquet file ({error})", path, row + 1) from error


READERS: dict[str, Callable[[Path, Report], Records]] = {
    ".jsonl": _iter_jsonl,
    ".csv": _iter_csv,
    ".tsv": _iter_csv,
    ".parquet": _iter_parquet,
}
"""The reader of each file ending: gives each record with its line (in Parquet: row), from 1."""
