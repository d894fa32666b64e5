from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.batching import (
    TrainingBatchSampler,
    collate_examples,
    collate_windows,
    mentioned_actors,
    plan_batches,
)
from stance.examples import IGNORED
from stance.features import Features, TokenEvidence, TokenMention, Window

PAD = 9
few = settings(max_examples=60, deadline=None)
LENGTHS = st.lists(st.integers(1, 600), min_size=1, max_size=80)


def make_sampler(
    lengths: Sequence[int],
    windows: Sequence[int] | None = None,
    *,
    max_tokens: int = 1000,
    seed: int = 1,
    rank: int = 0,
    processes: int = 1,
) -> TrainingBatchSampler:
    windows = windows or [1] * len(lengths)
    return TrainingBatchSampler(
        [length * number for length, number in zip(lengths, windows, strict=True)],
        lengths,
        max_tokens=max_tokens,
        seed=seed,
        rank=rank,
        processes=processes,
    )


def measure_padded(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[int]:
    return [len(batch) * max(lengths[position] for position in batch) for batch in batches]


@few
@given(lengths=LENGTHS, max_tokens=st.integers(1, 2000))
def test_planned_batches_hold_every_position_once_within_the_budget(
    lengths: list[int], max_tokens: int
) -> None:
    batches = plan_batches(lengths, max_tokens)
    assert sorted(chain.from_iterable(batches)) == list(range(len(lengths)))
    for batch, padded in zip(batches, measure_padded(batches, lengths), strict=True):
        assert padded <= max_tokens or len(batch) == 1
    longest = [lengths[batch[0]] for batch in batches]
    assert longest == sorted(longest, reverse=True)  # what does not fit in memory fails at once


def test_nothing_to_plan_gives_no_batches() -> None:
    assert plan_batches([], 100) == []


@few
@given(lengths=LENGTHS, max_tokens=st.integers(20, 3000), data=st.data())
def test_every_epoch_has_every_example_once_in_as_many_batches(
    lengths: list[int], max_tokens: int, data: st.DataObject
) -> None:
    processes = data.draw(st.integers(1, min(4, len(lengths))))
    sampler = make_sampler(lengths, max_tokens=max_tokens, processes=processes)
    for epoch in (0, 1, 7):
        batches = sampler.draw(epoch)
        assert all(batches)
        assert sorted(chain.from_iterable(batches)) == list(range(len(lengths)))
        assert len(batches) == len(sampler) * processes


@few
@given(lengths=LENGTHS, data=st.data())
def test_processes_share_the_batches_of_an_epoch(lengths: list[int], data: st.DataObject) -> None:
    processes = data.draw(st.integers(1, min(4, len(lengths))))
    shares = []
    for rank in range(processes):
        sampler = make_sampler(lengths, rank=rank, processes=processes)
        sampler.set_epoch(3)
        shares.append(list(sampler))
        assert len(shares[-1]) == len(sampler)
    together = [batch for turn in zip(*shares, strict=True) for batch in turn]
    assert together == sampler.draw(3)


def test_the_draw_depends_on_seed_and_epoch_alone() -> None:
    lengths = np.random.default_rng(0).integers(20, 400, 300).tolist()
    through = make_sampler(lengths)
    first, second = list(through), None
    through.set_epoch(1)
    second = list(through)
    resumed = make_sampler(lengths)
    resumed.set_epoch(1)
    assert list(resumed) == second
    assert first != second
    assert list(make_sampler(lengths, seed=2)) != first


def test_batches_are_padded_little_and_of_like_size() -> None:
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(4.5, 0.6, 3000), 12, 512).astype(int).tolist()
    batches = make_sampler(lengths, max_tokens=2048).draw(0)
    padded = measure_padded(batches, lengths)
    assert sum(padded) < 1.1 * sum(lengths)
    assert max(padded) < 1.25 * 2048
    costs = [sum(lengths[position] for position in batch) for batch in batches]
    assert np.median(costs) > 0.9 * 2048


def test_the_batches_of_an_epoch_do_not_come_by_length() -> None:
    lengths = list(range(10, 510))
    firsts = [lengths[batch[0]] for batch in make_sampler(lengths, max_tokens=4000).draw(0)]
    assert abs(np.corrcoef(firsts, range(len(firsts)))[0, 1]) < 0.5


def test_a_few_long_examples_do_not_pad_many_short_ones() -> None:
    lengths = [30] * 2000 + [512] * 20
    sampler = make_sampler(lengths, max_tokens=2048)
    for epoch in range(3):
        assert max(measure_padded(sampler.draw(epoch), lengths)) <= 1.25 * 2048


def test_all_windows_of_an_example_count() -> None:
    lengths, windows = [100] * 40, [1, 5] * 20
    batches = make_sampler(lengths, windows, max_tokens=1000).draw(0)
    assert len(batches) == 12
    assert max(100 * sum(windows[position] for position in batch) for batch in batches) <= 1250


def test_an_example_over_the_budget_is_a_batch_of_its_own() -> None:
    batches = make_sampler([100] * 50 + [3000]).draw(0)
    assert [50] in batches


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_as_many_examples_as_processes_are_one_batch_each(processes: int) -> None:
    sampler = make_sampler([50] * processes, processes=processes)
    assert len(sampler) == 1
    assert sorted(sampler.draw(0)) == [[position] for position in range(processes)]


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="no training examples"):
        make_sampler([])
    with pytest.raises(ValueError, match="2 training examples for 3 processes"):
        make_sampler([50, 50], processes=3)


def make_window(first: int, length: int) -> Window:
    """Tokens ``first, first + 1, ...``: two of the target, the rest of the text."""
    return Window(
        input_ids=tuple(range(first, first + length)),
        type_ids=(0, 0, 0) + (1,) * (length - 3),
        target_span=(1, 3),
        text_span=(3, length),
        characters=(0, 5 * length),
    )


EXAMPLES = (
    Features(
        windows=(make_window(100, 8), make_window(200, 6)),
        mentions=(
            TokenMention(2, 0, 4, 5),
            TokenMention(2, 1, 3, 6, (3, 6)),
            TokenMention(0, 1, 3, 4, (3, 6)),
        ),
        author=(False, False, False),
        labels=(1, 0, 3),  # the text does not mention the second actor
    ),
    Features(
        windows=(make_window(300, 4),),
        mentions=(TokenMention(0, 0, 3, 4),),
        author=(True,),
        labels=(IGNORED,),
    ),
    Features(
        windows=(make_window(400, 9),),
        mentions=(TokenMention(0, 0, 3, 9), TokenMention(1, 0, 6, 7)),
        author=(True, False),
        labels=(2, 0),
    ),
)


def test_windows_are_padded_to_the_longest() -> None:
    windows = [make_window(100, 4), make_window(200, 6)]
    tensors = collate_windows(windows, [TokenMention(5, 1, 3, 6)], PAD)
    assert tensors["input_ids"].tolist() == [
        [100, 101, 102, 103, PAD, PAD],
        [200, 201, 202, 203, 204, 205],
    ]
    assert tensors["attention_mask"].tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6]
    assert tensors["token_type_ids"].tolist() == [[0, 0, 0, 1, 0, 0], [0, 0, 0, 1, 1, 1]]
    assert tensors["target_spans"].tolist() == [[1, 3], [1, 3]]
    assert tensors["mention_spans"].tolist() == [[1, 3, 6, 3, 6]]
    assert {tensor.dtype for tensor in tensors.values()} == {torch.long}


def test_windows_without_mentions_keep_the_shape() -> None:
    tensors = collate_windows([make_window(100, 4)], [], PAD)
    assert tensors["mention_spans"].shape == (0, 5)


def test_an_actor_without_a_mention_has_no_row() -> None:
    assert mentioned_actors(EXAMPLES[0]) == [0, 2]
    tensors = collate_examples(EXAMPLES, PAD)
    assert tensors["labels"].tolist() == [1, 3, IGNORED, 2, 0]
    assert tensors["author_actors"].tolist() == [False, False, True, True, False]
    assert tensors["mention_actors"].tolist() == [1, 1, 0, 2, 3, 4]
    assert tensors["mention_spans"][:, 0].tolist() == [0, 1, 1, 2, 3, 3]


def test_evidence_is_that_of_the_actor_in_the_window_of_the_mention() -> None:
    evidence = (
        TokenEvidence(2, 1, 4, 6),
        TokenEvidence(2, 1, 3, 4),  # touches the first: one piece, so that no token counts twice
        TokenEvidence(2, 0, 3, 4),
        TokenEvidence(0, 0, 5, 6),  # this actor is not mentioned in the window
        TokenEvidence(0, 1, 3, 5),
    )
    example = replace(EXAMPLES[0], evidence=evidence)
    tensors = collate_examples([EXAMPLES[1], example], PAD)
    assert tensors["evidence_spans"].tolist() == [[1, 3, 4], [2, 3, 6], [3, 3, 5]]


def unpack(tensors: dict[str, torch.Tensor]) -> list[tuple[object, ...]]:
    """What each actor of a batch gets to see: label, author, and the tokens of its mentions in
    their windows."""
    mentions: list[list[tuple[object, ...]]] = [[] for _ in tensors["labels"]]
    spans = tensors["mention_spans"].tolist()
    for (row, start, end, *sentence), actor in zip(
        spans, tensors["mention_actors"].tolist(), strict=True
    ):
        real = tensors["attention_mask"][row].bool()
        window = tensors["input_ids"][row]
        around = window[slice(*sentence)].tolist()
        mentions[actor].append((window[start:end].tolist(), around, window[real].tolist()))
    columns = (tensors["labels"].tolist(), tensors["author_actors"].tolist(), mentions)
    return sorted(zip(*columns, strict=True), key=str)


@few
@given(order=st.permutations(EXAMPLES))
def test_the_order_of_examples_does_not_matter(order: list[Features]) -> None:
    expected = [row for example in EXAMPLES for row in unpack(collate_examples([example], PAD))]
    assert unpack(collate_examples(order, PAD)) == sorted(expected, key=str)
