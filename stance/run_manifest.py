"""``<output>.manifest.json``: what was asked, how far the run is, and in the end its counts.

The manifest lies beside the rows from the beginning on. After each portion of documents it notes
how many were read, and how large the files of rows and rejects are then. An interrupted run goes on
from the last note: the files are cut back to these sizes, and the documents before are read and
skipped. So no row is lost or there twice, wherever the interruption came. Rows of another question
(other texts, targets, model, thresholds) are never added.
"""

from __future__ import annotations

import hashlib
import logging
import shlex
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, PrivateAttr, ValidationError

from stance.batch_prediction import NOBODY, PredictionRun, RejectFile
from stance.documents import find_files
from stance.prediction_files import (
    PAGE_ENDING,
    PredictionFileError,
    check_output,
    replace_for_good,
)
from stance.prediction_shards import ShardMark

logger = logging.getLogger(__name__)

DESCRIPTION_FILES = ("README.md", "benchmark.json", "metrics.json", "training_manifest.json")
"""Files of a model's directory that say something of the model and do not change what it says."""


class RunCounts(BaseModel):
    """``read`` is the sum of ``predicted``, ``rejected`` and ``nobody_found``."""

    read: int = 0
    """Documents, and records that could not be read as one."""
    predicted: int = 0
    rejected: dict[str, int] = {}
    """Left out with ``on_error=skip``, by reason."""
    nobody_found: int = 0
    """Texts in which no actor was found."""
    rows: int = 0
    rows_with_warnings: int = 0

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items()))
        return (
            f"{self.read} read = {self.predicted} predicted + {sum(self.rejected.values())} "
            f"rejected{f' ({reasons})' if reasons else ''} + {self.nobody_found} in which nobody "
            f"was found; {self.rows} rows"
        )


class Progress(BaseModel):
    """Where an interrupted run goes on: all that is before is done."""

    documents: int
    """Documents that were read."""
    output: int | ShardMark
    """The mark of the writer, see ``prediction_files.open_rows``."""
    rejects: int
    """Bytes of the file of rejects."""
    counts: RunCounts


class RunManifest(BaseModel):
    """What the file holds; ``complete`` is true when all rows are in the output."""

    complete: bool = False
    stopped: str | None = None
    """The record at which the run stopped."""
    counts: RunCounts = RunCounts()
    question: dict[str, Any]
    progress: Progress | None = None
    command: str
    versions: dict[str, str]
    started: str
    finished: str | None = None
    seconds: float = 0.0
    """Without the time between an interruption and the run that went on."""
    interruptions: int = 0

    _path: Path = PrivateAttr()
    _clock: float = PrivateAttr()

    @classmethod
    def begin(
        cls,
        output: Path,
        question: Mapping[str, Any],
        versions: Mapping[str, str],
        overwrite: bool = False,
    ) -> RunManifest:
        """The manifest of a new run, or of an interrupted one that goes on; nothing is written."""
        path = manifest_of(output)
        if path.exists() and not overwrite:
            manifest = read_manifest(path)
            manifest.interruptions += 1
            manifest.stopped = None
        else:
            manifest = cls(
                question=dict(question),
                command=shlex.join(sys.argv),
                versions=dict(versions),
                started=now(),
            )
        manifest._path = path
        manifest._clock = time.monotonic() - manifest.seconds
        return manifest

    def to_run(self) -> PredictionRun:
        """What was done up to ``progress``."""
        if self.progress is None:
            return PredictionRun()
        counts = self.progress.counts
        return PredictionRun(
            documents=self.progress.documents,
            texts=counts.predicted,
            rows=counts.rows,
            marked_rows=counts.rows_with_warnings,
        )

    def to_reasons(self) -> Counter[str]:
        """Why records were left out up to ``progress``."""
        if self.progress is None:
            return Counter()
        counts = self.progress.counts
        return Counter(counts.rejected | {NOBODY: counts.nobody_found})

    def note(self, run: PredictionRun, rejects: RejectFile, output: int | ShardMark) -> None:
        """Note that all up to here is done, with the writer's mark of its rows."""
        self.count(run, rejects)
        self.progress = Progress(
            documents=run.documents, output=output, rejects=rejects.save(), counts=self.counts
        )
        self.save()

    def finish(self, run: PredictionRun, rejects: RejectFile) -> None:
        """Note that the output is complete."""
        rejects.save()
        self.count(run, rejects)
        self.complete, self.progress, self.finished = True, None, now()
        self.save()

    def stop(self, run: PredictionRun, rejects: RejectFile, reason: str) -> None:
        """Note the record at which the run stopped."""
        self.count(run, rejects)
        self.stopped = reason
        self.save()

    def count(self, run: PredictionRun, rejects: RejectFile) -> None:
        self.counts = RunCounts(
            read=run.documents + rejects.invalid,
            predicted=run.texts,
            rejected={name: n for name, n in rejects.reasons.items() if n and name != NOBODY},
            nobody_found=rejects.reasons[NOBODY],
            rows=run.rows,
            rows_with_warnings=run.marked_rows,
        )

    def save(self) -> None:
        self.seconds = round(time.monotonic() - self._clock, 1)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(self._path.name + ".unfinished")
        unfinished.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        replace_for_good(unfinished, self._path)


def check_run(output: Path, question: Mapping[str, Any]) -> None:
    """See that a run can begin without ``overwrite``, or go on, and change nothing.

    Raises:
        PredictionFileError: if ``output`` is complete, of no run that is known, or was begun with
            another question.
    """
    path = manifest_of(output)
    is_page = output.suffix.lower() == PAGE_ENDING  # which cannot go on
    if is_page or not path.exists():
        check_output(output, sharded=question.get("shard_rows") is not None)
    if not path.exists():
        return
    manifest = read_manifest(path)
    if manifest.complete or is_page:
        if not output.exists():
            raise PredictionFileError(
                f"{path} is of an output that is gone; move it away or set overwrite=true"
            )
        raise PredictionFileError(
            f"output {output} exists and is complete ({manifest.counts.rows} rows, finished "
            f"{manifest.finished}); choose another path or set overwrite=true"
        )
    differences = [
        f"{name} {describe_change(manifest.question.get(name), question.get(name))}"
        for name in sorted(manifest.question.keys() | question.keys())
        if manifest.question.get(name) != question.get(name)
    ]
    if differences:
        raise PredictionFileError(
            f"output {output} was begun by a run with another question: {'; '.join(differences)}. "
            "Give the same again to go on, choose another path, or set overwrite=true to start anew"
        )


def describe_change(before: Any, after: Any) -> str:
    """In words; of two records or lists only what differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = [
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        ]
        changes = [f"{name} {describe_change(before.get(name), after.get(name))}" for name in names]
        return f"({', '.join(sorted(changes))})"
    if isinstance(before, list) and isinstance(after, list):
        gone = [entry for entry in before if entry not in after]
        new = [entry for entry in after if entry not in before]
        before, after = (gone, new) if gone or new else (before, after)
    return f"was {shorten(before)}, is now {shorten(after)}"


def shorten(value: Any, characters: int = 80) -> str:
    shown = "none" if value is None else str(value)
    return shown if len(shown) <= characters else f"{shown[: characters - 1]}…"


def describe_files(paths: Sequence[str]) -> dict[str, Any]:
    """What tells whether input files are the same as before: names, sizes and times of change.

    Raises:
        DocumentError: if there are none, see ``iter_documents``.
    """
    digest, size = hashlib.sha256(), 0
    files = find_files(paths)
    for file in files:
        status = file.stat()
        size += status.st_size
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return {
        "paths": list(paths),
        "files": len(files),
        "bytes": size,
        "sha256 of names, sizes and times": digest.hexdigest(),
    }


def describe_model(directory: Path) -> dict[str, Any]:
    """A model's name, and the hash of what it consists of, wherever it lies."""
    digest = hashlib.sha256()
    for file in sorted(directory.iterdir()):
        if file.is_file() and file.name not in DESCRIPTION_FILES:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
            digest.update(f"{file.name}\0{found}\n".encode())
    return {"name": directory.resolve().name, "sha256": digest.hexdigest()}


def read_manifest(path: Path) -> RunManifest:
    """Read a manifest.

    Raises:
        PredictionFileError: if it is none.
    """
    try:
        return RunManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise PredictionFileError(
            f"{path} is no manifest of a run; move it away or set overwrite=true"
        ) from error


def manifest_of(output: Path) -> Path:
    """Where the manifest of an output lies."""
    return output.with_name(output.name + ".manifest.json")


def now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
