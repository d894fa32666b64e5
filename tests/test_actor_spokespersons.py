from __future__ import annotations

import pytest

from stance.actor_linking import link_mentions
from stance.actor_spokespersons import add_spoken_for, find_spoken_for
from stance.actor_tagging import TaggedMention
from stance.schema import ActorKind


def tag(text: str, wording: str, kind: ActorKind, name: str | None) -> TaggedMention:
    start = text.index(wording)
    inside = (
        None if name is None else (text.index(name, start), text.index(name, start) + len(name))
    )
    return TaggedMention(start, start + len(wording), inside, kind, 0.9)


def never(pairs: object) -> list[float]:
    return [-1.0] * len(list(pairs))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "words", "organisation"),
    [
        (
            "Das sagte ein Sprecher des Ministeriums.",
            "ein Sprecher des Ministeriums",
            "Ministerium",
        ),
        (
            "Eine Sprecherin der Gewerkschaft kam.",
            "Eine Sprecherin der Gewerkschaft",
            "Gewerkschaft",
        ),
        (
            "ein Sprecher des dortigen Innenministeriums",
            "ein Sprecher des dortigen Innenministeriums",
            "Innenministerium",
        ),
        ("ein Sprecher des Verbandes", "ein Sprecher des Verbandes", "Verband"),
        ("eine Sprecherin des Bündnisses", "eine Sprecherin des Bündnisses", "Bündnis"),
        ("ein Sprecher des Hauses", "ein Sprecher des Hauses", "Haus"),
        (
            "eine Sprecherin von Nordmark Stahl",
            "eine Sprecherin von Nordmark Stahl",
            "Nordmark Stahl",
        ),
        ("wie die Regierungssprecherin am Montag", "die Regierungssprecherin", "Regierung"),
        ("sagte ein Konzernsprecher dazu", "ein Konzernsprecher", "Konzern"),
        ("die OSZE-Sprecherin schwieg", "die OSZE-Sprecherin", "OSZE"),
    ],
)
def test_a_spokesperson_without_a_name_speaks_for_an_organisation(
    text: str, words: str, organisation: str
) -> None:
    (place,) = find_spoken_for(text)
    assert text[place.start : place.end] == words
    assert text[slice(*place.organisation)] == organisation


@pytest.mark.parametrize(
    "text",
    [
        "Ministeriumssprecherin Ada Holm kam.",
        "Der innenpolitische Sprecher der Bürgerunion kam.",
        "Der Umweltsprecher kam.",
        "Ein Lautsprecher und eine Fürsprecherin.",
        "Eine Sprecherin sagte das.",
        "Das Ministerium teilte mit, es prüfe das.",
    ],
)
def test_names_offices_and_other_words_speak_for_nobody(text: str) -> None:
    assert find_spoken_for(text) == []


def test_what_was_not_tagged_becomes_a_mention_of_the_organisation() -> None:
    text = "Das Innenministerium prüft. Das sagte ein Sprecher des Innenministeriums."
    ministry = tag(text, "Das Innenministerium", "organisation", "Innenministerium")
    (actor,) = link_mentions(text, add_spoken_for(text, [ministry]), never)
    assert [text[m.start : m.end] for m in actor.mentions] == [
        "Das Innenministerium",
        "ein Sprecher des Innenministeriums",
    ]


def test_an_organisation_that_only_its_spokesperson_names_is_found() -> None:
    text = "Das sagte eine Sprecherin des Innenministeriums am Montag."
    (actor,) = link_mentions(text, add_spoken_for(text, []), never)
    assert (actor.name, actor.kind) == ("Innenministerium", "organisation")


def test_a_word_for_the_kind_of_organisation_joins_its_name() -> None:
    text = "Die EU-Kommission zögert. Eine Kommissionssprecherin nannte Gründe."
    commission = tag(text, "Die EU-Kommission", "organisation", "EU-Kommission")
    (actor,) = link_mentions(text, add_spoken_for(text, [commission]), never)
    assert (actor.name, len(actor.mentions)) == ("EU-Kommission", 2)


def test_the_genitive_of_a_longer_name_joins_it() -> None:
    text = "Der Verband Nordmark zahlt. Ein Sprecher des Verbands Nordmark nannte Gründe."
    union = tag(text, "Der Verband Nordmark", "organisation", "Verband Nordmark")
    (actor,) = link_mentions(text, add_spoken_for(text, [union]), never)
    assert (actor.name, len(actor.mentions)) == ("Verband Nordmark", 2)


def test_a_description_of_the_spokesperson_gives_way() -> None:
    text = "Ein Sprecher der Gewerkschaft lehnte ab."
    person = tag(text, "Ein Sprecher der Gewerkschaft", "person", None)
    (mention,) = add_spoken_for(text, [person])
    assert (mention.kind, text[slice(*(mention.name or ()))]) == ("organisation", "Gewerkschaft")


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("Ein Sprecher des Verbands, Ole Sand, lehnte ab.", "Ole Sand"),
        ("Ole Sand, ein Sprecher des Verbands, lehnte ab.", "Ole Sand"),
        ("Ein Sprecher von Ole Sand lehnte ab.", "Ole Sand"),
    ],
)
def test_a_person_with_a_name_stays_the_one_who_speaks(text: str, wording: str) -> None:
    named = tag(text, wording, "person", wording)
    assert add_spoken_for(text, [named]) == [named]


def test_an_organisation_that_was_tagged_there_stays_as_it_is() -> None:
    text = "Ein Sprecher der Gewerkschaft lehnte ab."
    union = tag(text, "der Gewerkschaft", "organisation", "Gewerkschaft")
    assert add_spoken_for(text, [union]) == [union]
