"""Correlation of two methods: against scipy, by hand, and in how often its limits cover."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from slidescreen.statistics.correlation import correlation

quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)
whole_pairs = st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=2, max_size=25)


def varying(points):
    a, b = np.array(points, dtype=float).T
    assume(np.ptp(a) > 0 and np.ptp(b) > 0)
    return a, b


@quick
@given(whole_pairs)
def test_both_correlations_equal_scipys(points):
    a, b = varying(points)
    found = correlation(a, b)
    assert found.n == len(points)
    assert found.pearson == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-12)
    assert found.spearman == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


@quick
@given(whole_pairs)
def test_limits_enclose_the_value_and_are_never_narrower_than_fishers(points):
    a, b = varying(points)
    found = correlation(a, b)
    assume(not np.isnan(found.pearson_interval.low))
    assert -1 <= found.pearson_interval.low < found.pearson_interval.high <= 1
    assert -1 <= found.spearman_interval.low < found.spearman_interval.high <= 1
    assume(abs(found.pearson) < 0.999 and abs(found.spearman) < 0.999)
    fisher = stats.pearsonr(a, b).confidence_interval(0.95)
    assert found.pearson_interval.low <= fisher.low <= found.pearson <= fisher.high <= found.pearson_interval.high
    z, error = np.arctanh(found.spearman), np.sqrt((1 + found.spearman**2 / 2) / (len(a) - 3))
    assert found.spearman_interval.low <= np.tanh(z - stats.norm.ppf(0.975) * error)
    assert found.spearman_interval.high >= np.tanh(z + stats.norm.ppf(0.975) * error)


@quick
@given(whole_pairs)
def test_exchanging_the_methods_and_the_order_of_the_slides_changes_nothing(points):
    a, b = varying(points)
    order = np.random.default_rng(0).permutation(len(a))
    one, other = correlation(a, b), correlation(b[order], a[order])
    for name in ("pearson", "spearman"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-12)
        first, second = (getattr(each, f"{name}_interval") for each in (one, other))
        assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(("name", "measure"), [("pearson", stats.pearsonr), ("spearman", stats.spearmanr)])
def test_the_limits_are_the_jackknifes_with_students_t(name, measure):
    a, b = np.array([0, 0, 1, 3, 10, 60.0, 4]), np.array([0, 2, 1, 5, 6, 40.0, 0])
    z = [np.arctanh(measure(np.delete(a, k), np.delete(b, k)).statistic) for k in range(7)]
    value = np.arctanh(measure(a, b).statistic)
    error = np.sqrt(6 / 7 * sum((each - value) ** 2 for each in z))
    assert error > np.sqrt((1 + np.tanh(value) ** 2 / 2) / 4)
    found = getattr(correlation(a, b), f"{name}_interval")
    assert found.low == pytest.approx(np.tanh(value - stats.t.ppf(0.975, 6) * error), abs=1e-10)
    assert found.high == pytest.approx(np.tanh(value + stats.t.ppf(0.975, 6) * error), abs=1e-10)


def test_limits_cover_percentages_that_fishers_limits_do_not_cover():
    """Slides as in a leukaemia clinic: a third with many blasts, the rest with few, each counted with errors."""

    def slides(generator, count):
        many = generator.random(count) < 1 / 3
        true = np.where(many, generator.uniform(10, 90, count), generator.exponential(1.0, count))
        return true, true + generator.normal(scale=0.2 * true + 1.0)

    population = stats.pearsonr(*slides(np.random.default_rng(0), 200_000)).statistic
    ours, fishers = [], []
    for seed in range(200):
        a, b = slides(np.random.default_rng(seed + 1), 16)
        found, fisher = correlation(a, b).pearson_interval, stats.pearsonr(a, b).confidence_interval(0.95)
        ours.append(found.low <= population <= found.high)
        fishers.append(fisher.low <= population <= fisher.high)
    assert np.mean(fishers) < 0.7
    assert np.mean(ours) > 0.85


def test_a_perfect_order_of_few_slides_leaves_a_wide_limit():
    found = correlation([1, 2, 3, 4, 5], [2, 3, 5, 7, 11])
    assert found.spearman == 1
    assert found.spearman_interval.low < 0
    assert correlation(range(60), range(60)).pearson_interval.low > 0.999


def test_a_method_that_never_moves_has_no_correlation():
    found = correlation([0, 0, 0, 0, 0], [1, 2, 3, 4, 5])
    assert np.isnan([found.pearson, found.spearman]).all()
    assert found.pearson_interval.note == "too few slides"


@pytest.mark.parametrize(
    ("a", "b"),
    [([1, 2, 3], [1, 2, 4]), ([0, 0, 0, 0, 0, 60], [0, 1, 0, 2, 1, 55]), ([3, 1, 4, 1, 5, 9], [0, 0, 0, 0, 2, 50])],
)
def test_no_limits_are_given_where_one_or_two_slides_make_the_correlation(a, b):
    found = correlation(a, b)
    assert found.pearson == pytest.approx(stats.pearsonr(a, b).statistic)
    for interval in (found.pearson_interval, found.spearman_interval):
        assert np.isnan([interval.low, interval.high]).all()
        assert interval.note == "too few slides"


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0], [1.0], "must have 2 or more elements, received 1"),
        ([1, 2], [1, 2, 3], "same length"),
        ([1, np.nan], [1, 2], "must be finite numbers, received nan at 1"),
        ([[1, 2]], [[1, 2]], "must have one dimension"),
    ],
)
def test_measurements_that_do_not_fit_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        correlation(a, b)


def test_a_level_that_is_no_fraction_is_refused():
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        correlation([1, 2], [1, 2], 95)
