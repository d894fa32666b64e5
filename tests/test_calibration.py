"""A temperature finds its way back, keeps verdicts and lowers the loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from stance.calibration import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE, fit_temperature
from stance.metrics import expected_calibration_error, negative_log_likelihood


def draw_sample(temperature: float, rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, 4) that are ``temperature`` times too large, and gold drawn from the true ones."""
    rng = np.random.default_rng(7)
    true_logits = rng.normal(scale=2.0, size=(rows, 4))
    gold = np.array([rng.choice(4, p=softmax(row)) for row in true_logits])
    return true_logits * temperature, gold


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_found_again(temperature: float) -> None:
    logits, gold = draw_sample(temperature)
    assert fit_temperature(logits, gold) == pytest.approx(temperature, rel=0.1)


def test_an_over_confident_model_becomes_calibrated() -> None:
    logits, gold = draw_sample(3.0)
    before = expected_calibration_error(softmax(logits, axis=1), gold)
    after = expected_calibration_error(
        softmax(logits / fit_temperature(logits, gold), axis=1), gold
    )
    assert after < 0.03 < before


def test_log_probabilities_do_as_well_as_logits() -> None:
    logits, gold = draw_sample(2.0, rows=300)
    from_logits = fit_temperature(logits, gold)
    assert fit_temperature(log_softmax(logits, axis=1), gold) == pytest.approx(from_logits)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(*[st.floats(-20, 20)] * 4, st.integers(0, 3)),
        min_size=1,
        max_size=30,
    )
)
def test_no_other_temperature_has_a_lower_loss(rows: list[tuple[float, ...]]) -> None:
    logits = np.array([row[:4] for row in rows])
    gold = np.array([row[4] for row in rows], dtype=int)
    found = fit_temperature(logits, gold)
    assert LOWEST_TEMPERATURE <= found <= HIGHEST_TEMPERATURE

    def loss(temperature: float) -> float:
        return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(gold)), gold].mean())

    assert all(loss(found) <= loss(other) + 1e-4 for other in (0.1, 0.5, 1.0, 2.0, 10.0))


def test_a_split_without_mistakes_stays_within_bounds() -> None:
    logits = np.eye(4) * 5
    found = fit_temperature(logits, np.arange(4))
    assert found == pytest.approx(LOWEST_TEMPERATURE, rel=0.05)
    assert np.isfinite(negative_log_likelihood(softmax(logits / found, axis=1), np.arange(4)))


@pytest.mark.parametrize(
    ("logits", "gold", "message"),
    [
        ([[0.0, 1.0]], [2], "column indices"),
        ([[0.0, 1.0]], [0.0], "column indices"),
        ([[0.0, -np.inf]], [0], "finite"),
        ([0.0, 1.0], [0], "must be"),
        ([[0.0, 1.0]], [0, 1], "must be"),
        (np.zeros((0, 4)), np.zeros(0, dtype=int), "at least one"),
    ],
)
def test_bad_input_is_refused(logits: object, gold: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, gold)  # type: ignore[arg-type]
