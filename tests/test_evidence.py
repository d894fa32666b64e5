"""The sentences that are shown for a verdict."""

from __future__ import annotations

import numpy as np

from stance.evidence import choose_sentences
from stance.features import TokenSentence, Window


def make_window(*sentences: tuple[int, int, int]) -> Window:
    """A window of 12 tokens with sentences (number, start, end); number n is at characters 10 n."""
    return Window(
        input_ids=tuple(range(12)),
        type_ids=(0,) * 12,
        target_span=(1, 2),
        text_span=(3, 11),
        characters=(0, 90),
        sentences=tuple(
            TokenSentence((10 * n, 10 * n + 8), start, end) for n, start, end in sentences
        ),
    )


def weigh(**tokens: float) -> np.ndarray:
    row = np.zeros(12, np.float32)
    for name, weight in tokens.items():
        row[int(name[1:])] = weight
    return row


WINDOW = make_window((0, 3, 5), (1, 5, 8), (2, 8, 9), (3, 9, 11))


def test_the_heaviest_sentence_comes_first_and_small_shares_are_left_out() -> None:
    row = weigh(t3=0.1, t5=0.3, t6=0.25, t9=0.35)
    assert choose_sentences([WINDOW], [row]) == [(10, 18), (30, 38)]


def test_one_sentence_is_shown_however_thin_the_attention_is_spread() -> None:
    sentences = [(n, 3 + n, 4 + n) for n in range(8)]
    row = weigh(**{f"t{3 + n}": 0.125 for n in range(8)})
    assert choose_sentences([make_window(*sentences)], [row]) == [(0, 8)]


def test_a_sentence_that_two_windows_share_does_not_count_twice() -> None:
    second = make_window((3, 3, 5), (4, 5, 11))
    rows = [weigh(t4=0.25, t9=0.2), weigh(t3=0.2, t6=0.1)]
    assert choose_sentences([WINDOW, second], rows) == [(0, 8), (30, 38)]


def test_without_attention_nothing_is_shown() -> None:
    assert choose_sentences([WINDOW], [np.zeros(12, np.float32)]) == []
    assert choose_sentences([], []) == []
