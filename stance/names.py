"""The forms under which German texts name an actor: surnames, inflections, abbreviations.

The rules are a small reviewed list, not a grammar: they were written against invented and real
agency reports, and they err towards forms that no text has, which do no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_ARTICLES = ("der", "die", "das", "dem", "den", "des")
# Each pattern is to match a whole word in lower case.
_TITLE = re.compile(r"dr|prof|professor(in)?|dipl|ing|herrn?|frau|sir|lord|lady")
_ADDENDUM = re.compile(r"jr|sr|jun|sen|i{2,3}|iv|vi?|mdb|mdl|mdep")
_PARTICLE = re.compile(
    "vo[nm]|zu[mr]?|van|de[rn]?|del+a?|d[aiou]|dos|l[ae]|te[rn]|bin|ben|ibn|abu|al|el|a[fv]"
)
_GIVEN_NAME_TOO = re.compile("ben|al|el|van|della|abu")
_FAMILY_NAME_FIRST = re.compile("xi|li|wang|zhang|hu|deng|mao")
_PARTY_ADJECTIVE = re.compile("(grüne|linke)n?")
_STRONG_NOUN = re.compile(".*(rat|bund|verband|tag|amt|gericht|kreis|haus|werk)")  # genitive -es
_ORGANISATION = re.compile(
    r"""ag | gmbh | kg | se | ev | bund | haus | land | freistaat | stadt | kreis | bezirk | kanton
    | gemeinde | post | kreuz | nationen | staaten | wähler | bürger | grünen? | linken? | hafen
    | (erz)?bistum | kloster | hotel | verlag | zoo | uni | team | pro | radio | freunde | familie
    | minister(in)? | kritiker | gegner | anhänger | aktion | international | watch | future | group
    | council | league | house | party | company | motors | energy | capital | royal | united | the
    | national | news | front | nord | ost | süd | west | mitte | (süd|nord)(ost|west)
    | .*( verb(and|ände|und) | bund | partei(en)? | räte | ämter | ministerium | kommission | union
    | bank | werke? | hilfe | dienst | institut | stiftung | gesellschaft | verein | gewerkschaft
    | fraktion | koalition | regierung | behörden? | agentur | kammer | gericht | polizei | armee
    | initiative | allianz | alliance | zentrum | zentrale | schule | klinik(um)? | konzern
    | unternehmen | industrie | wirtschaft | senat | kabinett | parlament | komitee | ausschuss
    | kasse | klub | club | liga | liste | lobby | netzwerk | forum | bündnis | konferenz | gruppe
    | (bundes|land|kreis|städte|gemeinde)tag | landkreis | kirche | republik | messe | betrieb
    | (stadt|gemeinde|kantons|sicherheits|national|bundes|aufsichts|betriebs)rat | zeitung
    | botschaft | delegation | flughafen | fonds | vereinigung ) | bahn | rat | amt""",
    re.VERBOSE,
)
# Endings that surnames share ("Hartung"), so they tell only where the surname cannot be.
_ABSTRACT_NOUN = re.compile(".{3,}(ung|schaft|tion|tät|rat|amt|bahn|haus|kreis|ring|hof|erei)")
_ORGANISATION_ADJECTIVE = re.compile(
    "(.{3,}isch|deutsch|vereint|vereinigt|frei|grün|jung|rot|weiß|staatlich|allgemein|neu|wahr|national|konservativ|sozial|offen)e[mnrs]?"
)


def name_variants(name: str, kind: str | None = None) -> tuple[str, ...]:
    """The forms under which a German text may name an actor, the name itself first.

    A person: the name without academic titles, addenda ("(SPD)") and initials, and the surname with
    its particles ("von der Heide"). Anybody else: the name with and without its leading article, an
    abbreviation added in parentheses, and the inflected forms ("der Europäischen Union", "des
    Bundestages"); some are no German, but then no text has them. The genitive s at the end is left
    to ``find_occurrences``. Without a kind, two to four capitalised words without a word for an
    organisation among them are taken for a person.

    Raises:
        ValueError: if the name is blank.
    """
    if not name.strip():
        raise ValueError("an actor's name is empty")
    is_person = kind == "person" or (kind is None and looks_like_person(name))
    variants = _iter_person_variants(name) if is_person else _iter_other_variants(name, kind)
    return tuple(dict.fromkeys([name, *variants]))


def looks_like_person(name: str) -> bool:
    if _is_like(_TITLE, name.split(maxsplit=1)[0]):
        return True
    words = _strip_addenda(name)
    names = [
        word
        for position, word in enumerate(words)
        if not _is_like(_PARTICLE, word)
        or (position == 0 and word[0].isupper() and _is_like(_GIVEN_NAME_TOO, word))
    ]
    return (
        len(words) > 1
        and len(names) <= 4
        and words[0] in names
        and words[-1] in names
        and words[0].lower() not in _ARTICLES
        and not _is_like(_ORGANISATION_ADJECTIVE, words[0])
        and all(_is_personal(word) for word in names)
        and not any(_is_like(_ABSTRACT_NOUN, word) for word in words[:-1])
        # "der" belongs to a surname only after another particle: "von der", not "Kritiker der"
        and all(
            _is_like(_PARTICLE, before)
            for before, word in pairwise(words)
            if word in ("der", "den")
        )
    )


def is_organisation_word(word: str) -> bool:
    """Whether a noun names a kind of organisation ("Kommission", "Landgericht")."""
    return _is_like(_ORGANISATION, word)


def _is_like(pattern: re.Pattern[str], word: str) -> bool:
    return pattern.fullmatch(word.lower().rstrip(".")) is not None


def _strip_addenda(name: str) -> list[str]:
    """The words of a name without "(SPD)", what follows a comma, and a final "Jr." or "II."."""
    words = re.sub(r"\(.*?\)|,.*", " ", name).split()
    while len(words) > 1 and _is_like(_ADDENDUM, words[-1]):
        del words[-1]
    return words


def _is_personal(word: str) -> bool:
    """Whether a word can be part of a person's name: "Holm", "al-Hamid", "J."."""
    if not re.fullmatch(r"[^\W\d_]+(?:[-'\u2019][^\W\d_]+)*\.?", word):
        return False
    is_shouted = word.isupper() and len(word.rstrip(".")) > 1
    return not (word.islower() or is_shouted or _is_like(_ORGANISATION, word)) and (
        word[0].isupper() or "-" in word or "'" in word
    )


def _iter_person_variants(name: str) -> Iterator[str]:
    words = _strip_addenda(name)
    while len(words) > 1 and (
        _is_like(_TITLE, words[0]) or (words[0].islower() and words[0].endswith("."))
    ):
        del words[0]
    if not words:
        return
    yield " ".join(words)
    words = [word for word in words if not re.fullmatch(r"[^\W\d_]\.", word)] or words
    yield " ".join(words)
    first = len(words) - 1
    while first > 1 and _is_like(_PARTICLE, words[first - 1]):
        first -= 1
    if first == 1 and _is_leading_particle(words):
        first = 0
    surname = " ".join(words[first:])
    yield surname
    yield surname[0].upper() + surname[1:]  # at the start of a sentence
    if first > 0 and words[first].lower() == "zu":
        yield words[-1]
    if article := re.match(r"(?:al|el|as|ad|an|ar|asch|at)-(?=\w)", words[-1], re.IGNORECASE):
        yield words[-1][article.end() :]
    elif _is_like(_FAMILY_NAME_FIRST, words[0]) or re.search(r"\w-[a-zäöü]", words[-1]):
        yield words[0]  # an East Asian name, whose first word is the surname


def _is_leading_particle(words: list[str]) -> bool:
    """Whether a name begins with its surname's particle ("van Oster"), not with a given name."""
    return _is_like(_PARTICLE, words[0]) and (
        words[0].islower()
        or not _is_like(_GIVEN_NAME_TOO, words[0])
        or _is_like(_PARTICLE, words[1])
    )


def _iter_other_variants(name: str, kind: str | None) -> Iterator[str]:
    yield from re.findall(r"\(([^\W\d_]\S+)\)", name)  # an abbreviation
    words = re.sub(r"\(.*?\)", " ", name).split()
    has_article = len(words) > 1 and words[0].lower() in _ARTICLES
    if has_article:
        del words[0]
    for core in dict.fromkeys(_iter_inflections(words, has_article, kind)):
        yield core
        if has_article:
            for article in _ARTICLES:
                yield f"{article} {core}"
                yield f"{article.capitalize()} {core}"


def _iter_inflections(words: list[str], has_article: bool, kind: str | None) -> Iterator[str]:
    yield " ".join(words)
    if not words:
        return
    # The noun that takes the case ending: "Zentralverband" in "Zentralverband des Handwerks".
    head = next(
        (
            index
            for index, (word, following) in enumerate(pairwise(words))
            if following.islower() or _is_like(_STRONG_NOUN, word)
        ),
        len(words) - 1,
    )
    alone = head == 0 and (has_article or _is_like(_PARTY_ADJECTIVE, words[0]))
    adjectives = [
        index
        for index in range(1 if alone else head)
        if re.fullmatch(r"[^\W\d_].{2,}(?:e|e[mnrs])", words[index])
    ]
    bases = [words]
    if adjectives:
        for ending in ("e", "en") if alone else ("e", "en", "er", "es", "em"):
            base = list(words)
            for index in adjectives:
                base[index] = re.sub(r"e[mnrs]?$", ending, words[index])
            bases.append(base)
    for base in bases:
        endings = [""]
        if _is_like(_STRONG_NOUN, base[head]):
            endings.append("es")
        if head < len(base) - 1 and base[head][-1] not in "aeiouyäöüsßxz":
            endings.append("s")
        if (kind == "group" or adjectives) and not alone and re.search(r"e[lr]?$", base[head]):
            endings.append("n")
        for ending in endings:
            yield " ".join([*base[:head], base[head] + ending, *base[head + 1 :]])
