"""Which documents a run trains on: corpora, their splits, and what is made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stance.corpora import load_corpus
from stance.corpora.excerpts import excerpt_documents
from stance.corpora.invented_statements import invent_statements
from stance.corpora.pseudo_reports import compose_reports
from stance.corpora.target_variants import collect_contraries, rephrase_targets
from stance.documents import read_documents
from stance.schema import Document


@dataclass(frozen=True)
class Source:
    """A split of a corpus, or a file of native documents (``name: file`` and a ``path``).

    A file has no splits: all of it is taken, whatever ``split`` says.
    """

    name: str
    split: str | None = None
    path: str | None = None
    max_documents: int | None = None
    """Take a random draw of this many; null takes all."""
    reports: float = 0.0
    """Share of the documents that is composed into pseudo-reports: of single-author statements, or
    on the targets of other documents, with invented verdicts."""
    quotes: float = 1.0
    """Share of the statements that these reports tell; of the others they give only the verdict."""
    negate: float = 0.25
    """Share of the targets of these reports that is turned into an opposite, where there is one or
    a rule can make one."""
    excerpts: float = 0.0
    """Share of the other documents that is cut down to the words of each actor (their evidence)."""
    rephrase: float = 0.0
    """Share of the other documents' targets put in other words or as their opposite, anew for each
    repeat."""
    batches: tuple[str, ...] = ()
    """Batches of newsstance (w1, w2, ...) to take; empty takes all."""
    exclude: tuple[str, ...] = ()
    """Batches of newsstance to leave out, for a test of transfer between writers."""
    repeat: int = 1
    """How often each document comes in an epoch."""

    def __post_init__(self) -> None:
        for name in ("reports", "quotes", "negate", "excerpts", "rephrase"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ValueError(f"{self.name}: {name} is {share}; give a share from 0 to 1")
        if self.name == "file" and self.path is None:
            raise ValueError("a source named file needs a path")
        if self.repeat < 1 or (self.max_documents is not None and self.max_documents < 1):
            raise ValueError(f"{self.name}: repeat and max_documents must be 1 or more")


def load_source(source: Source, seed: int) -> list[Document]:
    """The documents of a source, in an order that depends on ``seed`` alone.

    Raises:
        ValueError: as ``load_corpus`` and ``read_documents``; if ``exclude`` names no batch of the
            documents or leaves none of them.
        FileNotFoundError: as ``load_corpus``.
    """
    if source.name == "file":
        assert source.path is not None, "checked by Source"
        documents = read_documents(source.path)
    else:
        documents = load_corpus(source.name, source.split, source.path)
    if source.batches or source.exclude:
        documents = choose_batches(documents, source)
    random.Random(seed).shuffle(documents)
    documents = documents[: source.max_documents]
    cut = round(len(documents) * source.reports)
    composed = compose(documents[:cut], source, seed) if cut else []
    others = documents[cut:]
    cut = round(len(others) * source.excerpts)
    others = (excerpt_documents(others[:cut]) + others[cut:]) * source.repeat
    return composed + (
        rephrase_targets(others, share=source.rephrase, seed=seed) if source.rephrase else others
    )


def compose(documents: Sequence[Document], source: Source, seed: int) -> list[Document]:
    """Pseudo-reports of the documents, or where they have several actors on their targets, anew for
    each repeat."""
    contraries = collect_contraries(documents)
    statements = all(actor.author for document in documents for actor in document.actors)
    reports = []
    for number in range(source.repeat):
        composed = compose_reports(
            documents if statements else invent_statements(documents, seed=seed + number),
            seed=seed + number,
            negate=source.negate,
            quotes=source.quotes if statements else 0.0,
            contraries=contraries,
        )
        reports += [
            report.model_copy(update={"id": f"{report.id}-{number}"}) for report in composed
        ]
    return reports


def choose_batches(documents: Sequence[Document], source: Source) -> list[Document]:
    """The documents of ``source.batches`` that are not of ``source.exclude``.

    Raises:
        ValueError: if the documents have no such batch, or none is left.
    """
    batches = [(document.model_extra or {}).get("batch") for document in documents]
    known = sorted({str(batch) for batch in batches if batch is not None})
    for option in ("batches", "exclude"):
        unknown = [name for name in getattr(source, option) if name not in known]
        if unknown:
            raise ValueError(
                f"{source.name}: {option} has {', '.join(unknown)}, but the batches of the "
                f"documents are {', '.join(known) or 'not given'}"
            )
    wanted = set(source.batches or known) - set(source.exclude)
    kept = [d for d, batch in zip(documents, batches, strict=True) if batch in wanted]
    if not kept:
        raise ValueError(f"{source.name}: exclude leaves no document")
    return kept


def load_sources(
    sources: Sequence[Source], seed: int
) -> tuple[list[Document], list[dict[str, Any]]]:
    """The documents of all sources together, and for the manifest what came from where."""
    documents: list[Document] = []
    origins = []
    for source in sources:
        part = load_source(source, seed)
        documents += part
        origins.append(
            {
                "corpus": source.name,
                "split": source.split,
                "path": source.path,
                "documents": len(part),
                "max_documents": source.max_documents,
                "reports": source.reports,
                "quotes": source.quotes,
                "negate": source.negate,
                "excerpts": source.excerpts,
                "rephrase": source.rephrase,
                "batches": list(source.batches),
                "exclude": list(source.exclude),
                "repeat": source.repeat,
            }
        )
    return documents, origins
