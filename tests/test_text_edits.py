from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stance.text_edits import replace_stretches

TEXT = "Ada Holm warnt. Holm bleibt dabei."


def test_stretches_are_found_again_in_both_texts() -> None:
    edited = replace_stretches(TEXT, {(0, 8): "Weiß", (16, 20): "Berger"})
    assert edited.text == "Weiß warnt. Berger bleibt dabei."
    for stretch, words in (((0, 8), "Weiß"), ((16, 20), "Berger"), ((9, 14), "warnt")):
        start, end = edited.to_edited(*stretch)
        assert edited.text[start:end] == words
        assert edited.to_original(start, end) == stretch
    assert edited.to_original(0, len(edited.text)) == (0, len(TEXT))


def test_a_stretch_that_touches_a_replaced_one_holds_all_of_it() -> None:
    edited = replace_stretches(TEXT, {(0, 8): "Weiß"})
    assert edited.to_edited(4, 14) == (0, 10)
    assert edited.to_edited(0, 3) == (0, 4)
    assert edited.to_original(2, 10) == (0, 14)


def test_of_overlapping_stretches_the_first_is_replaced() -> None:
    assert replace_stretches("abcd", {(1, 3): "x", (2, 4): "y"}).text == "axd"


@given(
    st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.text(min_size=1, max_size=4)))
)
def test_what_is_not_replaced_stays_in_its_place(text: str, cuts: list[tuple[int, str]]) -> None:
    edits = {(at, at + 1): words for at, words in cuts if at < len(text)}
    edited = replace_stretches(text, edits)
    for at, letter in enumerate(text):
        if (at, at + 1) not in edits:
            start, end = edited.to_edited(at, at + 1)
            assert edited.text[start:end] == letter
            assert edited.to_original(start, end) == (at, at + 1)
