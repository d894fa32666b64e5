from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stance import prediction_files
from stance.prediction_files import (
    COLUMNS,
    ENDINGS,
    PredictionFileError,
    iter_predictions,
    open_writer,
    parquet_schema,
    read_predictions,
)
from stance.schema import Prediction


def make_prediction(number: int = 1, **changes: object) -> Prediction:
    record = {
        "document_id": f"n{number}",
        "actor_id": "a1",
        "actor": "Jörg Weißgärber",
        "target_id": "t1",
        "target": 'Die Stadt soll "Tempo 30" einführen, sofort.',
        "label": "favor",
        "probabilities": (0.7, 0.1, 0.15, 0.05),
        "confidence": 0.7,
        "mentions": [{"start": 3, "end": 13, "text": "Weißgärber"}, {"start": 20, "end": 23}],
        "evidence": [{"start": 14, "end": 30, "text": "lobte\r\nden Plan,"}],
        "windows": [{"start": 0, "end": 200}, {"start": 150, "end": 320}],
        "warnings": ("über 2 Fenster",),
        "model": "tiny",
    }
    return Prediction.model_validate(record | changes)


@pytest.fixture(params=ENDINGS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "neu" / f"Züge{request.param}"


def test_what_is_written_in_batches_is_read_back(path: Path) -> None:
    predictions = [make_prediction(n) for n in range(5)]
    with open_writer(path) as writer:
        writer.write(predictions[:2])
        writer.write([])
        writer.write(predictions[2:])
    assert read_predictions(path) == predictions


# Character classes that break naive writers: quotes, commas, line ends, emoji, NUL.
any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
passages = st.builds(
    lambda start, length, text: {"start": start, "end": start + length, "text": text},
    st.integers(0, 10**6),
    st.integers(1, 99),
    any_text,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    actor=any_text,
    warnings=st.lists(any_text, max_size=3),
    mentions=st.lists(passages, max_size=3),
    p=st.floats(0, 1),
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_any_text_and_any_probability_survive(
    tmp_path: Path, ending: str, actor: str, warnings: list[str], mentions: list[object], p: float
) -> None:
    prediction = make_prediction(
        actor=actor, warnings=warnings, mentions=mentions, probabilities=(p, 1 - p, 0.0, 0.0)
    )
    path = tmp_path / f"rows{ending}"
    with open_writer(path, overwrite=True) as writer:
        writer.write([prediction])
    assert read_predictions(path) == [prediction]


def test_no_predictions_give_a_valid_file_with_the_columns(path: Path) -> None:
    with open_writer(path):
        pass
    assert read_predictions(path) == []
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as lines:
            assert next(csv.reader(lines)) == list(COLUMNS)
    if path.suffix == ".parquet":
        assert pq.read_schema(path).names == list(COLUMNS)


def test_the_columns_are_those_of_a_row() -> None:
    assert list(make_prediction().to_row()) == list(COLUMNS)


def test_jsonl_and_csv_are_valid_after_every_batch(tmp_path: Path) -> None:
    for ending in (".jsonl", ".csv"):
        path = tmp_path / f"rows{ending}"
        with open_writer(path) as writer:
            for count in (1, 2, 3):
                writer.write([make_prediction(count)])
                assert len(read_predictions(path)) == count


def test_umlauts_are_written_as_such(tmp_path: Path) -> None:
    for ending in (".jsonl", ".csv"):
        with open_writer(tmp_path / f"rows{ending}") as writer:
            writer.write([make_prediction()])
        assert "Jörg Weißgärber" in (tmp_path / f"rows{ending}").read_text(encoding="utf-8")


def test_nested_columns_are_json_in_csv_and_structs_in_parquet(tmp_path: Path) -> None:
    for ending in (".csv", ".parquet"):
        with open_writer(tmp_path / f"rows{ending}") as writer:
            writer.write([make_prediction()])
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as lines:
        row = next(csv.DictReader(lines))
    assert json.loads(row["windows"]) == [{"start": 0, "end": 200}, {"start": 150, "end": 320}]
    assert row["abstained"] == "false"
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.schema.equals(parquet_schema())
    assert table.schema.field("windows").type.value_type == pa.struct(
        [pa.field("start", pa.int64(), False), pa.field("end", pa.int64(), False)]
    )
    assert table.column("mentions")[0].as_py()[0]["text"] == "Weißgärber"


def test_parquet_joins_its_parts_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_files, "ROWS_PER_PART", 3)
    monkeypatch.setattr(prediction_files, "ROWS_PER_GROUP", 5)
    path = tmp_path / "rows.parquet"
    predictions = [make_prediction(n) for n in range(20)]
    with open_writer(path) as writer:
        for prediction in predictions:
            writer.write([prediction])
        assert not path.exists()
    assert read_predictions(path) == predictions
    assert pq.ParquetFile(path).metadata.num_row_groups == 4
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]


def test_rows_survive_a_kill(path: Path) -> None:
    code = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_prediction_files import make_prediction, open_writer, prediction_files
        prediction_files.ROWS_PER_PART = 2
        writer = open_writer({str(path)!r})
        writer.write([make_prediction(1), make_prediction(2)])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    code = textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert done.returncode == -9
    kept = path if path.suffix != ".parquet" else path.with_name(path.name + ".parts")
    assert read_predictions(kept) == [make_prediction(1), make_prediction(2)]
    with pytest.raises(PredictionFileError, match="overwrite=true"):
        open_writer(path)
    with open_writer(path, overwrite=True) as writer:
        writer.write([make_prediction(3)])
    assert read_predictions(path) == [make_prediction(3)]


def test_a_batch_that_fails_leaves_no_part_of_it(path: Path) -> None:
    with open_writer(path) as writer:
        writer.write([make_prediction(1)])
        with pytest.raises(PredictionFileError, match=r"document 'n2'.*p_favor is nan"):
            writer.write(
                [make_prediction(3), make_prediction(2, probabilities=(math.nan, 0, 0, 1))]
            )
    assert read_predictions(path) == [make_prediction(1)]


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_a_full_disk_leaves_whole_rows(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"rows{ending}"
    with open_writer(path) as writer:
        writer.write([make_prediction(1)])
        file = writer._file  # type: ignore[union-attr]

        class FullDisk:
            def write(self, data: memoryview) -> int:
                if len(data) < 100:
                    raise OSError(28, "No space left on device")
                return file.write(data[:50])

            def __getattr__(self, name: str) -> object:
                return getattr(file, name)

        monkeypatch.setattr(writer, "_file", FullDisk())
        with pytest.raises(OSError, match="No space left"):
            writer.write([make_prediction(2)])
    assert read_predictions(path) == [make_prediction(1)]


def test_a_passage_with_an_unknown_key_is_refused(path: Path) -> None:
    with open_writer(path) as writer, pytest.raises(PredictionFileError, match="'weight'"):
        writer.write([make_prediction(evidence=[{"start": 0, "end": 1, "weight": 0.5}])])


def test_an_existing_file_is_kept_unless_told(path: Path) -> None:
    with open_writer(path) as writer:
        writer.write([make_prediction(1)])
    with pytest.raises(PredictionFileError, match=r"exists; .*overwrite=true"):
        open_writer(path)
    assert read_predictions(path) == [make_prediction(1)]


@pytest.mark.parametrize("name", ["rows.xlsx", "rows", "rows.json"])
def test_an_unknown_ending_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(PredictionFileError, match=r"\.jsonl or \.csv or \.parquet"):
        open_writer(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_cell_longer_than_the_csv_default_is_read(tmp_path: Path) -> None:
    mentions = [{"start": n, "end": n + 4, "text": "Rat."} for n in range(0, 20_000, 5)]
    prediction = make_prediction(mentions=mentions)
    with open_writer(tmp_path / "rows.csv") as writer:
        writer.write([prediction])
    assert (tmp_path / "rows.csv").stat().st_size > 131_072
    assert read_predictions(tmp_path / "rows.csv") == [prediction]


def test_reading_is_one_row_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(make_prediction().to_row()) + "\n{broken\n", encoding="utf-8")
    rows = iter_predictions(path)
    assert next(rows) == make_prediction()
    with pytest.raises(PredictionFileError, match=r"rows\.jsonl, line 2"):
        next(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "pro"}, r"line 1, field label"),
        ({"model": None}, r"line 1: no model"),
        ({"p_favor": "viel"}, r"line 1, field probabilities\.0"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(make_prediction().to_row() | change) + "\n", encoding="utf-8")
    with pytest.raises(PredictionFileError, match=message):
        read_predictions(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"rows\.csv"):
        read_predictions(tmp_path / "rows.csv")


def test_the_kind_of_an_actor_is_kept_and_may_be_unknown(path: Path) -> None:
    with open_writer(path) as writer:
        writer.write([make_prediction(kind="state"), make_prediction(kind=None)])
    assert [row.kind for row in read_predictions(path)] == ["state", None]


def test_rows_without_a_kind_as_older_versions_wrote_them_are_read(tmp_path: Path) -> None:
    row = make_prediction().to_row()
    del row["kind"]
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    (read,) = read_predictions(path)
    assert read.kind is None
