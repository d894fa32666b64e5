"""Corrected shares: against a slow reference, over all possible samples, and in a simulation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from stance.schema import LABELS, Actor, Document, Mention, Prediction, Stance, StanceLabel, Target
from stance.shares import (
    Interval,
    add_periods,
    correct_share,
    count_share,
    draw_documents,
    estimate_mean,
    estimate_shares,
    match_gold,
    tabulate_predictions,
)

TEXT = "Frauke Ömmelbach fordert das Tempolimit, Götz Tüllinger lehnt es ab."
TARGET = "Das Tempolimit soll kommen."
ACTORS = {"a1": "Frauke Ömmelbach", "a2": "Götz Tüllinger"}
SURE = {label: tuple(float(label == other) for other in LABELS) for label in LABELS}


def predict(
    document: str,
    *labels: str,
    target: tuple[str, str] = ("t1", TARGET),
    probabilities: tuple[float, ...] | None = None,
) -> list[Prediction]:
    """The predictions of one document: actors a1, a2, ... with these labels."""
    return [
        Prediction(
            document_id=document,
            actor_id=f"a{number}",
            actor=ACTORS.get(f"a{number}", f"Verband {number}"),
            target_id=target[0],
            target=target[1],
            label=StanceLabel(label),
            probabilities=probabilities or SURE[label],
            confidence=1.0,
            model="fake",
        )
        for number, label in enumerate(labels, start=1)
    ]


def code(document: str, *labels: str | None, target: str = "t1", **extra: Any) -> Document:
    """One document with these gold labels of a1, a2, ...; None is not coded."""
    return Document(
        id=document,
        text=TEXT,
        actors=tuple(
            Actor(id=f"a{number}", name=f"Verband {number}") for number in range(1, len(labels) + 1)
        ),
        targets=(Target(id=target, text=TARGET),),
        stances=tuple(
            Stance(actor=f"a{number}", target=target, label=StanceLabel(label))
            for number, label in enumerate(labels, start=1)
            if label is not None
        ),
        **extra,
    )


def tabulate(*documents: Sequence[Prediction]) -> pd.DataFrame:
    return tabulate_predictions(one for document in documents for one in document)


def row_of(shares: pd.DataFrame, label: str, **where: str) -> dict[str, Any]:
    for column, value in {"label": label, **where}.items():
        shares = shares[shares[column] == value]
    (row,) = shares.to_dict("records")
    return row


@st.composite
def samples(draw: st.DrawFn) -> list[tuple[float, list[float]]]:
    """Documents as (chance, values of their pairs), values a quarter apart."""
    value = st.integers(-4, 4).map(lambda number: number / 4)
    document = st.tuples(
        st.sampled_from([0.05, 0.3, 0.5, 1.0]), st.lists(value, min_size=1, max_size=4)
    )
    return draw(st.lists(document, min_size=1, max_size=12))


def slow_estimate(documents: Iterable[tuple[float, list[float]]]) -> Interval:
    """The formulas read aloud, document by document."""
    documents = list(documents)
    pairs = sum(len(values) / chance for chance, values in documents)
    mean = sum(sum(values) / chance for chance, values in documents) / pairs
    left_to_chance = [one for one in documents if one[0] < 1]
    count = len(left_to_chance)
    if count == 0:
        return Interval(mean, mean, mean)
    if count == 1 or all(math.isclose(np.mean(values), mean) for _, values in left_to_chance):
        return Interval(mean, None, None)
    squares = 0.0
    for chance, values in left_to_chance:
        deviation = sum(value - mean for value in values)
        squares += (1 - chance) * (deviation / chance) ** 2
    error = math.sqrt(squares * count / (count - 1)) / pairs
    margin = t.ppf(0.975, count - 1) * error
    return Interval(mean, mean - margin, mean + margin)


@settings(deadline=None, max_examples=60)
@given(samples(), st.randoms(use_true_random=False))
def test_the_mean_agrees_with_the_formulas_in_any_order_of_pairs(
    documents: list[tuple[float, list[float]]], random: Any
) -> None:
    pairs = [
        (value, 7 * number, chance)
        for number, (chance, values) in enumerate(documents)
        for value in values
    ]
    random.shuffle(pairs)
    values, numbers, chances = zip(*pairs, strict=True)
    found = estimate_mean(values, numbers, chances)
    expected = slow_estimate(documents)
    for one, other in zip(found, expected, strict=True):
        assert one == (None if other is None else pytest.approx(other, abs=1e-9))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_over_all_possible_samples_share_and_variance_are_right(seed: int) -> None:
    """With documents of one size, estimate and variance estimate are exactly unbiased."""
    rng = np.random.default_rng(seed)
    population, size, pairs = 7, 4, 2
    documents = np.repeat(np.arange(population), pairs)
    gold = rng.integers(0, 2, population * pairs).astype(float)
    predicted = np.round(rng.random(population * pairs), 3)  # never the gold itself
    chances = np.full(len(documents), size / population)
    shares, variances = [], []
    for drawn in combinations(range(population), size):
        known = np.where(np.isin(documents, drawn), gold, np.nan)
        share, low, high = correct_share(predicted, known, documents, chances)
        assert share is not None
        assert low is not None
        assert high is not None
        shares.append(share)
        variances.append(((high - low) / 2 / t.ppf(0.975, size - 1)) ** 2)
    assert np.mean(shares) == pytest.approx(gold.mean(), abs=1e-9)
    assert np.mean(variances) == pytest.approx(np.var(shares), abs=1e-9)


def test_a_document_counts_once_however_many_pairs_it_has() -> None:
    """Four copies of each pair in its document say nothing new; as documents they would."""
    values, documents = np.array([1.0, 0, 0, 1, 1, 0]), np.arange(6)
    once = estimate_mean(values, documents, np.full(6, 0.1))
    copies = estimate_mean(np.tile(values, 4), np.tile(documents, 4), np.full(24, 0.1))
    assert copies == pytest.approx(once)
    independent = estimate_mean(np.tile(values, 4), np.arange(24), np.full(24, 0.1))
    assert independent.high is not None
    assert once.high is not None
    assert independent.high < once.high


def test_what_the_data_cannot_say_is_none() -> None:
    assert estimate_mean([], [], []) == (None, None, None)
    assert estimate_mean([1, 0], [0, 0], [0.5, 0.5]) == (0.5, None, None)
    assert estimate_mean([1, 1], [0, 1], [0.5, 0.5]) == (1, None, None)
    assert estimate_mean([1, 0], [0, 1], [1, 1]) == (0.5, 0.5, 0.5)


def test_what_cannot_be_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        estimate_mean([1, 0], [0, 1], [0, 1])
    with pytest.raises(ValueError, match="2 values, 1 documents and 2 probabilities"):
        estimate_mean([1, 0], [0], [1, 1])


def test_the_naive_interval_shrinks_with_the_pairs() -> None:
    few, many = count_share([True, False] * 5), count_share([True, False] * 500)
    assert few.share == many.share == 0.5
    assert few.low is not None
    assert many.low is not None
    assert few.low < many.low < 0.5


@dataclass(frozen=True)
class Population:
    """Documents of 1 to 6 pairs, whose labels hang together, and a model's view of them."""

    documents: np.ndarray  # (P,)
    gold: np.ndarray  # (P,) positions in LABELS
    probabilities: np.ndarray  # (P, 4)

    @property
    def size(self) -> int:
        return int(self.documents[-1]) + 1


def invent_population(rng: np.random.Generator, size: int, noise: float, bias: float) -> Population:
    """The model sees what makes the labels, through ``noise``, and takes against for favor."""
    documents = np.repeat(np.arange(size), rng.integers(1, 7, size))
    shape = (len(documents), len(LABELS))
    tone = rng.normal(0, 1, (size, len(LABELS)))[documents]
    drive = np.log([0.3, 0.35, 0.1, 0.25]) + tone + rng.normal(0, 2, shape)
    gold = (drive + rng.gumbel(size=shape)).argmax(axis=1)
    seen = drive + rng.normal(0, noise, shape) + bias * np.array([1, -1, 0, 0])
    probabilities = np.exp(seen) / np.exp(seen).sum(axis=1, keepdims=True)
    return Population(documents, gold, probabilities)


def draw_chances(rng: np.random.Generator, population: Population, size: int) -> np.ndarray:
    """(P,) chances of the documents; NaN for those that a simple draw of ``size`` left out."""
    drawn = rng.choice(population.size, size, replace=False)
    hit = np.isin(population.documents, drawn)
    return np.where(hit, size / population.size, np.nan)


def draw_strata(rng: np.random.Generator, population: Population) -> np.ndarray:
    """As ``draw_chances``; documents in which the model finds a favor are drawn more often."""
    finds = np.bincount(population.documents, population.probabilities.argmax(axis=1) == 0) > 0
    chances = np.full(population.size, np.nan)
    for stratum, share in ((finds, 0.3), (~finds, 0.08)):
        members = np.flatnonzero(stratum)
        count = round(share * len(members))
        chances[rng.choice(members, count, replace=False)] = count / len(members)
    return chances[population.documents]


def simulate(
    repetitions: int, noise: float, bias: float, size: int | None = None
) -> dict[str, tuple[float, float, float]]:
    """(coverage, mean length, mean error) of the intervals for favor in new populations of 500
    documents, with a simple sample of ``size`` documents or, without it, with strata."""
    rng = np.random.default_rng(11)
    covered: dict[str, list[tuple[bool, float, float]]] = {}
    for _ in range(repetitions):
        population = invent_population(rng, 500, noise, bias)
        chances = (
            draw_strata(rng, population) if size is None else draw_chances(rng, population, size)
        )
        coded = ~np.isnan(chances)
        is_label = (population.gold == 0).astype(float)
        truth = is_label.mean()
        estimates = {
            "naive": count_share(population.probabilities.argmax(axis=1) == 0),
            "gold_only": estimate_mean(
                is_label[coded], population.documents[coded], chances[coded]
            ),
            "corrected": correct_share(
                population.probabilities[:, 0],
                np.where(coded, is_label, np.nan),
                population.documents,
                chances,
            ),
        }
        for name, (share, low, high) in estimates.items():
            assert share is not None
            assert low is not None
            assert high is not None
            covered.setdefault(name, []).append((low <= truth <= high, high - low, share - truth))
    return {name: tuple(np.mean(rows, axis=0)) for name, rows in covered.items()}  # type: ignore[misc]


def test_with_a_biased_model_the_corrected_interval_holds_and_the_naive_one_does_not() -> None:
    results = simulate(400, noise=0.5, bias=0.8, size=150)
    coverage, length, error = results["corrected"]
    assert 0.92 <= coverage <= 0.98
    assert abs(error) < 0.005
    assert results["naive"][0] < 0.5
    assert abs(results["naive"][2]) > 0.05
    assert 0.92 <= results["gold_only"][0] <= 0.98
    assert length < results["gold_only"][1]


def test_the_better_the_model_the_shorter_the_corrected_interval() -> None:
    lengths = [simulate(40, noise, 0, size=150)["corrected"][1] for noise in (0.1, 1, 3)]
    assert lengths == sorted(lengths)


def test_with_twenty_documents_the_interval_still_holds() -> None:
    assert simulate(300, noise=0.5, bias=0.8, size=20)["corrected"][0] >= 0.92


def test_with_unequal_chances_the_interval_holds() -> None:
    results = simulate(300, noise=0.5, bias=0.8)
    coverage, _, error = results["corrected"]
    assert coverage >= 0.92
    assert abs(error) < 0.005
    assert results["gold_only"][0] >= 0.92
    assert abs(results["gold_only"][2]) < 0.005


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_the_shares_of_the_labels_sum_to_one(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    predictions = [
        one
        for number in range(9)
        for one in predict(
            f"n{number}",
            *rng.choice(LABELS, rng.integers(1, 4)),
            probabilities=tuple(rng.dirichlet([1, 1, 1, 1])),
        )
    ]
    pairs = tabulate_predictions(predictions)
    gold = [
        code(f"n{number}", *rng.choice(LABELS, count))
        for number in rng.choice(9, size, replace=False)
        if (count := int((pairs["document_id"] == f"n{number}").sum()))
    ]
    shares = estimate_shares(match_gold(pairs, gold))
    for name in ("naive", "gold_only", "corrected"):
        assert shares[name].sum() == pytest.approx(1, abs=1e-9)


def test_where_all_is_coded_the_share_is_known() -> None:
    pairs = tabulate(predict("n1", "favor", "favor"), predict("n2", "favor"))
    gold = [code("n1", "favor", "against"), code("n2", "none")]
    shares = estimate_shares(match_gold(pairs, gold))
    row = row_of(shares, "favor")
    third = pytest.approx(1 / 3)
    assert (row["corrected"], row["corrected_low"], row["corrected_high"]) == (third,) * 3
    assert row["gold_only_low"] == third
    assert row["naive"] == 1


def test_counts_say_what_was_used() -> None:
    pairs = tabulate(
        predict("n1", "favor", "favor"), predict("n2", "none", "favor"), predict("n3", "none")
    )
    shares = estimate_shares(match_gold(pairs, [code("n1", "favor", None), code("n2", "none")]))
    assert shares["label"].tolist() == list(LABELS)
    row = row_of(shares, "favor")
    counts = {name: row[name] for name in row if name.startswith("n_")}
    assert counts == {
        "n_documents": 3,
        "n_pairs": 5,
        "n_gold_documents": 2,
        "n_gold_pairs": 2,
        "n_uncoded_pairs": 2,
    }
    assert row["small"]
    assert row["gold_only"] == 0.5


def test_uncoded_pairs_do_not_pass_for_correct_ones() -> None:
    """The model is wrong in each coded pair; that half of the pairs is not coded changes nothing"""
    pairs = tabulate(*(predict(f"n{number}", "favor", "favor") for number in range(40)))
    half = match_gold(pairs, [code(f"n{number}", "against", None) for number in range(20)])
    assert row_of(estimate_shares(half), "favor")["corrected"] == pytest.approx(0)
    assert row_of(estimate_shares(half), "against")["corrected"] == pytest.approx(1)


def test_a_group_is_small_below_ten_coded_documents() -> None:
    pairs = tabulate(*(predict(f"n{number}", "favor") for number in range(20)))
    for count, small in ((9, True), (10, False)):
        gold = [code(f"n{number}", "favor") for number in range(count)]
        assert estimate_shares(match_gold(pairs, gold))["small"].tolist() == [small] * 4


def test_targets_are_told_apart_by_text_and_those_without_gold_stay() -> None:
    other = "Die Fähre soll kostenlos sein."
    pairs = tabulate(
        predict("n1", "favor", target=("t1", TARGET)),
        predict("n1", "against", target=("t2", other)),
        predict("n2", "favor", target=("t1", other)),  # its t1 is the t2 of n1
        predict("n2", "none", target=("t2", TARGET)),
    )
    shares = estimate_shares(match_gold(pairs, [code("n1", "favor")]))
    assert shares["target"].unique().tolist() == sorted([TARGET, other])
    assert row_of(shares, "favor", target=TARGET)["naive"] == 0.5
    row = row_of(shares, "favor", target=other)
    assert (row["n_documents"], row["n_gold_documents"], row["naive"]) == (2, 0, 0.5)
    assert row["small"]
    assert all(math.isnan(row[name]) for name in ("gold_only", "corrected", "corrected_low"))


def test_the_probability_corrects_and_the_label_is_what_naive_counts() -> None:
    unsure = (0.4, 0.3, 0.2, 0.1)
    pairs = tabulate(
        *(predict(f"n{number}", "favor", probabilities=unsure) for number in range(10))
    )
    gold = [code(f"n{number}", "favor" if number < 2 else "none") for number in range(5)]
    row = row_of(estimate_shares(match_gold(pairs, gold)), "favor")
    assert row["naive"] == 1
    assert row["corrected"] == pytest.approx(0.4 + (2 * 0.6 - 3 * 0.4) / 5)


def test_periods_group_by_the_date_of_the_document() -> None:
    dates = {"n1": "2024-12-31", "n2": "2025-01-01T08:30:00", "n3": "2025-02-01"}
    pairs = match_gold(
        tabulate(*(predict(name, "favor") for name in dates)), [code("n2", "against")]
    )
    documents = [Document(id=name, text=TEXT, date=date) for name, date in dates.items()]
    documents.append(Document(id="nicht gefragt", text=TEXT))
    shares = estimate_shares(add_periods(pairs, documents, "year"))
    assert shares["period"].unique().tolist() == ["2024", "2025"]
    assert row_of(shares, "favor", period="2025")["n_documents"] == 2
    assert row_of(shares, "favor", period="2024")["n_gold_documents"] == 0
    months = estimate_shares(add_periods(pairs, documents, "month"))
    assert months["period"].unique().tolist() == ["2024-12", "2025-01", "2025-02"]
    assert estimate_shares(pairs)["period"].isna().all()


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([Document(id="n1", text=TEXT)], r"2 of 2 documents .* first: 'n1' has no date"),
        (
            [Document(id="n1", text=TEXT, date="2025-04-04")],
            r"1 of 2 documents .* first: 'n2' is not there; give dates like 2025-04-04",
        ),
        (
            [Document(id=name, text=TEXT, date="4. April 2025") for name in ("n1", "n2")],
            r"2 of 2 .*'n1' has the date '4. April 2025'",
        ),
    ],
)
def test_missing_dates_are_counted(documents: list[Document], message: str) -> None:
    pairs = tabulate(predict("n1", "favor"), predict("n2", "favor"))
    with pytest.raises(ValueError, match=message):
        add_periods(pairs, documents, "year")


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        ([code("n1", "favor"), code("x9", "none")], r"1 of 2 gold documents .* 'x9'"),
        ([code("n1", None)], "no gold document has a stance"),
        (
            [code("n1", "favor", target="t7")],
            r"1 of 1 gold labels .*'n1', actor 'a1', target 't7'; use .* target 't1'",
        ),
        (
            [code("n1", "favor", sampling_probability=0.5), code("n2", "favor")],
            r"'n2', field sampling_probability: is missing, and 1 of 2",
        ),
        *(
            ([code("n1", "favor", sampling_probability=value)], "above 0 and at most 1")
            for value in (0, -0.5, 1.5, math.nan, True, "0.5", None)
        ),
    ],
)
def test_gold_that_does_not_fit_is_refused(gold: list[Document], message: str) -> None:
    pairs = tabulate(predict("n1", "favor"), predict("n2", "favor"))
    with pytest.raises(ValueError, match=message):
        match_gold(pairs, gold)


def test_a_document_can_bring_its_own_chance() -> None:
    """One of nine and one of one: the first stands for nine documents."""
    pairs = tabulate(*(predict(f"n{number}", "none") for number in range(10)))
    gold = [
        code("n1", "favor", sampling_probability=1 / 9),
        code("n2", "none", sampling_probability=1),
    ]
    row = row_of(estimate_shares(match_gold(pairs, gold)), "favor")
    assert row["gold_only"] == row["corrected"] == pytest.approx(0.9)


def test_predictions_that_cannot_be_counted_are_refused() -> None:
    with pytest.raises(ValueError, match="no predictions"):
        tabulate_predictions([])
    with pytest.raises(ValueError, match="'n1', actor 'a1', target 't1' is predicted twice"):
        tabulate(predict("n1", "favor"), predict("n1", "none"))
    for probabilities in ((0.5, 0.1, 0.1, 0.1), (math.nan, 0.5, 0.25, 0.25)):
        with pytest.raises(ValueError, match=r"'n1', .* do not sum to 1"):
            tabulate(predict("n1", "favor", probabilities=probabilities))


def ask(count: int) -> tuple[list[Prediction], list[Document]]:
    """Predictions for documents n0, n1, ... and the documents, which have a stance and a date."""
    names = [f"n{number}" for number in range(count)]
    predictions = [
        one.model_copy(update={"mentions": ({"start": 0, "end": 16, "text": "Frauke Ömmelbach"},)})
        for name in names
        for one in predict(name, "favor")
    ]
    documents = [code(name, "none", date="2025-04-04", ressort="Verkehr") for name in names]
    return predictions, documents


def test_the_draw_is_repeatable_and_ready_for_coding() -> None:
    predictions, documents = ask(30)
    drawn = draw_documents(predictions, documents, 10, seed=3)
    assert drawn == draw_documents(reversed(predictions), reversed(documents), 10, seed=3)
    assert drawn != draw_documents(predictions, documents, 10, seed=4)
    assert len({document.id for document in drawn}) == 10
    for document in drawn:
        assert document.stances == ()
        assert document.actors == (
            Actor(id="a1", name="Frauke Ömmelbach", mentions=(Mention(start=0, end=16),)),
        )
        assert [target.text for target in document.targets] == [TARGET]
        assert document.date == "2025-04-04"
        assert document.model_extra == {"ressort": "Verkehr", "sampling_probability": 10 / 30}


def test_every_document_is_drawn_about_equally_often() -> None:
    predictions, documents = ask(6)
    counts = dict.fromkeys((document.id for document in documents), 0)
    for seed in range(150):
        for document in draw_documents(predictions, documents, 2, seed):
            counts[document.id] += 1
    # 50 times each are expected, with a standard deviation of about 6.
    assert all(25 < count < 75 for count in counts.values())


def test_what_was_drawn_and_coded_is_taken_as_gold() -> None:
    predictions, documents = ask(30)
    drawn = draw_documents(predictions, documents, 12)
    coded = [
        document.model_copy(
            update={
                "stances": (Stance(actor="a1", target="t1", label=StanceLabel(LABELS[place % 2])),)
            }
        )
        for place, document in enumerate(drawn)
    ]
    row = row_of(estimate_shares(match_gold(tabulate(predictions), coded)), "against")
    assert row["n_gold_documents"] == 12
    assert row["corrected_low"] < row["corrected"] == pytest.approx(0.5)


def test_actors_of_the_document_keep_what_is_known_of_them() -> None:
    predictions, documents = ask(1)
    known = Actor(id="a1", name="Frauke Ömmelbach", kind="person", mentions=())
    document = documents[0].model_copy(update={"actors": (known,)})
    assert draw_documents(predictions, [document], 1)[0].actors == (known,)


def test_a_draw_that_cannot_be_made_is_refused() -> None:
    predictions, documents = ask(5)
    with pytest.raises(ValueError, match="cannot draw 6 documents: 5 were predicted"):
        draw_documents(predictions, documents, 6)
    with pytest.raises(ValueError, match="count is 0"):
        draw_documents(predictions, documents, 0)
    with pytest.raises(ValueError, match=r"4 of 5 drawn documents are not among"):
        draw_documents(predictions, documents[:1], 5)
    changed = [document.model_copy(update={"text": "Neu: " + TEXT}) for document in documents]
    with pytest.raises(ValueError, match=r"'Neu: Frauke .*' where 'Frauke Ömmelbach' stood"):
        draw_documents(predictions, changed, 5)
