from __future__ import annotations

from collections.abc import Iterable

import pytest

from stance.evaluation import predict_pairs
from stance.faithfulness import measure_faithfulness, remove_spans
from stance.schema import Actor, Document, Mention, Prediction, StanceLabel, Target, quote_spans

FIRST = "Ministerin Edda Falkau begrüßte den Bau."
TEXT = f"{FIRST} Es regnete am Montag. Viele Leute kamen zum Rathaus. Der Wind war kalt."
TARGET = Target(id="t1", text="Die Brücke soll gebaut werden.")


def make_document(text: str = TEXT) -> Document:
    start = text.index("Ministerin")
    mention = Mention(start=start, end=start + len("Ministerin Edda Falkau"))
    actor = Actor(id="a1", name="Edda Falkau", mentions=(mention,))
    return Document(id="d1", text=text, actors=(actor,), targets=(TARGET,))


class WordReader:
    """Favor with 0.9 while the text has ``word``, else 0.3; shows the first sentence."""

    def __init__(self, word: str, label: StanceLabel = StanceLabel.FAVOR) -> None:
        self.word, self.label = word, label
        self.texts: list[str] = []

    def predict(self, documents: Iterable[Document]) -> list[Prediction]:
        predictions = []
        for document in documents:
            self.texts.append(document.text)
            share = 0.9 if self.word in document.text else 0.3
            actor, target = document.actors[0], document.targets[0]
            predictions.append(
                Prediction(
                    document_id=document.id,
                    actor_id=actor.id,
                    actor=actor.name,
                    target_id=target.id,
                    target=target.text,
                    label=self.label,
                    probabilities=(share, 1 - share, 0.0, 0.0),
                    confidence=share,
                    evidence=quote_spans(document.text, [(0, len(FIRST))]),
                    model="fake",
                )
            )
        return predictions


def measure(reader: WordReader, document: Document) -> dict[str, float | None]:
    return measure_faithfulness(reader, [document], predict_pairs(reader, [document]))


def test_a_verdict_that_rests_on_its_evidence_falls_without_it() -> None:
    scores = measure(WordReader("begrüßte"), make_document())
    assert scores["evidence_removed_drop"] == pytest.approx(0.6)
    assert scores["random_removed_drop"] == pytest.approx(0.0)
    assert scores["evidence_faithfulness_ratio"] == pytest.approx(0.6 / 0.001)
    assert scores["evidence_faithfulness_n"] == 1


def test_a_verdict_that_rests_on_another_sentence_does_not() -> None:
    # The only sentence beside the evidence is the one that is drawn.
    scores = measure(WordReader("Rathaus"), make_document(f"{FIRST} Viele kamen zum Rathaus."))
    assert scores["evidence_removed_drop"] == pytest.approx(0.0)
    assert scores["random_removed_drop"] == pytest.approx(0.6)
    assert scores["evidence_faithfulness_ratio"] == pytest.approx(0.0)


def test_a_text_without_other_sentences_and_a_verdict_of_none_tell_nothing() -> None:
    assert measure(WordReader("begrüßte"), make_document(FIRST))["evidence_faithfulness_n"] == 0
    reader = WordReader("begrüßte", StanceLabel.NONE)
    scores = measure(reader, make_document())
    assert scores["evidence_faithfulness_n"] == 0
    assert scores["evidence_removed_drop"] is None


def test_the_actor_stays_in_a_text_without_its_sentence() -> None:
    document = make_document()
    changed = remove_spans(document, document.actors[0], TARGET, [(0, len(FIRST))], "x")
    assert changed.text.startswith("Ministerin Edda Falkau Es regnete am Montag.")
    (mention,) = changed.actors[0].mentions
    assert changed.text[mention.start : mention.end] == "Ministerin Edda Falkau"
    assert "begrüßte" not in changed.text


def test_a_sentence_elsewhere_moves_the_mentions_behind_it() -> None:
    text = f"Es regnete am Montag. {FIRST} Der Wind war kalt."
    document = make_document(text)
    changed = remove_spans(document, document.actors[0], TARGET, [(0, 22)], "x")
    assert changed.text == f"{FIRST} Der Wind war kalt."
    (mention,) = changed.actors[0].mentions
    assert changed.text[mention.start : mention.end] == "Ministerin Edda Falkau"
