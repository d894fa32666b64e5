"""Where a text names its actors: verbatim strings, and names with their surnames and inflections.

Offsets are Python string indices into the text as given; the text is never normalised. Words are
matched case-sensitively.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Mapping, Sequence

from stance.names import name_variants
from stance.schema import Actor, Mention

__all__ = ["find_occurrences", "locate_actors", "name_forms", "name_variants"]

_HYPHENS = "-\u2010\u2011"


def find_occurrences(
    text: str, strings: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Mention, ...]]:
    """Find every occurrence of each actor's strings.

    An occurrence stands alone as a word or words; a genitive s may follow it and stays outside the
    span ("Holms" holds a mention "Holm"), while a part of a hyphen compound ("Holm-Berater") is
    none. A string that the text has only inside words or compounds is taken there, so no string
    that is in the text is lost that way. Where occurrences overlap, whosever they are, the longest
    wins, then the earlier one.

    Args:
        text: the text to search.
        strings: the strings of each actor, by actor id; one string belongs to one actor.

    Returns:
        The spans of every actor id of ``strings`` (possibly none), sorted, without overlaps.

    Raises:
        ValueError: if a string is empty, or two actors have the same string.
    """
    owners: dict[str, str] = {}
    for actor_id, actor_strings in strings.items():
        for string in actor_strings:
            if not string:
                raise ValueError(f"actor {actor_id!r} has an empty string among its mentions")
            if owners.setdefault(string, actor_id) != actor_id:
                raise ValueError(
                    f"the string {string!r} is a mention of both {owners[string]!r} and "
                    f"{actor_id!r}; a string belongs to one actor"
                )
    candidates: list[tuple[int, int, str]] = []
    for string, actor_id in owners.items():
        starts = list(_iter_starts(text, string))
        words = [start for start in starts if _stands_alone(text, start, start + len(string))]
        candidates += [(start, start + len(string), actor_id) for start in words or starts]
    candidates.sort(key=lambda span: (span[0] - span[1], span[0]))
    chosen: list[tuple[int, int, str]] = []
    for candidate in candidates:
        start, end, _ = candidate
        position = bisect_left(chosen, candidate)
        ends_before = position == 0 or chosen[position - 1][1] <= start
        if ends_before and (position == len(chosen) or end <= chosen[position][0]):
            insort(chosen, candidate)
    found: dict[str, list[Mention]] = {actor_id: [] for actor_id in strings}
    for start, end, actor_id in chosen:
        found[actor_id].append(Mention(start=start, end=end))
    return {actor_id: tuple(spans) for actor_id, spans in found.items()}


def name_forms(
    text: str, actors: Sequence[Actor], taken: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """The strings of the text that name each actor, by actor id.

    A variant (see ``name_variants``) also counts where the text breaks a line between its words or
    stores its umlauts decomposed. A variant that two actors share, such as the surname of a couple,
    is ambiguous and counts for neither; an actor's own name always beats another actor's variant.

    Args:
        text: the text to search.
        actors: the actors to look for; their present mentions play no part.
        taken: strings that already belong to other actors.

    Raises:
        ValueError: if two of the actors have the same name.
    """
    own: dict[str, str] = {}
    for actor in actors:
        if own.setdefault(actor.name, actor.id) != actor.id:
            raise ValueError(
                f"actors {own[actor.name]!r} and {actor.id!r} are both called {actor.name!r}; "
                "give their mentions, or name them apart"
            )
    claims: dict[str, set[str]] = {}
    for actor in actors:
        for variant in name_variants(actor.name, actor.kind):
            for form in _iter_forms(text, variant):
                claims.setdefault(form, set()).add(actor.id)
    forms: dict[str, list[str]] = {actor.id: [] for actor in actors}
    for form, claimants in claims.items():
        owner = own.get(form) or (next(iter(claimants)) if len(claimants) == 1 else None)
        if owner is not None and form not in taken:
            forms[owner].append(form)
    return {actor_id: tuple(found) for actor_id, found in forms.items()}


def locate_actors(text: str, names: Sequence[str] | Sequence[Actor]) -> tuple[Actor, ...]:
    """Actors with the places where the text names them, by full name, surname or inflected form.

    Nothing is known of people who are not in ``names``: in a text that has "Eva Holm" and
    "Jan Holm", a search for "Eva Holm" alone takes every "Holm".

    Args:
        text: the text to search.
        names: names, which get the ids ``a1``, ``a2``, ... and no kind, or actors, which keep all
            they have but get new mentions. The author of the text has none.

    Returns:
        One actor for each name, in the same order; ``mentions`` is empty where none was found.

    Raises:
        ValueError: if a name is empty or occurs twice.
    """
    actors = [
        name if isinstance(name, Actor) else Actor(id=f"a{number}", name=name)
        for number, name in enumerate(names, start=1)
    ]
    mentions = find_occurrences(
        text, name_forms(text, [actor for actor in actors if not actor.author])
    )
    return tuple(
        actor if actor.author else actor.model_copy(update={"mentions": mentions[actor.id]})
        for actor in actors
    )


def _iter_starts(text: str, string: str) -> Iterator[int]:
    start = text.find(string)
    while start >= 0:
        yield start
        start = text.find(string, start + 1)


def _iter_forms(text: str, variant: str) -> Iterator[str]:
    """The different strings by which the text writes this variant, where they stand alone."""
    seen: set[str] = set()
    for spelling in {variant, *(unicodedata.normalize(form, variant) for form in ("NFC", "NFD"))}:
        words = spelling.split()
        if not words or not all(word in text for word in words):
            continue
        for match in re.finditer(r"\s+".join(map(re.escape, words)), text):
            form = match.group()
            if form not in seen and _stands_alone(text, match.start(), match.end()):
                seen.add(form)
                yield form


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no word or hyphen compound reaches over the edges of the span (genitive s aside)."""
    if _is_word(text[start]) and start > 0:
        if _is_word(text[start - 1]):
            return False
        if text[start - 1] in _HYPHENS and start > 1 and _is_word(text[start - 2]):
            return False
    if not _is_word(text[end - 1]):
        return True
    if text[end : end + 1] == "s" and text[end - 1] not in "sßxz":
        end += 1
    after = text[end : end + 2]
    if not after:
        return True
    if after[0] in _HYPHENS:  # a double hyphen is a dash
        return after[1:] == after[0]
    return not _is_word(after[0])


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.combining(character) > 0
