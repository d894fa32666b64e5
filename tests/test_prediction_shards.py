"""A folder of shards: how they are cut, read back, and told from other folders.

That an interrupted run goes on in them is in ``test_run_manifest.py``.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from test_prediction_files import make_prediction

from stance.prediction_files import ENDINGS, PredictionFileError, check_output, read_predictions
from stance.prediction_shards import ShardWriter


def write_shards(path: Path, portions: int) -> None:
    """Portions of three rows to shards of four, as a run does that is not interrupted."""
    with ShardWriter(path, rows_per_shard=4) as writer:
        for number in range(portions):
            writer.write([make_prediction(3 * number), make_prediction(3 * number + 1)])
            writer.write([make_prediction(3 * number + 2)])
            writer.save()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_shard_ends_with_the_portion_that_fills_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows{ending}"
    write_shards(path, portions=5)
    assert sorted(file.name for file in path.iterdir()) == [
        f"0000{number}{ending}" for number in range(3)
    ]
    assert [len(read_predictions(path / f"0000{number}{ending}")) for number in range(3)] == [
        6,
        6,
        3,
    ]
    assert read_predictions(path) == [make_prediction(number) for number in range(15)]


def test_other_programs_take_the_folder_for_a_table(tmp_path: Path) -> None:
    write_shards(tmp_path / "rows.parquet", portions=3)
    assert list(pd.read_parquet(tmp_path / "rows.parquet")["document_id"]) == [
        f"n{number}" for number in range(9)
    ]


def test_a_new_run_removes_the_shards_of_the_last_one_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_shards(path, portions=5)
    for name in ("notes.txt", "2025-notes.csv"):
        (path / name).touch()
    write_shards(path, portions=1)
    left = sorted(file.name for file in path.iterdir())
    assert left == ["00000.csv", "2025-notes.csv", "notes.txt"]


def test_rows_of_an_interrupted_run_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    writer = ShardWriter(path, rows_per_shard=1)
    for number in range(2):
        writer.write([make_prediction(number)])
        writer.save()
    assert read_predictions(path) == [make_prediction(0), make_prediction(1)]
    writer.close()


def test_a_shard_that_was_taken_away_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    writer = ShardWriter(path, rows_per_shard=1)
    for number in range(3):
        writer.write([make_prediction(number)])
        mark = writer.save()
    writer.close()
    (path / "00001.jsonl").unlink()
    with pytest.raises(PredictionFileError, match=r"lacks 00001\.jsonl"):
        ShardWriter(path, rows_per_shard=1, mark=mark)


def test_a_file_never_replaces_a_folder_nor_a_folder_a_file(tmp_path: Path) -> None:
    (tmp_path / "file.csv").touch()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(PredictionFileError, match="shards are written to a folder"):
        check_output(tmp_path / "file.csv", overwrite=True, sharded=True)
    with pytest.raises(PredictionFileError, match="is a directory"):
        check_output(tmp_path / "folder.csv", overwrite=True)
    check_output(tmp_path / "folder.csv", overwrite=True, sharded=True)
