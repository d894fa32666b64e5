"""Statements paired with the target of another: a text that says nothing on it shows no stance.

Party statements always answer their thesis, so that a model trained on them alone never learns that
an author may take no stance.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from stance.schema import Document, Stance, StanceLabel

MIN_LETTERS = 5
STEM_LETTERS = 6
TRIES = 50


def pair_with_foreign_targets(
    documents: Sequence[Document], *, share: float, seed: int
) -> list[Document]:
    """The documents, a ``share`` of them with the first target of another document and the label
    none for all actors.

    Targets that share a longer word with the text or with the document's own are not taken, as they
    may be on its topic; where no other is found the document stays as it is.
    """
    draw = random.Random(seed)
    chosen = set(draw.sample(range(len(documents)), round(share * len(documents))))
    return [
        _pair(document, documents, draw) if position in chosen else document
        for position, document in enumerate(documents)
    ]


def _pair(document: Document, others: Sequence[Document], draw: random.Random) -> Document:
    own = _stems(" ".join([document.text, *(target.text for target in document.targets)]))
    for _ in range(TRIES):
        other = draw.choice(others)
        if other.targets and not own & _stems(other.targets[0].text):
            target = other.targets[0].model_copy(update={"id": document.targets[0].id})
            stances = tuple(
                Stance(actor=actor.id, target=target.id, label=StanceLabel.NONE)
                for actor in document.actors
            )
            return document.model_copy(
                update={
                    "id": f"{document.id}-foreign",
                    "targets": (target,),
                    "stances": stances,
                }
            )
    return document


def _stems(text: str) -> set[str]:
    words = re.findall(rf"\w{{{MIN_LETTERS},}}", text.lower())
    return {word[:STEM_LETTERS] for word in words}
