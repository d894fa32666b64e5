"""Names that other tools find in a text, beside or in place of the tagger: spaCy and GLiNER.

Both find names and neither finds roles ("die Ministerin"), groups without a name, or who is who; so
what they find is merged with the tagger's mentions and linked as these are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stance.gazetteer import known_states
from stance.schema import ActorKind
from stance.sentences import split_sentences

if TYPE_CHECKING:
    from stance.actor_tagging import TaggedMention

Recogniser = Callable[[Sequence[str]], "list[list[TaggedMention]]"]
"""Texts in, the mentions of each out."""

TAGGER = "tagger"
"""Among finders it stands for the model's own."""
TOOLS = ("spacy", "gliner")
SPACY_KINDS: dict[str, ActorKind] = {
    "PER": "person",
    "PERSON": "person",
    "ORG": "organisation",
    "LOC": "state",
    "GPE": "state",
}
"""Other labels, such as MISC, name no actors. Of places only states are kept (``is_state``)."""
GLINER_KINDS: dict[str, ActorKind] = {
    "person": "person",
    "organization": "organisation",
    "country": "state",
}
"""What GLiNER is asked for, in the language that it was trained to be asked in."""
GLINER_WORDS = 160
"""GLiNER cuts a longer input without a word in its answer: at ``config.max_len`` words (384 in most
models), and again where these and the labels are more than its encoder's tokens (512 in most). So
many German words stay below both."""
OVERLAP_WORDS = 12
"""Between the pieces of a sentence that is too long: what GLiNER takes for a name at most."""
_PART = re.compile(r"\w+|\S")
"""A part of a word: there are at least as many of these as GLiNER counts words."""
_PREPOSITION_OF_PLACE = re.compile(r"\b(?:aus|bei|durch|in|nach|über)\s+$", re.IGNORECASE)


class FinderError(ValueError):
    """A finder is unknown, or cannot be loaded; the message says what to do."""


def check_finders(finders: Sequence[str]) -> None:
    """See that finders are named as they must be, before anything is loaded.

    Raises:
        FinderError: if there are none, or one is unknown or there twice.
    """
    if isinstance(finders, str) or not finders:
        raise FinderError(
            f"finders is {finders!r}; give a list, such as [tagger,spacy:de_core_news_lg]"
        )
    for finder in finders:
        tool, _, model = str(finder).partition(":")
        if finder != TAGGER and (tool not in TOOLS or not model):
            raise FinderError(f"finders has {finder!r}; give tagger, spacy:MODEL or gliner:MODEL")
        if list(finders).count(finder) > 1:
            raise FinderError(f"finders has {finder!r} twice; give each once")


def load_recognisers(finders: Sequence[str], device: str = "cpu") -> list[Recogniser]:
    """What finds names beside the tagger.

    Args:
        finders: each ``tagger``, which is passed over, ``spacy:MODEL`` or ``gliner:MODEL`` with the
            name of an installed package, of a model on the hub, or a directory.
        device: where GLiNER runs.

    Raises:
        FinderError: as ``check_finders``, and if a package or a model is not there.
    """
    check_finders(finders)
    recognisers = []
    for finder in finders:
        tool, _, model = finder.partition(":")
        if tool == "spacy":
            recognisers.append(load_spacy(model))
        elif tool == "gliner":
            recognisers.append(load_gliner(model, device))
    return recognisers


def load_spacy(name: str) -> Recogniser:
    """The entities of a spaCy pipeline; raises as ``load_recognisers``."""
    try:
        import spacy
    except ImportError as error:
        raise FinderError(
            f"finders: spacy:{name} needs spaCy; pip install 'stance[spacy]'"
        ) from error
    try:
        pipeline = spacy.load(name)
    except (OSError, ValueError) as error:
        raise FinderError(
            f"finders: spaCy cannot load {name!r}; give a directory, or install the pipeline "
            f"with python -m spacy download {name} ({error})"
        ) from error

    def recognise(texts: Sequence[str]) -> list[list[TaggedMention]]:
        # spaCy refuses texts that are longer than this, to save memory.
        pipeline.max_length = max(pipeline.max_length, *map(len, texts), 0)
        return [
            [
                mention
                for entity in document.ents
                for mention in make_mentions(
                    text, entity.start_char, entity.end_char, SPACY_KINDS.get(entity.label_)
                )
            ]
            for text, document in zip(texts, pipeline.pipe(texts), strict=True)
        ]

    return recognise


def load_gliner(name: str, device: str) -> Recogniser:
    """The entities of a GLiNER model; raises as ``load_recognisers``."""
    try:
        from gliner import GLiNER
    except ImportError as error:
        raise FinderError(
            f"finders: gliner:{name} needs GLiNER; pip install 'stance[gliner]'"
        ) from error
    try:
        model = GLiNER.from_pretrained(name, map_location=device)
    except (OSError, ValueError, RuntimeError) as error:
        raise FinderError(
            f"finders: GLiNER cannot load {name!r}; give a directory, or the name of a model on "
            f"the hub, which must be reachable the first time ({error})"
        ) from error
    return ask_gliner(model)


def ask_gliner(model: Any) -> Recogniser:
    """The entities that a GLiNER model finds in the pieces of texts."""
    limit = min(model.config.max_len, GLINER_WORDS)

    def recognise(texts: Sequence[str]) -> list[list[TaggedMention]]:
        pieces = [
            (number, start, text[start:end])
            for number, text in enumerate(texts)
            for start, end in cut_pieces(text, limit)
        ]
        answers = model.inference([piece for *_, piece in pieces], list(GLINER_KINDS))
        found: list[list[TaggedMention]] = [[] for _ in texts]
        for (number, offset, _), entities in zip(pieces, answers, strict=True):
            for entity in entities:
                start, end = offset + entity["start"], offset + entity["end"]
                kind = GLINER_KINDS[entity["label"]]
                found[number] += make_mentions(texts[number], start, end, kind)
        return [merge_mentions([own]) for own in found]

    return recognise


def cut_pieces(text: str, max_words: int) -> Iterator[tuple[int, int]]:
    """Spans of as many whole sentences as fit in a number of words, signs of punctuation counted.

    A sentence that does not fit becomes pieces that overlap, so that a name is whole in one.
    """
    waiting: list[tuple[int, int]] = []
    for start, end in split_sentences(text):
        words = [match.span() for match in _PART.finditer(text, start, min(end, len(text)))]
        if waiting and len(waiting) + len(words) > max_words:
            yield waiting[0][0], waiting[-1][1]
            waiting = []
        waiting += words
        overlap = min(OVERLAP_WORDS, max_words // 2)
        while len(waiting) > max_words:
            yield waiting[0][0], waiting[max_words - 1][1]
            waiting = waiting[max_words - overlap :]
    if waiting:
        yield waiting[0][0], waiting[-1][1]


def make_mentions(
    text: str, start: int, end: int, kind: ActorKind | None
) -> Iterator[TaggedMention]:
    """The mention of an entity, if it is one of an actor: all of it is the name."""
    from stance.actor_tagging import TaggedMention

    if kind is None or not text[start:end].strip():
        return
    if kind == "state" and not is_state(text, start, end):
        return
    yield TaggedMention(start, end, (start, end), kind, 1.0)


def is_state(text: str, start: int, end: int) -> bool:
    """Whether a place is likely to act: it is a known state or its capital, and not where
    something happens ("in Moskau")."""
    name = text[start:end].removesuffix("s")
    known = any({name, text[start:end]} & set(state.names) for state in known_states())
    return known and not _PREPOSITION_OF_PLACE.search(text, max(0, start - 12), start)


def merge_mentions(found: Sequence[Sequence[TaggedMention]]) -> list[TaggedMention]:
    """The mentions of several finders without overlaps, in the order of the text.

    Of those that overlap the longest stays, and of equal ones that of the earlier finder: "die
    Ministerin Eva Holm" holds the "Eva Holm" that others find, and a name that one cuts short is
    whole in another. Where the longest has no name in it, it takes that of a shorter one of its
    kind.
    """
    ranked = sorted(
        ((number, mention) for number, own in enumerate(found) for mention in own),
        key=lambda pair: (pair[1].start - pair[1].end, pair[0], pair[1].start),
    )
    chosen: list[TaggedMention] = []
    for _, mention in ranked:
        free = True
        for number, other in enumerate(chosen):
            if mention.start < other.end and other.start < mention.end:
                free = False
                inside = other.start <= mention.start and mention.end <= other.end
                if inside and other.name is None and other.kind == mention.kind:
                    chosen[number] = replace(other, name=mention.name)
        if free:
            chosen.append(mention)
    return sorted(chosen, key=lambda mention: mention.start)
