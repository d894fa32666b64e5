"""The column of verdicts, on a local Spark."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'stance[spark]'")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java, which is not installed", allow_module_level=True)

from pyspark.sql import SparkSession

from stance.inference import StanceClassifier
from stance.spark import COLUMNS, make_stance_udf

TEXT = "Frauke Ömmelbach fordert ein Tempolimit. Der Fährverein lehnt es ab."
TARGETS = ["Das Tempolimit soll kommen.", "Die Straße soll ausgebaut werden."]
ACTORS = ["Frauke Ömmelbach", "Fährverein"]


@pytest.mark.filterwarnings("default")  # Spark's own
def test_the_column_has_the_verdicts_of_the_classifier(
    tiny_stance_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    try:
        frame = spark.createDataFrame(
            [("a", TEXT), ("b", None), ("c", "")], "id string, text string"
        )
        stances = make_stance_udf(TARGETS, ACTORS, str(tiny_stance_model_dir), abstain_below=0.9)
        table = frame.coalesce(1).select("id", stances("text").alias("stances"))
        rows = {row.id: [verdict.asDict() for verdict in row.stances] for row in table.collect()}
    finally:
        spark.stop()
    assert rows["b"] == rows["c"] == []
    classifier = StanceClassifier.from_pretrained(
        tiny_stance_model_dir, device="cpu", abstain_below=0.9
    )
    expected = classifier.predict(TEXT, targets=TARGETS, actors=ACTORS)
    assert [(row["target"], row["actor"]) for row in rows["a"]] == [
        (target, actor) for target in TARGETS for actor in ACTORS
    ]
    for row, prediction in zip(rows["a"], expected, strict=True):
        assert list(row) == list(COLUMNS)
        assert (row["label"], row["abstained"]) == (prediction.label.value, True)
        assert row["evidence"] == [passage["text"] for passage in prediction.evidence]
        p = [row[f"p_{label}"] for label in ("favor", "against", "neutral", "none")]
        assert p == pytest.approx(prediction.probabilities, abs=1e-5)
