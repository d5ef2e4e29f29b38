"""Limits of a proportion: exact in value, and in how often they cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from slidescreen.statistics.intervals import Interval, clopper_pearson, normal_quantile, trials_to_decide, wilson

METHODS = {"wilson": wilson, "beta": clopper_pearson}
quick = settings(max_examples=30, deadline=None, derandomize=True, database=None)
both = pytest.mark.parametrize("name", METHODS)
counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@both
@quick
@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_limits_equal_statsmodels(name, found, level):
    limits = METHODS[name](*found, level)
    low, high = proportion_confint(*found, alpha=1 - level, method=name)
    assert isinstance(limits.low, float)
    assert limits.low == pytest.approx(low, abs=1e-10)
    assert limits.high == pytest.approx(high, abs=1e-10)


@quick
@given(counts)
def test_exact_limits_equal_scipy(found):
    expected = stats.binomtest(*found).proportion_ci(0.95, method="exact")
    limits = clopper_pearson(*found)
    assert (limits.low, limits.high) == (
        pytest.approx(expected.low, abs=1e-10),
        pytest.approx(expected.high, abs=1e-10),
    )


@both
@quick
@given(counts)
def test_limits_mirror_and_enclose_the_proportion(name, found):
    successes, n = found
    limits, mirrored = METHODS[name](successes, n), METHODS[name](n - successes, n)
    assert 0 <= limits.low <= successes / n <= limits.high <= 1
    assert limits.low == pytest.approx(1 - mirrored.high, abs=1e-10)


@both
def test_arrays_broadcast_and_agree_with_single_counts(name):
    successes = np.array([[0, 3, 10], [1, 2, 9]])
    limits = METHODS[name](successes, 10)
    assert limits.low.shape == limits.high.shape == (2, 3)
    for index in np.ndindex(2, 3):
        one = METHODS[name](int(successes[index]), 10)
        assert (limits.low[index], limits.high[index]) == (one.low, one.high)
    assert METHODS[name]([1, 2], [10, 20]).low.shape == (2,)


@both
def test_without_trials_nothing_is_known(name):
    assert METHODS[name](0, 0) == Interval(0.0, 1.0, 0.95)
    limits = METHODS[name]([0, 1], [0, 2])
    assert (limits.low[0], limits.high[0]) == (0, 1)
    assert 0 < limits.low[1] < limits.high[1] < 1
    assert METHODS[name]([], []).low.shape == (0,)


@both
def test_none_and_all_reach_the_ends_exactly(name):
    assert METHODS[name](0, 7).low == 0
    assert METHODS[name](7, 7).high == 1


def test_the_rule_of_three_for_a_type_that_was_not_seen():
    assert clopper_pearson(0, 200).high == pytest.approx(1 - 0.025 ** (1 / 200), abs=1e-12)


def coverage(limits, n, proportions):
    """Probability, exactly, that the limits of a binomial count hold the proportion."""
    inside = (limits.low[:, None] <= proportions) & (proportions <= limits.high[:, None])
    return np.sum(stats.binom.pmf(np.arange(n + 1)[:, None], n, proportions) * inside, axis=0)


@pytest.mark.parametrize("n", [20, 100, 200])
def test_exact_limits_never_cover_less_than_their_level(n):
    covered = coverage(clopper_pearson(np.arange(n + 1), n), n, np.linspace(0.001, 0.999, 997))
    assert covered.min() >= 0.95


@pytest.mark.parametrize("n", [20, 100, 200])
def test_score_limits_cover_their_level_on_average(n):
    covered = coverage(wilson(np.arange(n + 1), n), n, np.linspace(0.02, 0.98, 961))
    assert covered.mean() == pytest.approx(0.95, abs=0.01)


def test_normal_quantile():
    assert normal_quantile(0.95) == pytest.approx(stats.norm.ppf(0.975), abs=1e-14)


@both
@pytest.mark.parametrize(
    ("successes", "n", "message"),
    [
        (3, 2, "successes must be at most n, received 3 of 2"),
        ([1, 5], [2, 4], "received 5 of 4"),
        (-1, 2, "successes must be whole counts"),
        (1.5, 2, "successes must be whole counts .* received 1.5"),
        (1, np.nan, "n must be whole counts"),
        ([1, 2], [1, 2, 3], r"must broadcast, received the shapes \(2,\) and \(3,\)"),
        ("1", 2, "successes must be counts"),
    ],
)
def test_impossible_counts_are_refused(name, successes, n, message):
    with pytest.raises(ValueError, match=message):
        METHODS[name](successes, n)


@both
@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_that_is_no_fraction_is_refused(name, level):
    with pytest.raises(ValueError, match="level must be between 0 and 1, both excluded, received"):
        METHODS[name](1, 2, level)


def test_the_fewest_trials_that_tell_two_proportions_apart():
    for share, cut_off in ((0.0, 0.02), (0.03, 0.05), (0.4, 0.2)):
        needed = trials_to_decide(share, cut_off)
        limits = clopper_pearson(round(share * needed), needed)
        assert not limits.low <= cut_off <= limits.high
        before = clopper_pearson(round(share * (needed - 10)), needed - 10)
        assert before.low <= cut_off <= before.high
    assert trials_to_decide(0.05, 0.05) is None
