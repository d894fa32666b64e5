"""NLI and stance models of others, on tiny models with random weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stance.evaluation import evaluate_documents
from stance.inference import NOT_MENTIONED
from stance.schema import LABELS, Actor, Document, Mention, Stance, StanceLabel, Target
from stance.zero_shot import (
    AUTHOR,
    HYPOTHESES,
    ZeroShotClassifier,
    combine_windows,
    find_entailment,
    map_columns,
    merge_columns,
)

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast

TEXT = "Frauke Ömmelbach fordert ein Tempolimit. Götz Tüllinger lehnt das Tempolimit ab."
FILLER = "Der Fährverein will die Straße ausbauen. "
TARGET = "Das Tempolimit soll kommen."
NLI_LABELS = ("contradiction", "neutral", "entailment")

Save = Callable[..., Path]


@pytest.fixture(scope="session")
def save_model(
    tiny_tokenizer: PreTrainedTokenizerFast,
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    tmp_path_factory: pytest.TempPathFactory,
) -> Save:
    """A function that saves a random model with the given labels and returns its directory."""
    from transformers import AutoModelForSequenceClassification

    def save(labels: Sequence[str], architecture: str = "bert") -> Path:
        torch.manual_seed(0)
        config = tiny_encoder_config(architecture)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: number for number, label in enumerate(labels)}
        config.initializer_range = 0.5  # random weights that make a difference
        path = tmp_path_factory.mktemp("modelle") / "fremdes-modell"
        AutoModelForSequenceClassification.from_config(config).save_pretrained(path)
        tiny_tokenizer.save_pretrained(path)
        return path

    return save


@pytest.fixture(scope="session")
def nli_dir(save_model: Save) -> Path:
    return save_model(NLI_LABELS)


@pytest.fixture(scope="session")
def stance_dir(save_model: Save) -> Path:
    return save_model(("NONE", "Favor", "against", "neutral"))


def load(path: Path, **arguments: Any) -> ZeroShotClassifier:
    return ZeroShotClassifier.from_pretrained(str(path), device="cpu", **arguments)


def build_actor(text: str, name: str, number: int = 1) -> Actor:
    """An actor with a mention wherever the text has the name."""
    starts = [start for start in range(len(text)) if text.startswith(name, start)]
    mentions = tuple(Mention(start=start, end=start + len(name)) for start in starts)
    return Actor(id=f"a{number}", name=name, mentions=mentions)


def build_document(
    text: str, *names: str, author: bool = False, targets: Sequence[str] = (TARGET,)
) -> Document:
    actors = [build_actor(text, name, number) for number, name in enumerate(names, 1)]
    if author:
        actors.append(Actor(id="author", name="Blatt", author=True))
    return Document(
        id=f"d{len(text)}",
        text=text,
        actors=tuple(actors),
        targets=tuple(Target(id=f"t{n}", text=target) for n, target in enumerate(targets, 1)),
    )


def test_a_short_text_gets_what_the_pipeline_of_transformers_says(nli_dir: Path) -> None:
    from transformers import pipeline

    reference = pipeline("zero-shot-classification", model=str(nli_dir), device="cpu")
    document = build_document(TEXT, "Frauke Ömmelbach", author=True)
    rows = load(nli_dir).predict([document])
    for row, name in zip(rows, ("Frauke Ömmelbach", AUTHOR), strict=True):
        asked = {HYPOTHESES[label].format(actor=name, target=TARGET): label for label in LABELS}
        said = reference(TEXT, candidate_labels=list(asked), hypothesis_template="{}")
        expected = {asked[h]: p for h, p in zip(said["labels"], said["scores"], strict=True)}
        assert row.probabilities == pytest.approx([expected[label] for label in LABELS], abs=1e-5)
        assert row.label == max(expected, key=expected.__getitem__)
        assert row.confidence == max(row.probabilities)
        assert [(span.start, span.end) for span in row.windows] == [(0, len(TEXT))]
        assert row.model == "fremdes-modell"


def test_a_stance_model_is_read_by_its_label_names(
    stance_dir: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    from transformers import AutoModelForSequenceClassification

    classifier = load(stance_dir)
    (row,) = classifier.predict([build_document(TEXT, "Frauke Ömmelbach")])
    model = AutoModelForSequenceClassification.from_pretrained(stance_dir).eval()
    inputs = tiny_tokenizer(TEXT, text_pair=f"Frauke Ömmelbach: {TARGET}", return_tensors="pt")
    with torch.inference_mode():
        none, favor, against, neutral = model(**inputs).logits[0].softmax(-1).tolist()
    assert row.probabilities == pytest.approx((favor, against, neutral, none), abs=1e-5)
    assert classifier.has_probabilities


def test_label_names_are_mapped_and_added_up(save_model: Save) -> None:
    path = save_model(("PRO", "CON", "REST", "OTHER"))
    document = build_document(TEXT, "Frauke Ömmelbach")
    single = {"PRO": "favor", "CON": "against", "REST": "none", "OTHER": "neutral"}
    (apart,) = load(path, label_names=single).predict([document])
    (merged,) = load(path, label_names=single | {"OTHER": "none"}).predict([document])
    favor, against, neutral, none = apart.probabilities
    assert merged.probabilities == pytest.approx((favor, against, 0, none + neutral), abs=1e-9)


def test_company_and_order_do_not_matter(nli_dir: Path) -> None:
    targets = (TARGET, "Der Ausbau der Häfen soll beginnen, und zwar sofort.")
    documents = [
        build_document(TEXT, "Frauke Ömmelbach", "Götz Tüllinger", targets=targets),
        build_document(FILLER * 100 + TEXT, "Götz Tüllinger", author=True),
        build_document("Götz Tüllinger schweigt.", "Götz Tüllinger"),
    ]
    classifier = load(nli_dir)
    rows = classifier.predict(iter(documents))
    assert [(row.document_id, row.target_id, row.actor_id) for row in rows] == [
        (document.id, target.id, actor.id)
        for document in documents
        for target in document.targets
        for actor in document.actors
    ]
    alone = load(nli_dir, max_tokens_per_batch=1)
    again = [row for document in documents for row in alone.predict([document])]
    for row, other in zip(rows, again, strict=True):
        assert row.probabilities == pytest.approx(other.probabilities, abs=1e-5)
        assert sum(row.probabilities) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("architecture", ["bert", "xlm-roberta"])
def test_a_long_text_is_read_to_its_end(save_model: Save, architecture: str) -> None:
    text = TEXT + " " + FILLER * 150 + "Ömmelbach bleibt dabei."
    classifier = load(save_model(NLI_LABELS, architecture))
    # A tokenizer that knows no limit leaves it to the model's positions.
    classifier.tokenizer.model_max_length = 10**30
    classifier = ZeroShotClassifier(
        classifier.model, classifier.tokenizer, name="m", runtime=classifier.runtime
    )
    named, author = classifier.predict([build_document(text, "Ömmelbach", author=True)])
    assert len(author.windows) > 2
    assert (author.windows[0].start, author.windows[-1].end) == (0, len(text))
    for left, right in zip(author.windows, author.windows[1:], strict=False):
        assert left.start < right.start < left.end
    first, last = named.windows
    assert (first.start, last.end) == (0, len(text))
    assert first.end < last.start


def test_windows_without_the_actor_change_nothing(nli_dir: Path) -> None:
    early = TEXT + " " + FILLER * 150
    classifier = load(nli_dir)
    (row,) = classifier.predict([build_document(early, "Ömmelbach")])
    changed = build_document(early + "Die Gewerkschaft stimmte dagegen.", "Ömmelbach")
    (other,) = classifier.predict([changed])
    assert len(row.windows) == 1
    assert row.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_an_actor_of_several_windows_gets_their_combination(nli_dir: Path) -> None:
    """Seen from outside: each window's own verdict is that on a text with only this mention."""
    text = TEXT + " " + FILLER * 150 + "Ömmelbach bleibt dabei."
    document = build_document(text, "Ömmelbach")
    (actor,) = document.actors
    single = [
        document.model_copy(update={"actors": (actor.model_copy(update={"mentions": (m,)}),)})
        for m in actor.mentions
    ]
    classifier = load(nli_dir)
    (row,) = classifier.predict([document])
    parts = classifier.predict(single)
    assert len(row.windows) == len(parts) == 2
    # Softmax hides a constant, so compare odds: against each other label, none can only lose.
    odds = [row.probabilities[i] / row.probabilities[3] for i in range(3)]
    for part in parts:
        for i in range(3):
            assert odds[i] >= part.probabilities[i] / part.probabilities[3] * (1 - 1e-5)


@given(
    st.lists(
        st.lists(st.floats(-30, 30), min_size=4, max_size=4),
        min_size=1,
        max_size=5,
    )
)
def test_windows_are_combined_as_said(scores: list[list[float]]) -> None:
    favor, against, neutral, none = zip(*scores, strict=True)
    weights = [math.exp(s) for s in (max(favor), max(against), max(neutral), min(none))]
    expected = [weight / sum(weights) for weight in weights]
    assert combine_windows(scores) == pytest.approx(expected, abs=1e-9)


@given(
    st.lists(st.floats(-20, 20), min_size=2, max_size=6).flatmap(
        lambda logits: st.tuples(
            st.just(logits),
            st.lists(st.integers(0, 3), min_size=len(logits), max_size=len(logits)),
        )
    )
)
def test_columns_are_merged_by_adding_probabilities(drawn: tuple[list[float], list[int]]) -> None:
    logits, labels = drawn
    columns = [[i for i, label in enumerate(labels) if label == wanted] for wanted in range(4)]
    total = sum(math.exp(value) for value in logits)
    expected = [sum(math.exp(logits[i]) for i in part) / total for part in columns]
    merged = combine_windows([merge_columns(np.array(logits), columns)])
    assert merged == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", ["nli_dir", "stance_dir"])
@pytest.mark.parametrize("text", [TEXT, "", "   \n"])
def test_an_actor_whom_the_text_does_not_mention_is_marked(
    kind: str, text: str, request: pytest.FixtureRequest
) -> None:
    rows = load(request.getfixturevalue(kind)).predict(
        [build_document(text, "Änne Wröbel", author=True)]
    )
    assert rows[0].probabilities == (0, 0, 0, 1)
    assert rows[0].warnings == (NOT_MENTIONED,)
    assert rows[0].windows == ()
    assert bool(rows[1].warnings) == (not text.strip())


def test_a_name_with_braces_is_only_a_name(nli_dir: Path) -> None:
    (row,) = load(nli_dir).predict([build_document("{actor} schweigt.", "{actor}")])
    assert row.actor == "{actor}"


def test_a_target_that_leaves_no_room_is_refused(nli_dir: Path) -> None:
    document = build_document(TEXT, "Frauke Ömmelbach", targets=("Tempolimit " * 600,))
    with pytest.raises(ValueError, match=r"document 'd\d+', target 't1': .*shorten the target"):
        load(nli_dir).predict([document])


def test_scores_can_be_had(nli_dir: Path) -> None:
    document = build_document(TEXT, "Frauke Ömmelbach", "Götz Tüllinger")
    gold = (Stance(actor="a1", target="t1", label=StanceLabel.FAVOR),)
    metrics = evaluate_documents(
        load(nli_dir), [document.model_copy(update={"stances": gold})]
    ).metrics
    assert metrics["n"] == 1


@pytest.mark.parametrize(
    ("labels", "label_names", "message"),
    [
        (("LABEL_0", "LABEL_1"), None, "the labels are LABEL_0, LABEL_1; needed is"),
        (("favor", "against", "none"), None, "the labels are favor, against, none; needed is"),
        (("pro", "con"), {"pro": "favor"}, "label_names is {'pro': 'favor'}; needed is"),
        (("pro",), {"pro": "yes"}, "label_names is"),
        (("pro",), {"pro": "favor", "contra": "against"}, "label_names is"),
    ],
)
def test_other_labels_are_refused(
    labels: tuple[str, ...], label_names: dict[str, str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=f"modell: .*{message}"):
        map_columns(labels, "modell", label_names)


def test_no_entailment_is_no_entailment() -> None:
    assert find_entailment(("not_entailment", "Entailment")) == 1
    assert find_entailment(("not_entailment", "neutral")) is None


def test_a_model_that_cannot_classify_is_refused(tiny_encoder_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"no weights for classifier\.bias"):
        load(tiny_encoder_dir)
