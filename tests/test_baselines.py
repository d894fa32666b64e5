"""The baselines learn from what they may see, and from nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from stance.baselines import (
    ACTOR,
    BASELINES,
    OTHER,
    TOPIC,
    fit_baseline,
    sample_documents,
    tabulate_pairs,
)
from stance.schema import LABELS, Actor, Document, Mention, Stance, StanceLabel, Target

VERBS = {
    "favor": "fordert mit Nachdruck",
    "against": "verurteilt",
    "neutral": "prüft noch ohne Ergebnis",
    "none": "grüßt die Gäste statt",
}
NAMES = ("Frauke Ömmelbach", "Götz Tüllinger", "Änne Wröbel", "Jörn Küppersbusch")
TOPICS = ("das Tempolimit", "die Fähre", "den Brückenbau", "die Ölsteuer", "den Hafen")


def build_document(number: int, labels: tuple[str, ...] = LABELS) -> Document:
    """Four actors, one sentence each, whose verb shows the label; names and topics go round."""
    topic = TOPICS[number % len(TOPICS)]
    text, actors, stances = "", [], []
    for place in range(4):
        name, label = NAMES[(place + number) % 4], labels[(place + number * 3) % len(labels)]
        start = len(text)
        text += f"{name} {VERBS[label]} {topic}. "
        mention = Mention(start=start, end=start + len(name))
        actors.append(Actor(id=f"a{place}", name=name, mentions=(mention,)))
        stances.append(Stance(actor=f"a{place}", target="t", label=StanceLabel(label)))
    return Document(
        id=f"d{number}",
        text=text,
        actors=tuple(actors),
        targets=(Target(id="t", text=f"{topic} soll kommen."),),
        stances=tuple(stances),
    )


def test_the_regression_reads_the_verbs_and_majority_does_not() -> None:
    train = tabulate_pairs([build_document(number) for number in range(30)])
    test = tabulate_pairs([build_document(number) for number in range(30, 40)])
    gold = np.array([LABELS.index(label) for label in test["label"]])
    accuracy = {
        name: (fit_baseline(name, train).predict_probabilities(test).argmax(axis=1) == gold).mean()
        for name in BASELINES
    }
    assert accuracy["tfidf_logreg"] > 0.9
    assert accuracy["majority"] < 0.5


def test_position_learns_from_places_and_from_nothing_else() -> None:
    by_place = ("favor", "against", "none")
    documents = [build_document(number, by_place) for number in range(20)]
    table = tabulate_pairs(documents)
    baseline = fit_baseline("position", table)
    found = [LABELS[index] for index in baseline.predict_probabilities(table).argmax(axis=1)]
    assert (np.array(found) == table["label"]).mean() > 0.9
    blind = table.assign(own="", near="", after="", target="", crossed="")
    assert (baseline.predict_probabilities(blind) == baseline.predict_probabilities(table)).all()


def test_majority_ranks_labels_by_their_share() -> None:
    documents = [build_document(number, ("none", "none", "favor")) for number in range(6)]
    probabilities = fit_baseline("majority", tabulate_pairs(documents)).predict_probabilities(
        tabulate_pairs(documents[:1])
    )
    assert probabilities.shape == (4, 4)
    assert np.allclose(probabilities.sum(axis=1), 1)
    favor, against, neutral, none = probabilities[0]
    assert none > favor > against == neutral == 0


def test_rows_come_by_target_then_actor_and_mask_names_and_topic() -> None:
    text = "Frauke Ömmelbach lobt Götz Tüllinger. Am 3. März kam das Tempolimit. Tüllinger schwieg."
    spans = {
        name: tuple(
            Mention(start=text.index(name, at), end=text.index(name, at) + len(name)) for at in ats
        )
        for name, ats in (("Frauke Ömmelbach", (0,)), ("Tüllinger", (0, 40)))
    }
    document = Document(
        id="d",
        text=text,
        actors=(
            Actor(id="a", name="Frauke Ömmelbach", mentions=spans["Frauke Ömmelbach"]),
            Actor(id="b", name="Götz Tüllinger", mentions=spans["Tüllinger"]),
            Actor(id="c", name="Der Verfasser", author=True),
            Actor(id="d", name="Änne Wröbel"),
        ),
        targets=(
            Target(id="t1", text="Ein Tempolimit soll kommen."),
            Target(id="t2", text="Der Hafen"),
        ),
        stances=(Stance(actor="b", target="t2", label=StanceLabel.NONE),),
    )
    table = tabulate_pairs([document])
    assert [label if isinstance(label, str) else None for label in table["label"]] == [
        *[None] * 5,
        "none",
        *[None] * 2,
    ]
    by_frauke, by_goetz, by_author, unnamed = table["own"][:4]
    assert by_frauke == f"{ACTOR} lobt götz {OTHER}"
    assert by_goetz == f"{OTHER} lobt götz {ACTOR} {ACTOR} schwieg"
    assert by_author == f"{OTHER} lobt götz {OTHER} am 3 märz kam das {TOPIC} {OTHER} schwieg"
    assert unnamed == ""
    assert "tempolimit" in table["own"][6]
    assert "Tempolimit" in table["after"][0]
    assert table["author"].tolist() == [0, 0, 1, 0] * 2


def test_an_actor_without_a_mention_still_gets_probabilities() -> None:
    document = Document(
        id="d",
        text="😀😀",
        actors=(Actor(id="a", name="Änne Wröbel"),),
        targets=(Target(id="t", text="🙂"),),
    )
    train = tabulate_pairs([build_document(number) for number in range(8)])
    probabilities = fit_baseline("tfidf_logreg", train).predict_probabilities(
        tabulate_pairs([document])
    )
    assert probabilities.shape == (1, 4)
    assert probabilities.sum() == pytest.approx(1)


def test_a_corpus_of_authors_alone_can_be_learned() -> None:
    documents = [
        Document(
            id=f"d{number}",
            text=f"Unsere Partei {VERBS[label]} {topic}.",
            actors=(Actor(id="a", name="Die Partei", author=True),),
            targets=(Target(id="t", text=f"{topic} soll kommen."),),
            stances=(Stance(actor="a", target="t", label=StanceLabel(label)),),
        )
        for number, (label, topic) in enumerate((x, y) for x in LABELS[:2] for y in TOPICS)
    ]
    table = tabulate_pairs(documents)
    probabilities = fit_baseline("tfidf_logreg", table).predict_probabilities(table)
    assert [LABELS[index] for index in probabilities.argmax(axis=1)] == table["label"].tolist()
    assert (probabilities[:, 2:] == 0).all()


def test_the_same_seed_gives_the_same_baseline() -> None:
    train = tabulate_pairs([build_document(number) for number in range(10)])
    first, second = (fit_baseline("tfidf_logreg", train, seed=3) for _ in range(2))
    assert (first.predict_probabilities(train) == second.predict_probabilities(train)).all()


def test_one_class_alone_can_be_learned() -> None:
    train = tabulate_pairs([build_document(0, ("favor",))])
    assert (fit_baseline("tfidf_logreg", train).predict_probabilities(train)[:, 0] == 1).all()


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'svm'.*majority"):
        fit_baseline("svm", tabulate_pairs([build_document(0)]))
    unlabelled = build_document(0).model_copy(update={"stances": ()})
    with pytest.raises(ValueError, match="no labelled pair"):
        fit_baseline("majority", tabulate_pairs([unlabelled]))


def test_a_sample_holds_whole_documents_up_to_the_limit() -> None:
    documents = [build_document(number) for number in range(20)]
    sample = sample_documents(documents, max_pairs=30, seed=1)
    assert len(sample) == 7
    assert [document.id for document in sample] == sorted(
        {document.id for document in sample}, key=lambda name: int(name[1:])
    )
    assert sample == sample_documents(documents, max_pairs=30, seed=1)
    assert sample != sample_documents(documents, max_pairs=30, seed=2)
    assert sample_documents(documents, max_pairs=80) == documents
