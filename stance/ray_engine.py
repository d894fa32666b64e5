"""The job of ``stance.batch_prediction`` on a cluster, through Ray Data (the extra ``ray``).

.. code-block:: text

    one task reads ─▶ blocks of documents ─▶ actors predict ─▶ blocks of rows ─▶ tasks write shards

One task reads, with the reader of the local engine, so that ids, rejects and their order are the
same; the actors work while it reads. Each task has its input from the object store and a name or
number that a repetition has as well: if a process dies, Ray does its task again, which gives the
same rows, or writes the same shard once more. All that is counted flows through with the rows, so
a count is never of another attempt than its rows. In the end the rows of the reader's last number
must all have come out, or the run fails.

A run whose driver dies does not go on; it is begun anew with ``overwrite=true``.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from pyarrow.fs import FileSelector
from ray.data.datasource import Datasink
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from stance.batch_prediction import (
    DocumentClassifier,
    PredictionRun,
    RejectFile,
    UnaskedDocumentError,
    describe_reject,
    predict_documents,
    read_portion,
)
from stance.documents import TripleColumns, iter_documents
from stance.encodings import DocumentError
from stance.prediction_files import (
    COLUMNS,
    PredictionFileError,
    build_rows,
    csv_lines,
    parquet_schema,
    render_csv,
    render_jsonl,
)
from stance.prediction_shards import is_shard, name_shard
from stance.remote_files import Inputs, is_remote, open_filesystem, rename_file
from stance.run_manifest import RunManifest, now
from stance.schema import Document

ROWS_PER_SHARD = 100_000
BLOCK_BYTES = 1 << 17
"""Of documents or rows: what a worker takes at once, and what a worker that dies costs."""

QUESTION = pa.schema(
    [
        pa.field("number", pa.int64(), False),
        pa.field("document", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("reject", pa.string()),
    ]
)
"""A record of the input: a document as JSON, or why it is left out. The last one has for a number
how many there are, and no reason; as ``reject`` the error that ended the input, if one did."""
ANSWER = pa.schema(
    [
        pa.field("number", pa.int64(), False),
        pa.field("row", pa.string()),
        pa.field("is_first", pa.bool_(), False),
        pa.field("reason", pa.string()),
        pa.field("reject", pa.string()),
    ]
)
"""A row of the output as JSON, or a record that has none. ``is_first``: of its document."""


@dataclass(frozen=True)
class Questions:
    """What is asked of each document, as ``predict_documents`` takes it."""

    targets: Sequence[str] | None = None
    actors: Sequence[str] | None = None
    find: Literal["all", "missing"] | None = None
    author_actor: bool = False
    skip: bool = False
    """Leave out a document that nothing is asked about, and a record that cannot be read."""


@dataclass
class Tally:
    """What a task wrote, and what it was told of records without rows."""

    texts: int = 0
    rows: int = 0
    marked_rows: int = 0
    rejects: list[tuple[int, str, str]] = field(default_factory=list)
    """Number, reason and line of the file of rejects."""
    records: int | None = None
    """How many records were read, known where the last one arrives."""
    stopped: str | None = None
    """The error that ended the input, known there."""


def predict_with_ray(
    inputs: Inputs,
    output: str,
    load: Callable[[], DocumentClassifier],
    questions: Questions,
    *,
    columns: TripleColumns | None = None,
    workers: int = 2,
    cpus: float = 1.0,
    gpus: float = 0.0,
    rows_per_shard: int | None = None,
    question: Mapping[str, Any],
    versions: Mapping[str, str],
) -> RunManifest:
    """Predict documents with a pool of workers, and write the rows to shards.

    A cluster is taken from ``RAY_ADDRESS``; without it, Ray runs on this machine.

    Args:
        inputs: on this machine, see ``copy_inputs``.
        output: the folder of shards, a path that all workers reach, or a URL of ``pyarrow.fs``;
            its ending says their kind. It must be empty, see ``clear_output``.
        load: gives a worker its classifier; called once in each.
        workers, cpus, gpus: how many workers there are, and what each takes of the cluster.
        rows_per_shard: what a shard has at least, but for the last.
        question, versions: for the manifest.

    Returns:
        The manifest, as it lies in ``<output>.manifest.json``.

    Raises:
        DocumentError: at a record that cannot be read or asked about, without ``questions.skip``,
            once all documents before it are predicted and written.
        PredictionFileError: if a record was lost.
        OSError: if the output cannot be written.
        ray.exceptions.RayError: if the cluster fails.
    """
    begun = time.monotonic()
    if not is_remote(output):
        output = str(Path(output).absolute())
    manifest = RunManifest(
        question=dict(question),
        command=shlex.join(sys.argv),
        versions=dict(versions) | {"ray": ray.__version__},
        started=now(),
    )
    write_text(f"{output}.manifest.json", manifest.model_dump_json(indent=1) + "\n")
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(include_dashboard=False, log_to_driver=False)
    sink = ShardSink(output, rows_per_shard or ROWS_PER_SHARD)
    try:
        run_pipeline(inputs, load, questions, columns, workers, cpus, gpus, sink)
    finally:
        if is_ours:
            ray.shutdown()
    run, rejects = sum_up(sink.tallies)
    if lines := sorted(chain.from_iterable(tally.rejects for tally in sink.tallies)):
        write_text(f"{output}.rejects.jsonl", "".join(f"{line}\n" for _, _, line in lines))
    manifest.count(run, rejects)
    manifest.stopped = next((tally.stopped for tally in sink.tallies if tally.stopped), None)
    manifest.complete, manifest.finished = manifest.stopped is None, now()
    manifest.seconds = round(time.monotonic() - begun, 1)
    write_text(f"{output}.manifest.json", manifest.model_dump_json(indent=1) + "\n")
    if manifest.stopped is not None:
        raise DocumentError(manifest.stopped)
    return manifest


def run_pipeline(
    inputs: Inputs,
    load: Callable[[], DocumentClassifier],
    questions: Questions,
    columns: TripleColumns | None,
    workers: int,
    cpus: float,
    gpus: float,
    sink: ShardSink,
) -> None:
    """Read, predict and write all documents; raises what goes wrong in a worker."""
    context = ray.data.DataContext.get_current().copy()
    context.target_max_block_size = BLOCK_BYTES
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    with ray.data.DataContext.current(context):
        records = ray.data.from_items([{"number": 0}]).map_batches(
            read_records,
            fn_kwargs={"inputs": inputs, "columns": columns, "questions": questions},
            batch_size=None,
            batch_format="pyarrow",
            # Next to the workers: on two cores, two workers would leave none for it.
            num_cpus=0,
            scheduling_strategy=here,
        )
        answers = records.map_batches(
            Worker,
            fn_constructor_args=(load, questions),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=cpus,
            num_gpus=gpus,
        )
        answers.write_datasink(sink, ray_remote_args={"num_cpus": 0})


def read_records(
    _: pa.Table,
    inputs: Inputs,
    columns: TripleColumns | None,
    questions: Questions,
) -> Iterator[pa.Table]:
    """All records in tables of ``QUESTION``, one portion of documents after the other."""
    rows: list[dict[str, Any]] = []
    count = 0

    def leave_out(error: DocumentError | UnaskedDocumentError) -> None:
        if isinstance(error, DocumentError):
            error = rename_file(error, inputs.names)
        if not questions.skip:
            raise error
        reason, row = describe_reject(error)
        rows.append({"reason": reason, "reject": dump(row)})

    documents = iter_documents(inputs.paths, columns=columns, on_error=leave_out)
    last: dict[str, Any] = {}
    try:
        for first in documents:
            for document in read_portion(chain([first], documents), questions.targets):
                if missing := find_missing(document, questions):
                    leave_out(UnaskedDocumentError(document.id, missing))
                    continue
                rows.append({"document": document.model_dump_json()})
            yield number_rows(rows, count)
            count += len(rows)
            rows.clear()
    except (DocumentError, UnaskedDocumentError) as error:
        last["reject"] = str(error)
    yield number_rows([*rows, last], count)


def find_missing(document: Document, questions: Questions) -> str | None:
    """What ``ask_document`` will not find; that nobody is found in a text is not known yet."""
    if not (questions.targets or document.targets):
        return "targets"
    if questions.find or questions.actors or questions.author_actor or document.actors:
        return None
    return "actors"


def number_rows(rows: Sequence[Mapping[str, Any]], first: int) -> pa.Table:
    numbered = [{"number": number, **row} for number, row in enumerate(rows, start=first)]
    return pa.Table.from_pylist(numbered, schema=QUESTION)


class Worker:
    """Holds a model; takes tables of ``QUESTION`` and gives tables of ``ANSWER``."""

    def __init__(self, load: Callable[[], DocumentClassifier], questions: Questions) -> None:
        self.classifier = load()
        self.questions = questions

    def __call__(self, records: pa.Table) -> pa.Table:
        numbers: dict[str, int] = {}
        documents: list[Document] = []
        answers: list[dict[str, Any]] = []
        for record in records.to_pylist():
            if record["document"] is None:
                answers.append({**record, "is_first": False})
                continue
            documents.append(Document.model_validate_json(record["document"]))
            numbers[documents[-1].id] = record["number"]

        def note(error: UnaskedDocumentError) -> None:
            reason, row = describe_reject(error)
            number = numbers[error.document_id]
            answers.append(
                {"number": number, "is_first": False, "reason": reason, "reject": dump(row)}
            )

        asked = self.questions
        run = predict_documents(
            self.classifier,
            documents,
            targets=asked.targets,
            actors=asked.actors,
            find=asked.find,
            author_actor=asked.author_actor,
            on_nobody=note,
            keep=len(documents),
        )
        for predictions in run.first:
            for position, row in enumerate(build_rows(predictions)):
                number = numbers[row["document_id"]]
                answers.append({"number": number, "row": dump(row), "is_first": position == 0})
        return pa.Table.from_pylist(answers, schema=ANSWER)


class ShardSink(Datasink[Tally]):
    """Writes tables of ``ANSWER`` to a folder of shards, and gathers what the tasks counted."""

    def __init__(self, output: str, rows_per_shard: int) -> None:
        self.output = output
        self.rows_per_shard = rows_per_shard
        self.tallies: list[Tally] = []

    @property
    def min_rows_per_write(self) -> int:
        return self.rows_per_shard

    def write(self, blocks: Iterable[pa.Table], ctx: Any) -> Tally:
        tally = Tally()
        rows: list[dict[str, Any]] = []
        for block in blocks:
            for answer in block.to_pylist():
                if answer["row"] is not None:
                    rows.append(json.loads(answer["row"]))
                    tally.texts += answer["is_first"]
                elif answer["reason"] is not None:
                    tally.rejects.append((answer["number"], answer["reason"], answer["reject"]))
                else:
                    tally.records, tally.stopped = answer["number"], answer["reject"]
        tally.rows = len(rows)
        tally.marked_rows = sum(bool(row["warnings"]) for row in rows)
        if rows:
            ending = PurePosixPath(self.output).suffix.lower()
            # The number of the task, which it keeps when it is done again.
            shard = f"{self.output}/{name_shard(ctx.task_idx, ending)}"
            write_bytes(shard, render_shard(rows, ending))
        return tally

    def on_write_complete(self, write_result: Any) -> None:
        self.tallies = list(write_result.write_returns)


def render_shard(rows: Sequence[Mapping[str, Any]], ending: str) -> bytes:
    """The content of a file of rows."""
    if ending == ".parquet":
        buffer = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=parquet_schema()), buffer)
        content: bytes = buffer.getvalue().to_pybytes()
        return content
    text = csv_lines([COLUMNS]) + render_csv(rows) if ending == ".csv" else render_jsonl(rows)
    return text.encode()


def sum_up(tallies: Sequence[Tally]) -> tuple[PredictionRun, RejectFile]:
    """What all tasks counted.

    Raises:
        PredictionFileError: if it is not what was read.
    """
    records = next((tally.records for tally in tallies if tally.records is not None), None)
    reasons = Counter(reason for tally in tallies for _, reason, _ in tally.rejects)
    texts = sum(tally.texts for tally in tallies)
    if records != texts + reasons.total():
        raise PredictionFileError(
            f"{records} records were read, but {texts} predicted and {reasons.total()} left out; "
            "start anew with overwrite=true"
        )
    rejects = RejectFile(None, reasons)
    run = PredictionRun(
        documents=records - rejects.invalid,
        texts=texts,
        rows=sum(tally.rows for tally in tallies),
        marked_rows=sum(tally.marked_rows for tally in tallies),
    )
    return run, rejects


def clear_output(output: str, overwrite: bool) -> None:
    """See that nothing is where the output goes; with ``overwrite``, remove what a run wrote.

    Raises:
        PredictionFileError: if something is there.
        OSError: if the place cannot be reached.
        ValueError: if the kind of URL is not known.
    """
    system, path = open_filesystem(output)
    beside = [f"{path}.manifest.json", f"{path}.rejects.jsonl"]
    found = system.get_file_info([path, *beside])
    if found[0].is_file:
        raise PredictionFileError(
            f"output {output} is a file, and shards are written to a folder; choose another path"
        )
    shards = [
        file.path
        for file in system.get_file_info(FileSelector(path, allow_not_found=True))
        if file.is_file
    ]
    if (shards or found[1].is_file) and not overwrite:
        raise PredictionFileError(
            f"output {output} exists, and a run with engine=ray does not go on; choose another "
            "path or set overwrite=true"
        )
    ending = PurePosixPath(path).suffix.lower()
    for shard in shards:
        if is_shard(PurePosixPath(shard).name, ending):
            system.delete_file(shard)
    for file in found[1:]:
        if file.is_file:
            system.delete_file(file.path)


def write_text(path: str, text: str) -> None:
    write_bytes(path, text.encode())


def write_bytes(path: str, content: bytes) -> None:
    system, inner = open_filesystem(path)
    try:
        file = system.open_output_stream(inner)
    except FileNotFoundError:  # a folder is missing, which not every file system has
        system.create_dir(str(PurePosixPath(inner).parent), recursive=True)
        file = system.open_output_stream(inner)
    with file:
        file.write(content)


def dump(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)
