from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from stance.actor_finding import ActorFinder
from stance.actor_tagging import TAGGER_CONFIG_FILE, TAGGER_FILE, TaggerSettings
from stance.inference import StanceClassifier
from stance.mentions import find_occurrences
from stance.runtime import choose_runtime
from stance.schema import Actor, Document, Target
from stance.tagger_training import TaggerTrainingSettings, train_tagger
from stance.weights import load_model, load_tokenizer

if TYPE_CHECKING:
    from stance.model import StanceModel

TEXTS = (
    ("Die Bürgermeisterin Frauke Ömmelbach fordert ein Tempolimit auf der Küstenstraße.", 0),
    ("Der Fährverein lehnt das Tempolimit ab und will die Straße ausbauen.", 1),
    ("Frauke Ömmelbach sagte, der Ausbau der Häfen koste zu viel Geld.", 0),
    ("Die Steuer soll steigen, sagte Frauke Ömmelbach im Parlament.", 0),
    ("Im Parlament lehnt der Fährverein die Steuer ab.", 1),
)
STRINGS = {
    "a1": ["Die Bürgermeisterin Frauke Ömmelbach", "Frauke Ömmelbach"],
    "a2": ["Der Fährverein", "der Fährverein"],
}
ACTORS = {
    "a1": Actor(id="a1", name="Frauke Ömmelbach", kind="person"),
    "a2": Actor(id="a2", name="Fährverein", kind="organisation"),
}


def make_document(number: int, text: str) -> Document:
    found = find_occurrences(text, STRINGS)
    actors = tuple(
        ACTORS[name].model_copy(update={"mentions": spans})
        for name, spans in found.items()
        if spans
    )
    target = Target(id="t1", text="Die Steuer soll steigen.")
    return Document(id=f"d{number}", text=text, actors=actors, targets=(target,))


@pytest.fixture
def model_dir(tiny_stance_model_dir: Path, tmp_path: Path) -> Path:
    """A copy, since the tagger is written beside the model."""
    import shutil

    directory = tmp_path / "model"
    shutil.copytree(tiny_stance_model_dir, directory)
    return directory


def train(directory: Path, epochs: int = 200) -> tuple[StanceModel, dict[str, float]]:
    documents = [make_document(n, " ".join([a, b])) for n, (a, b) in enumerate(pair_texts())]
    model = load_model(directory)
    scores = train_tagger(
        model,
        load_tokenizer(directory),
        documents,
        documents,
        directory,
        tagger=TaggerSettings(shared_layers=1, own_layers=1),
        settings=TaggerTrainingSettings(
            epochs=epochs, learning_rate=5e-3, head_learning_rate=2e-2, max_tokens_per_batch=512
        ),
        device="cpu",
        facts={"documents": len(documents)},
    )
    return model, scores


def pair_texts() -> list[tuple[str, str]]:
    texts = [text for text, _ in TEXTS]
    return [(one, other) for one in texts for other in texts if one != other]


def test_a_tagger_learns_the_actors_of_its_texts_and_the_classifier_finds_them(
    model_dir: Path,
) -> None:
    _, scores = train(model_dir)
    assert scores["actor_mention_f1"] > 0.9
    assert scores["actor_conll_f1"] > 0.9
    stored = json.loads((model_dir / TAGGER_CONFIG_FILE).read_text(encoding="utf-8"))
    assert stored["validation"]["actor_mention_f1"] == scores["actor_mention_f1"]
    assert stored["training"]["documents"] == 20
    classifier = StanceClassifier.from_pretrained(model_dir, device="cpu")
    assert classifier.finds_actors
    rows = classifier.predict(
        " ".join(text for text, _ in TEXTS[:2]), targets=["Tempolimit", "Ausbau"], actors="auto"
    )
    assert [(row.actor, row.target) for row in rows] == [
        ("Frauke Ömmelbach", "Tempolimit"),
        ("Fährverein", "Tempolimit"),
        ("Frauke Ömmelbach", "Ausbau"),
        ("Fährverein", "Ausbau"),
    ]
    assert rows[0].mentions[0]["text"] == "Die Bürgermeisterin Frauke Ömmelbach"


def test_what_is_written_gives_the_scores_that_were_measured(model_dir: Path) -> None:
    from stance.actor_metrics import score_actors

    model, scores = train(model_dir, epochs=3)
    documents = [make_document(n, " ".join([a, b])) for n, (a, b) in enumerate(pair_texts())]
    finder = ActorFinder.from_directory(
        model_dir, model, load_tokenizer(model_dir), choose_runtime("cpu")
    )
    found = finder.find([document.text for document in documents])
    again = score_actors([document.actors for document in documents], found)
    assert again["actor_mention_f1"] == pytest.approx(scores["actor_mention_f1"], abs=1e-9)


def test_training_twice_gives_the_same_tagger_and_leaves_the_model_alone(model_dir: Path) -> None:
    from safetensors.torch import load_file

    before = {name: value.clone() for name, value in load_model(model_dir).state_dict().items()}
    model, _ = train(model_dir, epochs=2)
    first = load_file(model_dir / TAGGER_FILE)
    train(model_dir, epochs=2)
    second = load_file(model_dir / TAGGER_FILE)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_documents_keep_their_author_and_lose_gold_of_other_actors(model_dir: Path) -> None:
    train(model_dir, epochs=3)
    classifier = StanceClassifier.from_pretrained(model_dir, device="cpu")
    text = TEXTS[0][0]
    given = make_document(0, text)
    document = given.model_copy(
        update={"actors": (*given.actors, Actor(id="a1x", name="Ich", author=True))}
    )
    (kept,) = classifier.find_actors([document], replace=False)
    assert kept is document
    (found,) = classifier.find_actors([document])
    assert found.actors[0].author
    assert not found.stances


def test_nothing_to_learn_from_is_an_error(model_dir: Path) -> None:
    with pytest.raises(ValueError, match="no document has an actor with mentions"):
        train_tagger(
            load_model(model_dir),
            load_tokenizer(model_dir),
            [Document(id="d", text="Es regnet.")],
            [],
            model_dir,
            tagger=TaggerSettings(1, 1),
            settings=TaggerTrainingSettings(),
        )


@pytest.mark.parametrize(("field", "value"), [("epochs", 1.5), ("learning_rate", 0)])
def test_settings_are_checked(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        TaggerTrainingSettings(**{field: value})  # type: ignore[arg-type]
