"""Gold labels from what several coders say, and the table of what is still to be decided."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stance.agreement import find_disagreements
from stance.codings import PAIR_COLUMNS, Codings, Pair, raise_error
from stance.documents import DocumentError, write_documents
from stance.prediction_files import csv_lines
from stance.records import READERS
from stance.schema import LABELS, Document, Mention, Stance, StanceLabel
from stance.sentences import split_sentences
from stance.triples import map_label

AGREEMENT_FILE, DISAGREEMENTS_FILE, GOLD_FILE = "agreement.json", "disagreements.csv", "gold.jsonl"
RULES = ("unanimous", "majority")
"""A label is gold if all who coded the pair chose it, or if more than half of them did."""
ORIGINS = ("unanimous", "one_coder", "by_majority", "decided", "undecided")
"""Where a gold label comes from; ``one_coder``: nobody else labelled the pair."""
COLUMNS_BEFORE = ("document_id", "actor_id", "actor", "target_id", "target")
COLUMNS_AFTER = ("gold", "passage")
"""The columns of disagreements.csv before and after those of the coders."""
MAX_CELL_CHARACTERS = 32_000
"""A cell of a spreadsheet holds 32,767 characters; the rest would spill into other rows."""


class Verdict(NamedTuple):
    """The gold label of a pair, None where there is none, and its origin, one of ``ORIGINS``."""

    label: StanceLabel | None
    origin: str


def choose_gold(
    codings: Codings,
    rule: str = "unanimous",
    decisions: Mapping[Pair, StanceLabel] | None = None,
) -> dict[Pair, Verdict]:
    """The verdict on each labelled pair: as decided, or else by the rule.

    Args:
        rule: one of ``RULES``. A majority is more than half of those who labelled the pair.
        decisions: gold labels that beat any rule, as of ``read_decisions``.

    Raises:
        ValueError: for an unknown rule, or a decision on a pair that nobody labelled.
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; give {' or '.join(RULES)}")
    decisions = decisions or {}
    for pair in decisions:
        if pair not in codings.stances:
            raise ValueError(f"decisions has {pair}, a pair that no coder has labelled")
    verdicts = {}
    for pair, given in codings.stances.items():
        ((label, times), *_) = Counter(stance.label for stance in given.values()).most_common()
        if pair in decisions:
            verdicts[pair] = Verdict(decisions[pair], "decided")
        elif len(given) == 1:
            verdicts[pair] = Verdict(label, "one_coder")
        elif times == len(given):
            verdicts[pair] = Verdict(label, "unanimous")
        elif rule == "majority" and 2 * times > len(given):
            verdicts[pair] = Verdict(label, "by_majority")
        else:
            verdicts[pair] = Verdict(None, "undecided")
    return verdicts


def count_origins(verdicts: Mapping[Pair, Verdict]) -> dict[str, int]:
    """How many pairs have their verdict from each of ``ORIGINS``."""
    found = Counter(verdict.origin for verdict in verdicts.values())
    return {origin: found[origin] for origin in ORIGINS}


def build_gold(codings: Codings, verdicts: Mapping[Pair, Verdict]) -> list[Document]:
    """The documents with their gold labels; a pair without one has no stance.

    Evidence is that of the coders with the gold label, overlapping spans joined. Other keys of
    coders' stances are left out.
    """
    stances: dict[str, list[Stance]] = {}
    for pair, (label, _) in verdicts.items():
        if label is None:
            continue
        spans = [
            span
            for stance in codings.stances[pair].values()
            if stance.label == label
            for span in stance.evidence
        ]
        document_id, actor, target = pair
        stances.setdefault(document_id, []).append(
            Stance(actor=actor, target=target, label=label, evidence=join_spans(spans))
        )
    return [
        document.model_copy(update={"stances": tuple(stances.get(document.id, ()))})
        for document in codings.documents
    ]


def join_spans(spans: Iterable[Mention]) -> tuple[Mention, ...]:
    """The same characters in sorted spans that do not overlap; spans that only touch stay two."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted((span.start, span.end) for span in spans):
        if joined and start < joined[-1][1]:
            start, end = joined[-1][0], max(end, joined.pop()[1])
        joined.append((start, end))
    return tuple(Mention(start=start, end=end) for start, end in joined)


def tabulate_disagreements(
    codings: Codings, decisions: Mapping[Pair, StanceLabel] | None = None
) -> list[list[str]]:
    """The rows of disagreements.csv, the first with the names of the columns.

    A row is a pair on which coders differ: ``COLUMNS_BEFORE``, each coder's label (empty where they
    gave none), ``gold`` (empty but for the ``decisions``), and ``passage`` (see ``quote_passage``).
    """
    documents = {document.id: document for document in codings.documents}
    actors = {(name, actor.id): actor for name in documents for actor in documents[name].actors}
    targets = {(name, item.id): item.text for name in documents for item in documents[name].targets}
    rows = [[*COLUMNS_BEFORE, *codings.by_coder, *COLUMNS_AFTER]]
    for pair in find_disagreements(codings):
        document_id, actor_id, target_id = pair
        actor = actors[document_id, actor_id]
        given = codings.stances[pair]
        evidence = [span for stance in given.values() for span in stance.evidence]
        rows.append(
            [
                *(document_id, actor_id, actor.name, target_id, targets[document_id, target_id]),
                *(given[name].label.value if name in given else "" for name in codings.by_coder),
                (decisions or {}).get(pair, ""),
                quote_passage(documents[document_id].text, [*actor.mentions, *evidence]),
            ]
        )
    return rows


def quote_passage(text: str, spans: Iterable[Mention]) -> str:
    """The sentences that the spans touch, [...] for what lies between; without spans, all.

    Line breaks become spaces. What is longer than ``MAX_CELL_CHARACTERS`` is cut, with [...].
    """
    sentences = split_sentences(text)
    spans = list(spans)
    shown = [
        place
        for place, (start, end) in enumerate(sentences)
        if not spans or any(span.start < end and start < span.end for span in spans)
    ]
    parts: list[str] = []
    for before, place in zip([None, *shown], shown, strict=False):
        if before is not None and place > before + 1:
            parts.append("[...]")
        parts += text[slice(*sentences[place])].split()
    passage = " ".join(parts)
    if len(passage) > MAX_CELL_CHARACTERS:
        return f"{passage[:MAX_CELL_CHARACTERS]} [...]"
    return passage


def read_decisions(path: str | Path, codings: Codings) -> dict[Pair, StanceLabel]:
    """The labels that somebody has filled in in the column ``gold`` of disagreements.csv, by pair.

    Rows without one are passed over. A label may be in any of the words of ``DEFAULT_LABELS``, and
    cells may be separated by commas, semicolons or tabs.

    Raises:
        DocumentError: naming line and field, for an unknown label, a pair that no coder labelled,
            two labels for one pair, or a missing column; or for a file that cannot be read.
    """
    path = Path(path)
    documents = {document.id: document for document in codings.documents}
    decisions: dict[Pair, StanceLabel] = {}
    for line, pair, cell in iter_decisions(path):
        label = parse_label(cell)
        if label is None:
            problem = f"unknown label {cell!r}; give {', '.join(LABELS)}, or nothing"
            raise DocumentError(problem, path, line, "gold")
        if pair not in codings.stances:
            field = "document_id"
            if (document := documents.get(pair[0])) is not None:
                known = any(actor.id == pair[1] for actor in document.actors)
                field = "target_id" if known else "actor_id"
            value = dict(zip(PAIR_COLUMNS, pair, strict=True))[field]
            raise DocumentError(
                f"{value!r} makes this row a pair that no coder has labelled; leave the ids of "
                f"{DISAGREEMENTS_FILE} as they were (spreadsheets turn some into numbers or dates "
                "unless their column is read as text)",
                path,
                line,
                field,
            )
        if decisions.setdefault(pair, label) != label:
            raise DocumentError(
                f"{label.value!r}, but an earlier row decides {decisions[pair].value!r} for this "
                "pair; keep one of the two",
                path,
                line,
                "gold",
            )
    return decisions


def iter_decisions(path: Path) -> Iterator[tuple[int, Pair, str]]:
    """Line, pair and content of every cell of the column ``gold`` that is not empty.

    Raises:
        DocumentError: for a file that is no table, or lacks a column.
    """
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise DocumentError("decisions come as .csv or .tsv; save the spreadsheet as CSV", path)
    for line, row in READERS[path.suffix.lower()](path, raise_error):
        for name in (*PAIR_COLUMNS, "gold"):
            if name not in row:
                raise DocumentError(
                    f"there is no column {name!r}, only {', '.join(map(repr, row))}; keep the "
                    f"columns of {DISAGREEMENTS_FILE}",
                    path,
                    1,
                    name,
                )
        document_id, actor_id, target_id, cell = (row[name] for name in (*PAIR_COLUMNS, "gold"))
        if cell.strip():
            yield line, (document_id, actor_id, target_id), cell.strip()


def parse_label(cell: str) -> StanceLabel | None:
    """The label that a cell means, in any of the words of ``DEFAULT_LABELS``; None for others."""
    try:
        return map_label(cell)
    except ValueError:
        return None


def check_disagreements_file(path: Path, decisions: Mapping[Pair, StanceLabel]) -> None:
    """See that nobody's labels are lost when disagreements.csv is replaced.

    Raises:
        DocumentError: if the file has labels that are not among the ``decisions``.
    """
    if not path.exists():
        return
    for line, pair, cell in iter_decisions(path):
        if pair not in decisions or decisions[pair] != parse_label(cell):
            raise DocumentError(
                f"the label {cell!r} would be lost, as this file is replaced; use it with "
                f"decisions={path}, or give another output_dir",
                path,
                line,
                "gold",
            )


def write_agreement(
    directory: str | Path,
    agreement: Mapping[str, Any],
    disagreements: Sequence[Sequence[str]] | None,
    gold: Iterable[Document],
) -> list[Path]:
    """Write agreement.json, disagreements.csv (unless None) and gold.jsonl; replaces old ones.

    disagreements.csv starts with a byte order mark, as spreadsheets take other UTF-8 for Latin-1.

    Returns:
        The paths of the files written.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / AGREEMENT_FILE]
    text = json.dumps(agreement, ensure_ascii=False, indent=2)
    files[0].write_text(text + "\n", encoding="utf-8")
    if disagreements is not None:
        files.append(directory / DISAGREEMENTS_FILE)
        files[-1].write_text(csv_lines(disagreements), encoding="utf-8-sig", newline="\n")
    files.append(directory / GOLD_FILE)
    write_documents(gold, files[-1])
    return files
