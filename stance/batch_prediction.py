"""The streaming job: documents go in one by one, rows come out, memory does not grow."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from stance.encodings import DocumentError
from stance.inference import ask
from stance.prediction_files import PredictionWriter
from stance.schema import Actor, Document, Prediction

logger = logging.getLogger(__name__)

REMEMBERED_IDS = 1_000_000
SECONDS_BETWEEN_REPORTS = 60.0


class DocumentClassifier(Protocol):
    """What the job needs of ``stance.inference.StanceClassifier``."""

    def iter_predict(self, documents: Iterable[Document]) -> Iterator[list[Prediction]]:
        """One list of predictions per document, in the order of the documents."""
        ...


class UnaskedDocumentError(ValueError):
    """A document that nothing is asked about: it has no targets, or no actors."""

    def __init__(self, document_id: str, missing: str) -> None:
        self.document_id = document_id
        self.missing = missing
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
    """What a run did."""

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
    count: int = 0

    def add(self, error: DocumentError | UnaskedDocumentError) -> None:
        """Note one record, in the log and, if there is a path, in the file."""
        self.count += 1
        logger.warning("left out: %s", error)
        if self.path is None:
            return
        row = {
            "file": str(error.file) if isinstance(error, DocumentError) else None,
            "line": error.line if isinstance(error, DocumentError) else None,
            "field": error.field if isinstance(error, DocumentError) else error.missing,
            "document_id": None if isinstance(error, DocumentError) else error.document_id,
            "reason": str(error),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def predict_documents(
    classifier: DocumentClassifier,
    documents: Iterable[Document],
    writer: PredictionWriter | None = None,
    *,
    targets: Sequence[str] | None = None,
    actors: Sequence[str] | None = None,
    author_actor: bool = False,
    on_reject: Callable[[UnaskedDocumentError], None] | None = None,
    keep: int = 0,
) -> PredictionRun:
    """Predict a stream of documents and write the rows of each as soon as they are there.

    Args:
        documents: read no faster than the classifier takes them.
        writer: where the rows go; the caller closes it.
        targets, actors, author_actor: see ``ask_document``.
        on_reject: called for a document that nothing is asked about, which is then left out;
            without it such a document ends the run.
        keep: of how many documents the predictions are returned.

    Raises:
        PredictionStoppedError: at a record that cannot be read or asked about, once all documents
            before it are predicted and written.
    """
    run = PredictionRun()
    stopped: list[Exception] = []
    questions = feed_documents(documents, targets, actors, author_actor, on_reject, run, stopped)
    with (
        logging_redirect_tqdm(),
        tqdm(unit=" texts", disable=None, dynamic_ncols=True) as bar,
    ):
        started = reported = time.monotonic()
        for predictions in classifier.iter_predict(questions):
            if writer is not None:
                writer.write(predictions)
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
                rate = run.texts / (reported - started)
                logger.info("%d texts, %d rows, %.1f texts/s", run.texts, run.rows, rate)
    if run.repeated_ids:
        logger.warning("%d documents repeat the id of an earlier document", run.repeated_ids)
    if stopped:
        raise PredictionStoppedError(stopped[0], run) from stopped[0]
    return run


def feed_documents(
    documents: Iterable[Document],
    targets: Sequence[str] | None,
    actors: Sequence[str] | None,
    author_actor: bool,
    on_reject: Callable[[UnaskedDocumentError], None] | None,
    run: PredictionRun,
    stopped: list[Exception],
) -> Iterator[Document]:
    """The documents with what is asked of them.

    A bad record ends the stream and is put into ``stopped``, rather than raised: the classifier
    gathers documents into batches, and an exception would lose those that it has gathered.
    """
    seen: set[int] = set()
    replaced: set[str] = set()
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
            for name, given in (("targets", targets), ("actors", actors)):
                if given is not None and getattr(document, name) and name not in replaced:
                    replaced.add(name)
                    logger.info("the given %s replace those that documents bring along", name)
            try:
                asked = ask_document(document, targets, actors, author_actor)
            except UnaskedDocumentError as error:
                if on_reject is None:
                    raise
                on_reject(error)
                continue
            yield asked
    except (DocumentError, UnaskedDocumentError) as error:
        stopped.append(error)


def ask_document(
    document: Document,
    targets: Sequence[str] | None = None,
    actors: Sequence[str] | None = None,
    author_actor: bool = False,
) -> Document:
    """The document with the given targets and actors in place of its own.

    Args:
        targets: texts of targets, which get the ids ``t1, t2, ...``; None keeps the document's.
        actors: names, looked up in the text; None keeps the document's. A name that the text does
            not hold stays as an actor without mentions.
        author_actor: add the author of the text as an actor, if the document has none such.

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
            raise UnaskedDocumentError(document.id, missing)
    return asked
