"""Attention over an actor's words: where it may lie, where it starts, and how evidence draws it."""

from __future__ import annotations

import pytest
import torch

from stance.attribution import (
    WordAttention,
    compute_evidence_loss,
    spread_over_sentences,
    sum_states,
)

WIDTH, TOKENS = 8, 12
TEXTS = torch.tensor([[3, 11], [3, 8]])
# Window, mention and its sentence: two mentions in the first window, one in the second.
MENTIONS = torch.tensor([[0, 4, 5, 3, 7], [0, 8, 10, 7, 11], [1, 3, 4, 3, 8]])


@pytest.fixture
def states() -> torch.Tensor:
    return torch.randn(2, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))


def attend(attention: WordAttention, states: torch.Tensor) -> torch.Tensor:
    return attention(states, torch.ones(3, 2 * WIDTH), MENTIONS, TEXTS)


def test_the_weights_are_on_the_text_of_the_own_window(states: torch.Tensor) -> None:
    torch.manual_seed(1)
    weights = attend(WordAttention(WIDTH), states)
    assert weights.shape == (3, TOKENS)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    for row, (start, end) in zip(weights, TEXTS[MENTIONS[:, 0]], strict=True):
        assert (row[start:end] > 0).all()
        assert row[:start].sum() + row[end:].sum() == 0
    words = sum_states(weights, states, MENTIONS[:, 0])
    by_hand = [row @ states[window] for row, window in zip(weights, MENTIONS[:, 0], strict=True)]
    torch.testing.assert_close(words, torch.stack(by_hand))


def test_it_starts_in_the_sentence_of_the_mention() -> None:
    torch.manual_seed(1)
    attention = WordAttention(WIDTH)
    mentions = torch.tensor([[0, 200, 202, 190, 215]])
    window = torch.zeros(1, 512, WIDTH)
    weights = attention(window, torch.ones(1, 2 * WIDTH), mentions, torch.tensor([[10, 511]]))
    assert weights[0, 190:215].sum() > 0.85
    assert weights[0, 190:215].unique().numel() == 1
    # Farther is less, on either side.
    assert (weights[0, 10:190].diff() >= 0).all()
    assert (weights[0, 215:511].diff() <= 0).all()


def test_without_attention_all_words_of_the_sentence_are_alike() -> None:
    weights = spread_over_sentences(MENTIONS, TOKENS)
    assert weights[0].tolist() == [0] * 3 + [0.25] * 4 + [0] * 5
    torch.testing.assert_close(weights.sum(1), torch.ones(3))


def test_evidence_draws_the_attention_out_of_the_sentence(states: torch.Tensor) -> None:
    torch.manual_seed(1)
    attention = WordAttention(WIDTH)
    optimizer = torch.optim.Adam(attention.parameters(), lr=0.05)
    evidence = torch.tensor([[0, 8, 10], [1, 3, 4], [1, 5, 6]])
    for _ in range(200):
        optimizer.zero_grad()
        compute_evidence_loss(attend(attention, states), evidence).backward()
        optimizer.step()
    weights = attend(attention, states)
    assert weights[0, 8:10].sum() > 0.8
    assert weights[1, [3, 5]].sum() > 0.8


def test_the_loss_of_evidence_is_the_log_of_its_weight() -> None:
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25], [1.0, 0, 0, 0]])
    evidence = torch.tensor([[0, 0, 1], [0, 3, 4], [1, 1, 3]])
    expected = -torch.tensor([0.5, 0.5]).log().mean()
    torch.testing.assert_close(compute_evidence_loss(weights, evidence), expected)
    none = torch.zeros(0, 3, dtype=torch.long)
    assert compute_evidence_loss(weights, none) == 0
