"""Slices: each pair is in one slice of a property, and small ones are marked, not hidden."""

from __future__ import annotations

from typing import Any

import pytest

from stance.evaluation import iter_pairs
from stance.metrics import score_labels
from stance.native import parse_document
from stance.schema import Document
from stance.slices import NOT_GIVEN, PROPERTIES, score_slices, tabulate_properties


def build_document(number: int, **extra: Any) -> Document:
    record = {
        "id": f"d{number}",
        "text": "Frauke Ömmelbach fordert das Tempolimit. Götz Tüllinger ist dagegen.",
        "source": "Küstenbote" if number % 2 else None,
        "date": "2024-05-01" if number % 2 else None,
        "actors": [
            {"id": "a1", "name": "Frauke Ömmelbach", "kind": "person"},
            {"id": "a2", "name": "Götz Tüllinger"},
            {"id": "a3", "name": "Die Verfasserin", "author": True},
        ],
        "targets": [{"id": "t1", "text": "Das Tempolimit soll kommen."}],
        "stances": [
            {"actor": "a1", "target": "t1", "label": "favor"},
            {"actor": "a2", "target": "t1", "label": "against"},
        ],
    }
    return parse_document(record | extra)


def build_rows(documents: list[Document], label: str) -> list[dict[str, Any]]:
    return [
        {
            "document_id": document.id,
            "gold": document.labels.get((actor.id, target.id)),
            "label": label,
        }
        for document, target, actor in iter_pairs(documents)
    ]


def test_each_labelled_pair_is_in_one_slice_of_every_property() -> None:
    documents = [build_document(number) for number in range(20)]
    rows = build_rows(documents, "favor")
    table = tabulate_properties(documents, ["DAS TEMPOLIMIT soll kommen!"])
    slices = score_slices(rows, table)
    assert {one.property for one in slices} == set(PROPERTIES)
    for name in PROPERTIES:
        assert sum(one.n for one in slices if one.property == name) == 40
    by_value = {(one.property, one.value): one for one in slices}
    assert by_value["actor", "Frauke Ömmelbach"].accuracy == 1
    assert by_value["actor", "Götz Tüllinger"].accuracy == 0
    assert by_value["kind", NOT_GIVEN].n == 20
    assert by_value["source", "Küstenbote"].documents == 10
    assert by_value["year", "2024"].n == by_value["year", NOT_GIVEN].n == 20
    assert by_value["role", "mentioned"].n == 40
    assert by_value["target_seen", "yes"].n == 40
    assert by_value["actors", "3 or 4"].n == 40
    whole = by_value["words", "under 100"]
    gold = [str(row["gold"]) for row in rows if row["gold"] is not None]
    assert whole.macro_f1 == score_labels(gold, ["favor"] * 40)["macro_f1"]
    assert whole.macro_f1_low is not None
    assert whole.macro_f1_low <= whole.macro_f1


def test_small_slices_are_there_and_marked() -> None:
    documents = [build_document(number) for number in range(20)]
    slices = score_slices(build_rows(documents, "favor"), tabulate_properties(documents, []))
    small = {(one.property, one.value): one.small for one in slices}
    assert small["source", "Küstenbote"]
    assert not small["target", "Das Tempolimit soll kommen."]
    assert all(one.macro_f1_low is None for one in slices if one.small)


def test_columns_of_the_user_make_slices_and_unknown_ones_are_named() -> None:
    documents = [build_document(0, ressort="Verkehr"), build_document(1, ressort="Politik")]
    table = tabulate_properties(documents, [], columns=["ressort"])
    slices = score_slices(build_rows(documents, "favor"), table)
    assert {one.value for one in slices if one.property == "ressort"} == {"Verkehr", "Politik"}
    with pytest.raises(ValueError, match=r"slices has 'resort'.*own keys are ressort"):
        tabulate_properties(documents, [], columns=["resort"])
