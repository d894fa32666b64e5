"""The sentences on which a verdict rests, from where the model's attention lay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stance.features import Window

MAX_SENTENCES = 3
LEAST_SHARE = 0.25
"""A further sentence is shown when at least this share of the attention lies on it."""


def choose_sentences(
    windows: Sequence[Window], weights: Sequence[NDArray[np.float32]]
) -> list[tuple[int, int]]:
    """Places in the text of the one to three sentences with the most weight, the first the top one.

    A sentence in two windows counts in the one where it has more; one that is cut by a window's
    edge is shown whole.

    Args:
        windows: those in which the actor is mentioned.
        weights: of each window's tokens, for this actor.

    Returns:
        Character spans, most weight first; none where no token has any.
    """
    shares: dict[tuple[int, int], float] = defaultdict(float)
    for window, row in zip(windows, weights, strict=True):
        for sentence in window.sentences:
            share = float(row[sentence.start : sentence.end].sum())
            shares[sentence.characters] = max(share, shares[sentence.characters])
    ranked = sorted(shares, key=lambda place: (-shares[place], place))[:MAX_SENTENCES]
    total = sum(shares.values())
    return [
        place
        for rank, place in enumerate(ranked)
        if shares[place] > 0 and (rank == 0 or shares[place] >= LEAST_SHARE * total)
    ]
