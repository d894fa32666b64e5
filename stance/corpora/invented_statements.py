"""Statements without words, so that reports can be composed on targets nobody spoke about yet."""

from __future__ import annotations

import random
from collections.abc import Iterable
from operator import itemgetter

from stance.schema import Actor, Document, Stance, StanceLabel, Target

THESES_OF_A_ROUND = 12
"""So many theses share a ``source``: a report takes its theses from one source."""


def invent_statements(documents: Iterable[Document], *, seed: int) -> list[Document]:
    """Statements without words, for ``compose_reports``: on each target of the documents some
    parties, each with a label that is drawn (neutral is rare).

    The result depends only on the targets, their order and ``seed``.
    """
    draw = random.Random(seed)
    # First targets, then second ones ...: those of one text, often contrary, never share a report.
    ranked = (
        (rank, target.text)
        for document in documents
        for rank, target in enumerate(document.targets)
    )
    targets = {text: rank for rank, text in sorted(ranked, key=itemgetter(0), reverse=True)}
    ranks = sorted(targets, key=targets.__getitem__)
    labels = [StanceLabel.FAVOR, StanceLabel.AGAINST, StanceLabel.NEUTRAL]
    return [
        Document(
            id=f"statement-{number}-{party}",
            text="",
            source=f"round-{targets[target]}-{number // THESES_OF_A_ROUND}",
            actors=(Actor(id="a1", name=f"party-{party}", author=True),),
            targets=(Target(id="t1", text=target),),
            stances=(Stance(actor="a1", target="t1", label=draw.choices(labels, (46, 46, 8))[0]),),
        )
        for number, target in enumerate(ranks)
        for party in draw.sample(range(6), draw.choice((1, 2, 2, 3, 4)))
    ]
