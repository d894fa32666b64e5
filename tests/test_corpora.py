from __future__ import annotations

from importlib import import_module, resources
from pathlib import Path
from typing import Any

import pytest

from stance.corpora import (
    CORPORA,
    as_dataset,
    dataset_from_rows,
    documents_from_dataset,
    load_corpus,
)
from stance.schema import Document

XSTANCE_LINE = (
    '{{"id": {id}, "language": "de", "question": "Soll es so sein?", "comment": "Für alle.", '
    '"label": "FAVOR", "author": "a"}}\n'
)


def write_xstance(folder: Path, *ids: int) -> Path:
    for name in ("train", "valid", "test"):
        lines = [XSTANCE_LINE.format(id=number) for number in ids]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", CORPORA)
def test_every_corpus_has_its_module_splits_and_card(name: str) -> None:
    assert CORPORA[name].splits == import_module(f"stance.corpora.{name}").SPLITS
    folder = resources.files("stance.corpora")
    cards = [folder / "cards" / f"{name}.md", folder / f"{name}_data" / "DATACARD.md"]
    text = next(card for card in cards if card.is_file()).read_text(encoding="utf-8")
    assert "icence" in text


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(ValueError, match="no corpus 'newstance'; there are newsstance, realnews"):
        load_corpus("newstance", "train")
    with pytest.raises(ValueError, match="no split 'dev'; there are train, validation, test"):
        load_corpus("newsstance", "dev")


def test_dataset_and_documents_are_two_views_of_the_same(tmp_path: Path) -> None:
    write_xstance(tmp_path, 1, 2)
    dataset = as_dataset("xstance", "train", tmp_path)
    assert dataset.num_rows == 2
    assert dataset[0]["actors"][0]["author"] is True
    chosen = dataset.filter(lambda row: row["id"] == "xstance-2")
    assert list(documents_from_dataset(chosen)) == load_corpus("xstance", "train", tmp_path)[1:]


def test_no_split_gives_each_document_once(tmp_path: Path) -> None:
    write_xstance(tmp_path, 1, 2)
    documents = load_corpus("xstance", None, tmp_path)
    assert [document.id for document in documents] == ["xstance-1", "xstance-2"]


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    write_xstance(tmp_path, 1)
    assert [document.id for document in load_corpus("xstance", "test", tmp_path)] == ["xstance-1"]
    write_xstance(tmp_path, 8)
    assert [document.id for document in load_corpus("xstance", "test", tmp_path)] == ["xstance-8"]


def test_datasets_of_all_corpora_have_the_same_features(tmp_path: Path) -> None:
    write_xstance(tmp_path, 1)
    newsstance = as_dataset("newsstance", "validation")
    assert newsstance.features == as_dataset("xstance", "test", tmp_path).features


def make_row(**changes: Any) -> dict[str, Any]:
    return {
        "id": "n1",
        "text": "Bürgermeisterin Lüders will das Bad.",
        "actors": [
            {
                "id": "a1",
                "name": "Lüders",
                "kind": "person",
                "mentions": [{"start": 16, "end": 22}],
                "author": False,
            }
        ],
        "targets": [{"id": "t1", "text": "Das Bad soll bleiben."}],
        "stances": [
            {
                "actor": "a1",
                "target": "t1",
                "label": "favor",
                "evidence": [{"start": 23, "end": 27}],
            }
        ],
        "tags": {"ressort": ["Lokales"], "nummer": 3},
    } | changes


def test_rows_survive_the_round_trip_with_their_own_keys() -> None:
    row = make_row()
    (document,) = documents_from_dataset(dataset_from_rows([row]))
    assert document == Document.model_validate(row)
    assert document.model_extra == {"tags": {"ressort": ["Lokales"], "nummer": 3}}


def test_a_key_that_the_table_cannot_hold_is_an_error() -> None:
    row = make_row(targets=[{"id": "t1", "text": "Das Bad soll bleiben.", "topic": "Bad"}])
    with pytest.raises(ValueError, match=r"'n1'.*\['topic'\] in targets"):
        dataset_from_rows([row])


def test_an_empty_split_is_an_empty_dataset() -> None:
    assert list(documents_from_dataset(dataset_from_rows([]))) == []
