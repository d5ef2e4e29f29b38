"""Levey–Jennings limits: the first values of a series define them."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidescreen.statistics.control_charts import FIRST_VALUES, LEAST_VALUES, ControlLimits, control_limits

VALUES = st.lists(st.floats(0, 255), min_size=LEAST_VALUES, max_size=60)


@given(VALUES)
def test_the_first_twenty_values_alone_define_mean_and_standard_deviation(values: list[float]) -> None:
    found = control_limits(values, 1e-9)
    first = values[:FIRST_VALUES]
    assert found is not None
    assert found.mean == pytest.approx(statistics.fmean(first))
    assert found.deviation == pytest.approx(max(statistics.stdev(first), 1e-9), rel=1e-6)
    assert found.values == len(first)


@given(st.lists(st.floats(0, 255), min_size=FIRST_VALUES, max_size=30), st.lists(st.floats(0, 255), max_size=5))
def test_later_values_move_no_limit(values: list[float], later: list[float]) -> None:
    assert control_limits([*values, *later], 0.1) == control_limits(values, 0.1)


@pytest.mark.parametrize(("count", "there", "provisional"), [(0, 0, 0), (9, 0, 0), (10, 1, 1), (19, 1, 1), (20, 1, 0)])
def test_few_values_give_provisional_limits_and_fewer_none(count: int, there: bool, provisional: bool) -> None:
    found = control_limits([float(n % 3) for n in range(count)], 0.1)
    assert (found is not None) == bool(there)
    assert (found is not None and found.provisional) == bool(provisional)


def test_values_that_never_differ_get_the_least_deviation_that_matters() -> None:
    assert control_limits([7.0] * 20, 0.5) == ControlLimits(7.0, 0.5, 20)
    assert ControlLimits(7.0, 0.5, 20).deviations(5.5) == -3.0
