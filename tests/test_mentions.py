from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.mentions import find_occurrences, locate_actors
from stance.schema import Actor


def find(text: str, *strings: str) -> list[str]:
    """What is found for one actor, with one character of context on the right."""
    spans = find_occurrences(text, {"a1": strings})["a1"]
    return [text[span.start : span.end + 1] for span in spans]


def located(text: str, *names: str | Actor) -> list[list[str]]:
    actors = [n if isinstance(n, Actor) else Actor(id=n, name=n) for n in names]
    return [
        [text[span.start : span.end] for span in actor.mentions]
        for actor in locate_actors(text, actors)
    ]


def test_all_occurrences_are_found_in_order() -> None:
    text = "Holm kam. Eva Holm ging, und Holm blieb."
    spans = find_occurrences(text, {"a1": ["Holm", "Eva Holm"], "a2": ["Otto"]})
    assert [(span.start, span.end) for span in spans["a1"]] == [(0, 4), (10, 18), (29, 33)]
    assert spans["a2"] == ()


def test_the_longest_match_wins_over_other_actors_too() -> None:
    text = "Die Nordische Union und die Union."
    spans = find_occurrences(text, {"a1": ["Union"], "a2": ["Nordische Union"]})
    assert [text[span.start : span.end] for span in spans["a2"]] == ["Nordische Union"]
    assert [span.start for span in spans["a1"]] == [28]


def test_occurrences_of_a_string_that_overlap_do_not_hide_each_other() -> None:
    text = "Ja und Ja und Ja"
    spans = find_occurrences(text, {"a1": ["Ja und Ja"], "a2": ["Ja und"]})
    assert [(span.start, span.end) for span in spans["a1"]] == [(0, 9)]
    assert spans["a2"] == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Holms Plan", ["Holms"]),  # the s is the character of context, not part of the span
        ("Holm's Plan", ["Holm'"]),
        ("Holm, sagte", ["Holm,"]),
        ("(Holm)", ["Holm)"]),
        ("Holm -- so", ["Holm "]),
        ("Holm--so", ["Holm-"]),
        ("Holmberg und Holm", ["Holm"]),
        ("Holm-Berater und Holm", ["Holm"]),
        ("Eder-Holm und Holm", ["Holm"]),
        ("Holm- und Eder-Leute, Holm.", ["Holm."]),
        ("holm und Holm!", ["Holm!"]),
        ("Strohholm, Holm?", ["Holm?"]),
    ],
)
def test_an_occurrence_stands_alone(text: str, expected: list[str]) -> None:
    assert find(text, "Holm") == expected


def test_a_string_that_is_only_inside_words_is_not_lost() -> None:
    assert find("Die Holmer feiern mit Holm-Fahnen.", "Holm") == ["Holme", "Holm-"]


def test_offsets_hold_with_emoji_and_decomposed_umlauts() -> None:
    text = "😀 " + unicodedata.normalize("NFD", "Jörg Öz ") + "traf Jörg Öz."
    actor = locate_actors(text, ["Jörg Öz"])[0]
    found = [text[span.start : span.end] for span in actor.mentions]
    assert [unicodedata.normalize("NFC", form) for form in found] == ["Jörg Öz"] * 2


def test_a_string_of_two_actors_is_refused_with_both() -> None:
    with pytest.raises(ValueError, match="'Holm' is a mention of both 'a1' and 'a2'"):
        find_occurrences("Holm", {"a1": ["Holm"], "a2": ["Holm"]})
    with pytest.raises(ValueError, match="'a1' has an empty string"):
        find_occurrences("Holm", {"a1": [""]})


WORDS = st.sampled_from(["Holm", "Eva", "Eva Holm", "Öz", "Holms", "die Union", "Union", "-", "x"])
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", "", "-", "\n", "s "])), max_size=25).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)
STRINGS = st.lists(
    st.sampled_from(["Holm", "Eva", "Eva Holm", "Union", "die Union", "a", "Öz"]), unique=True
)


@given(text=TEXTS | st.text(), strings=STRINGS, cut=st.integers(0, 7))
@settings(max_examples=80, deadline=None)
def test_spans_match_the_strings_and_never_overlap(text: str, strings: list[str], cut: int) -> None:
    owned = {"a1": strings[:cut], "a2": strings[cut:]}
    found = find_occurrences(text, owned)
    for actor_id, spans in found.items():
        assert list(spans) == sorted(spans, key=lambda span: span.start)
        assert all(text[span.start : span.end] in owned[actor_id] for span in spans)
    everything = sorted((span.start, span.end) for spans in found.values() for span in spans)
    assert all(left[1] <= right[0] for left, right in pairwise(everything))
    # whatever is in the text is found, or lies under a match that is at least as long
    for string in strings:
        at = text.find(string)
        if at >= 0:
            assert any(end - start >= len(string) for start, end in everything)


@given(words=st.lists(st.sampled_from(["Eva", "Holm", "sagt"]), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_longest_name_wins_wherever_it_stands(words: list[str]) -> None:
    text = " ".join(words)
    found = find_occurrences(text, {"long": ["Eva Holm"], "short": ["Holm"]})
    assert len(found["long"]) == sum(pair == ("Eva", "Holm") for pair in pairwise(words))
    assert len(found["long"]) + len(found["short"]) == words.count("Holm")


@pytest.mark.parametrize(
    ("name", "kind", "text", "expected"),
    [
        ("Eva Holm", "person", "Eva Holm kam. Holms Plan. Holm-Leute.", ["Eva Holm", "Holm"]),
        ("Ada von der Heide", None, "Von der Heide lacht. Sie, von der Heide.", None),
        ("die Grünen", "organisation", "Die Grünen, mit den Grünen", ["Die Grünen", "den Grünen"]),
        ("Die Linke", None, "Mit der Linken gegen die Linke", ["der Linken", "die Linke"]),
        ("Der Landbund", None, "des Landbunds, Landbund", ["des Landbund", "Landbund"]),
        ("Landtag", None, "des Landtages im Landtag", ["Landtages", "Landtag"]),
        ("Nordische Union", None, "in der Nordischen Union", ["Nordischen Union"]),
        ("Bund der Imker", None, "des Bundes der Imker", ["Bundes der Imker"]),
        ("Freie Wirte", "group", "mit Freien Wirten", ["Freien Wirten"]),
        ("Soziale Union (SU)", None, "Die SU will", ["SU"]),
        ("Talvinien", "state", "Talviniens Heer in Talvinien", ["Talvinien"] * 2),
        ("Rat", "organisation", "Beratung, Ratschlag, Stadtrat", []),
        ("Eva Holm", "person", "Eva\nHolm", ["Eva\nHolm"]),
    ],
)
def test_names_are_found_in_german_text(
    name: str, kind: str | None, text: str, expected: list[str] | None
) -> None:
    actor = Actor.model_validate({"id": "a", "name": name, "kind": kind})
    if expected is None:
        expected = ["Von der Heide", "von der Heide"]
    assert located(text, actor) == [expected]


def test_names_get_ids_and_may_stay_without_mentions() -> None:
    actors = locate_actors("Holm sagt Nein.", ["Eva Holm", "Ben Öz"])
    assert [actor.id for actor in actors] == ["a1", "a2"]
    assert [len(actor.mentions) for actor in actors] == [1, 0]


def test_a_shared_surname_is_ambiguous() -> None:
    text = "Eva Holm und Jan Holm kamen, Holm blieb."
    assert located(text, "Eva Holm", "Jan Holm") == [["Eva Holm"], ["Jan Holm"]]


def test_an_own_name_beats_the_variant_of_another() -> None:
    assert located("Eva Holm, Holm", "Eva Holm", "Holm") == [["Eva Holm"], ["Holm"]]


def test_actors_keep_what_they_have_and_the_author_has_no_mentions() -> None:
    eva = Actor.model_validate({"id": "x", "name": "Eva Holm", "kind": "person", "party": "SDU"})
    author = Actor(id="y", name="Jan Öz", author=True)
    found = locate_actors("Holm und Öz", [eva, author])
    assert (found[0].id, found[0].model_extra) == ("x", {"party": "SDU"})
    assert found[1] == author


def test_one_name_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="both called 'Eva Holm'"):
        locate_actors("Eva Holm", ["Eva Holm", "Eva Holm"])
