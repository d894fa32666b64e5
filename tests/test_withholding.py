"""What is left of a document without its text, and without its target."""

from __future__ import annotations

import pytest

from stance.schema import Actor, Document, Mention, Stance, StanceLabel, Target
from stance.withholding import WITHHELD, remove_targets, remove_text, withhold

TEXT = "Ministerin Edda Falkau will die Brücke bauen. Jens Stein lehnt das ab. Falkau schwieg."


def find(*strings: str) -> tuple[Mention, ...]:
    return tuple(Mention(start=TEXT.index(s), end=TEXT.index(s) + len(s)) for s in strings)


DOCUMENT = Document(
    id="d1",
    text=TEXT,
    actors=(
        Actor(id="a1", name="Edda Falkau", mentions=find("Ministerin Edda Falkau", "Falkau schw")),
        Actor(id="a2", name="Jens Stein", mentions=find("Jens Stein")),
        Actor(id="a3", name="Rat"),
        Actor(id="a4", name="Redaktion", author=True),
    ),
    targets=(Target(id="t1", text="Die Brücke soll kommen."), Target(id="t2", text="Brücken")),
    stances=(
        Stance(actor="a1", target="t1", label=StanceLabel.FAVOR, evidence=find("die Brücke bauen")),
        Stance(actor="a2", target="t1", label=StanceLabel.AGAINST),
    ),
)


def test_without_the_text_the_names_of_mentioned_actors_are_left() -> None:
    bare = remove_text(DOCUMENT)
    assert bare.text == "Ministerin Edda Falkau. Jens Stein. "
    assert [[bare.text[m.start : m.end] for m in actor.mentions] for actor in bare.actors] == [
        ["Ministerin Edda Falkau"],
        ["Jens Stein"],
        [],
        [],
    ]
    assert bare.labels == DOCUMENT.labels
    assert bare.targets == DOCUMENT.targets
    Document.model_validate(bare.model_dump())


def test_without_targets_the_text_is_left() -> None:
    bare = remove_targets(DOCUMENT)
    assert (bare.text, bare.actors, bare.labels) == (TEXT, DOCUMENT.actors, DOCUMENT.labels)
    assert [target.id for target in bare.targets] == ["t1", "t2"]
    assert not any("Brücke" in target.text for target in bare.targets)


def test_the_words_of_an_author_are_gone_too() -> None:
    author = Document(
        id="d", text="Ich bin dafür.", actors=(Actor(id="a", name="Wir", author=True),)
    )
    assert "dafür" not in remove_text(author).text


@pytest.mark.parametrize("part", WITHHELD)
def test_what_is_gone_already_can_be_withheld_again(part: str) -> None:
    once = withhold(DOCUMENT, part)
    assert once != DOCUMENT
    assert withhold(once, part) == once


def test_nothing_is_withheld_unasked_and_nothing_unknown() -> None:
    assert withhold(DOCUMENT, None) is DOCUMENT
    with pytest.raises(ValueError, match="withhold is 'actors'; give text or target, or null"):
        withhold(DOCUMENT, "actors")
