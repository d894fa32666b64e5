from __future__ import annotations

import random

import pytest

from stance.examples import Example, build_examples
from stance.name_hiding import STAND_INS, draw_shown, hide_names
from stance.native import parse_document
from stance.robustness import rename_actors, swap_actors
from stance.schema import Document

TEXT = (
    "Ministerin Ada Holm will den Hafen ausbauen. Der Bund lehnt Holms Plan ab. Ben Kirsch nannte "
    "ihn am Montag verfrüht, die Ministerin habe nicht gerechnet. „Holm irrt“, sagte Kirsch."
)


def make_document(text: str = TEXT, target: str = "Der Hafen soll ausgebaut werden.") -> Document:
    return parse_document(
        {
            "id": "d",
            "text": text,
            "actors": [
                {"id": "kirsch", "name": "Ben Kirsch", "mentions": ["Ben Kirsch", "Kirsch"]},
                {
                    "id": "holm",
                    "name": "Ada Holm",
                    "kind": "person",
                    "mentions": ["Ministerin Ada Holm", "Holm", "die Ministerin"],
                },
                {"id": "bund", "name": "Der Bund", "kind": "state", "mentions": ["Der Bund"]},
            ],
            "targets": [{"id": "t", "text": target}],
            "stances": [
                {"actor": "kirsch", "target": "t", "label": "against", "evidence": ["„Holm irrt“"]}
            ],
        }
    )


def first_example(document: Document) -> Example:
    return build_examples([document])[0]


def test_persons_get_stand_ins_in_the_order_of_the_text() -> None:
    hidden, edited = hide_names(first_example(make_document()))
    first, second = STAND_INS[:2]
    text = hidden.document.text
    assert (
        text
        == edited.text
        == (
            f"Ministerin {first} will den Hafen ausbauen. Der Bund lehnt {first}s Plan ab. "
            f"{second} nannte ihn am Montag verfrüht, die Ministerin habe nicht gerechnet. "
            f"„{first} irrt“, sagte {second}."
        )
    )
    named = {actor.id: [text[m.start : m.end] for m in actor.mentions] for actor in hidden.actors}
    assert named == {
        "kirsch": [second, second],
        "holm": [f"Ministerin {first}", first, "die Ministerin", first],
        "bund": ["Der Bund"],
    }
    (shown,) = hidden.evidence[0]
    assert text[shown.start : shown.end] == f"„{first} irrt“"
    assert TEXT[slice(*edited.to_original(shown.start, shown.end))] == "„Holm irrt“"


@pytest.mark.parametrize("names", [("Eva Lund", "Jo Sand"), ("Dr. Jan Weide", "Wu Li-Roth")])
def test_who_the_persons_are_makes_no_difference(names: tuple[str, str]) -> None:
    document = make_document()
    renamed = rename_actors(document, dict(zip(("kirsch", "holm"), names, strict=True)))
    before, after = (hide_names(first_example(d))[0] for d in (document, renamed))
    assert before.document.text == after.document.text
    assert [a.mentions for a in before.actors] == [a.mentions for a in after.actors]


def test_two_who_exchange_their_names_exchange_what_is_read() -> None:
    document = make_document()
    kirsch, holm = document.actors[:2]
    swapped = swap_actors(document, kirsch, holm)
    before, after = (hide_names(first_example(d))[0] for d in (document, swapped))
    assert before.document.text == after.document.text
    assert before.actors[0].mentions == after.actors[1].mentions
    assert before.actors[1].mentions == after.actors[0].mentions


def test_a_target_that_names_a_person_has_the_same_stand_in() -> None:
    hidden, _ = hide_names(first_example(make_document(target="Holm soll zurücktreten.")))
    assert hidden.target.text == f"{STAND_INS[0]} soll zurücktreten."


def test_a_stand_in_is_nobody_elses_name() -> None:
    document = make_document(f"{TEXT} Auch {STAND_INS[0]} war da.", f"{STAND_INS[1]} soll gehen.")
    text = hide_names(first_example(document))[0].document.text
    assert f"Ministerin {STAND_INS[2]} will" in text
    assert f"sagte {STAND_INS[3]}." in text


def test_a_text_may_have_more_persons_than_there_are_stand_ins() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"Ute {one.upper()}{two}lek" for one in letters for two in "aeiou"]
    random.Random(1).shuffle(names)
    document = parse_document(
        {
            "id": "d",
            "text": " ".join(f"{name} kam." for name in names),
            "actors": [
                {"id": name, "name": name, "kind": "person", "mentions": [name]} for name in names
            ],
            "targets": [{"id": "t", "text": "Das Fest soll stattfinden."}],
        }
    )
    hidden = hide_names(first_example(document))[0]
    stand_ins = [
        hidden.document.text[m.start : m.end] for actor in hidden.actors for m in actor.mentions
    ]
    assert len(set(stand_ins)) == len(names)
    assert not set(stand_ins) & set(names)


def test_roles_and_groups_are_read_as_they_are() -> None:
    text = "Die Bürgermeisterin und der Bund deutscher Förster loben das Gesetz."
    document = parse_document(
        {
            "id": "d",
            "text": text,
            "actors": [
                {"id": "a", "name": "Die Bürgermeisterin", "kind": "person"},
                {"id": "b", "name": "Bund deutscher Förster", "kind": "organisation"},
            ],
            "targets": [{"id": "t", "text": "Das Gesetz soll gelten."}],
        }
    )
    assert all(actor.mentions for actor in document.actors)
    assert hide_names(first_example(document))[0].document.text == text


def test_persons_shown_keep_their_names_and_the_others_move_up() -> None:
    hidden, edited = hide_names(first_example(make_document()), shown={"holm"})
    assert edited.text == TEXT.replace("Ben Kirsch", STAND_INS[0]).replace("Kirsch", STAND_INS[0])
    named = {a.id: [edited.text[m.start : m.end] for m in a.mentions] for a in hidden.actors}
    assert named["holm"] == ["Ministerin Ada Holm", "Holm", "die Ministerin", "Holm"]
    assert named["kirsch"] == [STAND_INS[0], STAND_INS[0]]


def test_a_share_of_the_examples_shows_one_or_more_of_its_persons() -> None:
    example = first_example(make_document())
    draw = random.Random(3)
    shown = [draw_shown(example, 0.4, draw) for _ in range(1000)]
    assert 350 < sum(map(bool, shown)) < 450
    assert set(filter(None, shown)) == {
        frozenset({"holm"}),
        frozenset({"kirsch"}),
        frozenset({"holm", "kirsch"}),
    }
    assert not any(draw_shown(example, 0.0, draw) for _ in range(100))
