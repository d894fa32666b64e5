from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stance.corpora import load_corpus
from stance.corpora.xstance import convert

FILES = ("train.jsonl", "valid.jsonl", "test.jsonl")


def make_record(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "language": "de",
        "question_id": 34,
        "question": "Soll die Schweiz grössere Züge kaufen?",
        "comment": f"Ja, \u2028die alten {number} sind überfüllt.",
        "label": "FAVOR",
        "numerical_label": 100,
        "author": "8aa829",
        "topic": "Verkehr",
    } | changes


def write_files(folder: Path, *train: dict[str, Any]) -> Path:
    tests = [make_record(3, label="AGAINST", numerical_label=25, test_set="new_topics_defr")]
    for name, records in zip(FILES, (train, [make_record(2)], tests), strict=True):
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
        (folder / name).write_text("".join(lines), encoding="utf-8")
    return folder


def test_the_german_part_in_its_own_splits(tmp_path: Path) -> None:
    french = make_record(5, language="fr", comment="Oui, bien sûr.")
    write_files(tmp_path, make_record(1), french, make_record(6, comment=" "))
    conversion = convert(tmp_path)
    assert {split: len(rows) for split, rows in conversion.rows.items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }
    assert conversion.dropped == {("train", "language fr"): 1, ("train", "empty comment"): 1}
    (document,) = load_corpus("xstance", "test", tmp_path)
    assert document.id == "xstance-3"
    assert document.actors[0].author
    assert document.actors[0].name == "8aa829"
    assert document.targets[0].text == "Soll die Schweiz grössere Züge kaufen?"
    assert document.labels == {("a1", "t1"): "against"}
    assert document.model_extra == {
        "question_id": 34,
        "numerical_label": 25,
        "topic": "Verkehr",
        "test_set": "new_topics_defr",
    }


@pytest.mark.parametrize("folder", ["", "xstance-data-v1.0/"])
def test_the_zip_reads_as_its_folder(tmp_path: Path, folder: str) -> None:
    write_files(tmp_path, make_record(1))
    archive = tmp_path / "xstance-data-v1.0.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for name in FILES:
            target.write(tmp_path / name, folder + name)
            target.writestr(f"__MACOSX/{folder}{name}", b"\0")
    assert load_corpus("xstance", None, archive) == load_corpus("xstance", None, tmp_path)


def test_errors_name_file_line_and_field(tmp_path: Path) -> None:
    write_files(tmp_path, make_record(1), make_record(2, label="MAYBE"))
    with pytest.raises(ValueError, match=r"train\.jsonl, line 2, field label: 'MAYBE'; expected"):
        load_corpus("xstance", "train", tmp_path)
    (tmp_path / "train.jsonl").write_text('{"id": 1\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"train\.jsonl, line 1: not JSON"):
        load_corpus("xstance", "train", tmp_path)
    (tmp_path / "valid.jsonl").unlink()
    write_files(tmp_path, make_record(1))
    (tmp_path / "valid.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"valid\.jsonl"):
        load_corpus("xstance", "train", tmp_path)
    (tmp_path / "no.zip").write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="neither a zip file nor a folder"):
        load_corpus("xstance", "train", tmp_path / "no.zip")
