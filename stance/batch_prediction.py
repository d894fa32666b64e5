"""The streaming job: documents go in one by one, rows come out, memory does not grow.

The stream is cut into portions, each of which is predicted by itself. An interrupted run goes on at
the beginning of a portion, so that the model gets the same batches as without the interruption, and
says the same to the last digit.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, tee
from pathlib import Path
from typing import Any, Literal, Protocol

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from stance.encodings import DocumentError
from stance.inference import ask
from stance.prediction_files import GrowingFile, PredictionWriter
from stance.schema import Actor, Document, Prediction

logger = logging.getLogger(__name__)

REMEMBERED_IDS = 1_000_000
PORTION_CHARACTERS = 200_000
"""Of texts, times their targets: about as many tokens as the classifier gathers for its batches,
and what an interruption can cost."""
INVALID = "invalid"
"""The reason why a record is left out that cannot be read begins with it."""
NOBODY = "nobody found"
"""The reason why a text is left out in which no actor was found."""
SECONDS_BETWEEN_REPORTS = 60.0
INDEX = re.compile(r"\[\d+\]")
"""Of a list in the path of a field."""


class DocumentClassifier(Protocol):
    """What the job needs of ``stance.inference.StanceClassifier``."""

    def iter_predict(self, documents: Iterable[Document]) -> Iterator[list[Prediction]]:
        """One list of predictions per document, in the order of the documents."""
        ...

    def find_actors(
        self, documents: Iterable[Document], *, replace: bool = True
    ) -> Iterator[Document]:
        """The documents with the actors that their texts name."""
        ...


class UnaskedDocumentError(ValueError):
    """A document that nothing is asked about: it has no targets, or no actors."""

    def __init__(self, document_id: str, missing: str, searched: bool = False) -> None:
        self.document_id = document_id
        self.missing = missing
        self.searched = searched
        self.reason = NOBODY if searched else f"no {missing}"
        if searched:
            super().__init__(f"document {document_id!r}: no actor was found in the text")
            return
        hint = " or author_actor=true" if missing == "actors" else ""
        super().__init__(
            f"document {document_id!r} has no {missing}; "
            f"""give them for all documents with {missing}='["...", "..."]'{hint}"""
        )


class PredictionStoppedError(ValueError):
    """A bad record ended the run; ``run`` tells what was predicted, and written, before it."""

    def __init__(self, reason: Exception, run: PredictionRun) -> None:
        self.run = run
        super().__init__(str(reason))


@dataclass
class PredictionRun:
    """What a run did, with what it did before an interruption."""

    documents: int = 0
    """Documents that were read."""
    texts: int = 0
    """Documents that were predicted."""
    rows: int = 0
    """Predictions, one per document x actor x target."""
    marked_rows: int = 0
    """Predictions that carry a warning, such as an actor that the text does not mention."""
    repeated_ids: int = 0
    """Documents whose id an earlier document had."""
    first: list[list[Prediction]] = field(default_factory=list)
    """The predictions of the first ``keep`` documents, one list each."""


@dataclass
class RejectFile:
    """Notes records that are left out, one JSON object a line; no file appears without one."""

    path: Path | None
    reasons: Counter[str] = field(default_factory=Counter)
    """How many records were left out for which reason."""

    @property
    def count(self) -> int:
        return self.reasons.total()

    @property
    def invalid(self) -> int:
        """How many of them could not be read."""
        return sum(n for reason, n in self.reasons.items() if reason.startswith(INVALID))

    def cut(self, size: int) -> None:
        """Take back what was noted after the file had this size in bytes.

        Raises:
            PredictionFileError: as ``GrowingFile``.
        """
        if self.path is None or (size == 0 and not self.path.exists()):
            return
        GrowingFile(self.path, size).close()
        if size == 0:
            self.path.unlink()

    def save(self) -> int:
        """See that what was noted survives the end of power as well; gives the file's size."""
        if self.path is None or not self.path.exists():
            return 0
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)

    def add(self, error: DocumentError | UnaskedDocumentError) -> None:
        """Note one record, in the log and, if there is a path, in the file."""
        reason, row = describe_reject(error)
        self.reasons[reason] += 1
        logger.warning("left out: %s", error)
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def describe_reject(error: DocumentError | UnaskedDocumentError) -> tuple[str, dict[str, Any]]:
    """The reason that a record is counted under, and the row that is written of it."""
    if isinstance(error, DocumentError):
        reason = f"{INVALID} {INDEX.sub('', error.field or 'record')}"
        file, line, field, document_id = error.file, error.line, error.field, None
    else:
        reason = error.reason
        file, line, field, document_id = None, None, error.missing, error.document_id
    return reason, {
        "file": file,
        "line": line,
        "field": field,
        "document_id": document_id,
        "reason": str(error),
    }


@dataclass
class RecordErrors:
    """Takes the errors of records that cannot be read, and raises or notes them.

    The first documents are read before a run begins: until then, errors wait. The first ``known``
    are those that were noted before an interruption.
    """

    rejects: RejectFile
    stop: bool
    known: int = 0
    waiting: list[DocumentError] | None = field(default_factory=list)

    def __call__(self, error: DocumentError) -> None:
        if self.known:
            self.known -= 1
            return
        if self.stop:
            raise error
        if self.waiting is None:
            self.rejects.add(error)
        else:
            self.waiting.append(error)

    def begin(self) -> None:
        """From here on errors can be noted."""
        for error in self.waiting or ():
            self.rejects.add(error)
        self.waiting = None


def predict_documents(
    classifier: DocumentClassifier,
    documents: Iterable[Document],
    writer: PredictionWriter | None = None,
    *,
    targets: Sequence[str] | None = None,
    actors: Sequence[str] | None = None,
    find: Literal["all", "missing"] | None = None,
    author_actor: bool = False,
    on_reject: Callable[[UnaskedDocumentError], None] | None = None,
    on_nobody: Callable[[UnaskedDocumentError], None] | None = None,
    on_portion: Callable[[PredictionRun], None] | None = None,
    run: PredictionRun | None = None,
    keep: int = 0,
) -> PredictionRun:
    """Predict a stream of documents and write the rows of each as soon as they are there.

    Args:
        documents: read no faster than the classifier takes them.
        writer: where the rows go; the caller closes it.
        targets, actors, author_actor: see ``ask_document``.
        find: ask for the actors that the classifier finds, in all texts or in those of documents
            that bring none along.
        on_reject: called for a document that nothing is asked about, which is then left out;
            without it such a document ends the run.
        on_nobody: called for a text in which no actor was found, which never ends the run.
        on_portion: called after each portion of documents; all their rows are written then. What it
            gets is the ``run`` with which an interrupted run can go on there.
        run: what an interrupted run did; ``documents`` go on where it was.
        keep: of how many documents the predictions are returned.

    Raises:
        PredictionStoppedError: at a record that cannot be read or asked about, once all documents
            before it are predicted and written.
    """
    run = run or PredictionRun()
    stopped: list[Exception] = []
    stream = read_until_error(documents, run, stopped)
    stream = note_replaced(stream, {"targets": targets, "actors": actors})
    ask_one = partial(
        ask_document, targets=targets, actors=actors, author_actor=author_actor, search=find
    )
    with (
        logging_redirect_tqdm(),
        tqdm(unit=" texts", disable=None, dynamic_ncols=True, initial=run.texts) as bar,
    ):
        before, started = run.texts, time.monotonic()
        reported = started
        for first in stream:
            portion = read_portion(chain([first], stream), targets)
            if find is not None:
                portion = classifier.find_actors(portion, replace=find == "all")
            # The classifier takes some documents before it answers for the first: tee keeps those.
            questions, asked = tee(ask_documents(portion, ask_one, on_reject, on_nobody, stopped))
            answers = classifier.iter_predict(questions)
            for predictions, document in zip(answers, asked, strict=True):
                if writer is not None:
                    writer.write(predictions, document)
                if len(run.first) < keep:
                    run.first.append(predictions)
                run.texts += 1
                run.rows += len(predictions)
                run.marked_rows += sum(bool(prediction.warnings) for prediction in predictions)
                bar.set_postfix(rows=run.rows, refresh=False)
                bar.update()
                # Without a terminal there is no bar, and a long run should still be seen to move.
                if bar.disable and time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
                    reported = time.monotonic()
                    rate = (run.texts - before) / (reported - started)
                    logger.info("%d texts, %d rows, %.1f texts/s", run.texts, run.rows, rate)
            if stopped:
                break
            if on_portion is not None:
                on_portion(run)
    if run.repeated_ids:
        logger.warning("%d documents repeat the id of an earlier document", run.repeated_ids)
    if stopped:
        raise PredictionStoppedError(stopped[0], run) from stopped[0]
    return run


def read_until_error(
    documents: Iterable[Document], run: PredictionRun, stopped: list[Exception]
) -> Iterator[Document]:
    """The documents up to one that cannot be read; repeated ids are counted.

    The error is put into ``stopped``, rather than raised: documents are gathered into batches, and
    an exception would lose those that are gathered.
    """
    seen: set[int] = set()
    try:
        for document in documents:
            # Hashes of a bounded number of ids, so that memory stays bounded as well.
            mark = hash(document.id)
            if mark in seen:
                if not run.repeated_ids:
                    logger.warning("document id %r occurs more than once", document.id)
                run.repeated_ids += 1
            elif len(seen) < REMEMBERED_IDS:
                seen.add(mark)
            run.documents += 1
            yield document
    except DocumentError as error:
        stopped.append(error)


def read_portion(
    documents: Iterator[Document], targets: Sequence[str] | None
) -> Iterator[Document]:
    """The documents up to ``PORTION_CHARACTERS``, and no look at the next one."""
    characters = 0
    for document in documents:
        yield document
        characters += len(document.text) * max(len(targets or document.targets), 1)
        if characters >= PORTION_CHARACTERS:
            return


def note_replaced(
    documents: Iterable[Document], given: Mapping[str, Sequence[str] | None]
) -> Iterator[Document]:
    """The documents; the log says once of targets and of actors that given ones replace theirs."""
    waiting = {name for name, texts in given.items() if texts is not None}
    for document in documents:
        for name in given:
            if name in waiting and getattr(document, name):
                waiting.remove(name)
                logger.info("the given %s replace those that documents bring along", name)
        yield document


def ask_documents(
    documents: Iterable[Document],
    ask_one: Callable[[Document], Document],
    on_reject: Callable[[UnaskedDocumentError], None] | None,
    on_nobody: Callable[[UnaskedDocumentError], None] | None,
    stopped: list[Exception],
) -> Iterator[Document]:
    """The documents with what is asked of them; one that nothing is asked of ends the stream, with
    the error in ``stopped``, or is left out."""
    for document in documents:
        try:
            yield ask_one(document)
        except UnaskedDocumentError as error:
            note = on_nobody if error.searched and on_nobody is not None else on_reject
            if note is None:
                # Before that of a later document, which may have been read already.
                stopped.insert(0, error)
                return
            note(error)


def ask_document(
    document: Document,
    targets: Sequence[str] | None = None,
    actors: Sequence[str] | None = None,
    author_actor: bool = False,
    search: str | None = None,
) -> Document:
    """The document with the given targets and actors in place of its own.

    Args:
        targets: texts of targets, which get the ids ``t1, t2, ...``; None keeps the document's.
        actors: names, looked up in the text; None keeps the document's. A name that the text does
            not hold stays as an actor without mentions.
        author_actor: add the author of the text as an actor, if the document has none such.
        search: whether actors were looked for in the text, for the error.

    Raises:
        UnaskedDocumentError: if no targets or no actors come out.
    """
    asked = ask(document, targets, actors)
    if author_actor and not any(actor.author for actor in asked.actors):
        taken = {actor.id for actor in asked.actors}
        free = next(
            name for n in range(len(taken) + 1) if (name := f"author{n or ''}") not in taken
        )
        author = Actor(id=free, name=document.author or "author", author=True)
        asked = asked.model_copy(update={"actors": (*asked.actors, author)})
    for missing, records in (("targets", asked.targets), ("actors", asked.actors)):
        if not records:
            raise UnaskedDocumentError(
                document.id, missing, searched=missing == "actors" and search is not None
            )
    return asked
