from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.actor_tagging import TaggedMention
from stance.entity_recognition import (
    FinderError,
    ask_gliner,
    check_finders,
    cut_pieces,
    load_recognisers,
    merge_mentions,
)
from stance.inference import StanceClassifier
from stance.schema import ActorKind

TEXT = "Ministerin Ada Holm reiste nach Moskau. Moskau zahlt, der Fährverein und Bad Ems nicht."
PATTERNS = [
    {"label": "PER", "pattern": "Ada Holm"},
    {"label": "ORG", "pattern": "Fährverein"},
    {"label": "LOC", "pattern": "Moskau"},
    {"label": "LOC", "pattern": "Bad Ems"},
    {"label": "MISC", "pattern": "Ministerin"},
]


@pytest.fixture(scope="module")
def pipeline_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed: pip install stance[spacy]")
    pipeline = spacy.blank("de")
    pipeline.add_pipe("entity_ruler").add_patterns(PATTERNS)
    directory = tmp_path_factory.mktemp("pipeline")
    pipeline.to_disk(directory)
    return Path(directory)


class FakeGliner:
    """Answers as GLiNER does: nothing after ``max_len`` of its words, a list for each text."""

    def __init__(self, max_len: int, names: dict[str, str]) -> None:
        self.config = SimpleNamespace(max_len=max_len)
        self.names = names
        self.longest = 0

    def inference(self, texts: Sequence[str], labels: Sequence[str]) -> list[list[dict[str, Any]]]:
        return [self.answer(text, labels) for text in texts]

    def answer(self, text: str, labels: Sequence[str]) -> list[dict[str, Any]]:
        words = list(re.finditer(r"\w+(?:[-_]\w+)*|\S", text))
        self.longest = max(self.longest, len(words))
        read = text[: words[: self.config.max_len][-1].end()]
        assert set(self.names.values()) <= set(labels)
        return [
            {"start": m.start(), "end": m.end(), "text": name, "label": label, "score": 0.9}
            for name, label in self.names.items()
            for m in re.finditer(rf"\b{name}\b", read)
        ]


def quote(text: str, mentions: Sequence[TaggedMention]) -> list[tuple[str, str]]:
    return [(text[m.start : m.end], m.kind) for m in mentions]


def mention(start: int, end: int, kind: ActorKind, name: tuple[int, int] | None) -> TaggedMention:
    return TaggedMention(start, end, name, kind, 0.9)


def test_entities_of_spacy_are_actors_of_their_kind(pipeline_dir: Path) -> None:
    (recognise,) = load_recognisers([f"spacy:{pipeline_dir}"])
    found, nothing = recognise([TEXT, ""])
    # A place where something happens is no actor, nor is one that is no state.
    assert quote(TEXT, found) == [
        ("Ada Holm", "person"),
        ("Moskau", "state"),
        ("Fährverein", "organisation"),
    ]
    assert TEXT[found[1].start - 2] == "."
    assert nothing == []


def test_a_model_without_a_tagger_finds_actors_with_spacy(
    pipeline_dir: Path, tiny_stance_model_dir: Path
) -> None:
    classifier = StanceClassifier.from_pretrained(
        tiny_stance_model_dir, device="cpu", finders=[f"spacy:{pipeline_dir}"]
    )
    assert classifier.finds_actors
    text = f"{TEXT} Ada Holm zahlt."
    rows = classifier.predict(text, targets=["Tempolimit"], actors="auto")
    assert [(row.actor, len(row.mentions)) for row in rows] == [
        ("Ada Holm", 2),
        ("Russland", 1),
        ("Fährverein", 1),
    ]


def test_what_gliner_finds_is_in_the_text_even_beyond_its_limit() -> None:
    text = " ".join([TEXT] * 30) + " Und Jo-Ann Sand schwieg."
    model = FakeGliner(40, {"Ada Holm": "person", "Jo-Ann Sand": "person", "Moskau": "country"})
    (found,) = ask_gliner(model)([text])
    names = quote(text, found)
    assert names.count(("Ada Holm", "person")) == 30
    assert names.count(("Moskau", "state")) == 30
    assert names[-1] == ("Jo-Ann Sand", "person")
    assert model.longest <= 40


def test_a_name_at_the_edge_of_a_piece_is_found_whole_and_once() -> None:
    for before in range(25):
        text = "und " * before + "Ada Maria Holm " + "und " * 30
        (found,) = ask_gliner(FakeGliner(20, {"Ada Maria Holm": "person", "Holm": "person"}))(
            [text]
        )
        assert quote(text, found) == [("Ada Maria Holm", "person")]


@given(st.text(alphabet="aB1 .,!-\n„“ä", max_size=200), st.integers(2, 30))
def test_pieces_fit_and_leave_nothing_out(text: str, limit: int) -> None:
    covered: set[int] = set()
    for start, end in cut_pieces(text, limit):
        assert len(re.findall(r"\w+(?:[-_]\w+)*|\S", text[start:end])) <= limit
        covered.update(range(start, end))
    assert {n for n, character in enumerate(text) if not character.isspace()} <= covered


def test_of_overlapping_mentions_the_longest_stays_and_learns_the_name() -> None:
    tagged = [mention(0, 19, "person", None), mention(40, 43, "person", (40, 43))]
    named = [mention(11, 19, "person", (11, 19)), mention(40, 48, "person", (40, 48))]
    assert merge_mentions([tagged, named]) == [mention(0, 19, "person", (11, 19)), named[1]]


def test_of_equal_mentions_that_of_the_earlier_finder_stays() -> None:
    tagged, named = mention(0, 8, "group", None), mention(0, 8, "organisation", (0, 8))
    assert merge_mentions([[tagged], [named]]) == [tagged]
    assert merge_mentions([[named], [tagged]]) == [named]


@pytest.mark.parametrize(
    ("finders", "message"),
    [
        (["flair:de"], "give tagger, spacy:MODEL or gliner:MODEL"),
        (["spacy:"], "give tagger, spacy:MODEL or gliner:MODEL"),
        (["spacy"], "give tagger, spacy:MODEL or gliner:MODEL"),
        (["tagger", "tagger"], "twice"),
        ([], "give a list"),
    ],
)
def test_a_wrong_finder_is_named(finders: list[str], message: str) -> None:
    with pytest.raises(FinderError, match=message):
        check_finders(finders)


@pytest.mark.parametrize(("package", "extra"), [("spacy", "spacy"), ("gliner", "gliner")])
def test_a_missing_package_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FinderError, match=rf"pip install 'stance\[{extra}\]'"):
        load_recognisers([f"{package}:some_model"])


def test_a_missing_pipeline_is_an_error_that_says_what_to_install() -> None:
    pytest.importorskip("spacy", reason="spaCy is not installed: pip install stance[spacy]")
    with pytest.raises(FinderError, match="python -m spacy download de_no_such_model"):
        load_recognisers(["tagger", "spacy:de_no_such_model"])


# Its other warnings are its own affair.
@pytest.mark.filterwarnings("default", "error:Sentence of length")
def test_gliner_itself_is_given_nothing_that_it_would_cut(
    tiny_encoder_dir: Path, tmp_path: Path
) -> None:
    reason = "GLiNER is not installed: pip install stance[gliner]"
    gliner = pytest.importorskip("gliner", reason=reason)
    config = gliner.GLiNERConfig(
        model_name=str(tiny_encoder_dir), hidden_size=32, max_len=20, max_width=4
    )
    gliner.GLiNER.from_config(config).save_pretrained(tmp_path)
    (recognise,) = load_recognisers([f"gliner:{tmp_path}"])
    text = " ".join([TEXT] * 10) + " wort" * 60
    found = recognise([text, "", TEXT])  # random weights: anything may be found
    assert len(found) == 3
    assert found[1] == []
    for own in found:
        assert all(one.end <= other.start for one, other in pairwise(own))
        assert all(one.end <= len(text) for one in own)
    with pytest.raises(UserWarning, match="truncated"):
        gliner.GLiNER.from_pretrained(str(tmp_path)).inference([text], ["person"])


def test_a_missing_gliner_model_is_an_error_that_says_what_to_give(tmp_path: Path) -> None:
    pytest.importorskip("gliner", reason="GLiNER is not installed: pip install stance[gliner]")
    with pytest.raises(FinderError, match="give a directory"):
        load_recognisers([f"gliner:{tmp_path}"])
