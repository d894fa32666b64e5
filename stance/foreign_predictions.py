"""Predictions that another system made, read from a file and laid beside the documents.

Two systems can only be compared on the same pairs and the same labels. So a file answers every pair
of the documents once, with one of the four labels, or it is refused: to leave out what a system
failed on would flatter it, and a class of its own ("error") would change what macro-F1 is the mean
of.

Two layouts are read. The first is that of ``stance.prediction_files``, of which ``document_id,
target_id, actor_id, label`` are enough. The second is the ``classifications.jsonl`` of the package
stance-llm (https://pypi.org/project/stance-llm). Its records need no ids, so they are matched by
what was asked: the text, the statement, and the entity by the actor's name or a mention.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from stance.corpora.stance_llm import LABELS_OF_STANCES
from stance.encodings import DocumentError
from stance.evaluation import iter_pairs
from stance.prediction_files import (
    COLUMNS,
    NESTED_COLUMNS,
    build_prediction,
    find_files_of_rows,
    parse_json,
)
from stance.records import READERS
from stance.schema import LABELS, Actor, Document, Prediction, Target, quote_spans

Pair = tuple[str, str, str]
"""Document, target and actor by id."""
Question = tuple[str, str, str]
"""Text, statement and entity, as stance-llm was asked."""

KEY_COLUMNS = ("document_id", "target_id", "actor_id")
PROBABILITY_COLUMNS = tuple(f"p_{label}" for label in LABELS)
QUESTION_FIELDS = ("text", "statement", "ent_text")
STANCE_LLM_LABEL = "stance_pred"
TOLERANCE = 1e-3
"""How far the sum of a row's probabilities may be from 1: files round."""


@dataclass(frozen=True)
class ForeignPredictions:
    """A system that was run elsewhere; a ``stance.evaluation.Classifier`` for ``documents`` alone.

    Build it with ``read_foreign_predictions``.
    """

    name: str
    """Of the system."""
    has_probabilities: bool
    """False where it gave labels only: then its probabilities are 0 and 1, and say nothing about
    calibration."""
    unused_rows: int
    """Rows of the file for pairs that the documents do not have."""
    documents: Mapping[str, Document]
    """Those that the file was read for, by id."""
    predictions: Mapping[Pair, Prediction]

    def predict(self, documents: Iterable[Document]) -> list[Prediction]:
        """The predictions for some of the documents, in the order document, target, actor.

        Raises:
            ValueError: for a document that the file was not read for, or that has been altered
                since: its answer is not known.
        """
        documents = list(documents)
        for document in documents:
            if self.documents.get(document.id) != document:
                raise ValueError(
                    f"document {document.id!r} is not one of those, or not as it was, when the "
                    f"predictions of {self.name} were read; answers to other documents, such as "
                    "altered ones for robustness, need the system itself"
                )
        return [
            self.predictions[document.id, target.id, actor.id]
            for document, target, actor in iter_pairs(documents)
        ]


def read_foreign_predictions(path: str | Path, documents: Sequence[Document]) -> ForeignPredictions:
    """Read ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet``, or a folder of shards that ``stance``
    wrote, and find the prediction of every pair.

    What a row does not have is filled in: ``p_favor, p_against, p_neutral, p_none`` (all or none of
    them) by 1 for its label, ``confidence`` by the label's probability, ``model`` by the name of
    the file. Mentions are always those of the documents.

    Raises:
        DocumentError: naming file, line and field, and the pair: for a pair without a prediction or
            with two, an unknown label, or a row that cannot be read, that names the actor or target
            otherwise than the documents do, or that has another model than the rows before.
        PredictionFileError: for other columns that hold what they must not.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no file of predictions at {path}")
    asked = {
        (document.id, target.id, actor.id): (document, target, actor)
        for document, target, actor in iter_pairs(documents)
    }
    questions = index_questions(asked)
    found: dict[Pair, Prediction] = {}
    places: dict[Pair, str] = {}
    name: str | None = None
    with_probabilities, unused = True, 0
    for file, line, record in iter_records(path):
        if STANCE_LLM_LABEL in record:
            candidates, row = read_stance_llm_record(record, questions, file, line)
        else:
            candidates, row = read_own_row(record, asked, file, line)
        if not candidates:
            unused += 1
            continue
        pair = next((pair for pair in candidates if pair not in found), None)
        if pair is None:
            raise DocumentError(
                f"a second prediction for {describe_pair(candidates[0])}; the first is in "
                f"{places[candidates[0]]}, so keep one of them",
                file,
                line,
            )
        with_probabilities &= PROBABILITY_COLUMNS[0] in row
        prediction = complete_row(row, asked[pair], file, line)
        if name is not None and prediction.model != name:
            raise DocumentError(
                f"{prediction.model!r}, but rows before are of {name!r}; give each system a file "
                "of its own",
                file,
                line,
                "model",
            )
        name = prediction.model
        found[pair], places[pair] = prediction, locate(file, line)
    check_complete(asked, found, unused, path)
    # Labels that went through a file of ours have come to be probabilities of 0 and 1.
    is_graded = any(0 < p < 1 for prediction in found.values() for p in prediction.probabilities)
    return ForeignPredictions(
        name=name or path.stem,
        has_probabilities=with_probabilities and is_graded,
        unused_rows=unused,
        documents={document.id: document for document in documents},
        predictions=found,
    )


def iter_records(path: Path) -> Iterator[tuple[Path, int, Mapping[str, Any]]]:
    """The records of a file, or of the shards in a folder, each with its file and line."""
    for file in find_files_of_rows(path) if path.is_dir() else [path]:
        reader = READERS.get(file.suffix.lower())
        if reader is None:
            known = ", ".join(READERS)
            raise DocumentError(f"a file of an unknown kind; it must end in {known}", file)
        for line, record in reader(file, refuse):
            yield file, line, record


def refuse(error: DocumentError) -> NoReturn:
    """What is done with a record that cannot be read."""
    raise error


def index_questions(
    asked: Mapping[Pair, tuple[Document, Target, Actor]],
) -> dict[Question, list[Pair]]:
    """The pairs that a question of stance-llm can stand for: one, unless texts repeat.

    What is an actor's name stands for this actor, also where it is a mention of another one.
    """
    by_name: dict[Question, list[Pair]] = {}
    by_mention: dict[Question, list[Pair]] = {}
    for pair, (document, target, actor) in asked.items():
        text, statement = document.text, target.text.strip()
        by_name.setdefault((text, statement, actor.name.strip()), []).append(pair)
        for mention in {text[span.start : span.end].strip() for span in actor.mentions}:
            by_mention.setdefault((text, statement, mention), []).append(pair)
    return by_mention | by_name


def read_own_row(
    record: Mapping[str, Any],
    asked: Mapping[Pair, tuple[Document, Target, Actor]],
    path: Path,
    line: int,
) -> tuple[list[Pair], dict[str, Any]]:
    """The pair that a row is for (none, where the documents do not have it), and its columns."""
    row = {name: record[name] for name in COLUMNS if record.get(name) not in (None, "")}
    missing = [name for name in (*KEY_COLUMNS, "label") if name not in row]
    if missing:
        raise DocumentError(
            f"no {', '.join(missing)}; a row needs {', '.join(KEY_COLUMNS)} and label, a record of "
            f"stance-llm {', '.join(QUESTION_FIELDS)} and {STANCE_LLM_LABEL}; this one has "
            f"{', '.join(record)}",
            path,
            line,
        )
    for name in KEY_COLUMNS:
        # Tables made elsewhere turn ids such as 7 into numbers.
        if isinstance(row[name], int) and not isinstance(row[name], bool):
            row[name] = str(row[name])
        if not isinstance(row[name], str):
            raise DocumentError(f"{row[name]!r}; expected a string", path, line, name)
    pair = (row["document_id"], row["target_id"], row["actor_id"])
    if row["label"] not in LABELS:
        raise DocumentError(
            f"{row['label']!r} for {describe_pair(pair)}; it must be one of {', '.join(LABELS)}",
            path,
            line,
            "label",
        )
    for name in NESTED_COLUMNS:
        if isinstance(row.get(name), str):  # a cell of a CSV file
            row[name] = parse_json(row[name], f"{locate(path, line)}, field {name}")
    return [pair] if pair in asked else [], row


def read_stance_llm_record(
    record: Mapping[str, Any],
    questions: Mapping[Question, Sequence[Pair]],
    path: Path,
    line: int,
) -> tuple[list[Pair], dict[str, Any]]:
    """The pairs that a record can be for, and the columns that it gives."""
    for name in QUESTION_FIELDS:
        if not isinstance(record.get(name), str):
            raise DocumentError(f"{record.get(name)!r}; expected a string", path, line, name)
    entity, statement = record["ent_text"].strip(), record["statement"].strip()
    label = record[STANCE_LLM_LABEL]
    if not isinstance(label, str) or label not in LABELS_OF_STANCES:
        raise DocumentError(
            f"{label!r} for {entity!r} on {statement!r}; it must be one of "
            f"{', '.join(LABELS_OF_STANCES)}, so classify this record again",
            path,
            line,
            STANCE_LLM_LABEL,
        )
    candidates = list(questions.get((record["text"], statement, entity), ()))
    if record.get("id") is not None:
        # The id tells documents with the same text apart; our converter puts a word before it.
        ids = (str(record["id"]), f"stance_llm-{record['id']}")
        candidates = [pair for pair in candidates if pair[0] in ids] or candidates
    how = [str(record[name]) for name in ("chain_used", "model_used") if record.get(name)]
    return candidates, {
        "label": LABELS_OF_STANCES[label],
        "model": " ".join(["stance-llm", *how]),
    }


def complete_row(
    row: Mapping[str, Any], asked: tuple[Document, Target, Actor], path: Path, line: int
) -> Prediction:
    """The prediction of a row for a pair of the documents."""
    document, target, actor = asked
    for name, ours in (("actor", actor.name), ("target", target.text)):
        if str(row.get(name, ours)).strip() != ours.strip():
            raise DocumentError(
                f"{row[name]!r}, but {describe_pair((document.id, target.id, actor.id))} is about "
                f"{ours!r}; are these predictions for another version of the documents?",
                path,
                line,
                name,
            )
    probabilities = take_probabilities(row, path, line)
    evidence = row.get("evidence", [])
    if not isinstance(evidence, list):
        raise DocumentError(f"{evidence!r}; expected a list", path, line, "evidence")
    defaults = {
        "confidence": probabilities[LABELS.index(row["label"])],
        "abstained": False,
        "windows": [],
        "warnings": [],
        "model": path.stem,
    }
    fixed = {
        "document_id": document.id,
        "actor_id": actor.id,
        "actor": actor.name,
        "target_id": target.id,
        "target": target.text,
        **dict(zip(PROBABILITY_COLUMNS, probabilities, strict=True)),
        "mentions": quote_spans(document.text, ((m.start, m.end) for m in actor.mentions)),
        "evidence": [check_passage(passage, path, line) for passage in evidence],
    }
    return build_prediction(defaults | dict(row) | fixed, locate(path, line))


def take_probabilities(row: Mapping[str, Any], path: Path, line: int) -> list[float]:
    """The four probabilities of a row, or 1 for its label where it has none of them.

    Raises:
        DocumentError: if it has some, or they are no probabilities.
    """
    missing = [name for name in PROBABILITY_COLUMNS if name not in row]
    if len(missing) == len(PROBABILITY_COLUMNS):
        return [float(label == row["label"]) for label in LABELS]
    if missing:
        raise DocumentError(
            f"no {', '.join(missing)}; give all of {', '.join(PROBABILITY_COLUMNS)}, or none",
            path,
            line,
        )
    values = []
    for name in PROBABILITY_COLUMNS:
        try:
            values.append(float(row[name]))
        except (TypeError, ValueError) as error:
            raise DocumentError(
                f"{row[name]!r}; expected a number such as 0.25", path, line, name
            ) from error
    if not all(math.isfinite(p) and p >= 0 for p in values) or abs(sum(values) - 1) > TOLERANCE:
        raise DocumentError(
            f"{', '.join(PROBABILITY_COLUMNS)} are {values}; probabilities are at least 0 and sum "
            "to 1",
            path,
            line,
        )
    return values


def check_passage(passage: Any, path: Path, line: int) -> dict[str, Any]:
    """A piece of evidence, without the nulls of a table.

    Raises:
        DocumentError: if it does not say where in the text it stands.
    """
    if isinstance(passage, dict):
        passage = {name: value for name, value in passage.items() if value is not None}
        offsets = (passage.get("start"), passage.get("end"))
        if passage.keys() <= {"start", "end", "text"} and all(isinstance(o, int) for o in offsets):
            return passage
    raise DocumentError(
        f'{passage!r}; expected {{"start": .., "end": ..}} and, if you like, "text"',
        path,
        line,
        "evidence",
    )


def check_complete(
    asked: Mapping[Pair, Any], found: Mapping[Pair, Prediction], unused: int, path: Path
) -> None:
    """See that every pair has a prediction.

    Raises:
        DocumentError: if not; it names the first.
    """
    missing = [pair for pair in asked if pair not in found]
    if not missing:
        return
    more = f" ({len(missing):,} of {len(asked):,} pairs have none)" if len(missing) > 1 else ""
    others = f"; rows for pairs that the documents do not have: {unused:,}" if unused else ""
    raise DocumentError(f"no prediction for {describe_pair(missing[0])}{more}{others}", path)


def describe_pair(pair: Pair) -> str:
    """A pair in an error."""
    document, target, actor = pair
    return f"document {document!r}, target {target!r}, actor {actor!r}"


def locate(path: Path, line: int) -> str:
    """A place in a file, as ``DocumentError`` writes it."""
    return f"{path}, {'row' if path.suffix.lower() == '.parquet' else 'line'} {line}"
