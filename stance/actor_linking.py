"""From mentions to actors: which mentions mean the same one, and what it is called.

Mentions are taken in the order of the text. Each joins the actor of the earlier mention that fits
best, or begins a new one. What a gazetteer knows, equal names, and names that contradict each other
("Eva Holm", "Jan Holm") decide first; otherwise the learned score of a pair does.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from math import log1p

from stance.actor_offices import Office, read_office
from stance.actor_spokespersons import speaks_for
from stance.actor_tagging import ARTICLES, PAIR_FEATURES, TaggedMention
from stance.gazetteer import KnownActor
from stance.mentions import find_occurrences, name_forms
from stance.schema import Actor, Mention

PairScorer = Callable[[Sequence[tuple[int, int]]], Sequence[float]]
"""Scores of pairs (earlier, later) of mentions by number, above 0 for the same actor."""

NO_OFFICE = Office(None, "")
POSSESSIVES = ("sein", "ihr", "dess", "dere", "unser")
CERTAIN = 1e3
"""The score of the same name, above all that is learned."""
TO_A_DESCRIPTION = 2.0
"""So much more must be learned for an actor of whom only descriptions are known: the first one of a
report ("Der Präsident") attracts names that are not its own."""
EXPLICIT = 8.0
"""So much is added to what is learned where the text says it: the role with which somebody was
introduced comes again, a description stands beside a name, between commas, or a spokesperson's
organisation is named."""
FARTHEST_MENTIONS = 60
"""A mention is compared with so many before it."""


@dataclass
class ActorDraft:
    """An actor while its mentions are gathered (numbers of mentions)."""

    mentions: list[int] = field(default_factory=list)
    known: KnownActor | None = None


def link_mentions(
    text: str,
    mentions: Sequence[TaggedMention],
    score_pairs: PairScorer,
    gazetteer: Sequence[KnownActor] = (),
    places: Sequence[KnownActor] = (),
) -> tuple[Actor, ...]:
    """The actors that mentions mean, in the order in which the text first names them.

    Args:
        mentions: in the order of the text, without overlaps.
        score_pairs: the learned score; called once with all pairs.
        gazetteer: actors that are looked for in the text as well; an actor that is one of them has
            its name and id.
        places: as ``gazetteer``, but only for mentions that are there already. The states of both
            tell whose office a description names.
    """
    mentions, known = add_known(text, mentions, gazetteer)
    by_name = {name: entry for entry in places for name in entry.names}
    for number, mention in enumerate(mentions):
        if known[number] is None and mention.kind in ("state", "organisation"):
            known[number] = by_name.get(
                strip_article(text[slice(*(mention.name or span(mention)))])
            )
    pairs = list_pairs(len(mentions))
    scores = dict(zip(pairs, score_pairs_of(mentions, pairs, score_pairs), strict=True))
    states = [e for e in (*gazetteer, *places) if e.kind in ("state", "organisation")]
    offices = [office_of(text, mention, states) for mention in mentions]
    drafts: list[ActorDraft] = []
    owner: dict[int, ActorDraft] = {}
    for later, mention in enumerate(mentions):
        chosen = None
        entry = known[later]
        if entry is not None:
            chosen = next((draft for draft in drafts if draft.known is entry), None)
        if chosen is None:
            best = 0.0
            for earlier in range(max(0, later - FARTHEST_MENTIONS), later):
                draft = owner[earlier]
                if entry is not None and draft.known is not None:
                    continue
                score = scores[earlier, later]
                if same_name(text, mentions[earlier], mention) or is_title_of(
                    text, mentions[earlier], mention
                ):
                    score = CERTAIN
                elif any(
                    says(text, mentions[earlier], mention)
                    for says in (has_role, is_apposition, speaks_for)
                ):
                    score += EXPLICIT
                elif not any(mentions[number].name for number in draft.mentions):
                    score -= TO_A_DESCRIPTION
                if score <= best:
                    continue
                own = [mentions[number] for number in draft.mentions]
                held = [offices[number] for number in draft.mentions]
                if not contradicts(text, own, mention) and not any(
                    office.is_of_another_state(offices[later]) for office in held
                ):
                    best, chosen = score, draft
        if chosen is None:
            chosen = ActorDraft()
            drafts.append(chosen)
        chosen.mentions.append(later)
        chosen.known = chosen.known or entry
        owner[later] = chosen
    return name_actors(text, mentions, join_offices(mentions, offices, drafts))


def office_of(text: str, mention: TaggedMention, states: Sequence[KnownActor]) -> Office:
    """The office with which a person is mentioned; that without state and function for others."""
    if mention.kind != "person":
        return NO_OFFICE
    end = mention.end if mention.name is None else mention.name[0]
    return read_office(text[mention.start : end], states) or NO_OFFICE


def join_offices(
    mentions: Sequence[TaggedMention], offices: Sequence[Office], drafts: Sequence[ActorDraft]
) -> list[ActorDraft]:
    """The actors with those that are only described joined to the one who was named with the same
    office of the same state, or with the function if only one was."""
    named = [draft for draft in drafts if any(mentions[n].name for n in draft.mentions)]
    kept = list(named)
    for draft in drafts:
        if any(mentions[n].name for n in draft.mentions):
            continue
        wanted = {offices[number] for number in draft.mentions if offices[number].state}
        holder = find_holder(wanted, [(d, [offices[n] for n in d.mentions]) for d in named])
        if holder is None:
            kept.append(draft)
        else:
            holder.mentions = sorted([*holder.mentions, *draft.mentions])
    return sorted(kept, key=lambda draft: draft.mentions[0])


def find_holder(
    wanted: Collection[Office], named: Sequence[tuple[ActorDraft, Sequence[Office]]]
) -> ActorDraft | None:
    """The one actor with one of the offices; of several, and of none, None."""
    for is_alike in (Office.is_same, Office.is_like):
        holders = [
            draft
            for draft, held in named
            if any(is_alike(one, other) for one in wanted for other in held)
            and not any(one.is_of_another_state(other) for one in wanted for other in held)
        ]
        if holders:
            return holders[0] if len(holders) == 1 else None
    return None


def list_pairs(count: int) -> list[tuple[int, int]]:
    """The pairs (earlier, later) of so many mentions that are compared."""
    return [
        (earlier, later)
        for later in range(count)
        for earlier in range(max(0, later - FARTHEST_MENTIONS), later)
    ]


def score_pairs_of(
    mentions: Sequence[TaggedMention], pairs: Sequence[tuple[int, int]], score_pairs: PairScorer
) -> Sequence[float]:
    """The learned scores; mentions that only the gazetteer or a rule found have none (``score`` -1)
    and match nothing."""
    tagged = [pair for pair in pairs if all(mentions[number].score >= 0 for number in pair)]
    found = iter(score_pairs(renumber(mentions, tagged)) if tagged else ())
    wanted = set(tagged)
    return [next(found) if pair in wanted else -1.0 for pair in pairs]


def renumber(
    mentions: Sequence[TaggedMention], pairs: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Pairs with the numbers that mentions have among the tagged ones alone."""
    numbers: list[int] = []
    count = 0
    for mention in mentions:
        numbers.append(count)
        count += mention.score >= 0
    return [(numbers[earlier], numbers[later]) for earlier, later in pairs]


def add_known(
    text: str, mentions: Sequence[TaggedMention], gazetteer: Sequence[KnownActor]
) -> tuple[list[TaggedMention], list[KnownActor | None]]:
    """Mentions with those that the gazetteer finds in the text (``score`` -1), and the entry of
    each; a place inside a mention of somebody else ("Polens Ministerin Eva Holm") counts for
    nobody."""
    if not gazetteer:
        return list(mentions), [None] * len(mentions)
    actors = [
        Actor(id=str(number), name=entry.name, kind=entry.kind)
        for number, entry in enumerate(gazetteer)
    ]
    own = {alias: str(n) for n, entry in enumerate(gazetteer) for alias in entry.aliases}
    forms = name_forms(text, actors, taken=own.keys())
    strings = {
        actor.id: (*forms[actor.id], *(a for a in own if own[a] == actor.id and a in text))
        for actor in actors
    }
    places = sorted(
        (place.start, place.end, number)
        for number, entry in find_occurrences(text, strings).items()
        for place in entry
    )
    combined: list[tuple[TaggedMention, KnownActor | None]] = [(m, None) for m in mentions]
    for start, end, number in places:
        known = gazetteer[int(number)]
        overlapping = [
            index
            for index, (mention, _) in enumerate(combined[: len(mentions)])
            if mention.start < end and start < mention.end
        ]
        for index in overlapping:
            mention = combined[index][0]
            core = mention.name or strip_span(text, mention)
            if core[0] < end and start < core[1] and (mention.name or core == (start, end)):
                combined[index] = (mention, known)
        if not overlapping:
            kind = known.kind or "organisation"
            combined.append((TaggedMention(start, end, (start, end), kind, -1.0), known))
    combined.sort(key=lambda pair: pair[0].start)
    return [mention for mention, _ in combined], [known for _, known in combined]


def name_actors(
    text: str, mentions: Sequence[TaggedMention], drafts: Sequence[ActorDraft]
) -> tuple[Actor, ...]:
    """Actors with ids (the gazetteer's, or ``a1, a2, ...``), names, kinds and mentions."""
    taken = {draft.known.id for draft in drafts if draft.known is not None}
    actors = []
    free = (name for n in range(1, len(drafts) + len(taken) + 1) if (name := f"a{n}") not in taken)
    for draft in drafts:
        own = [mentions[number] for number in draft.mentions]
        # The longest mention has most to tell the kind by.
        longest = max(own, key=lambda mention: mention.end - mention.start)
        known = draft.known
        actors.append(
            Actor(
                id=(known.id if known is not None else None) or next(free),
                name=known.name if known is not None else choose_name(text, own),
                kind=(known.kind if known is not None else None) or longest.kind,
                mentions=tuple(Mention(start=m.start, end=m.end) for m in own),
            )
        )
    return tuple(actors)


def choose_name(text: str, mentions: Sequence[TaggedMention]) -> str:
    """The name with the most words, the first of equals; without any, the longest description."""
    names = [text[slice(*mention.name)] for mention in mentions if mention.name is not None]
    if not names:
        names = [text[mention.start : mention.end] for mention in mentions]
    names = [" ".join(strip_article(name).split()) for name in names]
    return max(names, key=lambda name: len(name.split()))


def pair_features(
    text: str, words: Sequence[tuple[int, int]], earlier: TaggedMention, later: TaggedMention
) -> list[float]:
    """What the wording says about two mentions (``PAIR_FEATURES`` numbers)."""
    first, second = core_words(text, earlier), core_words(text, later)
    between = bisect_left(words, (later.start,)) - bisect_left(words, (earlier.end,))
    beginning = text[later.start : later.end].split(maxsplit=1)[0].lower()
    features = [
        same_wording(text, earlier, later),
        first[-1:] == second[-1:],
        set(second) <= set(first) or set(first) <= set(second),
        earlier.name is not None and later.name is not None,
        earlier.name is None and later.name is None,
        earlier.name is not None and later.name is None,
        earlier.kind == later.kind,
        beginning in ARTICLES,
        beginning.startswith(POSSESSIVES),
        log1p(max(between, 0)) / 5,
    ]
    assert len(features) == PAIR_FEATURES
    return [float(feature) for feature in features]


def same_wording(text: str, first: TaggedMention, second: TaggedMention) -> bool:
    """Whether two mentions have the same name, or without one the same words but for an article."""
    if (first.name is None) != (second.name is None):
        return False
    return core_words(text, first) == core_words(text, second)


def same_name(text: str, first: TaggedMention, second: TaggedMention) -> bool:
    """Whether two mentions have the same wording, or one has the surname of the other's name."""
    if same_wording(text, first, second):
        return True
    if first.name is None or second.name is None:
        return False
    return has_same_surname(core_words(text, first), core_words(text, second))


def has_same_surname(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the last words are the same, and of the others one has none that the other lacks."""
    return is_same_word(one[-1], other[-1]) and (
        has_words(one[:-1], other[:-1]) or has_words(other[:-1], one[:-1])
    )


def has_words(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether all that are wanted are among the words, be it with a genitive s ("des Verbands
    Nordmark")."""
    return all(any(is_same_word(word, own) for own in words) for word in wanted)


def is_same_word(one: str, other: str) -> bool:
    """Whether two words are the same but for hyphens and a genitive s or apostrophe."""
    one, other = (re.sub("[-\u2010\u2011'’]", "", word) for word in (one, other))
    return one == other or one == f"{other}s" or other == f"{one}s"


def is_title_of(text: str, earlier: TaggedMention, later: TaggedMention) -> bool:
    """Whether a description stands before a name like a title: "Ministerin" and "Ada Holm"."""
    person = earlier.kind == later.kind == "person"
    described = earlier.name is None and later.name is not None and later.name[0] == later.start
    return person and described and text[earlier.end : later.start].isspace()


def has_role(text: str, earlier: TaggedMention, later: TaggedMention) -> bool:
    """Whether a description is the role with which the other was named, or a part of it: "der
    Minister" and "der frühere Minister Emil Radosz"."""
    described, named = (later, earlier) if later.name is None else (earlier, later)
    if described.name is not None or named.name is None:
        return False
    role = strip_article(text[named.start : named.name[0]].strip()).casefold().split()
    wanted = core_words(text, described)
    return bool(role) and is_same_word(wanted[-1], role[-1]) and set(wanted[:-1]) <= set(role[:-1])


def is_apposition(text: str, earlier: TaggedMention, later: TaggedMention) -> bool:
    """Whether a description with its article stands between commas after a name."""
    described = earlier.name is not None and later.name is None and earlier.kind == later.kind
    first, _, rest = text[later.start : later.end].partition(" ")
    return (
        described
        and bool(rest)
        and first in ARTICLES
        and text[earlier.end : later.start].strip() == ","
        and text[later.end : later.end + 1] in (",", ".")
    )


def contradicts(text: str, own: Sequence[TaggedMention], mention: TaggedMention) -> bool:
    """Whether a person's full name is another than that of an actor's earlier mentions."""
    if any(same_name(text, other, mention) for other in own):
        return is_other_person(text, own, mention)
    if any((other.kind == "person") != (mention.kind == "person") for other in own):
        return True
    return is_other_person(text, own, mention)


def is_other_person(text: str, own: Sequence[TaggedMention], mention: TaggedMention) -> bool:
    if mention.name is None or mention.kind != "person":
        return False
    name = core_words(text, mention)
    for other in own:
        if other.name is None or other.kind != "person":
            continue
        before = core_words(text, other)
        if not (
            is_same_word(name[-1], before[-1])
            or set(name) <= set(before)
            or set(before) <= set(name)
        ):
            return True
        if len(name) > 1 and len(before) > 1 and name[0] != before[0]:
            return True
    return False


def core_words(text: str, mention: TaggedMention) -> list[str]:
    """The words of the name, or of the mention without its article."""
    part = text[slice(*(mention.name or span(mention)))]
    return strip_article(part).casefold().split()


def strip_article(name: str) -> str:
    """The name without a leading article, unless that is all of it."""
    first, _, rest = name.partition(" ")
    return rest.lstrip() if rest.strip() and first.lower() in ARTICLES else name


def strip_span(text: str, mention: TaggedMention) -> tuple[int, int]:
    """Where a mention stands without its article."""
    return mention.end - len(strip_article(text[mention.start : mention.end])), mention.end


def span(mention: TaggedMention) -> tuple[int, int]:
    """Its place."""
    return mention.start, mention.end


def cover_words(words: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """First and one past the last of the words that share characters with a stretch of text."""
    first = bisect_right(words, start, key=lambda word: word[1])
    stop = bisect_left(words, end, key=lambda word: word[0])
    return first, max(first, stop)


def describe_gold(text: str, actor: Actor, words: Sequence[tuple[int, int]]) -> list[TaggedMention]:
    """The annotated mentions of an actor as the tagger should find them: the name in each is the
    longest run of words that the actor's name has."""
    wanted = {word.casefold() for word in actor.name.split()}
    wanted |= {word.removesuffix("s") for word in wanted}
    described = []
    for mention in actor.mentions:
        first, stop = cover_words(words, mention.start, mention.end)
        runs: list[tuple[int, int]] = []
        for number in range(first, stop):
            start, end = words[number]
            form = text[max(start, mention.start) : min(end, mention.end)].casefold()
            if form not in wanted and form.removesuffix("s") not in wanted:
                continue
            if runs and runs[-1][1] == number:
                runs[-1] = (runs[-1][0], number + 1)
            else:
                runs.append((number, number + 1))
        name = None
        if runs:
            begin, past = max(runs, key=lambda run: run[1] - run[0])
            name = (
                max(words[begin][0], mention.start),
                min(words[past - 1][1], mention.end),
            )
            if text[slice(*name)].casefold() in ARTICLES:
                name = None
        kind = actor.kind or "organisation"
        described.append(TaggedMention(mention.start, mention.end, name, kind, 1.0))
    return described
