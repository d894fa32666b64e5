from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stance.corpora import dataset_from_rows, documents_from_dataset, load_corpus
from stance.corpora.newsstance import (
    DATA_DIR,
    FIRST_TRAINING_BATCH,
    SPLITS,
    assign_splits,
    convert,
    list_batches,
)
from stance.corpora.newsstance_data import check_newsstance
from stance.schema import Document


@pytest.fixture(scope="module")
def splits() -> dict[str, list[Document]]:
    rows = convert().rows
    return {split: list(documents_from_dataset(dataset_from_rows(rows[split]))) for split in SPLITS}


def test_the_embedded_files_pass_their_check() -> None:
    for file in list_batches():
        faults, summary = check_newsstance.check_file(file)
        assert faults == []
        assert summary.texts > 0


def test_splits_are_disjoint_complete_and_stratified_by_file(
    splits: dict[str, list[Document]],
) -> None:
    ids = [document.id for split in SPLITS for document in splits[split]]
    assert len(ids) == len(set(ids))
    totals = Counter(
        document.model_extra["batch"] for split in SPLITS for document in splits[split]
    )
    later = {batch for batch in totals if int(batch[1:]) >= FIRST_TRAINING_BATCH}
    assert sum(total for batch, total in totals.items() if batch not in later) == 1560
    assert len(totals) - len(later) == 19
    for split, share in (("train", 0.75), ("validation", 0.10), ("test", 0.15)):
        counts = Counter(document.model_extra["batch"] for document in splits[split])
        for batch, total in totals.items():
            if batch not in later:
                assert abs(counts[batch] - share * total) <= 1, (split, batch)
    held_out = {d.model_extra["batch"] for s in ("validation", "test") for d in splits[s]}
    assert not held_out & later


def test_the_stored_split_is_the_one_that_the_rule_makes() -> None:
    stored = json.loads((DATA_DIR / "splits.json").read_text(encoding="utf-8"))
    assert assign_splits() == stored


def test_texts_that_share_a_target_stay_in_one_split(splits: dict[str, list[Document]]) -> None:
    places: dict[tuple[str, str], set[str]] = {}
    for split in SPLITS:
        for document in splits[split]:
            for target in document.targets:
                key = (document.model_extra["batch"], target.text)
                places.setdefault(key, set()).add(split)
    assert [key for key, found in places.items() if len(found) > 1] == []


def test_documents_carry_offsets_labels_and_their_extra_keys(
    splits: dict[str, list[Document]],
) -> None:
    document = next(d for split in SPLITS for d in splits[split] if d.id == "w1-001")
    assert document.source == "newsstance/w1"
    assert document.model_extra == {"style": "agency", "batch": "w1"}
    names = [document.text[mention.start : mention.end] for mention in document.actors[0].mentions]
    assert names == ["Regierung von Talvinien", "der Gegenseite"]
    assert document.labels["a6", "t1"] == "none"
    evidence = document.stances[0].evidence[0]
    assert document.text[evidence.start : evidence.end].startswith("bereit erklärt")


def test_load_corpus_gives_the_split(splits: dict[str, list[Document]]) -> None:
    assert load_corpus("newsstance", "validation") == splits["validation"]


def test_a_text_without_a_split_is_an_error(tmp_path: Path) -> None:
    shutil.copy(DATA_DIR / "w15.jsonl", tmp_path)
    (tmp_path / "splits.json").write_text('{"w15-001": "train"}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"splits\.json: 'w15-002' of w15\.jsonl"):
        load_corpus("newsstance", "train", tmp_path)


def test_check_finds_each_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record: dict[str, Any] = {
        "id": "x-1",
        "style": "brief",
        "title": "Streit ums Bad",
        "text": "Bürgermeisterin Käthe Lüders lobte das Bad. Rat Jost Öhler schwieg.",
        "actors": [
            {"id": "a1", "name": "Käthe Lüders", "kind": "person", "mentions": ["Lüders", "Sie"]},
            {"id": "a2", "name": "Jost Öhler", "kind": "mensch", "mentions": ["Lüders"]},
        ],
        "targets": [{"id": "t1", "text": "Das Bad soll bleiben."}],
        "stances": [
            {"actor": "a1", "target": "t1", "label": "favor", "evidence": ["lobt das Bad"]}
        ],
    }
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps(record, ensure_ascii=False) + "\n{\n", encoding="utf-8")
    assert check_newsstance.main([str(file)]) == 1
    printed = capsys.readouterr().out
    for fault in (
        "mention not in the text: 'Sie'",
        "a pronoun as mention",
        "kind 'mensch'",
        "mention of two actors: 'Lüders'",
        "evidence not in the text: 'lobt das Bad'",
        "1 stances for 2 pairs",
        "line 2: not JSON",
    ):
        assert fault in printed
    assert check_newsstance.main([str(DATA_DIR / "w15.jsonl")]) == 0
