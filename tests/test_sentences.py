"""Sentences of news German."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stance.sentences import split_sentences


def cut(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in split_sentences(text)]


def test_quotes_dates_and_line_breaks() -> None:
    text = (
        "Am 3. März sagte sie: „Das reicht nicht.“ Holm widersprach! Warum?\n\n"
        "„Es gibt z. B. Gründe“, hieß es."
    )
    assert cut(text) == [
        "Am 3. März sagte sie: „Das reicht nicht.“",
        "Holm widersprach!",
        "Warum?",
        "„Es gibt z. B. Gründe“, hieß es.",
    ]


@given(st.text(alphabet="aB. !?\n„“1", max_size=60))
def test_sentences_cover_the_text_without_gaps(text: str) -> None:
    spans = split_sentences(text)
    assert spans[0][0] == 0
    assert spans[-1][1] >= len(text)
    for (_, end), (start, _) in pairwise(spans):
        assert end == start
