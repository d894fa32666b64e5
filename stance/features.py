"""Examples to features: token windows over the text, and the tokens of each actor's mentions.

The input of a window is ``target [SEP] part of the text``. A long text becomes overlapping windows;
windows that hold no mention of any actor cannot change a result and are left out. A mention belongs
to the one window in which it stands farthest from the edges. The author of a text is treated as an
actor who is "mentioned" by the whole text part of every window.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from stance.examples import Example
from stance.name_hiding import hide_names
from stance.sentences import split_sentences
from stance.text_edits import EditedText

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerFast

MIN_TEXT_TOKENS = 32
"""A window keeps at least this many tokens for the text; a longer target is cut, with a warning."""


@dataclass(frozen=True)
class TokenSentence:
    """A sentence of the text, without white space around it, and those of its tokens that lie in a
    window."""

    characters: tuple[int, int]
    start: int
    end: int


@dataclass(frozen=True)
class Window:
    """One encoder input; spans are (start, end) positions in ``input_ids``, end exclusive.

    ``characters`` is the part of the text, from the beginning of its first token to the end of its
    last.
    """

    input_ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    target_span: tuple[int, int]
    text_span: tuple[int, int]
    characters: tuple[int, int]
    sentences: tuple[TokenSentence, ...] = ()


@dataclass(frozen=True)
class TokenMention:
    """The tokens ``start..end`` of a window that name an actor (both given by position), and those
    of the sentence around them, as far as it lies in the window."""

    actor: int
    window: int
    start: int
    end: int
    sentence: tuple[int, int] | None = None
    """None: the mention is its own context, as for the author of a text."""


@dataclass(frozen=True)
class TokenEvidence:
    """The tokens ``start..end`` of a window that show the stance of an actor toward the target."""

    actor: int
    window: int
    start: int
    end: int


@dataclass(frozen=True)
class Features:
    """What the model needs of one example. ``labels`` has one label id or ``IGNORED`` an actor."""

    windows: tuple[Window, ...]
    mentions: tuple[TokenMention, ...]
    author: tuple[bool, ...]
    labels: tuple[int, ...]
    evidence: tuple[TokenEvidence, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens in all windows: what the example costs."""
        return sum(len(window.input_ids) for window in self.windows)

    @property
    def longest(self) -> int:
        """Tokens of the longest window, 0 where there is none."""
        return max((len(window.input_ids) for window in self.windows), default=0)


def build_features(
    example: Example,
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_tokens: int,
    overlap_tokens: int,
    names_hidden: bool = False,
    names_shown: Collection[str] = frozenset(),
) -> Features:
    """Tokenise an example into windows of at most ``max_tokens`` tokens (target included).

    Actors that the text does not mention have no ``TokenMention``; when no actor has one, there are
    no windows. Nothing is cut but a target that leaves less than ``MIN_TEXT_TOKENS`` for the text,
    and a mention longer than what neighbouring windows share; ``warnings`` has either.

    Args:
        names_hidden: read stand-ins for the names of persons (``stance.name_hiding``). All offsets
            of the result are those of the text with its names.
        names_shown: persons, by actor id, who keep their names all the same.

    Raises:
        ValueError: if ``max_tokens`` has no room for a target and a text.
    """
    warnings: list[str] = []
    original, edited = example, EditedText(example.document.text)
    if names_hidden:
        example, edited = hide_names(example, names_shown)
    special = tokenizer.num_special_tokens_to_add(pair=True)
    room = max_tokens - special - min(MIN_TEXT_TOKENS, max_tokens // 2)
    if room < 1:
        raise ValueError(
            f"max_tokens={max_tokens} has no room for a target and a text beside {special} special "
            f"tokens; give at least {2 * special + 1}"
        )
    target, wanted, used = _fit_target(example.target.text, tokenizer, room)
    if used < wanted:
        warnings.append(f"target cut from {wanted} to {used} tokens")
    stride = min(overlap_tokens, (max_tokens - special - used) // 2)
    encodings = tokenizer(
        target,
        example.document.text,
        truncation="only_second",
        max_length=max_tokens,
        stride=stride,
        return_overflowing_tokens=True,
        verbose=False,
    ).encodings
    assert encodings is not None, "only fast tokenizers give offsets"
    # Each access to an encoding's offsets builds a new list: take them once.
    offsets = [encoding.offsets for encoding in encodings]
    windows = [_window(encoding, part) for encoding, part in zip(encodings, offsets, strict=True)]
    sentences = split_sentences(example.document.text)
    mentions: list[TokenMention] = []
    for position, actor in enumerate(example.actors):
        if actor.author:
            for number, window in enumerate(windows):
                start, end = window.text_span
                if end > start:
                    mentions.append(TokenMention(position, number, start, end))
            continue
        for mention, as_given in zip(
            actor.mentions, original.actors[position].mentions, strict=True
        ):
            named = f"mention {as_given.start}..{as_given.end}"
            found = _locate(mention.start, mention.end, windows, offsets)
            if found is None:
                warnings.append(f"{named} has no token")
                continue
            number, first, last, inside = found
            if not inside:
                warnings.append(
                    f"{named} is longer than the overlap of the windows; only its part in one of "
                    "them is read as the mention"
                )
            around = sentences[bisect_right(sentences, mention.start, key=lambda s: s[0]) - 1]
            sentence = _find_tokens(around, windows[number], offsets[number])
            mentions.append(TokenMention(position, number, first, last + 1, sentence))
    kept = sorted({mention.window for mention in mentions})
    renumbered = {old: new for new, old in enumerate(kept)}
    evidence = [
        TokenEvidence(position, renumbered[number], *tokens)
        for position, spans in enumerate(example.evidence)
        for span in spans
        for number in kept
        if (tokens := _find_tokens((span.start, span.end), windows[number], offsets[number]))
    ]
    return Features(
        windows=tuple(
            _finish(windows[number], example.document.text, sentences, offsets[number], edited)
            for number in kept
        ),
        mentions=tuple(replace(mention, window=renumbered[mention.window]) for mention in mentions),
        author=tuple(actor.author for actor in example.actors),
        labels=example.labels,
        evidence=tuple(evidence),
        warnings=tuple(warnings),
    )


def _fit_target(target: str, tokenizer: PreTrainedTokenizerFast, room: int) -> tuple[str, int, int]:
    """The longest beginning of the target that has at most ``room`` tokens, the number of tokens of
    the whole target, and that of the beginning."""
    encoded = tokenizer(
        target, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    wanted = used = len(encoded["input_ids"])
    part = target
    # Several tokens can stand for one character, so that a cut between two may keep too many.
    for end in reversed([0, *(end for _, end in encoded["offset_mapping"][:room])]):
        if used <= room:
            break
        part = target[:end]
        used = len(tokenizer(part, add_special_tokens=False)["input_ids"])
    return part, wanted, used


def _window(encoding: Encoding, offsets: Sequence[tuple[int, int]]) -> Window:
    sequence_ids = encoding.sequence_ids
    start, end = _sequence_span(sequence_ids, 1)
    return Window(
        input_ids=tuple(encoding.ids),
        type_ids=tuple(encoding.type_ids),
        target_span=_sequence_span(sequence_ids, 0),
        text_span=(start, end),
        characters=(offsets[start][0], offsets[end - 1][1]) if end > start else (0, 0),
    )


def _sequence_span(sequence_ids: Sequence[int | None], wanted: int) -> tuple[int, int]:
    positions = [position for position, number in enumerate(sequence_ids) if number == wanted]
    return (positions[0], positions[-1] + 1) if positions else (0, 0)


def _locate(
    start: int,
    end: int,
    windows: Sequence[Window],
    offsets: Sequence[Sequence[tuple[int, int]]],
) -> tuple[int, int, int, bool] | None:
    """Window, first token and last token where the characters stand farthest from the edges, and
    whether all of them are in it; None if no token stands for them."""
    # The windows lie in the order of the text, so those that touch the mention are a run.
    begin = bisect_right(windows, start, key=lambda window: window.characters[1])
    stop = bisect_left(windows, end, key=lambda window: window.characters[0])
    margins: list[tuple[float, int]] = []
    for number in range(begin, stop):
        left, right = windows[number].characters
        # The beginning and the end of the text itself are no edges: nothing lies beyond them.
        before = start - left if number else inf
        after = right - end if number < len(windows) - 1 else inf
        margins.append((min(before, after), -number))
    for margin, negative in sorted(margins, reverse=True):
        number = -negative
        tokens = [
            position
            for position in range(*windows[number].text_span)
            if offsets[number][position][0] < end and offsets[number][position][1] > start
        ]
        if tokens:
            return number, tokens[0], tokens[-1], margin >= 0
    return None


def _finish(
    window: Window,
    text: str,
    sentences: Sequence[tuple[int, int]],
    offsets: Sequence[tuple[int, int]],
    edited: EditedText,
) -> Window:
    """The window with its sentences, and the offsets of the original text."""
    return replace(
        window,
        characters=edited.to_original(*window.characters),
        sentences=tuple(
            replace(sentence, characters=edited.to_original(*sentence.characters))
            for sentence in _cut_sentences(text, sentences, window, offsets)
        ),
    )


def _cut_sentences(
    text: str,
    sentences: Sequence[tuple[int, int]],
    window: Window,
    offsets: Sequence[tuple[int, int]],
) -> tuple[TokenSentence, ...]:
    """The sentences that have tokens in a window."""
    start, end = window.characters
    # They lie in the order of the text and cover it, so that those in the window are a run.
    begin = bisect_right(sentences, start, key=lambda sentence: sentence[0]) - 1
    stop = bisect_left(sentences, end, key=lambda sentence: sentence[0])
    cut = []
    for first, last in sentences[begin:stop]:
        part = text[first:last]
        first += len(part) - len(part.lstrip())
        characters = first, first + len(part.strip())
        tokens = _find_tokens(characters, window, offsets) if part.strip() else None
        if tokens:
            cut.append(TokenSentence(characters, *tokens))
    return tuple(cut)


def _find_tokens(
    characters: tuple[int, int], window: Window, offsets: Sequence[tuple[int, int]]
) -> tuple[int, int] | None:
    """The tokens of a window's text that stand for some of the characters; None if none does."""
    start, end = window.text_span
    first = bisect_right(offsets, characters[0], start, end, key=lambda token: token[1])
    last = bisect_left(offsets, characters[1], start, end, key=lambda token: token[0])
    return (first, last) if first < last else None
