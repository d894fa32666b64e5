"""Texts with stretches replaced, and where each offset of the one text lies in the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class EditedText:
    """A text in which stretches were replaced.

    ``old`` and ``new`` are the replaced stretches (start, end) in the original and in ``text``, in
    the order of the text.
    """

    text: str
    old: tuple[tuple[int, int], ...] = ()
    new: tuple[tuple[int, int], ...] = ()

    def to_edited(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of the original lies in ``text``; one that begins or ends inside a
        replaced stretch grows to hold all of it."""
        return _carry(start, end, self.old, self.new)

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of ``text`` lies in the original, as ``to_edited`` the other way."""
        return _carry(start, end, self.new, self.old)


def replace_stretches(text: str, edits: Mapping[tuple[int, int], str]) -> EditedText:
    """The text with other words for some stretches (start, end); one that overlaps an earlier one
    is left as it is."""
    pieces: list[str] = []
    old: list[tuple[int, int]] = []
    new: list[tuple[int, int]] = []
    end = length = 0
    for (start, stop), words in sorted(edits.items()):
        if start < end:
            continue
        pieces += [text[end:start], words]
        length += start - end + len(words)
        old.append((start, stop))
        new.append((length - len(words), length))
        end = stop
    pieces.append(text[end:])
    return EditedText("".join(pieces), tuple(old), tuple(new))


def _carry(
    start: int,
    end: int,
    source: tuple[tuple[int, int], ...],
    goal: tuple[tuple[int, int], ...],
) -> tuple[int, int]:
    return _carry_offset(start, source, goal, 0), _carry_offset(end, source, goal, 1)


def _carry_offset(
    offset: int,
    source: tuple[tuple[int, int], ...],
    goal: tuple[tuple[int, int], ...],
    side: int,
) -> int:
    """The offset among the goal's; inside a stretch it becomes its beginning (``side`` 0) or its
    end (1)."""
    number = bisect_right(source, offset, key=lambda stretch: stretch[0]) - 1
    if number < 0:
        return offset
    start, end = source[number]
    if start < offset < end:
        return goal[number][side]
    if offset >= end:
        return goal[number][1] + offset - end
    return goal[number][0]  # at the very beginning of a stretch
