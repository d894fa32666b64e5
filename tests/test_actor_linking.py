from __future__ import annotations

from collections.abc import Sequence

import pytest

from stance.actor_linking import describe_gold, link_mentions, pair_features
from stance.actor_tagging import KINDS, TaggedMention, split_words
from stance.gazetteer import KnownActor, known_states
from stance.schema import Actor, ActorKind, Mention


def tag(
    text: str, *found: tuple[str, str | None, ActorKind], start: int = 0
) -> list[TaggedMention]:
    """Mentions of a text by their wording and the name in it, in its order."""
    mentions = []
    for wording, name, kind in found:
        start = text.index(wording, start)
        inside = None
        if name is not None:
            begin = text.index(name, start)
            inside = (begin, begin + len(name))
        mentions.append(TaggedMention(start, start + len(wording), inside, kind, 0.9))
        start += len(wording)
    return mentions


def never(pairs: Sequence[tuple[int, int]]) -> list[float]:
    return [-1.0] * len(pairs)


def always(pairs: Sequence[tuple[int, int]]) -> list[float]:
    return [1.0] * len(pairs)


def mentioned(text: str, actor: Actor) -> list[str]:
    return [text[m.start : m.end] for m in actor.mentions]


def test_an_actor_has_its_fullest_name_and_all_that_the_score_joins() -> None:
    text = "Ministerin Änne Wröbel kam. Wröbel sprach. Die Ministerin ging."
    mentions = tag(
        text,
        ("Ministerin Änne Wröbel", "Änne Wröbel", "person"),
        ("Wröbel", "Wröbel", "person"),
        ("Die Ministerin", None, "person"),
    )
    (actor,) = link_mentions(text, mentions, always)
    assert (actor.id, actor.name, actor.kind) == ("a1", "Änne Wröbel", "person")
    assert mentioned(text, actor) == ["Ministerin Änne Wröbel", "Wröbel", "Die Ministerin"]


def test_the_same_name_is_the_same_actor_whatever_the_score() -> None:
    text = "Der Fährverein zahlt. Dem Fährverein fehlt Geld."
    mentions = tag(
        text,
        ("Der Fährverein", "Fährverein", "organisation"),
        ("Dem Fährverein", "Fährverein", "organisation"),
    )
    (actor,) = link_mentions(text, mentions, never)
    assert len(actor.mentions) == 2


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        # the role comes again, without the hyphen and in the genitive
        (
            "Kremlchef Emil Radosz kam. Das Wort des Kreml-Chefs gilt.",
            ("Kremlchef Emil Radosz", "Emil Radosz"),
            ("des Kreml-Chefs", None),
        ),
        # a part of the role
        (
            "Der frühere Minister Emil Radosz kam. Der Minister ging.",
            ("Der frühere Minister Emil Radosz", "Emil Radosz"),
            ("Der Minister", None),
        ),
        # the genitive s of a surname that the text has only so
        (
            "Emil Radosz kam. Radosz’ Partei und Holms Amt.",
            ("Emil Radosz", "Emil Radosz"),
            ("Radosz’", "Radosz’"),
        ),
        ("Ada Holm kam. Holms Amt.", ("Ada Holm", "Ada Holm"), ("Holms", "Holms")),
        # a title that was tagged apart from the name
        ("Ministerin Ada Holm kam.", ("Ministerin", None), ("Ada Holm", "Ada Holm")),
        # a description between commas
        ("Ada Holm, die Kapitänin, kam.", ("Ada Holm", "Ada Holm"), ("die Kapitänin", None)),
    ],
)
def test_what_the_text_says_joins_whatever_the_score(
    text: str, first: tuple[str, str | None], second: tuple[str, str | None]
) -> None:
    mentions = tag(text, (*first, "person"), (*second, "person"))
    (actor,) = link_mentions(text, mentions, never)
    assert len(actor.mentions) == 2


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        # another role than the one that was named
        (
            "Minister Emil Radosz kam. Der frühere Minister ging.",
            ("Minister Emil Radosz", "Emil Radosz"),
            ("Der frühere Minister", None),
        ),
        # an enumeration
        ("Es kamen der Wirt, Ada Holm und Jo.", ("der Wirt", None), ("Ada Holm", "Ada Holm")),
        ("Ada Holm, die Kapitänin und ich.", ("Ada Holm", "Ada Holm"), ("die Kapitänin", None)),
        ("Ada Holm kam. Ada Holmsen ging.", ("Ada Holm",) * 2, ("Ada Holmsen",) * 2),
    ],
)
def test_what_the_text_does_not_say_joins_nobody(
    text: str, first: tuple[str, str | None], second: tuple[str, str | None]
) -> None:
    mentions = tag(text, (*first, "person"), (*second, "person"))
    assert len(link_mentions(text, mentions, never)) == 2


def test_different_full_names_are_two_actors_whatever_the_score() -> None:
    text = "Eva Holm lobt Jan Holm und Eva Sand."
    mentions = tag(
        text,
        ("Eva Holm", "Eva Holm", "person"),
        ("Jan Holm", "Jan Holm", "person"),
        ("Eva Sand", "Eva Sand", "person"),
    )
    assert [a.name for a in link_mentions(text, mentions, always)] == [
        "Eva Holm",
        "Jan Holm",
        "Eva Sand",
    ]


def test_a_capital_is_its_state_and_has_the_states_id() -> None:
    text = "Moskau lehnt das ab. Russland bleibt dabei."
    mentions = tag(text, ("Moskau", "Moskau", "state"), ("Russland", "Russland", "state"))
    (actor,) = link_mentions(text, mentions, never, places=known_states())
    assert (actor.id, actor.name, actor.kind) == ("Q159", "Russland", "state")


def test_own_entries_take_names_from_those_of_the_package() -> None:
    text = "Bern zahlt. Die Schweiz zahlt auch."
    mentions = tag(text, ("Bern", "Bern", "state"), ("Die Schweiz", "Schweiz", "state"))
    own = [KnownActor("Stadt Bern", "state", ("Bern",), "B")]
    first, second = link_mentions(text, mentions, never, own, known_states())
    assert (first.id, first.name) == ("B", "Stadt Bern")
    assert second.name == "Schweiz"


def test_a_gazetteer_finds_what_the_tagger_missed_and_gives_ids() -> None:
    known = [KnownActor("Eva Holm", "person", ("die Kämmerin",), "X7")]
    text = "Kämmerin Eva Holm kam. Abends sprach die Kämmerin. Holms Rede war kurz."
    mentions = tag(text, ("Kämmerin Eva Holm", "Eva Holm", "person"))
    (actor,) = link_mentions(text, mentions, never, known)
    assert (actor.id, actor.name) == ("X7", "Eva Holm")
    assert mentioned(text, actor) == ["Kämmerin Eva Holm", "die Kämmerin", "Holm"]


def test_a_state_inside_the_mention_of_a_person_is_not_that_person() -> None:
    known = [KnownActor("Norland", "state", (), "N")]
    text = "Norlands Ministerin Eva Holm kam. Norland zahlt."
    mentions = tag(text, ("Norlands Ministerin Eva Holm", "Eva Holm", "person"))
    first, second = link_mentions(text, mentions, never, known)
    assert (first.id, first.name) == ("a1", "Eva Holm")
    assert (second.id, mentioned(text, second)) == ("N", ["Norland"])


def test_an_id_of_the_gazetteer_is_given_to_nobody_else() -> None:
    known = [KnownActor("Norland", "state", (), "a1")]
    text = "Eva Holm kam aus Norland."
    mentions = tag(text, ("Eva Holm", "Eva Holm", "person"))
    assert [actor.id for actor in link_mentions(text, mentions, never, known)] == ["a2", "a1"]


def test_without_a_name_the_description_is_the_name() -> None:
    text = "Die Anwohner klagen."
    (actor,) = link_mentions(text, tag(text, ("Die Anwohner", None, "group")), never)
    assert actor.name == "Anwohner"


def test_nothing_tagged_is_nobody() -> None:
    assert link_mentions("Es regnet.", [], never) == ()


@pytest.mark.parametrize(
    ("wording", "name"),
    [("Ministerin Änne Wröbel", "Änne Wröbel"), ("Wröbel", "Wröbel"), ("Die Ministerin", None)],
)
def test_annotated_mentions_are_split_into_role_and_name(wording: str, name: str | None) -> None:
    text = f"Gestern kam {wording} an."
    start = text.index(wording)
    actor = Actor(
        id="a1",
        name="Änne Wröbel",
        kind="person",
        mentions=(Mention(start=start, end=start + len(wording)),),
    )
    (found,) = describe_gold(text, actor, split_words(text))
    assert (None if found.name is None else text[slice(*found.name)]) == name
    assert found.kind in KINDS


def test_features_tell_a_repeated_name_from_another() -> None:
    text = "Eva Holm kam. Holm ging. Jan Sand blieb."
    first, second, third = tag(
        text,
        ("Eva Holm", "Eva Holm", "person"),
        ("Holm", "Holm", "person"),
        ("Jan Sand", "Jan Sand", "person"),
    )
    words = split_words(text)
    assert pair_features(text, words, first, second)[1:3] == [1.0, 1.0]
    assert pair_features(text, words, first, third)[1:3] == [0.0, 0.0]


def test_offices_of_two_states_are_two_persons() -> None:
    text = (
        "Der US-Präsident rief an. Das Wort des Kreml-Chefs gilt, sagte Präsident Eli Dorn. "
        "Russlands Präsident Emil Radosz schwieg."
    )
    mentions = tag(
        text,
        ("Der US-Präsident", None, "person"),
        ("des Kreml-Chefs", None, "person"),
        ("Präsident Eli Dorn", "Eli Dorn", "person"),
        ("Russlands Präsident Emil Radosz", "Emil Radosz", "person"),
    )
    for scores in (never, always):
        found = link_mentions(text, mentions, scores, places=known_states())
        assert {actor.name: mentioned(text, actor) for actor in found} == {
            "Eli Dorn": ["Der US-Präsident", "Präsident Eli Dorn"],
            "Emil Radosz": ["des Kreml-Chefs", "Russlands Präsident Emil Radosz"],
        }


def test_a_gazetteer_tells_whose_office_it_is() -> None:
    text = "Tamariens Präsident Eli Dorn kam. Präsident Emil Radosz auch. Dem tamarischen Chef ..."
    mentions = tag(
        text,
        ("Tamariens Präsident Eli Dorn", "Eli Dorn", "person"),
        ("Präsident Emil Radosz", "Emil Radosz", "person"),
        ("Dem tamarischen Chef", None, "person"),
    )
    own = [KnownActor("Tamarien", "state", adjective="tamarisch")]
    first, second = link_mentions(text, mentions, never, own, known_states())
    assert mentioned(text, first) == ["Tamariens Präsident Eli Dorn", "Dem tamarischen Chef"]
    assert mentioned(text, second) == ["Präsident Emil Radosz"]


def test_an_office_that_two_may_hold_is_given_to_neither() -> None:
    text = "Die britische Ministerin kam. Ministerin Eva Holm und Ministerin Ada Sand auch."
    mentions = tag(
        text,
        ("Die britische Ministerin", None, "person"),
        ("Ministerin Eva Holm", "Eva Holm", "person"),
        ("Ministerin Ada Sand", "Ada Sand", "person"),
    )
    assert len(link_mentions(text, mentions, never, places=known_states())) == 3
