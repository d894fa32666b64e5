"""What composed reports say.

The ways in which an actor takes sides are in ``report_phrases.jsonl``, each written by hand: a
``verdict`` is about the proposal that was set out, a ``clause`` repeats it, a ``pair`` has two
actors. {A} and {B} are the actors, {claim} is the target as it stands, {clause} as a subordinate
clause, {indirect} in indirect speech, {q} an actor's own words.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stance.schema import StanceLabel

PHRASES_FILE = Path(__file__).with_name("report_phrases.jsonl")


@dataclass(frozen=True)
class Phrases:
    """Phrases by label, pairs by the labels of {A} and {B}."""

    verdicts: dict[StanceLabel, tuple[str, ...]]
    clauses: dict[StanceLabel, tuple[str, ...]]
    pairs: dict[tuple[StanceLabel, StanceLabel], tuple[str, ...]]


@cache
def read_phrases(file: Path = PHRASES_FILE) -> Phrases:
    """The phrases of a file.

    Raises:
        ValueError: if a line has a kind or label that there is not, or lacks a place to fill.
    """
    singles: dict[str, dict[StanceLabel, list[str]]] = {
        "verdict": defaultdict(list),
        "clause": defaultdict(list),
    }
    pairs: dict[tuple[StanceLabel, StanceLabel], list[str]] = defaultdict(list)
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            row = json.loads(line)
            kind, text = row["kind"], row["text"]
            names = ("{A}", "{B}") if kind == "pair" else ("{A}",)
            demand = any(place in text for place in ("{clause}", "{claim}", "{indirect}"))
            if kind not in (*singles, "pair") or any(text.count(name) != 1 for name in names):
                raise ValueError(
                    f"{file.name}, line {number}: expected a verdict or clause with one "
                    "{A}, or a pair with one {A} and one {B}"
                )
            if demand != (kind == "clause"):
                raise ValueError(
                    f"{file.name}, line {number}: a clause has {{clause}}, {{claim}} or "
                    "{indirect}, other kinds have not"
                )
            try:
                if kind == "pair":
                    first, second = map(StanceLabel, row["label"])
                    pairs[first, second].append(text)
                else:
                    singles[kind][StanceLabel(row["label"])].append(text)
            except ValueError as error:
                raise ValueError(f"{file.name}, line {number}: {error}") from error
    return Phrases(
        verdicts={label: tuple(texts) for label, texts in singles["verdict"].items()},
        clauses={label: tuple(texts) for label, texts in singles["clause"].items()},
        pairs={labels: tuple(texts) for labels, texts in pairs.items()},
    )


OPENINGS = (
    "Beraten wurde, ob {clause}.",
    "Es ging um die Frage, ob {clause}.",
    "Zur Abstimmung stand der Vorschlag: {claim}",
    "Streit gibt es darüber, ob {clause}.",
    "Diskutiert wurde auch die Forderung: {claim}",
    "Ein weiterer Punkt war, ob {clause}.",
)
PRESENT = (
    "{A} äußerte sich nicht.",
    "An der Runde nahm auch {A} teil.",
    "Eingeladen hatte {A}.",
    "Von {A} war zunächst keine Stellungnahme zu bekommen.",
    "Auch {A} war gekommen.",
    "{A} dankte allen für die lebhafte Debatte.",
    "{A} leitete die Sitzung.",
)
QUOTES = (
    "{A} sagte: „{q}“",
    "{A} erklärte: „{q}“",
    "{A}: „{q}“",
    "„{q}“, sagte {A}.",
    "„{q}“, so {A}.",
    "„{q}“, heißt es bei {A}.",
    "Dazu erklärte {A}: „{q}“",
    "{A} begründete das so: {q}",
    "{q} So begründet es {A}.",
    "{A} verwies auf Folgendes: {q}",
)
