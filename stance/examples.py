"""Documents to examples: a document and one target, with all actors of the text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stance.schema import LABELS, Actor, Document, Mention, Target

IGNORED = -100
"""The label of an unlabelled pair; the loss leaves it out (torch's ``ignore_index``)."""

LABEL_IDS = {label: position for position, label in enumerate(LABELS)}


@dataclass(frozen=True)
class Example:
    """A document and one of its targets; ``labels`` has one label id, or ``IGNORED``, an actor, and
    ``evidence`` the stretches of text that show it, where they are known."""

    document: Document
    target: Target
    actors: tuple[Actor, ...]
    labels: tuple[int, ...]
    evidence: tuple[tuple[Mention, ...], ...] = ()


def build_examples(documents: Iterable[Document], *, labelled_only: bool = False) -> list[Example]:
    """All examples of the documents, in the order document, then target.

    Args:
        labelled_only: leave out examples in which no pair has a label (for training).
    """
    examples = []
    for document in documents:
        labels, shown = document.labels, document.evidence
        for target in document.targets:
            pairs = [labels.get((actor.id, target.id)) for actor in document.actors]
            if not pairs or (labelled_only and not any(pairs)):
                continue
            ids = tuple(IGNORED if label is None else LABEL_IDS[label.value] for label in pairs)
            evidence = tuple(shown.get((actor.id, target.id), ()) for actor in document.actors)
            examples.append(Example(document, target, document.actors, ids, evidence))
    return examples
