from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.encodings import DocumentError
from stance.native import parse_document, to_record
from stance.schema import Document

TEXT = "Eva Holm will die Brücke. Jan Öz lehnt die Brücke ab, sagt Öz. Holm klagt."


def record(**changes: Any) -> dict[str, Any]:
    return {
        "id": "n1",
        "title": "Streit um die Brücke",
        "text": TEXT,
        "actors": [
            {"id": "a1", "name": "Eva Holm", "kind": "person", "mentions": ["Eva Holm", "Holm"]},
            {"id": "a2", "name": "Jan Öz", "mentions": [{"start": 26, "end": 32}]},
        ],
        "targets": [{"id": "t1", "text": "Die Brücke soll gebaut werden."}],
        "stances": [
            {"actor": "a1", "target": "t1", "label": "favor", "evidence": ["will die Brücke"]},
            {"actor": "a2", "target": "t1", "label": "against"},
        ],
        "page": 4,
    } | changes


def forms(document: Document, index: int) -> list[str]:
    return [document.text[span.start : span.end] for span in document.actors[index].mentions]


def test_strings_become_spans_and_unknown_keys_stay() -> None:
    document = parse_document(record())
    assert forms(document, 0) == ["Eva Holm", "Holm"]
    assert forms(document, 1) == ["Jan Öz"]
    assert [document.text[s.start : s.end] for s in document.stances[0].evidence] == [
        "will die Brücke"
    ]
    assert document.labels == {("a1", "t1"): "favor", ("a2", "t1"): "against"}
    assert document.model_extra == {"page": 4}


def test_all_occurrences_of_evidence_count() -> None:
    stance = {"actor": "a1", "target": "t1", "label": "favor", "evidence": ["die Brücke"]}
    document = parse_document(record(stances=[stance]))
    assert len(document.stances[0].evidence) == 2


def test_actors_without_the_key_mentions_are_located_beside_the_others() -> None:
    actors = [
        {"id": "a1", "name": "Eva Holm", "mentions": ["Eva Holm"]},
        {"id": "a2", "name": "Jan Öz"},
        {"id": "a3", "name": "Holm"},
        {"id": "a4", "name": "Uta Moser", "mentions": None},
        {"id": "a5", "name": "Jan Öz", "mentions": []},
        {"id": "a6", "name": "Eva Holm", "author": True},
    ]
    document = parse_document(record(actors=actors, stances=[]))
    assert [forms(document, index) for index in range(6)] == [
        ["Eva Holm"],
        ["Jan Öz", "Öz"],
        ["Holm"],
        [],
        [],
        [],
    ]


def test_offsets_beat_strings_at_the_same_place() -> None:
    actors = [
        {"id": "a1", "name": "E", "mentions": [{"start": 0, "end": 8}, "Holm"]},
        {"id": "a2", "name": "J", "mentions": ["Öz", {"start": 30, "end": 32}]},
    ]
    document = parse_document(record(actors=actors))
    assert forms(document, 0) == ["Eva Holm", "Holm"]
    assert forms(document, 1) == ["Öz", "Öz"]


def test_a_text_alone_is_a_document() -> None:
    document = parse_document({"id": "x", "text": "😀🎉", "actors": None})
    assert (document.text, document.actors) == ("😀🎉", ())


def actors(**changes: Any) -> dict[str, Any]:
    """A record whose second actor has these keys."""
    return record(actors=[record()["actors"][0], {"id": "a2", "name": "Jan Öz"} | changes])


def stances(*changes: dict[str, Any]) -> dict[str, Any]:
    first = {"actor": "a1", "target": "t1", "label": "favor"}
    return record(stances=[first | change for change in changes])


@pytest.mark.parametrize(
    ("bad", "field", "message"),
    [
        ({"id": "x"}, "text", "is missing; give"),
        (record(text=5), "text", r"must be a string, not 5 \(int\)"),
        (record(text=" \n"), "text", "is empty"),
        (record(id=7), "id", r"should be a valid string, not 7 \(int\)"),
        ({"text": "a"}, "id", "is missing; give it a string"),
        (record(actors={}), "actors", "must be a list of objects"),
        (record(actors=["Eva Holm"]), "actors[0]", "must be an object, not 'Eva Holm'"),
        (record(targets="x"), "targets", "must be a list of objects"),
        (record(targets=[{"id": "t1", "text": " "}]), "targets[0].text", "needs a text"),
        (record(targets=record()["targets"] * 2), "targets[1].id", r"targets\[0\] already has"),
        (actors(id="a1"), "actors[1].id", r"actors\[0\] already has the id 'a1'"),
        (actors(kind="firm"), "actors[1].kind", "'person', 'organisation', 'state' or 'group'"),
        (actors(name=None), "actors[1].name", "not null"),
        (actors(mentions="Öz"), "actors[1].mentions", "must be a list, not 'Öz'"),
        (actors(mentions=["Öz", "Uz"]), "actors[1].mentions[1]", "'Uz' is not in the text; give"),
        (actors(mentions=["öz"]), "actors[1].mentions[0]", "not in the text, which has 'Öz'"),
        (actors(mentions=[""]), "actors[1].mentions[0]", "is empty"),
        (actors(mentions=[3]), "actors[1].mentions[0]", r"must not be 3 \(int\)"),
        (actors(mentions=["Holm"]), "actors[1].mentions[0]", "'Eva Holm'.*'Jan Öz'.*one actor"),
        (actors(mentions=[{"start": 1}]), "actors[1].mentions[0].end", "is missing"),
        (actors(mentions=[{"start": 3, "end": 3}]), "actors[1].mentions[0]", "end must be greater"),
        (actors(mentions=[{"start": -1, "end": 3}]), "actors[1].mentions[0].start", "greater than"),
        (
            actors(mentions=[{"start": 1, "end": 999}]),
            "actors[1].mentions[0]",
            f"1..999 lies outside the text, which has {len(TEXT)} characters",
        ),
        (
            actors(mentions=[{"start": 0, "end": 3, "text": "Jan"}]),
            "actors[1].mentions[0]",
            "the text has 'Eva' at 0..3, not 'Jan'",
        ),
        (actors(author=True, mentions=["Öz"]), "actors[1]", "no mentions"),
        (stances({"label": "pro"}), "stances[0].label", "'pro'.*favor, against, neutral, none"),
        (stances({}, {"actor": "a9"}), "stances[1].actor", "'a9' is no id .* it has 'a1', 'a2'"),
        (stances({"target": "t2"}), "stances[0].target", "it has 't1'"),
        (stances({}, {}), "stances[1]", r"stances\[0\] already labels the pair"),
        (stances({"evidence": ["nie"]}), "stances[0].evidence[0]", "'nie' is not in the text"),
        (record(stances=[{"actor": "a1", "target": "t1"}]), "stances[0].label", "is missing"),
    ],
)
def test_an_invalid_record_is_refused_with_its_field(
    bad: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        parse_document(bad, "n.jsonl", 12)
    assert (caught.value.file, caught.value.line, caught.value.field) == ("n.jsonl", 12, field)
    assert str(caught.value).startswith(f"n.jsonl, line 12, field {field}: ")


def test_two_actors_of_one_name_cannot_be_located() -> None:
    twins = [{"id": name, "name": "Jan Öz"} for name in ("a1", "a2")]
    with pytest.raises(DocumentError, match=r"'actors\[0\]' and 'actors\[1\]' are both called"):
        parse_document(record(actors=twins, stances=[]))


def test_the_record_given_is_not_changed() -> None:
    given_record = record()
    parse_document(given_record)
    assert given_record == record()


words = st.sampled_from(["Holm", "Öz", "Straße", "😀", "\n", "e\u0308", "und"])


@given(
    parts=st.lists(words, min_size=1, max_size=8),
    spans=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=3),
    is_author=st.booleans(),
    extra=st.dictionaries(st.sampled_from(["page", "tags"]), st.none() | st.integers()),
)
@settings(max_examples=50, deadline=None)
def test_writing_and_reading_gives_the_same_document(
    parts: list[str], spans: list[tuple[int, int]], is_author: bool, extra: dict[str, Any]
) -> None:
    text = "Anfang " + " ".join(parts)
    mentions = [{"start": start, "end": start + n} for start, n in spans if start + n <= len(text)]
    document = Document.model_validate(
        {
            "id": "d",
            "text": text,
            "actors": [
                {"id": "a1", "name": "Holm", "mentions": mentions, "role": "Rat"},
                {"id": "a2", "name": "Öz", "author": is_author},
            ],
            "targets": [{"id": "t1", "text": "Mehr Straßen."}],
            "stances": [{"actor": "a2", "target": "t1", "label": "none"}],
        }
        | extra
    )
    read = parse_document(json.loads(json.dumps(to_record(document))))
    places = {(span.start, span.end) for span in document.actors[0].mentions}
    assert [(span.start, span.end) for span in read.actors[0].mentions] == sorted(places)
    assert parse_document(to_record(read)) == read
    assert read.model_dump(exclude={"actors"}) == document.model_dump(exclude={"actors"})
    assert read.actors[1] == document.actors[1]
