"""What a user of ``StanceClassifier`` relies on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from stance import Actor, Document, Mention, StanceClassifier, Target
from stance.inference import NOT_MENTIONED, NOT_SHOWN, find_threshold, to_probabilities
from stance.schema import LABELS, Prediction

TEXT = (
    "Frauke Ömmelbach fordert ein Tempolimit. Götz Tüllinger lehnt das Tempolimit ab. "
    "Ömmelbach sagte, die Straße sei gefährlich."
)
TARGETS = ["Das Tempolimit soll kommen.", "Die Straße soll ausgebaut werden."]


@pytest.fixture(scope="module")
def classifier(tiny_stance_model_dir: Path) -> StanceClassifier:
    return StanceClassifier.from_pretrained(tiny_stance_model_dir, device="cpu")


def test_a_text_gives_a_row_for_each_target_and_actor(classifier: StanceClassifier) -> None:
    names = ["Frauke Ömmelbach", "Götz Tüllinger"]
    rows = classifier.predict(TEXT, targets=TARGETS, actors=names)
    assert [(row.target, row.actor) for row in rows] == [(t, a) for t in TARGETS for a in names]
    for row in rows:
        assert sum(row.probabilities) == pytest.approx(1)
        assert row.confidence == max(row.probabilities)
        assert not row.warnings
        assert row.windows == (Mention(start=0, end=len(TEXT)),)
    assert [m["text"] for m in rows[0].mentions] == ["Frauke Ömmelbach", "Ömmelbach"]


@pytest.mark.parametrize("label", ["favor", "none"])
def test_a_stance_comes_with_whole_sentences_and_none_comes_without(
    label: str, tiny_stance_model_dir: Path
) -> None:
    classifier = StanceClassifier.from_pretrained(tiny_stance_model_dir, device="cpu")
    with torch.no_grad():
        classifier.model.classifier.bias[LABELS.index(label)] = 100
    filler = "\n\nDer Fährverein fuhr über den See.  " * 60
    rows = classifier.predict(
        TEXT + filler + TEXT, targets=TARGETS[:1], actors=["Götz Tüllinger", "Änne Wröbel"]
    )
    assert [row.label for row in rows] == [label, "none"]
    assert not rows[1].evidence
    if label == "none":
        assert not rows[0].evidence
        return
    # Without word attention it is the sentences that name the actor.
    assert rows[0].evidence[0]["text"] == "Götz Tüllinger lehnt das Tempolimit ab."
    assert 1 <= len(rows[0].evidence) <= 3
    for piece in rows[0].evidence:
        shown = (TEXT + filler + TEXT)[piece["start"] : piece["end"]]
        assert piece["text"] == shown == shown.strip()
        assert shown.endswith(".")
        assert shown.count(".") == 1


def test_a_model_that_hides_names_says_the_same_of_anybody(
    tiny_stance_model_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_stance_model_dir, tmp_path / "model")
    file = tmp_path / "model" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"names_hidden": True}))
    classifier = StanceClassifier.from_pretrained(tmp_path / "model", device="cpu")
    with torch.no_grad():
        classifier.model.classifier.bias[LABELS.index("favor")] = 100  # so there is evidence
    other = TEXT.replace("Frauke Ömmelbach", "Al Wu").replace("Ömmelbach", "Wu")
    before = classifier.predict(TEXT, targets=TARGETS, actors=["Frauke Ömmelbach"])
    after = classifier.predict(other, targets=TARGETS, actors=["Al Wu"])
    assert [row.probabilities for row in before] == [row.probabilities for row in after]
    for text, rows, name in ((TEXT, before, "Frauke Ömmelbach"), (other, after, "Al Wu")):
        for row in rows:
            assert row.mentions[0]["text"] == name
            assert row.windows == (Mention(start=0, end=len(text)),)
            assert row.evidence
            for piece in row.evidence:
                assert piece["text"] == text[piece["start"] : piece["end"]]
                assert piece["text"].endswith(".")


OTHER_TEXT = "Im Norden baut der Fährverein. Götz Tüllinger will das, sagt Frauke Ömmelbach."
ACTORS = ["Frauke Ömmelbach", "Götz Tüllinger"]


def save_blind(source: Path, directory: Path, part: str) -> StanceClassifier:
    """The model of a directory as one that is not shown a part, saved and loaded."""
    shutil.copytree(source, directory)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    (directory / "config.json").write_text(json.dumps(config | {"withhold": part}))
    classifier = StanceClassifier.from_pretrained(directory, device="cpu")
    with torch.no_grad():
        classifier.model.classifier.bias[LABELS.index("favor")] = 1  # a stance can have evidence
    return classifier


def test_a_model_without_the_text_says_the_same_whatever_the_text(
    classifier: StanceClassifier, tiny_stance_model_dir: Path, tmp_path: Path
) -> None:
    blind = save_blind(tiny_stance_model_dir, tmp_path / "target_only", "text")
    rows, others = (blind.predict(t, targets=TARGETS, actors=ACTORS) for t in (TEXT, OTHER_TEXT))
    assert [row.probabilities for row in rows] == [row.probabilities for row in others]
    assert rows[0].probabilities != rows[2].probabilities, "the target is read"
    seeing = [classifier.predict(t, targets=TARGETS, actors=ACTORS) for t in (TEXT, OTHER_TEXT)]
    assert seeing[0][0].probabilities != seeing[1][0].probabilities
    for row in rows:
        assert row.warnings == (NOT_SHOWN.format("text"),)
        assert row.label == "favor"
        assert row.evidence == row.windows == (), "offsets would be of another text"
        for mention in row.mentions:
            assert TEXT[mention["start"] : mention["end"]] == mention["text"]
    (absent,) = blind.predict(TEXT, targets=TARGETS[:1], actors=["Änne Wröbel"])
    assert absent.warnings == (NOT_MENTIONED, NOT_SHOWN.format("text"))


def test_a_model_without_the_target_says_the_same_whatever_the_target(
    tiny_stance_model_dir: Path, tmp_path: Path
) -> None:
    blind = save_blind(tiny_stance_model_dir, tmp_path / "text_only", "target")
    rows = blind.predict(TEXT, targets=TARGETS, actors=ACTORS)
    assert [row.target for row in rows] == [TARGETS[0]] * 2 + [TARGETS[1]] * 2
    for row, other in zip(rows[:2], rows[2:], strict=True):
        assert row.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert row.warnings == (NOT_SHOWN.format("target"),)
        assert row.evidence
        assert row.windows == (Mention(start=0, end=len(TEXT)),)
    (changed, _) = blind.predict(OTHER_TEXT, targets=TARGETS[:1], actors=ACTORS)
    assert changed.probabilities != rows[0].probabilities, "the text is read"


def test_a_model_saved_before_something_could_be_withheld_sees_all(
    tiny_stance_model_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_stance_model_dir, tmp_path / "old")
    file = tmp_path / "old" / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config.pop("withhold", None)
    file.write_text(json.dumps(config), encoding="utf-8")
    old = StanceClassifier.from_pretrained(tmp_path / "old", device="cpu")
    assert old.model.config.withhold is None


def test_an_actor_whom_the_text_does_not_mention_is_marked(classifier: StanceClassifier) -> None:
    here, absent = classifier.predict(
        TEXT, targets=TARGETS[:1], actors=["Frauke Ömmelbach", "Änne Wröbel"]
    )
    assert not here.warnings
    assert absent.label == "none"
    assert absent.warnings == (NOT_MENTIONED,)
    assert absent.probabilities == (0, 0, 0, 1)
    assert absent.mentions == absent.windows == ()


def test_the_author_of_a_text_can_be_the_actor(classifier: StanceClassifier) -> None:
    author = Actor(id="a1", name="Redaktion", author=True)
    (row,) = classifier.predict(TEXT, targets=TARGETS[:1], actors=[author])
    assert row.actor == "Redaktion"
    assert not row.warnings
    assert row.windows[0].end == len(TEXT)


def test_order_and_company_of_documents_do_not_matter(classifier: StanceClassifier) -> None:
    texts = [TEXT, "Ömmelbach schweigt.", "Tüllinger stimmte dagegen. " * 60, TEXT[:81]]
    documents = [
        Document(
            id=str(number),
            text=text,
            actors=(Actor(id="author", name="?", author=True),),
            targets=(Target(id="t", text=TARGETS[0]),),
        )
        for number, text in enumerate(texts)
    ]
    rows = classifier.predict(documents)
    assert [row.document_id for row in rows] == ["0", "1", "2", "3"]
    for row, other in zip(rows, classifier.predict(documents[::-1])[::-1], strict=True):
        assert row.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    streamed = [row for (row,) in classifier.iter_predict(documents, buffer_tokens=1)]
    for row, other in zip(rows, streamed, strict=True):
        assert row.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_a_long_text_is_read_to_its_end(classifier: StanceClassifier) -> None:
    text = "Der Fährverein will die Straße ausbauen. " * 100 + "Ömmelbach ist dagegen."
    early, late = classifier.predict(text, targets=TARGETS[:1], actors=["Fährverein", "Ömmelbach"])
    assert len(early.windows) > 5
    assert early.windows[0].start == 0
    (window,) = late.windows
    assert window.end == len(text)
    for left, right in zip(early.windows, early.windows[1:], strict=False):
        assert left.start < right.start <= left.end


@pytest.mark.parametrize("text", ["🙂🙃 🚀", "", "   \n"])
def test_texts_without_words_get_marked_rows(classifier: StanceClassifier, text: str) -> None:
    author = Actor(id="a", name="?", author=True)
    named, author_row = classifier.predict(
        Document(id="e", text=text), targets=TARGETS[:1], actors=["Ömmelbach", author]
    )
    assert named.warnings == (NOT_MENTIONED,)
    assert sum(author_row.probabilities) == pytest.approx(1)
    assert bool(author_row.warnings) == (not text.strip())


def test_a_target_that_is_too_long_is_said_in_the_row(classifier: StanceClassifier) -> None:
    (row,) = classifier.predict(TEXT, targets=["Tempolimit " * 200], actors=["Ömmelbach"])
    assert row.warnings
    assert row.warnings[0].startswith("target cut from")


def test_documents_without_targets_or_actors_are_errors(classifier: StanceClassifier) -> None:
    with pytest.raises(ValueError, match="'d' has no targets"):
        classifier.predict(Document(id="d", text=TEXT), actors=["Ömmelbach"])
    with pytest.raises(ValueError, match="'d' has no actors"):
        classifier.predict(Document(id="d", text=TEXT), targets=TARGETS)


def test_a_temperature_softens_but_keeps_the_label(
    tiny_stance_model_dir: Path, tmp_path: Path, classifier: StanceClassifier
) -> None:
    warm = tmp_path / "warm"
    shutil.copytree(tiny_stance_model_dir, warm)
    (warm / "calibration.json").write_text(json.dumps({"temperature": 4.0}), encoding="utf-8")
    (cold_row,) = classifier.predict(TEXT, targets=TARGETS[:1], actors=["Ömmelbach"])
    (warm_row,) = StanceClassifier.from_pretrained(warm, device="cpu").predict(
        TEXT, targets=TARGETS[:1], actors=["Ömmelbach"]
    )
    assert warm_row.label == cold_row.label
    ratio = np.log(cold_row.probabilities[0] / cold_row.probabilities[1])
    assert np.log(warm_row.probabilities[0] / warm_row.probabilities[1]) == pytest.approx(ratio / 4)
    assert warm_row.model == "warm"


def test_probabilities_of_unread_actors_are_certain_none() -> None:
    logits = np.array([[1.0, 2.0, 3.0, 4.0], [np.nan] * 4])
    assert to_probabilities(logits, 1.0)[1].tolist() == [0, 0, 0, 1]
    assert to_probabilities(logits, 1.0)[0].sum() == pytest.approx(1)


def test_directories_that_hold_no_stance_model_are_errors(
    tmp_path: Path, tiny_encoder_dir: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        StanceClassifier.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="a 'bert' model, not a stance model"):
        StanceClassifier.from_pretrained(tiny_encoder_dir)


def test_unknown_devices_are_errors(tiny_stance_model_dir: Path) -> None:
    with pytest.raises(ValueError, match="unknown device 'abacus'"):
        StanceClassifier.from_pretrained(tiny_stance_model_dir, device="abacus")


def test_a_stored_threshold_is_found_and_a_missing_one_says_which_there_are() -> None:
    stored = {"thresholds": {"0.8": {"confidence": 0.61}, "0.9": None}}
    assert find_threshold(stored, 0.8) == 0.61
    with pytest.raises(ValueError, match=r"precision=0.9 is stored with the model \(stored: 0.8\)"):
        find_threshold(stored, 0.9)
    with pytest.raises(ValueError, match=r"stored: none\); give one of these, or a confidence"):
        find_threshold({}, 0.8)


def test_verdicts_below_the_wanted_confidence_are_marked(tiny_stance_model_dir: Path) -> None:
    text = "Frauke Ömmelbach fordert das Tempolimit."
    asked = {"targets": ["Das Tempolimit soll kommen."], "actors": ["Frauke Ömmelbach"]}

    def predict(abstain_below: float | None) -> Prediction:
        classifier = StanceClassifier.from_pretrained(
            tiny_stance_model_dir, device="cpu", abstain_below=abstain_below
        )
        return classifier.predict(text, **asked)[0]

    plain = predict(None)
    assert not plain.abstained
    assert not predict(plain.confidence).abstained
    surer = predict(min(1.0, plain.confidence + 0.01))
    assert surer.abstained
    assert (surer.label, surer.probabilities) == (plain.label, plain.probabilities)


def test_documents_that_say_and_ask_the_same_are_read_once(
    classifier: StanceClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    actors = (Actor(id="a1", name="Frauke Ömmelbach", mentions=(Mention(start=0, end=16),)),)
    target = Target(id="t1", text=TARGETS[0])
    first = Document(id="n1", text=TEXT, actors=actors, targets=(target,))
    reprint = first.model_copy(update={"id": "n2", "source": "Abendblatt"})
    other = first.model_copy(update={"id": "n3", "targets": (Target(id="t1", text=TARGETS[1]),)})
    windows = 0
    encode = classifier.model.encode_mentions

    def count(**inputs: torch.Tensor) -> object:
        nonlocal windows
        windows += len(inputs["input_ids"])
        return encode(**inputs)

    monkeypatch.setattr(classifier.model, "encode_mentions", count)
    rows = list(classifier.iter_predict([first, reprint, other, first]))
    assert windows == 2
    assert [row.document_id for (row,) in rows] == ["n1", "n2", "n3", "n1"]
    assert rows[1][0] == rows[0][0].model_copy(update={"document_id": "n2"})
    assert rows[2][0].target == TARGETS[1]
    assert len({rows[0][0].probabilities, rows[2][0].probabilities}) == 2
