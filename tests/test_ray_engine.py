"""The job on a local Ray of two workers: the rows of the local engine, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'stance[ray]'")

import ray
from ray import cloudpickle

from stance import ray_engine
from stance.batch_prediction import predict_documents
from stance.commands import predict as command
from stance.commands.predict import PredictArguments, UsageError
from stance.documents import iter_documents
from stance.encodings import DocumentError
from stance.mentions import locate_actors
from stance.prediction_files import PredictionFileError, read_predictions
from stance.ray_engine import Questions, Tally, clear_output, predict_with_ray, sum_up
from stance.remote_files import copy_inputs
from stance.schema import Document, Prediction, StanceLabel

TEXT = "Frauke Ömmelbach fordert ein Tempolimit. Ömmelbach lehnt den Ausbau der Straße ab."
TARGETS = ("Das Tempolimit soll kommen.", "Die Straße soll ausgebaut werden.")
pytestmark = pytest.mark.filterwarnings("default")  # Ray's own


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    # Workers cannot import a test file, so they get its classes as they are.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "BLOCK_BYTES", 2_000)


class DyingClassifier:
    """Neutral on all; the first process that has read ten texts dies, once."""

    def __init__(self, tombstone: Path | None = None) -> None:
        self.tombstone = tombstone
        self.texts = 0

    def find_actors(
        self, documents: Iterable[Document], *, replace: bool = True
    ) -> Iterator[Document]:
        for document in documents:
            found = locate_actors(document.text, ["Frauke Ömmelbach"])
            named = tuple(actor for actor in found if actor.mentions)
            yield document.model_copy(update={"actors": named})

    def iter_predict(self, documents: Iterable[Document]) -> Iterator[list[Prediction]]:
        for document in documents:
            self.texts += 1
            if self.tombstone is not None and self.texts > 10 and not self.tombstone.exists():
                self.tombstone.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            yield [
                Prediction(
                    document_id=document.id,
                    actor_id=actor.id,
                    actor=actor.name,
                    target_id=target.id,
                    target=target.text,
                    label=StanceLabel.NEUTRAL,
                    probabilities=(0.1, 0.1, 0.7, 0.1),
                    confidence=0.7,
                    mentions=tuple({"start": m.start, "end": m.end} for m in actor.mentions),
                    warnings=() if document.text.startswith("Frauke") else ("anders",),
                    model="fake",
                )
                for target in document.targets
                for actor in document.actors
            ]


def write_input(path: Path, count: int) -> None:
    """Documents with and without actors, lines that are none, and an id that is there twice."""
    lines = []
    for number in range(count):
        record: dict[str, Any] = {"id": f"n{number}", "text": f"{TEXT} {'Es regnet. ' * number}"}
        if number % 5:
            record["actors"] = [{"id": "a1", "name": "Frauke Ömmelbach"}]
        if number % 10 == 7:
            record["text"] = f"Nichts. {record['text'].replace('Ömmelbach', 'Niemand')}"
        lines.append("{broken" if number % 9 == 4 else json.dumps(record))
    lines += [json.dumps({"id": "n1", "text": "Noch einmal."}), "{broken"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_rejects(output: Path) -> list[dict[str, Any]]:
    lines = Path(f"{output}.rejects.jsonl").read_text(encoding="utf-8").splitlines()
    return sorted(map(json.loads, lines), key=lambda row: (row["line"] or 0, row["reason"]))


def read_counts(output: Path) -> dict[str, Any]:
    manifest = json.loads(Path(f"{output}.manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"]
    counts: dict[str, Any] = manifest["counts"]
    left_out = sum(counts["rejected"].values()) + counts["nobody_found"]
    assert counts["read"] == counts["predicted"] + left_out
    return counts


def sort_rows(rows: Iterable[Prediction]) -> list[Prediction]:
    return sorted(rows, key=lambda row: (row.document_id, row.target_id, row.actor_id))


@pytest.mark.parametrize("ending", [".parquet", ".jsonl"])
def test_the_rows_are_those_of_the_local_engine(
    tmp_path: Path, tiny_stance_model_dir: Path, ending: str
) -> None:
    write_input(tmp_path / "in.jsonl", 40)
    given: dict[str, Any] = {
        "input": str(tmp_path / "in.jsonl"),
        "targets": TARGETS,
        "on_error": "skip",
        "device": "cpu",
        "model_dir": str(tiny_stance_model_dir),
        "precision": None,
        "abstain_below": 0.27,
    }
    local, shards = tmp_path / f"local{ending}", tmp_path / f"shards{ending}"
    command.predict(PredictArguments(**given, output=str(local)))
    arguments = PredictArguments(**given, output=str(shards), engine="ray", shard_rows=20)
    command.predict(arguments)
    expected, rows = sort_rows(read_predictions(local)), sort_rows(read_predictions(shards))
    assert len(rows) > 40
    assert {row.abstained for row in rows} == {True, False}
    for row, other in zip(rows, expected, strict=True):
        assert row.probabilities == pytest.approx(other.probabilities, abs=1e-5)
        same = {"probabilities": (0,) * 4, "confidence": 0}
        assert row.model_copy(update=same) == other.model_copy(update=same)
    assert read_rejects(shards) == read_rejects(local)
    assert read_counts(shards) == read_counts(local)
    assert len(list(shards.iterdir())) > 1
    with pytest.raises(UsageError, match="overwrite=true"):
        command.predict(arguments)


def test_a_worker_that_is_killed_loses_no_row_and_repeats_none(tmp_path: Path) -> None:
    write_input(tmp_path / "in.jsonl", 120)
    tombstone, output = tmp_path / "tombstone", tmp_path / "rows.csv"
    manifest = predict_with_ray(
        copy_inputs([str(tmp_path / "in.jsonl")], tmp_path),
        str(output),
        partial(DyingClassifier, tombstone),
        Questions(targets=TARGETS, find="all", skip=True),
        rows_per_shard=30,
        question={},
        versions={},
    )
    assert tombstone.exists()
    documents = iter_documents(tmp_path / "in.jsonl", on_error=lambda error: None)
    expected = predict_documents(
        DyingClassifier(), documents, targets=TARGETS, find="all", on_nobody=lambda e: None, keep=99
    )
    rows = read_predictions(output)
    assert sort_rows(rows) == sort_rows(row for rows in expected.first for row in rows)
    counts = read_counts(output)
    assert (counts["predicted"], counts["rows"]) == (expected.texts, expected.rows)
    assert counts["nobody_found"] == 11
    assert counts["rejected"] == {"invalid id": 1, "invalid record": 14}
    assert manifest.counts.model_dump() == counts


def test_a_bad_record_ends_the_run_after_those_before_it(tmp_path: Path) -> None:
    write_input(tmp_path / "in.jsonl", 10)
    url = (tmp_path / "in.jsonl").as_uri()
    output = tmp_path / "rows.jsonl"
    with pytest.raises(DocumentError, match=f"{url}, line 5: not valid JSON"):
        predict_with_ray(
            copy_inputs([url], tmp_path / "copies"),
            output.as_uri(),
            DyingClassifier,
            Questions(targets=TARGETS, find="all"),
            question={},
            versions={},
        )
    manifest = json.loads(Path(f"{output}.manifest.json").read_text(encoding="utf-8"))
    assert not manifest["complete"]
    assert "line 5" in manifest["stopped"]
    assert (manifest["counts"]["read"], manifest["counts"]["predicted"]) == (4, 4)
    assert {row.document_id for row in read_predictions(output)} == {"n0", "n1", "n2", "n3"}


def test_records_that_do_not_come_out_are_missed() -> None:
    whole = [Tally(texts=2, rows=4), Tally(rejects=[(2, "nobody found", "{}")], records=3)]
    assert sum_up(whole)[0].texts == 2
    with pytest.raises(PredictionFileError, match="3 records were read, but 2 predicted and 0"):
        sum_up([whole[0], Tally(records=3)])


def test_an_output_that_exists_is_kept_and_only_shards_are_replaced(tmp_path: Path) -> None:
    output = tmp_path / "rows.parquet"
    clear_output(str(output), overwrite=False)
    output.mkdir()
    (output / "00000.parquet").touch()
    for name in ("mine.txt", "mine.parquet"):
        (output / name).touch()
    with pytest.raises(PredictionFileError, match="overwrite=true"):
        clear_output(output.as_uri(), overwrite=False)
    clear_output(output.as_uri(), overwrite=True)
    assert sorted(file.name for file in output.iterdir()) == ["mine.parquet", "mine.txt"]
    (tmp_path / "file.csv").touch()
    with pytest.raises(PredictionFileError, match="is a file"):
        clear_output(str(tmp_path / "file.csv"), overwrite=True)
