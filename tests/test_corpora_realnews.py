from __future__ import annotations

import json
from pathlib import Path

import pytest

from stance.corpora import load_corpus
from stance.corpora.realnews import convert


@pytest.fixture
def file(tmp_path: Path) -> Path:
    record = {
        "id": "r-1",
        "style": "news",
        "title": "Maut",
        "text": "Ministerin Ylva Grünberg lehnt die Maut ab. Der Städtebund war auch da.",
        "actors": [
            {"id": "a1", "name": "Ylva Grünberg", "kind": "person", "mentions": ["Grünberg"]},
            {"id": "a2", "name": "Städtebund", "kind": "organisation", "mentions": ["Städtebund"]},
        ],
        "targets": [{"id": "t1", "text": "Eine Maut soll eingeführt werden."}],
        "stances": [{"actor": "a1", "target": "t1", "label": "against", "evidence": ["lehnt"]}],
    }
    path = tmp_path / "dev.jsonl"
    path.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def test_articles_are_validation_and_unlabelled_pairs_are_counted(file: Path) -> None:
    (document,) = load_corpus("realnews", "validation", file)
    assert document.labels == {("a1", "t1"): "against"}
    assert document.source == "realnews"
    assert document.model_extra == {"style": "news"}
    assert convert(file).altered == {("validation", "pair without a label (not scored)"): 1}
    assert load_corpus("realnews", "validation", file.parent) == [document]


@pytest.mark.parametrize("split", ["train", "test"])
def test_nothing_but_validation_is_given(file: Path, split: str) -> None:
    with pytest.raises(ValueError, match="for validation only"):
        load_corpus("realnews", split, file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        load_corpus("realnews", "validation", tmp_path / "absent.jsonl")


def test_the_real_file(data_dir: Path) -> None:
    file = data_dir / "realnews" / "dev.jsonl"
    if not file.is_file():
        pytest.skip(f"no realnews at {file}; set STANCE_DATA_DIR")
    documents = load_corpus("realnews", "validation", file)
    assert len(documents) == 55
    assert sum(len(document.stances) for document in documents) == 639
    assert all(actor.mentions for document in documents for actor in document.actors)
