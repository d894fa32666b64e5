"""Does the model read the text and the target? Checks that need no new labels.

Each check alters the documents in a way whose effect on the right answer is known, and compares the
predictions before and after. What is altered is all that is compared, so the rates say how
consistent a model is, not how good. (The idea is that of behavioural testing: Ribeiro et al. 2020,
"Beyond Accuracy: Behavioral Testing of NLP Models with CheckList".)
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from stance.corpora.demands import flip_label
from stance.corpora.invented_names import invent_person
from stance.corpora.target_variants import find_variant
from stance.evaluation import Classifier, predict_pairs, score_predictions
from stance.names import looks_like_person
from stance.schema import Actor, Document, Mention, Prediction, StanceLabel
from stance.text_edits import replace_stretches
from stance.withholding import WITHHELD, withhold

Key = tuple[str, str, str]
"""Document, actor and target of a pair, by id."""


def measure_robustness(
    classifier: Classifier,
    documents: Sequence[Document],
    predictions: Sequence[Prediction],
    candidate_labels: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """All checks, ready for metrics.json.

    Args:
        predictions: those for the unaltered documents, in the order of ``predict_pairs``.
        candidate_labels: as in ``score_predictions``, for the two scores.
        seed: of the choice of actors and invented names.

    Returns:
        ``target_negation_mirrored``: share of pairs whose label is flipped (favor and against
        exchanged, the others kept) when the target is replaced by its opposite.
        ``actor_swap_consistent``: share of pairs in which the actor gets the label of the one with
        whom it exchanged places in the text. ``name_replacement_changed``: share of pairs of
        persons whose label changes when all persons get invented names. For each the number of
        pairs as ``..._n``; the rate is None where the check applies to nothing.
        ``text_removed_macro_f1``, ``target_removed_macro_f1``: the score when the text holds
        nothing but the actors' names, and when the target is removed (``stance.withholding``).
    """
    draw = random.Random(seed)
    before = {key_of(prediction): prediction.label for prediction in predictions}
    result: dict[str, Any] = {}

    def compare(
        name: str, altered: Sequence[Document], expected: Mapping[Key, StanceLabel], same: bool
    ) -> None:
        after = {key_of(p): p.label for p in predict_pairs(classifier, altered)}
        agreeing = sum(after[key] == label for key, label in expected.items())
        count = len(expected)
        hits = agreeing if same else count - agreeing
        result[name] = hits / count if count else None
        result[f"{name}_n"] = count

    negated = [changed for document in documents if (changed := negate_targets(document))]
    expected = {
        (document.id, actor.id, target.id): flip_label(before[document.id, actor.id, target.id])
        for document in negated
        for target in document.targets
        for actor in document.actors
    }
    compare("target_negation_mirrored", negated, expected, same=True)

    swapped: list[Document] = []
    expected = {}
    for document in documents:
        pair = choose_pair(document, draw)
        if pair is None:
            continue
        first, second = pair
        swapped.append(swap_actors(document, first, second))
        for target in document.targets:
            for actor, other in ((first, second), (second, first)):
                expected[document.id, actor.id, target.id] = before[
                    document.id, other.id, target.id
                ]
    compare("actor_swap_consistent", swapped, expected, same=True)

    renamed, expected = [], {}
    for document in documents:
        persons = [actor for actor in document.actors if is_named_person(actor)]
        if not persons:
            continue
        renamed.append(rename_actors(document, {a.id: invent_person(draw) for a in persons}))
        for actor in persons:
            for target in document.targets:
                key = (document.id, actor.id, target.id)
                expected[key] = before[key]
    compare("name_replacement_changed", renamed, expected, same=False)

    for name in WITHHELD:
        altered = [withhold(document, name) for document in documents]
        scored = score_predictions(altered, predict_pairs(classifier, altered), candidate_labels)
        result[f"{name}_removed_macro_f1"] = scored.metrics["macro_f1"]
    return result


def key_of(prediction: Prediction) -> Key:
    """Document, actor and target of a prediction."""
    return prediction.document_id, prediction.actor_id, prediction.target_id


def negate_targets(document: Document) -> Document | None:
    """The document with the opposites of its targets, under their ids; targets without a known
    opposite are left out, and None is returned where none is left. Gold stances are dropped."""
    targets = tuple(
        target.model_copy(update={"text": opposite})
        for target in document.targets
        if (opposite := find_variant(target.text, "opposite"))
    )
    return document.model_copy(update={"targets": targets, "stances": ()}) if targets else None


def is_named_person(actor: Actor) -> bool:
    """Whether the actor is a person named in the text by more than one name; where the kind is not
    given, the name decides."""
    person = looks_like_person(actor.name) if actor.kind is None else actor.kind == "person"
    return person and bool(actor.mentions) and " " in actor.name.strip()


def choose_pair(document: Document, draw: random.Random) -> tuple[Actor, Actor] | None:
    """Two persons of the document who can exchange their names; None if there are no two."""
    persons = [actor for actor in document.actors if is_named_person(actor)]
    if len(persons) < 2:
        return None
    first, second = draw.sample(persons, 2)
    return (first, second) if first.name.split()[-1] != second.name.split()[-1] else None


def swap_actors(document: Document, first: Actor, second: Actor) -> Document:
    """The document with the names of two persons exchanged wherever they are mentioned. Each is
    mentioned where the other was: descriptions such as "die Ministerin" change hands with the
    names' places. Gold stances are dropped."""
    changed = rename_actors(document, {first.id: second.name, second.id: first.name})
    mentions = {actor.id: actor.mentions for actor in changed.actors}
    partner = {first.id: second.id, second.id: first.id}
    original = {actor.id: actor for actor in document.actors}
    actors = tuple(
        original[actor.id].model_copy(
            update={"mentions": mentions[partner.get(actor.id, actor.id)]}
        )
        for actor in document.actors
    )
    return changed.model_copy(update={"actors": actors})


def rename_actors(document: Document, names: Mapping[str, str]) -> Document:
    """The document with other names for the persons given by id, in all their mentions: the full
    name by the full name, the surname alone by the surname. Gold stances are dropped."""
    edits: dict[tuple[int, int], str] = {}
    for actor in document.actors:
        if actor.id not in names:
            continue
        new = names[actor.id]
        forms = ((actor.name, new), (actor.name.split()[-1], new.split()[-1]))
        for mention in actor.mentions:
            named = document.text[mention.start : mention.end]
            for old, form in forms:
                at = named.find(old)
                if at >= 0:
                    edits[mention.start + at, mention.start + at + len(old)] = form
                    break
    edited = replace_stretches(document.text, edits)
    actors = tuple(
        actor.model_copy(
            update={
                "name": names.get(actor.id, actor.name),
                "mentions": tuple(
                    Mention(start=start, end=end)
                    for start, end in (edited.to_edited(m.start, m.end) for m in actor.mentions)
                ),
            }
        )
        for actor in document.actors
    )
    return document.model_copy(update={"text": edited.text, "actors": actors, "stances": ()})
