"""Verdicts as a column of a Spark data frame; needs the extra ``spark``.

``frame.withColumn("stances", make_stance_udf(targets, actors="auto")("text"))`` has a list of
verdicts for each text, and Spark's ``inline(stances)`` makes a row of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd
from pyspark.sql.functions import pandas_udf

from stance.inference import StanceClassifier
from stance.schema import LABELS, Document

COLUMNS = {
    **dict.fromkeys(("actor", "target", "label"), "string"),
    **dict.fromkeys((*(f"p_{label}" for label in LABELS), "confidence"), "double"),
    "abstained": "boolean",
    **dict.fromkeys(("evidence", "warnings"), "array<string>"),
}
VERDICTS = f"array<struct<{','.join(f'{name}:{kind}' for name, kind in COLUMNS.items())}>>"
"""The type of the column: a list of verdicts for each text."""


@lru_cache(maxsize=1)
def load(model_dir: str | None, abstain_below: float | None) -> StanceClassifier:
    """The classifier, which a Python worker of Spark keeps for its next partitions."""
    return StanceClassifier.from_pretrained(model_dir, abstain_below=abstain_below)


def make_stance_udf(
    targets: Sequence[str],
    actors: Sequence[str] | str,
    model_dir: str | None = None,
    abstain_below: float | None = None,
) -> Any:
    """A pandas UDF from a column of texts to their verdicts, in the order of target and actor.

    A model directory must be there on all machines; that it is not is told in the first task.
    """

    def find_stances(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        classifier = load(model_dir, abstain_below)
        for texts in batches:
            numbered = enumerate(texts.fillna(""))
            documents = [Document(id=str(n), text=text) for n, text in numbered if text]
            verdicts: list[list[dict[str, Any]]] = [[] for _ in texts]
            for prediction in classifier.predict(documents, targets=targets, actors=actors):
                row = prediction.to_row()
                row["evidence"] = [passage["text"] for passage in row["evidence"]]
                verdicts[int(row["document_id"])].append({name: row[name] for name in COLUMNS})
            yield pd.Series(verdicts)

    return pandas_udf(find_stances, VERDICTS)
