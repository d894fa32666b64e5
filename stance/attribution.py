"""Which words of a window are an actor's: attention from each mention over the text around it.

A sentence can tell the positions of two actors, and a position can go on over several sentences.
So each mention chooses the tokens that count for it, by what they say and by where they stand: how
far from the mention, and how far outside its sentence. Where training texts have evidence, the
attention is taught to lie on it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FARTHEST = 8
"""Distances are read in steps of powers of two; from 128 tokens on they are all the same."""
DISTANCE_SCALE = 10.0
"""Of the logits by distance. Their parameters are few and start alike, and would hardly move at the
learning rate that suits the matrices."""
QUERY_WIDTH = 64


class WordAttention(nn.Module):
    """Attention of mentions over the tokens of their windows' texts.

    Args:
        width: H, of the encoder's states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(2 * width, QUERY_WIDTH)
        self.key = nn.Linear(width, QUERY_WIDTH)
        self.from_mention = nn.Parameter(torch.zeros(2 * FARTHEST + 1))
        self.from_sentence = nn.Parameter(start_near())

    def forward(
        self, states: Tensor, queries: Tensor, mention_spans: Tensor, text_spans: Tensor
    ) -> Tensor:
        """Weights (M, T) of the tokens of each mention's window; those of its text sum to 1.

        Args:
            states: (B, T, H), of the encoder.
            queries: (M, 2H), states of the mention and of the target.
            mention_spans: (M, 5), window, start and end of each mention and of its sentence.
            text_spans: (B, 2), start and end of the text's tokens.
        """
        windows, start, end, sentence_start, sentence_end = mention_spans.unbind(dim=1)
        tokens = torch.arange(states.shape[1], device=states.device)
        # All mentions against all windows, then each one's own: no copy of a window per mention.
        keys = self.key(states).flatten(0, 1)
        scores = (self.query(queries) @ keys.T).float() / QUERY_WIDTH**0.5
        scores = scores.gather(1, own_columns(windows, len(tokens)))
        from_mention = self.from_mention[_read_distance(tokens, start, end)]
        from_sentence = self.from_sentence[_read_distance(tokens, sentence_start, sentence_end)]
        scores = scores + DISTANCE_SCALE * (from_mention + from_sentence)
        text_start, text_end = text_spans[windows].unbind(dim=1)
        outside = (tokens < text_start[:, None]) | (tokens >= text_end[:, None])
        return scores.masked_fill(outside, -torch.inf).softmax(dim=-1)


def spread_over_sentences(mention_spans: Tensor, tokens: int) -> Tensor:
    """Weights (M, T) without a choice: those of the tokens of the mention's sentence, all alike."""
    start, end = mention_spans[:, 3:4], mention_spans[:, 4:5]
    places = torch.arange(tokens, device=mention_spans.device)
    return ((places >= start) & (places < end)) / (end - start).clamp(min=1)


def start_near() -> Tensor:
    """Logits by distance from the sentence (17,), before scaling, for a start: with each step away
    from the sentence a token counts e times less."""
    return -torch.arange(-FARTHEST, FARTHEST + 1).abs() / DISTANCE_SCALE


def own_columns(windows: Tensor, tokens: int) -> Tensor:
    """Where the tokens of each mention's window (M,) stand among those of all windows: (M, T)."""
    return windows[:, None] * tokens + torch.arange(tokens, device=windows.device)


def sum_states(weights: Tensor, states: Tensor, windows: Tensor) -> Tensor:
    """States (M, H) weighted by ``weights`` (M, T) out of ``states`` (B, T, H)."""
    flat = states.flatten(0, 1)
    spread = weights.new_zeros(len(windows), len(flat))
    spread = spread.scatter(1, own_columns(windows, states.shape[1]), weights)
    with torch.autocast(states.device.type, enabled=False):
        return spread @ flat


def compute_evidence_loss(weights: Tensor, evidence_spans: Tensor) -> Tensor:
    """Mean over the mentions with evidence of -log of the weight that lies on it; 0 without any.

    Args:
        weights: (M, T), from ``WordAttention``.
        evidence_spans: (E, 3), mention, start and end of each piece, which do not overlap.
    """
    mentions, start, end = evidence_spans.unbind(dim=1)
    sums = nn.functional.pad(weights.cumsum(dim=1), (1, 0))
    mass = sums[mentions, end] - sums[mentions, start]
    found = weights.new_zeros(len(weights)).index_add(0, mentions, mass)
    count = weights.new_zeros(len(weights)).index_add(0, mentions, torch.ones_like(mass))
    losses = -found.clamp(min=1e-6).log() * (count > 0)
    return losses.sum() / (count > 0).sum().clamp(min=1)


def _read_distance(tokens: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """How far each token (T,) stands from each span (M,), as a number from 0 (far before it) over
    FARTHEST (in it) to 2 FARTHEST (far after it): (M, T)."""
    before = (start[:, None] - tokens).clamp(min=0)
    after = (tokens - end[:, None] + 1).clamp(min=0)
    steps = 2 ** torch.arange(FARTHEST, device=tokens.device)
    return (
        FARTHEST
        + torch.bucketize(after, steps, right=True)
        - torch.bucketize(before, steps, right=True)
    )
