"""Scores by target, actor, source and other properties of the pairs: where a model fails.

A mean over a collection hides that a model may be good on one question and useless on the next.
Every value of a property makes a slice, those with few pairs too: these are marked ``small``, for
their scores are mostly chance.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stance.evaluation import iter_pairs
from stance.intervals import estimate_intervals
from stance.metrics import score_labels
from stance.schema import Actor, Document, Target

if TYPE_CHECKING:
    import pandas as pd

SMALL_PAIRS, SMALL_DOCUMENTS = 30, 5
"""A slice with fewer pairs or documents is small."""
RESAMPLES = 500
"""For the intervals of slices, of which there can be hundreds."""
NOT_GIVEN = "(not given)"
LENGTHS = ((100, "under 100"), (300, "100 to 299"), (600, "300 to 599"))
ACTORS = ((2, "1"), (3, "2"), (5, "3 or 4"), (9, "5 to 8"))

PROPERTIES = (
    *("target", "actor", "kind", "source", "year", "words", "actors", "role", "target_seen"),
)
"""What pairs are sliced by, beside the users' own columns: text of the target, name and kind of the
actor, source and year of the document, words of the text, number of its actors, whether the actor
is its author, mentioned or not mentioned, and whether the target is one of those trained on."""


@dataclass(frozen=True)
class Slice:
    """The scores of the pairs that share a value of a property.

    ``macro_f1_low`` and ``macro_f1_high`` are the ends of its 95 % interval; None in small slices.
    """

    property: str
    value: str
    n: int
    documents: int
    small: bool
    macro_f1: float
    macro_f1_low: float | None
    macro_f1_high: float | None
    accuracy: float


def tabulate_properties(
    documents: Iterable[Document], seen_targets: Collection[str], columns: Sequence[str] = ()
) -> pd.DataFrame:
    """The ``PROPERTIES`` and the users' columns of each pair, all as text, a row for each in the
    order of ``iter_pairs``.

    Args:
        seen_targets: texts of the targets that the model was trained on.
        columns: keys of the documents' own that are not part of the format.

    Raises:
        ValueError: if no document has one of the columns; it names those that there are.
    """
    import pandas as pd

    documents = list(documents)
    own = {key for document in documents for key in document.model_extra or {}}
    for column in columns:
        if column not in own:
            raise ValueError(
                f"slices has {column!r}, which no document has; their own keys are "
                f"{', '.join(sorted(own)) or 'none'}"
            )
    seen = {_normalise(text) for text in seen_targets}
    rows = [
        {
            **_describe_pair(document, target, actor, seen),
            **{name: _show((document.model_extra or {}).get(name)) for name in columns},
        }
        for document, target, actor in iter_pairs(documents)
    ]
    return pd.DataFrame(rows, columns=[*PROPERTIES, *columns])


def score_slices(rows: Sequence[dict[str, Any]], properties: pd.DataFrame) -> list[Slice]:
    """The slices of the labelled pairs, by property, the largest first.

    Args:
        rows: as in predictions.jsonl, with ``gold``.
        properties: one row for each of them, as ``tabulate_properties`` gives.

    Raises:
        ValueError: if there are not as many of the one as of the other.
    """
    if len(rows) != len(properties):
        raise ValueError(f"{len(rows)} rows but properties of {len(properties)}")
    labelled = [number for number, row in enumerate(rows) if row["gold"] is not None]
    slices = []
    for name in properties.columns:
        values = properties[name].iloc[labelled]
        groups = values.groupby(values, sort=False).groups
        for value, members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
            slices.append(_score_slice(str(name), str(value), [rows[number] for number in members]))
    return slices


def _score_slice(name: str, value: str, rows: Sequence[dict[str, Any]]) -> Slice:
    gold, predicted = [row["gold"] for row in rows], [row["label"] for row in rows]
    ids = [row["document_id"] for row in rows]
    scores = score_labels(gold, predicted)
    small = len(rows) < SMALL_PAIRS or len(set(ids)) < SMALL_DOCUMENTS
    interval = None
    if not small:
        interval = estimate_intervals(gold, predicted, ids, resamples=RESAMPLES)["macro_f1"]
    low, high = interval or (None, None)
    return Slice(
        property=name,
        value=value,
        n=len(rows),
        documents=len(set(ids)),
        small=small,
        macro_f1=scores["macro_f1"],
        macro_f1_low=low,
        macro_f1_high=high,
        accuracy=scores["accuracy"],
    )


def _describe_pair(
    document: Document, target: Target, actor: Actor, seen: Collection[str]
) -> dict[str, str]:
    year = re.match(r"\d{4}", document.date or "")
    role = "author" if actor.author else "mentioned" if actor.mentions else "not mentioned"
    return {
        "target": target.text,
        "actor": actor.name,
        "kind": _show(actor.kind),
        "source": _show(document.source),
        "year": year[0] if year else NOT_GIVEN,
        "words": _class_of(len(document.text.split()), LENGTHS, "600 and more"),
        "actors": _class_of(len(document.actors), ACTORS, "9 and more"),
        "role": role,
        "target_seen": "yes" if _normalise(target.text) in seen else "no",
    }


def _class_of(count: int, classes: Iterable[tuple[int, str]], last: str) -> str:
    return next((name for below, name in classes if count < below), last)


def _show(value: Any) -> str:
    return NOT_GIVEN if value is None else str(value)


def _normalise(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
