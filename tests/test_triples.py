from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stance.encodings import DocumentError
from stance.triples import TripleColumns, group_rows, map_label

FIRST = "Eva Holm will die Brücke. Holm drängt. Jan Öz lehnt sie ab."
SECOND = "Der Rat berät."


def group(
    rows: list[dict[str, Any]], columns: TripleColumns | None = None, **options: Any
) -> tuple[list[Any], list[DocumentError]]:
    errors: list[DocumentError] = []
    numbered = list(enumerate(rows, start=2))
    documents = group_rows(
        numbered, "x.csv", "x", columns or TripleColumns(), errors.append, **options
    )
    return [document for _, document in documents], errors


def row(text: str, actor: str, target: str = "Brücke", **more: Any) -> dict[str, Any]:
    return {"text": text, "actor": actor, "target": target} | more


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("favor", "favor"),
        ("FAVOR", "favor"),
        ("support", "favor"),
        ("Ja, dafür", "favor"),
        ("Stimme zu", "favor"),
        ("AGAINST", "against"),
        ("opposition", "against"),
        ("Nein, dagegen", "against"),
        (" Stimme nicht zu ", "against"),
        ("Neutral", "neutral"),
        ("Diskutierend", "neutral"),
        ("NONE", "none"),
        ("irrelevant", "none"),
        ("Kein Bezug", "none"),
    ],
)
def test_labels_of_other_corpora_are_mapped(value: str, label: str) -> None:
    assert map_label(value) == label


def test_a_mapping_of_the_user_wins() -> None:
    assert map_label("1", {"1": "favor"}) == "favor"
    assert map_label("neutral", {"neutral": "none"}) == "none"
    with pytest.raises(ValueError, match=r"'1': 'pro'; map it to one of favor, against"):
        map_label("1", {"1": "pro"})
    with pytest.raises(ValueError, match=r"unknown label 'vielleicht'; it must be one of 1, favor"):
        map_label("vielleicht", {"1": "favor"})


def test_rows_of_one_text_become_one_document_with_located_actors() -> None:
    documents, errors = group(
        [
            row(FIRST, "Eva Holm", label="favor"),
            row(SECOND, "Rat", label=""),
            row(FIRST, "Jan Öz", label="AGAINST"),
            row(FIRST, " Eva Holm ", "Ein Tunnel", label=None),
        ]
    )
    assert not errors
    first, second = documents
    assert (first.id, second.id) == ("x-2", "x-3")
    assert [actor.name for actor in first.actors] == ["Eva Holm", "Jan Öz"]
    assert [first.text[s.start : s.end] for s in first.actors[0].mentions] == ["Eva Holm", "Holm"]
    assert [target.text for target in first.targets] == ["Brücke", "Ein Tunnel"]
    assert first.labels == {("a1", "t1"): "favor", ("a2", "t1"): "against"}
    assert second.labels == {}


def test_columns_can_be_named_and_an_id_groups() -> None:
    columns = TripleColumns(
        "Kommentar", "Partei", "These", label="Position", id="Nr", author="Partei"
    )
    given = {"Kommentar": "Wir sagen Nein.", "Partei": "SDU", "These": "Mehr Straßen."}
    documents, errors = group(
        [
            given | {"Position": "Stimme nicht zu", "Nr": 1},
            given | {"Position": "neutral", "Nr": 2, "These": "Weniger Straßen."},
        ],
        columns,
    )
    assert not errors
    assert [document.id for document in documents] == ["1", "2"]
    assert documents[0].author == "SDU"
    assert documents[0].actors[0].author
    assert documents[0].labels == {("a1", "t1"): "against"}


def test_other_fields_are_kept() -> None:
    documents, _ = group([row(SECOND, "Rat", kind="organisation", title="T", date="2025-04-04")])
    assert documents[0].actors[0].kind == "organisation"
    assert (documents[0].title, documents[0].date) == ("T", "2025-04-04")


@pytest.mark.parametrize(
    ("bad", "field", "message"),
    [
        (row(" ", "Rat"), "text", "text is empty"),
        (row(FIRST, ""), "actor", "actor is empty"),
        (row(FIRST, "Rat", float("nan")), "target", "target is empty"),  # type: ignore[arg-type]
        (row(FIRST, "Rat", label="jein"), "label", "unknown label 'jein'; it must be one of favor"),
        (row(FIRST, "Eva Holm", label="con"), "label", "'against' of 'Eva Holm'.*earlier.*'favor'"),
        (row(FIRST, "Rat", kind="firm"), "kind", "unknown kind 'firm'; it must be one of person"),
        ({"text": FIRST, "actor": "Rat"}, "target", "no column 'target'.*'text', 'actor'"),
    ],
)
def test_a_bad_row_is_reported_and_the_others_stay(
    bad: dict[str, Any], field: str, message: str
) -> None:
    good = row(FIRST, "Eva Holm", label="favor")
    documents, errors = group([good, bad, row(FIRST, "Jan Öz")])
    assert [actor.name for actor in documents[0].actors] == ["Eva Holm", "Jan Öz"]
    with pytest.raises(DocumentError, match=message):
        raise errors[0]
    assert (errors[0].file, errors[0].line, errors[0].field) == ("x.csv", 3, field)


def test_one_id_for_two_texts_is_an_error() -> None:
    _, errors = group([row(FIRST, "Rat", id="7"), row(SECOND, "Rat", id="7")])
    assert "the id '7' belongs to another text in line 2" in str(errors[0])


def test_streaming_gives_each_document_when_its_rows_end() -> None:
    taken: list[int] = []

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for line, (text, actor) in enumerate(
            [(FIRST, "Eva Holm"), (FIRST, "Jan Öz"), (SECOND, "Rat"), (FIRST, "Rat")], start=2
        ):
            taken.append(line)
            yield line, row(text, actor)

    errors: list[DocumentError] = []
    documents = group_rows(rows(), "x.csv", "x", TripleColumns(), errors.append, keep_all=False)
    line, first = next(documents)
    assert (line, len(first.actors), taken) == (2, 2, [2, 3, 4])
    assert [document.text for _, document in documents] == [SECOND]
    assert errors[0].line == 5
    assert "sort the file" in str(errors[0])
