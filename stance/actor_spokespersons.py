"""Who is spoken for: "eine Sprecherin des Ministeriums" and "ein Konzernsprecher" are mentions of
the ministry and of the company.

That is so where the spokesperson has no name and stands with an indefinite article, or is named
with the organisation in one word. "Der innenpolitische Sprecher der Bürgerunion" is mostly somebody
whose name follows or is known, and stays a person: in the training texts of newsstance, 20 of 28
places with "ein Sprecher des ..." are annotated as mentions of whom is spoken for and 2 as persons,
but 23 of 30 with "der Sprecher des ..." as persons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stance.actor_tagging import TaggedMention
from stance.names import is_organisation_word

_INDEFINITE = r"[Ee]ine?[rmns]?"
_ARTICLE = rf"(?:{_INDEFINITE}|[Dd](?:e[rmns]|ie))"
_ADJECTIVES = r"(?:[a-zäöüß]{4,}e[rmns]? )*"
_SPOKESPERSON = r"[Ss]precher(?:in|innen|s|n)?\b"
_WITH_ORGANISATION = re.compile(
    rf"\b{_INDEFINITE} {_ADJECTIVES}(?:[A-ZÄÖÜ][\w-]*)?{_SPOKESPERSON} "
    r"(?P<case>des|dieses|der|dieser|vom|von(?: de[rmn])?) "
    rf"{_ADJECTIVES}(?P<organisation>[A-ZÄÖÜ][\w-]+(?: [A-ZÄÖÜ][\w-]+)*)"
)
_IN_ONE_WORD = re.compile(
    rf"\b(?:{_ARTICLE} )?{_ADJECTIVES}(?P<organisation>[A-ZÄÖÜ][\w-]*?\w)s?-?{_SPOKESPERSON}"
)
_NAME_FOLLOWS = re.compile(r",? (?=[A-ZÄÖÜ])")
_GENITIVE = re.compile(r"(?:(nis)ses|([dt]|tag|kreis|haus|werk)es|([^s])s)$", re.IGNORECASE)


@dataclass(frozen=True)
class SpokenFor:
    """A spokesperson without a name: where the words stand, and in them the organisation's name
    without the ending of the genitive. Character offsets, as everywhere."""

    start: int
    end: int
    organisation: tuple[int, int]


def find_spoken_for(text: str) -> list[SpokenFor]:
    """The places of a text where somebody without a name speaks for an organisation, in order."""
    found = sorted(_iter_places(text), key=lambda place: (place.start, -place.end))
    kept: list[SpokenFor] = []
    for place in found:
        if not kept or kept[-1].end <= place.start:
            kept.append(place)
    return kept


def _iter_places(text: str) -> Iterator[SpokenFor]:
    for match in _WITH_ORGANISATION.finditer(text):
        start, end = match.span("organisation")
        if match["case"] in ("des", "dieses"):
            end = start + len(_strip_genitive(match["organisation"]))
        yield SpokenFor(match.start(), match.end(), (start, end))
    for match in _IN_ONE_WORD.finditer(text):
        name = match["organisation"]
        if (name.isupper() or is_organisation_word(name)) and not _NAME_FOLLOWS.match(
            text, match.end()
        ):
            yield SpokenFor(match.start(), match.end(), match.span("organisation"))


def _strip_genitive(name: str) -> str:
    """ "Verbandes" without its ending; a name of several words, whose noun need not be the last, is
    left as it is unless adjectives stand before."""
    *before, last = name.split(" ")
    if any(not word.endswith("en") for word in before):
        return name
    short = _GENITIVE.sub(lambda found: "".join(filter(None, found.groups())), last)
    return " ".join([*before, short])


def add_spoken_for(text: str, mentions: Sequence[TaggedMention]) -> list[TaggedMention]:
    """Mentions with those of the organisations that somebody without a name speaks for.

    What was tagged there stays, be it the organisation alone or a person who is spoken for ("ein
    Sprecher von Eva Holm"); only a description of the spokesperson as a person gives way. Where a
    name stands beside ("Eva Holm, eine Sprecherin des Verbands,"), the words mean that person. The
    new mentions have the score -1: only their wording joins them to others, as the learned score
    took "ein Regierungssprecher" for the club that had just been named.
    """
    combined = list(mentions)
    for place in find_spoken_for(text):
        inside = [m for m in combined if m.start < place.end and place.start < m.end]
        # The description of the spokesperson begins as the words do, but for the article.
        described = [
            m
            for m in inside
            if m.kind == "person" and m.name is None and m.start < place.organisation[0]
        ]
        if len(described) < len(inside) or _is_named_beside(text, combined, place):
            continue
        combined = [mention for mention in combined if mention not in described]
        combined.append(
            TaggedMention(place.start, place.end, place.organisation, "organisation", -1.0)
        )
        combined.sort(key=lambda mention: mention.start)
    return combined


def _is_named_beside(text: str, mentions: Sequence[TaggedMention], place: SpokenFor) -> bool:
    """Whether a person with a name stands directly, or after a comma, before or after a place."""
    return any(
        mention.kind == "person"
        and mention.name is not None
        and (
            text[place.end : mention.start].strip() in ("", ",")
            if place.end <= mention.start
            else text[mention.end : place.start].strip() == ","
        )
        for mention in mentions
        if place.end <= mention.start or mention.end <= place.start
    )


def speaks_for(text: str, earlier: TaggedMention, later: TaggedMention) -> bool:
    """Whether one mention is of a spokesperson who is said to speak for what the other names with a
    longer word: "eine Kommissionssprecherin" and "die EU-Kommission"."""
    for spokesperson, other in ((earlier, later), (later, earlier)):
        if spokesperson.kind == "organisation" and spokesperson.name and other.kind != "person":
            words = text[spokesperson.start : spokesperson.end]
            name = text[slice(*spokesperson.name)].casefold()
            whole = text[slice(*(other.name or (other.start, other.end)))].casefold()
            if re.search(_SPOKESPERSON, words) and re.search(f"{re.escape(name)}s?$", whole):
                return True
    return False
