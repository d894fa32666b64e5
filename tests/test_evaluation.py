"""From documents and predictions to the two files; the classifier answers by rule."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import pytest

from stance.evaluation import (
    TrainingData,
    evaluate_documents,
    hash_documents,
    predict_pairs,
    score_baselines,
    score_predictions,
    write_evaluation,
)
from stance.metrics import score_labels
from stance.schema import (
    LABELS,
    Actor,
    Document,
    Mention,
    Prediction,
    Stance,
    StanceLabel,
    Target,
)

TEXT = "Frauke Ömmelbach fordert das Tempolimit."


def build_document(name: str, *labels: str | None, author: str | None = None) -> Document:
    """One target; actors a0 (named in the text), a1, ... for the labels (None is unlabelled)."""
    actors = [
        Actor(
            id=f"a{place}",
            name=f"Frauke Ömmelbach {place}",
            mentions=(Mention(start=0, end=16),) if place == 0 else (),
        )
        for place in range(len(labels))
    ]
    gold = {f"a{place}": label for place, label in enumerate(labels)}
    if author is not None:
        actors.append(Actor(id="author", name="Die Verfasserin", author=True))
        gold["author"] = author
    return Document(
        id=name,
        text=TEXT,
        actors=tuple(actors),
        targets=(Target(id="t", text="Ein Tempolimit soll kommen."),),
        stances=tuple(
            Stance(actor=actor, target="t", label=StanceLabel(label))
            for actor, label in gold.items()
            if label is not None
        ),
    )


class FakeClassifier:
    """Answers every pair with the same probabilities and notes which documents it was asked for."""

    def __init__(self, *probabilities: float) -> None:
        self.probabilities = probabilities
        self.asked: list[str] = []

    def predict(self, documents: Iterable[Document]) -> list[Prediction]:
        predictions = []
        for document in documents:
            self.asked.append(document.id)
            for target in document.targets:
                for actor in document.actors:
                    best = max(range(4), key=self.probabilities.__getitem__)
                    prediction = Prediction(
                        document_id=document.id,
                        actor_id=actor.id,
                        actor=actor.name,
                        target_id=target.id,
                        target=target.text,
                        label=StanceLabel(LABELS[best]),
                        probabilities=self.probabilities,
                        confidence=self.probabilities[best],
                        mentions=tuple(span.model_dump() for span in actor.mentions),
                        model="fake",
                    )
                    predictions.append(prediction)
        return predictions


def test_progress_is_said_line_by_line_where_no_bar_can_be_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("stance.evaluation.SECONDS_BETWEEN_LINES", -1)
    documents = [build_document(f"d{number}", "favor") for number in range(5)]
    classifier = FakeClassifier(0.7, 0.1, 0.1, 0.1)
    with caplog.at_level(logging.INFO, "stance.evaluation"):
        assert not predict_pairs(classifier, [])
        predict_pairs(classifier, documents)
        assert not caplog.messages
        predict_pairs(classifier, documents, show_progress=True, documents_per_call=2)
    assert caplog.messages == [f"{count} of 5 texts predicted" for count in (2, 4, 5)]
    assert classifier.asked == [document.id for document in documents] * 2


def test_unlabelled_pairs_are_predicted_and_not_scored_and_authors_count() -> None:
    documents = [
        build_document("d1", "favor", None, author="favor"),
        build_document("d2", None),
        build_document("d3", "against"),
    ]
    result = evaluate_documents(FakeClassifier(0.7, 0.1, 0.1, 0.1), documents)
    assert [row["gold"] for row in result.rows] == ["favor", None, "favor", None, "against"]
    assert result.metrics["n"] == 3
    assert result.metrics["accuracy"] == pytest.approx(2 / 3)
    assert result.metrics["macro_f1"] == pytest.approx((0.8 + 0) / 2)
    assert result.metrics["classes_left_out"] == ["neutral", "none"]
    assert result.metrics["counts"] == {
        "documents": 3,
        "pairs": 5,
        "labelled": 3,
        "unlabelled": 2,
        "author": 1,
        "not_mentioned": 1,
        "abstained": 0,
        "with_warnings": 0,
    }
    assert result.metrics["calibration"]["ece"] == pytest.approx(0.7 - 2 / 3)


def test_direction_is_scored_where_the_gold_has_one() -> None:
    documents = [
        build_document("d1", "favor"),
        build_document("d2", "against"),
        build_document("d3", "none"),
    ]
    classifier = FakeClassifier(0.3, 0.1, 0.0, 0.6)  # says none, and would rather say favor
    result = evaluate_documents(classifier, documents)
    direction = {"macro_f1": pytest.approx(1 / 3), "accuracy": 0.5, "n": 2}
    assert result.metrics["direction"] == direction
    training = TrainingData("invented", "train", documents)
    scores = score_baselines(("majority",), training, documents)
    assert scores["majority"].metrics["direction"]["n"] == 2
    assert evaluate_documents(classifier, documents[2:]).metrics["direction"] is None


def test_evidence_counts_where_the_gold_has_some_and_a_missed_stance_is_a_miss() -> None:
    class Quoter(FakeClassifier):
        def predict(self, documents: Iterable[Document]) -> list[Prediction]:
            places = {"d1": ((3, 6), (0, 1)), "d2": ((5, 8), (0, 3)), "d3": (), "d4": ((0, 1),)}
            return [
                prediction.model_copy(
                    update={
                        "evidence": tuple(
                            {"start": start, "end": end, "text": ""}
                            for start, end in places[prediction.document_id]
                        )
                    }
                )
                for prediction in super().predict(documents)
            ]

    documents = []
    for name in ("d1", "d2", "d3", "d4"):
        document = build_document(name, "favor")
        shown = (Mention(start=1, end=4),) if name != "d4" else ()
        stances = tuple(
            stance.model_copy(update={"evidence": shown}) for stance in document.stances
        )
        documents.append(document.model_copy(update={"stances": stances}))
    metrics = evaluate_documents(Quoter(1, 0, 0, 0), documents).metrics
    assert metrics["evidence_n"] == 3
    assert metrics["evidence_hit_rate"] == pytest.approx(1 / 3)
    plain = evaluate_documents(FakeClassifier(1, 0, 0, 0), [build_document("d1", "favor")])
    assert plain.metrics["evidence_hit_rate"] is None


def test_candidates_restrict_verdicts_in_scores_and_rows() -> None:
    documents = [build_document("d1", "favor"), build_document("d2", "against")]
    classifier = FakeClassifier(0.3, 0.1, 0.0, 0.6)
    free = evaluate_documents(classifier, documents)
    assert free.metrics["accuracy"] == 0
    assert free.metrics["candidate_labels"] is None
    chosen = evaluate_documents(classifier, documents, ["favor", "against"])
    assert chosen.metrics["accuracy"] == 0.5
    assert chosen.metrics["candidate_labels"] == ["favor", "against"]
    row = chosen.rows[0]
    assert (row["label"], row["p_none"]) == ("favor", 0)
    assert row["p_favor"] == row["confidence"] == pytest.approx(0.75)


def test_gold_outside_the_candidates_is_refused() -> None:
    documents = [build_document("d1", "favor"), build_document("d2", "neutral")]
    with pytest.raises(ValueError, match=r"'d2' has the gold label 'neutral'.*labels=null"):
        evaluate_documents(FakeClassifier(1, 0, 0, 0), documents, ["favor", "against"])


def test_nothing_to_score_is_said_before_anything_is_predicted() -> None:
    classifier = FakeClassifier(1, 0, 0, 0)
    for documents in ([], [build_document("d1", None)]):
        with pytest.raises(ValueError, match=r"nothing to score.*stances"):
            evaluate_documents(classifier, documents)
    assert classifier.asked == []


def test_documents_without_a_question_are_not_put_to_the_classifier() -> None:
    classifier = FakeClassifier(1, 0, 0, 0)
    documents = [Document(id="plain", text=TEXT), build_document("d1", "favor")]
    metrics = evaluate_documents(classifier, documents).metrics
    assert classifier.asked == ["d1"]
    assert metrics["counts"]["documents"] == 2
    assert metrics["counts"]["pairs"] == 1


def test_predictions_in_another_order_are_refused() -> None:
    documents = [build_document("d1", "favor"), build_document("d2", "against")]
    predictions = FakeClassifier(1, 0, 0, 0).predict(documents)
    with pytest.raises(ValueError, match=r"expected \('d1', 't', 'a0'\), got \('d2'"):
        score_predictions(documents, predictions[::-1])
    with pytest.raises(ValueError, match="2 pairs of actor and target, 1 predictions"):
        score_predictions(documents, predictions[:1])


def test_the_files_tell_the_same_story(tmp_path: Path) -> None:
    documents = [build_document("d1", "favor", "none", None), build_document("d2", "neutral")]
    result = evaluate_documents(FakeClassifier(0.4, 0.3, 0.2, 0.1), documents)
    for _ in range(2):
        metrics_file, rows_file = write_evaluation(result, tmp_path / "new", {"baselines": {}})
    metrics = json.loads(metrics_file.read_text(encoding="utf-8"))
    text = rows_file.read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert "Ömmelbach" in text
    assert len(rows) == metrics["counts"]["pairs"] == 4
    scored = [row for row in rows if row["gold"] is not None]
    again = score_labels([row["gold"] for row in scored], [row["label"] for row in scored])
    assert {key: metrics[key] for key in again} == again
    assert metrics["baselines"] == {}


def test_baselines_say_what_they_learned_from_and_score_the_same_pairs() -> None:
    train = [
        build_document(f"t{number}", label, author=label)
        for number, label in enumerate(("none", "none", "favor", "against"))
    ]
    training = TrainingData("newsstance", "train", train)
    documents = [build_document("d1", "against", None, author="against")]
    scores = score_baselines(("majority", "tfidf_logreg"), training, documents)
    metrics = {name: result.metrics for name, result in scores.items()}
    assert metrics["majority"]["trained_on"] == {"corpus": "newsstance", "split": "train", "n": 8}
    assert metrics["majority"]["accuracy"] == 0
    assert {name: result["n"] for name, result in metrics.items()} == {
        "majority": 2,
        "tfidf_logreg": 2,
    }
    restricted = score_baselines(("majority",), training, documents, ["against", "neutral"])
    assert restricted["majority"].metrics["accuracy"] == 1
    sampled = score_baselines(("majority",), training, documents, max_pairs=5)
    assert sampled["majority"].metrics["trained_on"]["n"] == 4
    assert score_baselines((), training, documents) == {}


def test_the_hash_notices_a_changed_label() -> None:
    one = [build_document("d1", "favor")]
    assert hash_documents(one) == hash_documents([build_document("d1", "favor")])
    assert hash_documents(one) != hash_documents([build_document("d1", "against")])
