"""The beta-binomial distribution, against scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from slidescreen.statistics.beta_binomial import log_probability, upper_tail

parameters = st.floats(min_value=1e-4, max_value=1e4)


@given(st.integers(0, 300), st.data(), parameters, parameters)
def test_a_count_is_as_probable_as_scipy_says(total: int, data: st.DataObject, a: float, b: float) -> None:
    count = data.draw(st.integers(0, total))
    expected = betabinom.logpmf(count, total, a, b)
    assert float(log_probability(count, total, a, b)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(st.integers(0, 300), st.integers(-2, 302), parameters, parameters)
def test_a_tail_is_as_long_as_scipy_says(total: int, count: int, a: float, b: float) -> None:
    assert upper_tail(count, total, a, b) == pytest.approx(betabinom.sf(count - 1, total, a, b), rel=1e-6, abs=1e-9)


def test_a_small_tail_keeps_its_digits() -> None:
    pieces = betabinom.pmf(np.arange(40, 201), 200, 0.5, 99.5)
    assert upper_tail(40, 200, 0.5, 99.5) == pytest.approx(pieces.sum(), rel=1e-9)


def test_all_probabilities_add_up_to_one() -> None:
    assert np.exp(log_probability(np.arange(201), 200, 2.0, 38.0)).sum() == pytest.approx(1.0)
