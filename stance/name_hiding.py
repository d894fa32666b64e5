"""The names of persons hidden from the model, so that who somebody is cannot sway the verdict.

A text shows the same stance of "Ada Holm" and of "Ben Kirsch" in the same place; a model that reads
names learns that some tend to be for things. Where a model hides names, each person who is asked
about gets a stand-in, the same for the first person of every text, and so on. So renaming a person
changes nothing, and two who exchange their names exchange their verdicts. Roles ("die Ministerin"),
organisations and states keep their names: theirs often say what they are. (Hermann et al. 2015,
"Teaching Machines to Read and Comprehend", hide entities so that a reader needs the text.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain, permutations
from random import Random

from stance.examples import Example
from stance.mentions import find_occurrences
from stance.names import looks_like_person, name_variants
from stance.schema import Actor, Document, Mention
from stance.text_edits import EditedText, replace_stretches

# Frequent surnames, in an order that must stay: models are trained with it.
STAND_INS = (  # noqa: SIM905
    "Müller Schmidt Schneider Weber Wagner Becker Hoffmann Schulz Neumann Krüger Hartmann Lange "
    "Werner Krause Lehmann Meier Peters Weiß Möller Keller Friedrich Roth Berger Hansen"
).split()


def hide_names(
    example: Example, shown: Collection[str] = frozenset()
) -> tuple[Example, EditedText]:
    """The example with stand-ins for the surnames of its persons, given names and titles left out.

    They are replaced in their mentions, and in the target where it names them; the persons whose
    actor ids are in ``shown`` keep their names. The text that is given back beside the example
    tells where its offsets lie in the original.
    """
    document, target = example.document, example.target
    names: dict[tuple[int, int], str] = {}  # whose name stands where, by actor id
    persons = sorted(
        (a for a in example.actors if is_named(a) and a.id not in shown),
        key=lambda a: a.mentions[0].start,
    )
    forms = {actor.id: name_variants(actor.name, "person") for actor in persons}
    for actor in persons:
        for mention in actor.mentions:
            if found := _find_name(document.text, mention, forms[actor.id]):
                names[found] = actor.id
    in_target = find_occurrences(target.text, _drop_shared(forms)) if persons else {}
    spots = {(s.start, s.end): actor for actor, spans in in_target.items() for s in spans}
    hidden = set(names.values())
    # A stand-in must not be another's name. Looking at what is left of the texts, not at the names
    # themselves, gives every set of names the same stand-ins.
    left = _cut(document.text, names) + _cut(target.text, spots)
    free = (name for name in _iter_stand_ins() if name not in left)
    stand_ins = {actor.id: next(free) for actor in persons if actor.id in hidden}
    edited = replace_stretches(document.text, {s: stand_ins[a] for s, a in names.items()})
    asked = replace_stretches(
        target.text, {s: stand_ins[a] for s, a in spots.items() if a in stand_ins}
    )
    actors = tuple(
        actor.model_copy(update={"mentions": _move(actor.mentions, edited)})
        for actor in example.actors
    )
    return (
        replace(
            example,
            document=_with_text(document, edited.text),
            target=target.model_copy(update={"text": asked.text}),
            actors=actors,
            evidence=tuple(_move(spans, edited) for spans in example.evidence),
        ),
        edited,
    )


def draw_shown(example: Example, share: float, draw: Random) -> frozenset[str]:
    """Persons, by actor id, who keep their names in training: some of an example's, in a ``share``
    of the examples, so that a text reads the same whoever else is asked about.

    Who is not asked about keeps the name too, and a model that never saw names beside stand-ins
    would judge the others differently.
    """
    persons = [actor.id for actor in example.actors if is_named(actor)]
    if not persons or draw.random() >= share:
        return frozenset()
    return frozenset(draw.sample(persons, draw.randint(1, len(persons))))


def is_named(actor: Actor) -> bool:
    """Whether the actor is a person mentioned in the text whose name is one, and not a role."""
    person = actor.kind in (None, "person") and looks_like_person(actor.name)
    return person and bool(actor.mentions)


def _find_name(text: str, mention: Mention, forms: tuple[str, ...]) -> tuple[int, int] | None:
    """Where a mention has a form of a name, the longest that it has."""
    spans = find_occurrences(text[mention.start : mention.end], {"": forms})[""]
    if not spans:
        return None
    longest = max(spans, key=lambda span: span.end - span.start)
    return mention.start + longest.start, mention.start + longest.end


def _drop_shared(forms: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The forms without those of more than one actor, which would name either."""
    owners: dict[str, set[str]] = {}
    for actor, strings in forms.items():
        for string in strings:
            owners.setdefault(string, set()).add(actor)
    return {a: [s for s in strings if len(owners[s]) == 1] for a, strings in forms.items()}


def _cut(text: str, spans: dict[tuple[int, int], str]) -> str:
    return replace_stretches(text, dict.fromkeys(spans, " ")).text


def _iter_stand_ins() -> Iterator[str]:
    return chain(STAND_INS, (f"{one}-{other}" for one, other in permutations(STAND_INS, 2)))


def _move(spans: tuple[Mention, ...], edited: EditedText) -> tuple[Mention, ...]:
    moved = (edited.to_edited(span.start, span.end) for span in spans)
    return tuple(Mention(start=start, end=end) for start, end in moved)


def _with_text(document: Document, text: str) -> Document:
    """The document for the sake of its text only: what has offsets into it is left out."""
    return document.model_copy(update={"text": text, "actors": (), "stances": ()})
