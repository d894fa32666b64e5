from __future__ import annotations

from stance.examples import IGNORED, LABEL_IDS, build_examples
from stance.schema import LABELS, Actor, Document, Stance, StanceLabel, Target


def make_document(name: str, labels: dict[tuple[str, str], StanceLabel]) -> Document:
    """Two actors, three targets, and the given labels by (actor, target)."""
    return Document(
        id=name,
        text="Der Fährverein und der Hafenbund streiten.",
        actors=(Actor(id="a1", name="Fährverein"), Actor(id="a2", name="Hafenbund")),
        targets=tuple(Target(id=f"t{n}", text=f"Frage {n}") for n in (1, 2, 3)),
        stances=tuple(Stance(actor=a, target=t, label=label) for (a, t), label in labels.items()),
    )


LABELLED = {
    ("a1", "t1"): StanceLabel.FAVOR,
    ("a2", "t1"): StanceLabel.NONE,
    ("a2", "t3"): StanceLabel.AGAINST,
}


def test_an_example_is_a_document_and_a_target_with_all_actors() -> None:
    documents = [make_document("d1", LABELLED), make_document("d2", {})]
    examples = build_examples(documents)
    assert [(e.document.id, e.target.id) for e in examples] == [
        (d, t) for d in ("d1", "d2") for t in ("t1", "t2", "t3")
    ]
    assert all([actor.id for actor in e.actors] == ["a1", "a2"] for e in examples)


def test_labels_stand_beside_their_actors_and_unlabelled_pairs_are_ignored() -> None:
    first, second, third = build_examples([make_document("d1", LABELLED)])
    assert first.labels == (LABELS.index("favor"), LABELS.index("none"))
    assert second.labels == (IGNORED, IGNORED)
    assert third.labels == (IGNORED, LABELS.index("against"))


def test_for_training_examples_without_any_label_are_left_out() -> None:
    documents = [make_document("d1", LABELLED), make_document("d2", {})]
    examples = build_examples(documents, labelled_only=True)
    assert [(e.document.id, e.target.id) for e in examples] == [("d1", "t1"), ("d1", "t3")]


def test_a_document_without_actors_or_targets_has_no_examples() -> None:
    target, actor = Target(id="t1", text="Frage"), Actor(id="a1", name="Fährverein")
    assert build_examples([Document(id="d1", text="Text", targets=(target,))]) == []
    assert build_examples([Document(id="d1", text="Text", actors=(actor,))]) == []


def test_label_ids_follow_the_order_of_the_model_outputs() -> None:
    assert sorted(LABEL_IDS, key=LABEL_IDS.__getitem__) == list(LABELS)
    assert IGNORED not in LABEL_IDS.values()
