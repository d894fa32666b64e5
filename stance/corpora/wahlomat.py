"""Wahl-O-Mat: what German parties answer to theses before elections, and how they explain it.

Reads a checkout of ``qual-o-mat-data`` (``data/YEAR/ELECTION/*.json``). Each comment becomes a text
whose author, the party, takes a stance on the thesis. See ``cards/wahlomat.md``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stance.corpora.conversion import (
    Conversion,
    Row,
    drop_leaks_and_repeats,
    make_author_row,
    normalise,
    read_json,
    resolve_path,
)

SPLITS = ("train", "validation", "test", "test_unseen")
LAST_TRAINING_YEAR, VALIDATION_YEAR, TEST_YEAR = 2021, 2022, 2023
LABELS_OF_ANSWERS = {"stimme zu": "favor", "stimme nicht zu": "against", "neutral": "neutral"}
UNSEEN_FILE = Path(__file__).with_name("wahlomat_unseen.json")

MIN_WORDS = 3
"""Shorter comments ("Warum nicht.", "Igitt") say too little to show a stance."""

MAX_USES = 2
"""A party that gives one comment on more theses than this explains itself, not the theses."""

SEEN_SIMILARITY = 0.38
"""Cosine of TF-IDF character n-grams from which on two theses count as the same question; see
the card for how it was chosen."""

PLACEHOLDER = re.compile(
    r"""zu\ dieser\ these\ (hat\ die\ partei|wurde)\ keine\ begründung\b
    | die\ begründung\ der\ partei\ .*\ wird\ nachgereicht
    | (siehe|s\.)\ ?(oben|o\.|these\ ?\d+|\d+)\W*$
    | (es\ (liegt|gibt)\ )?keine\ (begründung|angabe|stellungnahme)n?(\ vor)?\W*$
    | (ausführlich(er)?e\ |weitere\ )?(informationen|begründungen)\ (unter|auf|siehe)\b""",
    re.IGNORECASE | re.VERBOSE,
)
# The publisher adds notes such as "<b>Diese Position wurde ... auf „stimme zu“ geändert.</b>" to
# comments. They are not the party's words, and they give the label away.
EDITORIAL_NOTE = re.compile(r"<b>.*?</b>", re.DOTALL)


def convert(path: str | Path | None = None) -> Conversion:
    """Comments of all elections, split by time, without placeholders, boilerplate and leaks.

    Raises:
        ValueError: if no path is known, or a file does not have the layout.
        FileNotFoundError: if the checkout or one of its files is missing.
    """
    root = resolve_path(
        "wahlomat", path, "qual-o-mat-data", "a checkout of gockelhahn/qual-o-mat-data"
    )
    elections = sorted(file.parent for file in root.glob("data/*/*/overview.json"))
    if not elections:
        raise FileNotFoundError(
            f"corpus 'wahlomat': no data/YEAR/ELECTION/overview.json in {root}; "
            "expected a checkout of gockelhahn/qual-o-mat-data"
        )
    rows: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    dropped: Counter[tuple[str, str]] = Counter()
    altered: Counter[tuple[str, str]] = Counter()
    for folder in elections:
        split = _split_of_year(int(folder.parent.name))
        if split is None:
            dropped["later", f"election after {TEST_YEAR}: in no split"] += len(
                read_json(folder / "opinion.json", "the parties' answers")
            )
            continue
        rows[split].extend(_convert_election(folder, split, dropped, altered))
    rows, repeats = drop_leaks_and_repeats(rows, ["train", "validation", "test"])
    unseen = read_unseen_statements()
    rows["test_unseen"] = [row for row in rows["test"] if _statement_id(row["id"]) in unseen]
    return Conversion(rows, dropped + repeats, altered)


def find_unseen_statements(
    train_rows: Iterable[Row], test_rows: Iterable[Row], similarity: float = SEEN_SIMILARITY
) -> list[str]:
    """Ids of test statements (``wahlomat-YEAR-ELECTION-sN``) that training lacks in similar words.

    A statement is seen if the cosine of its TF-IDF character n-grams (3 to 5, within words) with
    any training statement reaches ``similarity``.
    """
    test = {_statement_id(row["id"]): row["targets"][0]["text"] for row in test_rows}
    train_texts = sorted({row["targets"][0]["text"] for row in train_rows})
    closest = measure_closest(list(test.values()), train_texts)
    return [name for name, value in zip(test, closest, strict=True) if value < similarity]


def measure_closest(texts: Sequence[str], others: Sequence[str]) -> list[float]:
    """For each text, the cosine with the most similar of the others; see find_unseen_statements."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectoriser = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    # Fitted on both: n-grams that only one side has must count against the similarity.
    vectors = vectoriser.fit_transform([*texts, *others])
    cosines = vectors[: len(texts)] @ vectors[len(texts) :].T
    return [float(value) for value in cosines.max(axis=1).toarray().ravel()]


def _convert_election(
    folder: Path,
    split: str,
    dropped: Counter[tuple[str, str]],
    altered: Counter[tuple[str, str]],
) -> list[Row]:
    year, election = folder.parent.name, folder.name
    date = str(read_json(folder / "overview.json", "the election").get("date") or "") or None
    statements = _read_by_id(folder / "statement.json", "text")
    parties = _read_by_id(folder / "party.json", "name")
    answers = _read_by_id(folder / "answer.json", "message")
    comment_file = folder / "comment.json"
    comments = _read_by_id(comment_file, "text") if comment_file.is_file() else {}
    opinions = read_json(folder / "opinion.json", "the parties' answers")

    candidates: list[Row] = []
    for opinion in opinions:
        where = f"{folder / 'opinion.json'}, id {opinion.get('id')}"
        party = _look_up(parties, opinion, "party", where)
        statement = _look_up(statements, opinion, "statement", where)
        message = _look_up(answers, opinion, "answer", where)["message"]
        label = LABELS_OF_ANSWERS.get(message.strip().casefold())
        if label is None:
            raise ValueError(
                f"{where}, field answer: {message!r}; expected one of {list(LABELS_OF_ANSWERS)}"
            )
        if opinion.get("comment") is None:
            dropped[split, "no comment"] += 1
            continue
        raw = _look_up(comments, opinion, "comment", where)["text"]
        text = clean_comment(raw)
        reason = find_fault(text)
        if reason:
            dropped[split, reason] += 1
            continue
        if EDITORIAL_NOTE.search(raw):
            altered[split, "publisher's note on a changed answer removed"] += 1
        candidates.append(
            make_author_row(
                row_id=f"wahlomat-{year}-{election}-p{party['id']}-s{statement['id']}",
                text=text,
                author=party["name"],
                kind="organisation",
                target=statement["text"].strip(),
                label=label,
                date=date,
                source=f"wahlomat/{year}/{election}",
                party=party["name"],
                year=int(year),
                election=election,
                statement_label=statement.get("label"),
            )
        )
    return _drop_boilerplate(candidates, split, dropped)


def clean_comment(raw: str) -> str:
    """The party's words: without the publisher's notes and the quotation marks of the layout."""
    text = EDITORIAL_NOTE.sub("", raw).strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text.strip()


def find_fault(text: str) -> str | None:
    """Why a cleaned comment cannot show a stance, or None if it may."""
    words = [word for word in text.split() if any(character.isalpha() for character in word)]
    if not words:
        return "empty comment"
    if PLACEHOLDER.match(text):
        return "placeholder"
    if len(words) < MIN_WORDS:
        return f"fewer than {MIN_WORDS} words"
    return None


def _drop_boilerplate(rows: list[Row], split: str, dropped: Counter[tuple[str, str]]) -> list[Row]:
    keys = [(row["author"], normalise(row["text"])) for row in rows]
    uses = Counter(keys)
    kept = [row for key, row in zip(keys, rows, strict=True) if uses[key] <= MAX_USES]
    if len(kept) < len(rows):
        reason = f"a party's same comment on more than {MAX_USES} theses"
        dropped[split, reason] += len(rows) - len(kept)
    return kept


def _split_of_year(year: int) -> str | None:
    if year <= LAST_TRAINING_YEAR:
        return "train"
    return {VALIDATION_YEAR: "validation", TEST_YEAR: "test"}.get(year)


def _statement_id(row_id: str) -> str:
    return re.sub(r"-p\d+-", "-", row_id)


def read_unseen_statements() -> set[str]:
    """The list that the package ships, made by ``find_unseen_statements`` on the full corpus."""
    return set(json.loads(UNSEEN_FILE.read_text(encoding="utf-8"))["statements"])


def _read_by_id(file: Path, text_field: str) -> dict[int, dict[str, Any]]:
    records: dict[int, dict[str, Any]] = {}
    for record in read_json(file, f"a list of objects with id and {text_field}"):
        if not isinstance(record.get("id"), int) or not isinstance(record.get(text_field), str):
            raise ValueError(
                f"{file}, record {len(records)}: needs a whole number id and a text {text_field}, "
                f"got {record!r}"
            )
        records[record["id"]] = record
    return records


def _look_up(
    records: dict[int, dict[str, Any]], opinion: dict[str, Any], field: str, where: str
) -> dict[str, Any]:
    key = opinion.get(field)
    if key not in records:
        raise ValueError(f"{where}, field {field}: {key!r} is no id in {field}.json")
    return records[key]
