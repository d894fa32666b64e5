from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
import scorch.scores
from hypothesis import given
from hypothesis import strategies as st

from stance.actor_metrics import (
    Span,
    count_b_cubed,
    count_ceaf_e,
    count_muc,
    score_actors,
    score_end_to_end,
)
from stance.schema import Actor, Document, Mention, Prediction, Stance, StanceLabel, Target

TEXT = "Eva Holm lobte den Plan. Der Stadtrat lehnte ihn ab. Holm ging, der Rat blieb."


def actor(name: str, *spans: Span, author: bool = False) -> Actor:
    mentions = tuple(Mention(start=start, end=end) for start, end in spans)
    return Actor(id=name, name=name, mentions=mentions, author=author)


def draw_clusters(spans: Sequence[Span], draw: random.Random) -> list[set[Span]]:
    clusters: dict[int, set[Span]] = {}
    for span in spans:
        clusters.setdefault(draw.randrange(4), set()).add(span)
    return list(clusters.values())


@given(st.integers(2, 9), st.integers(0, 3), st.integers(0, 3), st.integers(0, 10_000))
def test_cluster_scores_are_those_of_a_known_scorer(
    common: int, missed: int, spurious: int, seed: int
) -> None:
    draw = random.Random(seed)
    spans = [(number, number + 1) for number in range(common + missed + spurious)]
    gold = draw_clusters(spans[: common + missed], draw)
    found = draw_clusters(spans[:common] + spans[common + missed :], draw)
    for ours, theirs in (
        (count_muc, scorch.scores.muc),
        (count_b_cubed, scorch.scores.b_cubed),
        (count_ceaf_e, scorch.scores.ceaf_e),
    ):
        scored = ours(gold, found)
        # The other scorer takes nothing over nothing (no links at all) for 1, ours for 0.
        recall, precision, _ = theirs(gold, found)
        if scored.gold:
            assert scored.recall == pytest.approx(recall, abs=1e-9)
        if scored.predicted:
            assert scored.precision == pytest.approx(precision, abs=1e-9)


def test_what_is_annotated_scores_one_and_an_author_plays_no_part() -> None:
    gold = [actor("Holm", (0, 8), (53, 57)), actor("Rat", (25, 37))]
    scores = score_actors([[*gold, actor("author", author=True)]], [gold])
    assert scores["actor_mention_f1"] == 1
    assert scores["actor_conll_f1"] == 1
    assert scores["actors"] == {"gold": 2, "found": 2}


def test_a_span_must_be_exact_and_texts_are_summed_before_dividing() -> None:
    gold = [[actor("Holm", (0, 8), (53, 57))], [actor("Rat", (25, 37))]]
    found = [[actor("x", (4, 8), (53, 57))], []]
    scores = score_actors(gold, found)
    assert scores["actor_mention_precision"] == pytest.approx(1 / 2)
    assert scores["actor_mention_recall"] == pytest.approx(1 / 3)


def test_nothing_found_is_zero() -> None:
    scores = score_actors([[actor("Holm", (0, 8))]], [[]])
    assert scores["actor_conll_f1"] == 0
    assert scores["actor_mention_f1"] == 0


def test_stances_count_for_the_actor_whose_mentions_overlap() -> None:
    document = Document(
        id="d",
        text=TEXT,
        actors=(actor("Holm", (0, 8), (53, 57)), actor("Rat", (25, 37)), actor("Plan", (15, 23))),
        targets=(Target(id="t", text="Der Plan soll kommen."),),
        stances=(
            Stance(actor="Holm", target="t", label=StanceLabel.FAVOR),
            Stance(actor="Rat", target="t", label=StanceLabel.AGAINST),
        ),
    )
    # a1 is Holm by another span, a2 is nobody, a3 is the plan, whose pair is not annotated.
    found = [actor("a1", (4, 8)), actor("a2", (65, 72)), actor("a3", (15, 23))]
    verdicts = [predict(name, StanceLabel.FAVOR) for name in ("a1", "a2", "a3")]
    scores = score_end_to_end([document], [found], [verdicts])
    assert scores["end_to_end_micro_precision"] == pytest.approx(1 / 2)
    assert scores["end_to_end_micro_recall"] == pytest.approx(1 / 2)
    silent = score_end_to_end([document], [found], [[predict("a1", StanceLabel.NONE)]])
    assert silent["end_to_end_micro_f1"] == 0


def predict(actor_id: str, label: StanceLabel) -> Prediction:
    return Prediction(
        document_id="d",
        actor_id=actor_id,
        actor=actor_id,
        target_id="t",
        target="Der Plan soll kommen.",
        label=label,
        probabilities=(0.25, 0.25, 0.25, 0.25),
        confidence=0.25,
        model="fake",
    )
