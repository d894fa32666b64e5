from __future__ import annotations

import json
from pathlib import Path

import pytest

from stance.corpora import load_corpus
from stance.corpora.target_variants import (
    KINDS,
    collect_contraries,
    find_variant,
    read_variants,
    rephrase_targets,
)
from stance.schema import Actor, Document, Mention, Stance, StanceLabel, Target

LABELS = (StanceLabel.FAVOR, StanceLabel.AGAINST, StanceLabel.NEUTRAL, StanceLabel.NONE)
FLIPPED = (StanceLabel.AGAINST, StanceLabel.FAVOR, StanceLabel.NEUTRAL, StanceLabel.NONE)


def make_document(target: str) -> Document:
    return Document(
        id="d1",
        text="Ada, Bea, Cem und Dora.",
        actors=tuple(
            Actor(id=f"a{n}", name=name, mentions=(Mention(start=start, end=start + len(name)),))
            for n, (name, start) in enumerate([("Ada", 0), ("Bea", 5), ("Cem", 10), ("Dora", 18)])
        ),
        targets=(Target(id="t1", text=target),),
        stances=tuple(
            Stance(actor=f"a{n}", target="t1", label=label) for n, label in enumerate(LABELS)
        ),
    )


KNOWN = next(iter(read_variants()))


def test_variants_are_of_training_and_validation_targets_only() -> None:
    targets = {
        split: {t.text for d in load_corpus("newsstance", split) for t in d.targets}
        for split in ("train", "validation", "test")
    }
    with_variants = set(read_variants())
    assert with_variants <= targets["train"] | targets["validation"]
    assert not with_variants & (targets["test"] - targets["train"] - targets["validation"])
    assert targets["validation"] <= with_variants


def test_variants_differ_from_their_target_and_from_each_other() -> None:
    for target, variants in read_variants().items():
        texts = [target, *(variants[kind] for kind in KINDS)]
        assert len(set(texts)) == len(texts), target
        assert all(text.strip() == text and text for text in texts), target


def test_labels_are_flipped_with_the_opposite_and_only_then() -> None:
    seen = set()
    for document in rephrase_targets([make_document(KNOWN)] * 60, share=1.0, seed=1):
        text = document.targets[0].text
        (kind,) = (kind for kind in KINDS if find_variant(KNOWN, kind) == text)
        labels = tuple(stance.label for stance in document.stances)
        assert labels == (FLIPPED if kind == "opposite" else LABELS)
        seen.add(kind)
    assert seen == set(KINDS)


def test_the_share_and_the_seed_decide_which_targets_change() -> None:
    documents = [make_document(KNOWN)] * 200
    assert rephrase_targets(documents, share=0.0, seed=1) == documents
    half = rephrase_targets(documents, share=0.5, seed=1)
    assert 60 < sum(document.targets[0].text != KNOWN for document in half) < 140
    assert half == rephrase_targets(documents, share=0.5, seed=1)
    assert half != rephrase_targets(documents, share=0.5, seed=2)


def test_other_targets_get_an_opposite_by_rule_or_stay() -> None:
    found = rephrase_targets([make_document("Die Stadt soll bauen.")] * 40, share=1.0, seed=1)
    texts = {document.targets[0].text for document in found}
    assert texts == {"Die Stadt soll bauen.", "Die Stadt soll nicht bauen."}
    question = make_document("Warum baut die Stadt?")
    assert rephrase_targets([question] * 20, share=1.0, seed=1) == [question] * 20


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "variants.jsonl"
    good = {"target": "A", "opposite": "B", "paraphrase": "C", "phrase": "D"}
    bad = good | {"phrase": None}
    file.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"variants.jsonl, line 2: expected target, opposite"):
        read_variants(file)


def make_text(name: str, *labels: str) -> Document:
    """A text with two targets; two letters an actor: its labels (f, a, n) toward them."""
    long = {"f": "favor", "a": "against", "n": "none"}
    return Document.model_validate(
        {
            "id": name,
            "text": "Streit um ein Bad.",
            "actors": [{"id": f"a{n}", "name": f"A{n}"} for n in range(len(labels))],
            "targets": [
                {"id": "t0", "text": "Das Bad soll schließen."},
                {"id": "t1", "text": "Das Bad soll offen bleiben."},
            ],
            "stances": [
                {"actor": f"a{n}", "target": f"t{t}", "label": long[pair[t]]}
                for n, pair in enumerate(labels)
                for t in range(2)
            ],
        }
    )


def test_targets_with_mirrored_labels_are_contraries() -> None:
    found = collect_contraries([make_text("d1", "fa", "af", "nn")])
    assert found == {
        "Das Bad soll schließen.": "Das Bad soll offen bleiben.",
        "Das Bad soll offen bleiben.": "Das Bad soll schließen.",
    }


@pytest.mark.parametrize(
    "texts",
    [
        [make_text("d1", "fa", "ff")],  # one actor is for both
        [make_text("d1", "fa", "af"), make_text("d2", "fn")],  # not in another text
        [make_text("d1", "fa", "nn")],  # too little to tell
    ],
)
def test_other_targets_are_not(texts: list[Document]) -> None:
    assert collect_contraries(texts) == {}
