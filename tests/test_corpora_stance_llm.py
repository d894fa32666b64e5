from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stance.corpora import load_corpus
from stance.corpora.stance_llm import convert

TEXT = "Die Stadt Öhringen will Radwege bauen. Der Handelsverein ist klar dagegen."
STATEMENT = "Das Fahrrad soll gefördert werden."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "examples.json"


def write(file: Path, *records: dict[str, Any]) -> Path:
    records = tuple({"text": TEXT, "statement": STATEMENT} | record for record in records)
    file.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return file


def test_each_record_is_a_document_with_its_located_entity(file: Path) -> None:
    write(
        file,
        {"ent_text": "Stadt Öhringen", "stance_true": "support", "id": 7, "source": "Blatt"},
        {"ent_text": "Handelsverein", "stance": "opposition"},
        {"ent_text": "Stadt Öhringen", "stance_true": "irrelevant"},
        {"ent_text": "Handelsverein"},
    )
    documents = load_corpus("stance_llm", "test", file)
    assert [document.id for document in documents] == [
        "stance_llm-7",
        "stance_llm-2",
        "stance_llm-3",
        "stance_llm-4",
    ]
    assert [list(document.labels.values()) for document in documents] == [
        ["favor"],
        ["against"],
        ["none"],
        [],
    ]
    (mention,) = documents[0].actors[0].mentions
    assert TEXT[mention.start : mention.end] == "Stadt Öhringen"
    assert documents[0].targets[0].text == STATEMENT
    assert documents[0].model_extra == {"record_source": "Blatt"}


def test_an_entity_that_the_text_lacks_is_kept_and_counted(file: Path) -> None:
    write(file, {"ent_text": "Bahnhof", "stance_true": "irrelevant"})
    (document,) = load_corpus("stance_llm", "test", file)
    assert document.actors[0].mentions == ()
    assert convert(file).altered == {("test", "entity not in the text"): 1}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"ent_text": "Stadt", "stance_true": "pro"}, "record 1, field stance_true: 'pro'"),
        ({}, "record 1, field ent_text: None"),
        ({"ent_text": " "}, "record 1, field ent_text: empty"),
        ({"ent_text": "Stadt", "text": 3}, "record 1, field text: 3"),
    ],
)
def test_errors_name_record_and_field(file: Path, record: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_corpus("stance_llm", "test", write(file, record))


def test_an_id_given_twice_is_an_error(file: Path) -> None:
    write(file, {"ent_text": "Stadt", "id": "x"}, {"ent_text": "Handelsverein", "id": "x"})
    with pytest.raises(ValueError, match=r"record 2, field id: 'x'.*record 1"):
        load_corpus("stance_llm", "test", file)
