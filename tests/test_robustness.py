from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from stance.evaluation import predict_pairs
from stance.robustness import (
    measure_robustness,
    negate_targets,
    rename_actors,
    swap_actors,
)
from stance.schema import LABELS, Actor, Document, Mention, Prediction, Stance, StanceLabel, Target

TEXT = (
    "Ministerin Edda Falkau will die Brücke bauen. Der Abgeordnete Jens Stein lehnt das ab. "
    "Falkau verwies auf den Rat. Die Ministerin blieb ruhig, Steins Partei nicht."
)


def find(*strings: str) -> tuple[Mention, ...]:
    return tuple(Mention(start=TEXT.index(s), end=TEXT.index(s) + len(s)) for s in strings)


DOCUMENT = Document(
    id="d1",
    text=TEXT,
    actors=(
        Actor(
            id="a1",
            name="Edda Falkau",
            kind="person",
            mentions=find("Ministerin Edda Falkau", "Falkau verwies", "Die Ministerin"),
        ),
        Actor(id="a2", name="Jens Stein", kind="person", mentions=find("Jens Stein", "Steins")),
        Actor(id="a3", name="Rat", kind="organisation", mentions=find("Rat")),
    ),
    targets=(Target(id="t1", text="Die Stadt soll die Brücke bauen."),),
    stances=(
        Stance(actor="a1", target="t1", label=StanceLabel.FAVOR, evidence=find("die Brücke bauen")),
        Stance(actor="a2", target="t1", label=StanceLabel.AGAINST),
        Stance(actor="a3", target="t1", label=StanceLabel.NONE),
    ),
)


def mentioned(document: Document) -> dict[str, list[str]]:
    return {a.id: [document.text[m.start : m.end] for m in a.mentions] for a in document.actors}


class Fake:
    """A classifier that answers by a rule on document, target and actor."""

    def __init__(self, rule: Callable[[Document, Target, Actor], StanceLabel]) -> None:
        self.rule = rule

    def predict(self, documents: Iterable[Document]) -> list[Prediction]:
        return [
            Prediction(
                document_id=document.id,
                actor_id=actor.id,
                actor=actor.name,
                target_id=target.id,
                target=target.text,
                label=(label := self.rule(document, target, actor)),
                probabilities=tuple(float(name == label) for name in LABELS),
                confidence=1.0,
                model="fake",
            )
            for document in documents
            for target in document.targets
            for actor in document.actors
        ]


def measure(rule: Callable[[Document, Target, Actor], StanceLabel]) -> dict[str, float]:
    documents = [DOCUMENT.model_copy(update={"id": f"d{number}"}) for number in range(8)]
    return measure_robustness(Fake(rule), documents, predict_pairs(Fake(rule), documents))


def read_well(document: Document, target: Target, actor: Actor) -> StanceLabel:
    """Knows who stands where in ``TEXT``, whatever the names, and reads the target."""
    if len(document.text) < 60 or "Brücke" not in target.text or actor.kind != "person":
        return StanceLabel.NONE
    willing = document.text.startswith("Ministerin " + actor.name)
    negated = "keine" in target.text or "nicht" in target.text
    return StanceLabel.AGAINST if willing == negated else StanceLabel.FAVOR


def test_a_model_that_reads_is_consistent() -> None:
    result = measure(read_well)
    assert result["target_negation_mirrored"] == 1
    assert result["actor_swap_consistent"] == 1
    assert result["name_replacement_changed"] == 0
    assert result["target_negation_mirrored_n"] == 24
    assert result["actor_swap_consistent_n"] == result["name_replacement_changed_n"] == 16
    # All that is left without the text is "none", right for one class of three.
    assert result["text_removed_macro_f1"] == pytest.approx(0.5 / 3)


def test_a_model_that_ignores_the_target_is_found_out() -> None:
    ignorant = measure(lambda document, _, actor: read_well(document, DOCUMENT.targets[0], actor))
    assert ignorant["target_negation_mirrored"] == pytest.approx(1 / 3)  # the actor without stance
    assert ignorant["target_removed_macro_f1"] == 1


def test_a_model_that_knows_people_by_name_is_found_out() -> None:
    known = {"Edda Falkau": StanceLabel.FAVOR, "Jens Stein": StanceLabel.AGAINST}
    result = measure(lambda _, __, actor: known.get(actor.name, StanceLabel.NONE))
    assert result["actor_swap_consistent"] == 0
    assert result["name_replacement_changed"] == 1


def test_a_check_that_applies_to_nothing_has_no_rate() -> None:
    alone = DOCUMENT.model_copy(
        update={"actors": DOCUMENT.actors[2:], "stances": DOCUMENT.stances[2:]}
    )
    alone = alone.model_copy(update={"targets": (Target(id="t1", text="Brückenbau"),)})
    fake = Fake(read_well)
    result = measure_robustness(fake, [alone], predict_pairs(fake, [alone]))
    for name in ("target_negation_mirrored", "actor_swap_consistent", "name_replacement_changed"):
        assert result[name] is None
        assert result[f"{name}_n"] == 0


def test_names_are_exchanged_in_every_mention_and_places_with_them() -> None:
    swapped = swap_actors(DOCUMENT, DOCUMENT.actors[0], DOCUMENT.actors[1])
    assert swapped.text == (
        "Ministerin Jens Stein will die Brücke bauen. Der Abgeordnete Edda Falkau lehnt das ab. "
        "Stein verwies auf den Rat. Die Ministerin blieb ruhig, Falkaus Partei nicht."
    )
    assert mentioned(swapped) == {
        "a1": ["Edda Falkau", "Falkaus"],
        "a2": ["Ministerin Jens Stein", "Stein verwies", "Die Ministerin"],
        "a3": ["Rat"],
    }
    assert [actor.name for actor in swapped.actors] == ["Edda Falkau", "Jens Stein", "Rat"]
    Document.model_validate(swapped.model_dump())


def test_a_new_name_moves_the_offsets_of_all_mentions() -> None:
    renamed = rename_actors(DOCUMENT, {"a1": "Bo Li"})
    assert mentioned(renamed) == {
        "a1": ["Ministerin Bo Li", "Li verwies", "Die Ministerin"],
        "a2": ["Jens Stein", "Steins"],
        "a3": ["Rat"],
    }


def test_only_targets_with_an_opposite_are_turned_round() -> None:
    both = DOCUMENT.model_copy(
        update={"targets": (*DOCUMENT.targets, Target(id="t2", text="Brückenbau"))}
    )
    negated = negate_targets(both)
    assert negated is not None
    assert [(t.id, t.text) for t in negated.targets] == [
        ("t1", "Die Stadt soll die Brücke nicht bauen.")
    ]
    assert negate_targets(both.model_copy(update={"targets": both.targets[1:]})) is None


def test_the_choice_of_actors_depends_on_the_seed_alone() -> None:
    fake = Fake(lambda _, __, actor: StanceLabel(LABELS[len(actor.name) % 4]))
    documents = [DOCUMENT]
    predictions = predict_pairs(fake, documents)
    results = [measure_robustness(fake, documents, predictions, seed=7) for _ in range(2)]
    assert results[0] == results[1]
