"""Bland-Altman and Passing-Bablok: by their definitions, by hand, and in how often their limits cover."""

from statistics import median

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from slidescreen.statistics import agreement

quick = settings(max_examples=30, deadline=None, derandomize=True, database=None)
whole_pairs = st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=3, max_size=25)


def measured(n, seed, slope=1.0, intercept=0.0, noise=2.0):
    """Two methods that measure the same quantity, 0 to 60, each with its own error."""
    generator = np.random.default_rng(seed)
    quantity = generator.uniform(0, 60, n)
    x = quantity + generator.normal(scale=noise, size=n)
    y = intercept + slope * quantity + generator.normal(scale=noise * slope, size=n)
    return x, y


def passing_bablok_by_definition(points):
    """Slope, its two limits and the intercept, written as the paper states them; None where it has none."""
    slopes = []
    for i, (x1, y1) in enumerate(points):
        for x2, y2 in points[i + 1 :]:
            if (x1, y1) != (x2, y2):
                slopes.append((y1 - y2) / (x1 - x2) if x1 != x2 else np.inf)
    slopes = sorted(slope for slope in slopes if slope != -1)
    count, offset, n = len(slopes), sum(slope < -1 for slope in slopes), len(points)

    def at(rank, beyond=None):
        return slopes[rank + offset - 1] if 1 <= rank + offset <= count else beyond

    middle = (at((count + 1) // 2), at(count // 2 + 1))
    if None in middle or np.inf in middle:
        return None
    slope = sum(middle) / 2
    first = round((count - 1.959963984540054 * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)) / 2)
    intercept = median(y - slope * x for x, y in points)
    return slope, at(first, -np.inf), at(count - first + 1, np.inf), intercept


@quick
@given(whole_pairs)
def test_passing_bablok_equals_its_definition(points):
    result = agreement.passing_bablok(*np.array(points, dtype=float).T)
    ours = (result.slope, result.slope_interval.low, result.slope_interval.high, result.intercept)
    expected = passing_bablok_by_definition(points) or (np.nan,) * 4
    assert ours == pytest.approx(expected, abs=1e-10, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_passing_bablok_is_theil_sen_where_no_slope_is_below_minus_1(seed):
    steps, slopes = np.random.default_rng(seed).uniform([[0.1], [0.5]], [[1.0], [2.0]], (2, 20))
    x, y = np.cumsum(steps), np.cumsum(steps * slopes)
    result, expected = agreement.passing_bablok(x, y), stats.theilslopes(y, x)
    assert result.slope == pytest.approx(expected.slope, abs=1e-12)
    assert result.slope_interval.low <= result.slope <= result.slope_interval.high


@pytest.mark.parametrize("seed", range(5))
def test_exchanging_the_methods_inverts_the_slope(seed):
    x, y = measured(30, seed)
    one, other = agreement.passing_bablok(x, y), agreement.passing_bablok(y, x)
    assert 30 * 29 / 2 % 2 == 1
    assert other.slope == pytest.approx(1 / one.slope, rel=1e-10)
    assert other.slope_interval.low == pytest.approx(1 / one.slope_interval.high, rel=1e-10)
    assert other.slope_interval.high == pytest.approx(1 / one.slope_interval.low, rel=1e-10)


def test_passing_bablok_follows_a_change_of_origin_and_unit():
    x, y = measured(31, 1)
    plain, moved = agreement.passing_bablok(x, y), agreement.passing_bablok(x + 5, y + 7)
    assert moved.slope == pytest.approx(plain.slope, rel=1e-9)
    assert moved.intercept == pytest.approx(plain.intercept + 7 - 5 * plain.slope, rel=1e-9)
    percent = agreement.passing_bablok(100 * x, 100 * y)
    assert percent.slope == pytest.approx(plain.slope, rel=1e-9)
    assert percent.intercept == pytest.approx(100 * plain.intercept, rel=1e-9)


def test_an_outlier_does_not_bend_the_line():
    x = np.arange(25.0)
    y = 2 * x + 1
    y[3] = 500
    result = agreement.passing_bablok(x, y)
    assert (result.slope, result.intercept) == (pytest.approx(2), pytest.approx(1))


def test_the_order_of_the_slides_does_not_matter_even_where_x_repeats():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 6, 30).astype(float)
    y = x + generator.integers(-1, 2, 30)
    order = generator.permutation(30)
    assert agreement.passing_bablok(x, y) == agreement.passing_bablok(x[order], y[order])


def test_passing_bablok_limits_of_the_slope_cover_at_their_level():
    slopes, intercepts = [], []
    for seed in range(400):
        result = agreement.passing_bablok(*measured(40, seed, slope=1.2, intercept=3.0))
        slopes.append(result.slope_interval.low <= 1.2 <= result.slope_interval.high)
        intercepts.append(result.intercept_interval.low <= 3 <= result.intercept_interval.high)
    assert 0.92 < np.mean(slopes) < 0.98
    # The intercept's limits hold the error of the slope alone: narrower than they say, as documented.
    assert 0.84 < np.mean(intercepts) < 0.95


def test_few_slides_leave_the_slope_unbounded():
    result = agreement.passing_bablok([1, 2, 3], [1, 2, 4])
    assert result.slope == 1.5
    assert (result.slope_interval.low, result.slope_interval.high) == (-np.inf, np.inf)
    assert (result.intercept_interval.low, result.intercept_interval.high) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([2, 2, 2], [1, 2, 3]),
        ([0, 0, 0], [0, 0, 0]),
        ([1, 2, 3], [3, 2, 1]),
        ([1, 2, 3, 4], [12, 9, 6, 3]),
    ],
)
def test_passing_bablok_is_undefined_without_a_positive_relation(x, y):
    result = agreement.passing_bablok(x, y)
    assert np.isnan([result.slope, result.intercept]).all()
    assert np.isnan([result.slope_interval.low, result.intercept_interval.high]).all()


def test_a_method_that_never_moves_has_the_slope_0():
    result = agreement.passing_bablok(np.arange(10.0), np.full(10, 4.0))
    assert (result.slope, result.intercept) == (0, 4)


def test_bland_altman_by_hand():
    result = agreement.bland_altman([1, 2, 3, 4], [1, 1, 1, 1])
    sd = np.sqrt(5 / 3)
    assert (result.n, result.bias) == (4, 1.5)
    assert result.sd == pytest.approx(sd)
    assert result.limits.low == pytest.approx(1.5 - 1.959963984540054 * sd, abs=1e-10)
    assert result.limits.high == pytest.approx(1.5 + 1.959963984540054 * sd, abs=1e-10)
    reach = stats.t.ppf(0.975, 3) * sd * np.sqrt(1 / 4 + 1.959963984540054**2 / 6)
    assert result.low_interval.low == pytest.approx(result.limits.low - reach, abs=1e-10)
    assert result.high_interval.high == pytest.approx(result.limits.high + reach, abs=1e-10)


@quick
@given(whole_pairs)
def test_limits_of_the_bias_equal_a_paired_t_test(points):
    a, b = np.array(points, dtype=float).T
    result = agreement.bland_altman(a, b)
    assume(result.sd > 0)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert result.bias_interval.low == pytest.approx(expected.low, abs=1e-10)
    assert result.bias_interval.high == pytest.approx(expected.high, abs=1e-10)


@quick
@given(whole_pairs)
def test_exchanging_the_methods_turns_the_bias_around(points):
    a, b = np.array(points, dtype=float).T
    one, other = agreement.bland_altman(a, b), agreement.bland_altman(b, a)
    assert one.bias == pytest.approx(-other.bias, abs=1e-12)
    assert one.limits.low == pytest.approx(-other.limits.high, abs=1e-12)
    assert one.low_interval.low == pytest.approx(-other.high_interval.high, abs=1e-12)


def test_limits_of_agreement_cover_at_their_level():
    upper = 1 + stats.norm.ppf(0.975)
    covered = []
    for seed in range(500):
        differences = np.random.default_rng(seed).normal(1, 1, 50)
        limits = agreement.bland_altman(differences, np.zeros(50)).high_interval
        covered.append(limits.low <= upper <= limits.high)
    assert 0.92 < np.mean(covered) < 0.98


def test_methods_that_always_agree_have_no_width():
    result = agreement.bland_altman([1, 2, 3], [1, 2, 3])
    assert (result.bias, result.sd, result.limits.low, result.limits.high) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0], [1.0], "must have 2 or more elements, received 1"),
        ([], [], "must have 2 or more elements, received 0"),
        ([1, 2], [1, 2, 3], "same length"),
        ([1, np.nan], [1, 2], "must be finite numbers, received nan at 1"),
        ([1, 2], [1, np.inf], "must be finite numbers, received inf at 1"),
        ([[1, 2]], [[1, 2]], "must have one dimension"),
    ],
)
def test_measurements_that_do_not_fit_are_refused(a, b, message):
    for method in (agreement.bland_altman, agreement.passing_bablok):
        with pytest.raises(ValueError, match=message):
            method(a, b)


def test_a_level_that_is_no_fraction_is_refused():
    for method in (agreement.bland_altman, agreement.passing_bablok):
        with pytest.raises(ValueError, match="level must be between 0 and 1"):
            method([1, 2], [1, 2], 95)
