"""Where the sentences of a German text begin and end."""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"(?<=[^\d\s]{2}[.!?…])[\"'“”»«]*\s+(?=[\"'„“»«]*[A-ZÄÖÜ])|\n+")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Spans (start, end) of the sentences, which together cover the text; at least one.

    A rule that is good enough to look around a mention: a sentence ends before a capital letter or
    at a line break, but not after a digit ("am 3. März") or a single letter ("z. B. Gründe").
    """
    starts = [0, *(match.end() for match in _SENTENCE_END.finditer(text))]
    return list(zip(starts, [*starts[1:], len(text) + 1], strict=True))
