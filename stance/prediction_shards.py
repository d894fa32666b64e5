"""Rows in a folder of several files, shards, that have a size that other programs can take.

The folder has the name of the output, ``stances.parquet/00000.parquet`` and so on, as Spark, Dask
and pandas write and read such folders; ``stance.prediction_files`` reads it like a file.

A shard is complete with the first portion after its last row (see ``stance.batch_prediction``), and
is closed when the next one begins: the mark that says so was noted by then. So an interrupted run
never has to go back behind a closed shard.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from stance.prediction_files import PredictionFileError, lock_file, open_rows, parts_of
from stance.schema import Document, Prediction


class ShardMark(NamedTuple):
    """Where an interrupted run goes on in a folder of shards."""

    shard: int
    """The number of the shard that was being written."""
    rows: int
    """The rows that it had."""
    size: int
    """Its own mark, see ``prediction_files.open_rows``."""


class ShardWriter:
    """Writes rows to files of ``rows_per_shard`` rows and a few more, numbered from 0 on.

    Without a ``mark``, shards that an earlier run left in the folder are removed.

    Raises:
        PredictionFileError: if another run writes to the folder, or less is there than was saved.
        OSError: if folder or file cannot be created.
    """

    def __init__(self, path: Path, rows_per_shard: int, mark: ShardMark | None = None) -> None:
        self._path = path
        self._rows_per_shard = rows_per_shard
        self._number, self._rows, size = mark or (0, 0, None)
        self._is_full = self._rows >= rows_per_shard
        path.mkdir(parents=True, exist_ok=True)
        # The folder itself is locked, so that no other file lies among the shards.
        self._lock = os.open(path, os.O_RDONLY) if os.name == "posix" else None
        try:
            if self._lock is not None:
                lock_file(self._lock, path)
            self._check(self._number)
            for shard in find_shards(path):
                if mark is None or int(shard.name.partition(".")[0]) > self._number:
                    shutil.rmtree(shard) if shard.is_dir() else shard.unlink()
            self._writer = open_rows(self._shard(self._number), size)
        except BaseException:
            self._unlock()
            raise

    def _shard(self, number: int) -> Path:
        return self._path / name_shard(number, self._path.suffix.lower())

    def _check(self, complete: int) -> None:
        missing = [n for n in range(complete) if not self._shard(n).exists()]
        if missing:
            raise PredictionFileError(
                f"{self._path} lacks {self._shard(missing[0]).name}, which the interrupted run "
                "left; put it back, or set overwrite=true to start anew"
            )

    def write(self, predictions: Sequence[Prediction], document: Document | None = None) -> None:
        if self._is_full:
            self._writer.close()
            self._number, self._rows, self._is_full = self._number + 1, 0, False
            self._writer = open_rows(self._shard(self._number))
        self._writer.write(predictions)
        self._rows += len(predictions)

    def save(self) -> ShardMark:
        """See that what was written survives the end of power as well."""
        mark = ShardMark(self._number, self._rows, self._writer.save())
        self._is_full = self._rows >= self._rows_per_shard
        return mark

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self._writer.__exit__(kind, error, trace)
        finally:
            self._unlock()


def name_shard(number: int, ending: str) -> str:
    """The name of a shard's file."""
    return f"{number:05d}{ending}"


def is_shard(name: str, ending: str) -> bool:
    """Whether a file's name is one that ``name_shard`` gives; others are not ours to remove."""
    return re.fullmatch(rf"\d{{5,}}{re.escape(ending)}", name) is not None


def find_shards(path: Path) -> list[Path]:
    """The shards of a folder, and the folders of parts of such that were not completed."""
    ending = path.suffix.lower()
    endings = (ending, parts_of(Path(ending)).name)
    return sorted(
        file for file in path.iterdir() if any(is_shard(file.name, own) for own in endings)
    )
