"""Tests of paired calls against statsmodels, by hand, and under exchange of the raters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from slidescreen.statistics import paired

quick = settings(max_examples=30, deadline=None, derandomize=True, database=None)
tables = st.integers(2, 6).flatmap(lambda k: arrays(np.int64, (k, k), elements=st.integers(0, 20)))
full_tables = st.integers(2, 6).flatmap(lambda k: arrays(np.int64, (k, k), elements=st.integers(1, 40)))
probabilities = st.floats(0, 1)


def answers(only_a, only_b, both=10, neither=5):
    """Two classifiers' correctness with the given numbers of cells on which they differ."""
    a = [True] * only_a + [False] * only_b + [True] * both + [False] * neither
    b = [False] * only_a + [True] * only_b + [True] * both + [False] * neither
    return a, b


@quick
@given(st.integers(0, 24).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_mcnemar_is_exact_for_few_differences(counts):
    only_a, discordant = counts
    result = paired.mcnemar(*answers(only_a, discordant - only_a))
    assert result.exact
    assert np.isnan(result.statistic)
    expected = contingency_tables.mcnemar([[0, only_a], [discordant - only_a, 0]], exact=True)
    assert result.p == pytest.approx(expected.pvalue if discordant else 1.0, abs=1e-10)
    if discordant:
        assert result.p == pytest.approx(stats.binomtest(only_a, discordant).pvalue, abs=1e-10)


@quick
@given(st.integers(0, 200), st.integers(25, 200))
def test_mcnemar_is_chi_square_with_correction_for_many(only_a, only_b):
    result = paired.mcnemar(*answers(only_a, only_b))
    assert not result.exact
    assert (result.only_a, result.only_b) == (only_a, only_b)
    if only_a == only_b:
        assert (result.statistic, result.p) == (0, 1)
        return
    expected = contingency_tables.mcnemar([[0, only_a], [only_b, 0]], exact=False, correction=True)
    assert result.statistic == pytest.approx(expected.statistic, abs=1e-10)
    assert result.p == pytest.approx(expected.pvalue, abs=1e-10)


def test_the_exact_test_ends_below_25_differences():
    assert paired.mcnemar(*answers(12, 12)).exact
    assert not paired.mcnemar(*answers(12, 13)).exact


def test_mcnemar_sees_only_the_cells_on_which_the_two_differ():
    few, many = paired.mcnemar(*answers(3, 9, both=0, neither=0)), paired.mcnemar(*answers(3, 9, both=999))
    assert few.p == many.p


@quick
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_exchanging_the_classifiers_keeps_p(pairs):
    a, b = [one for one, _ in pairs], [other for _, other in pairs]
    assert paired.mcnemar(a, b).p == paired.mcnemar(b, a).p
    assert 0 <= paired.mcnemar(a, b).p <= 1


def test_classifiers_that_never_differ_have_p_1():
    assert paired.mcnemar([], []).p == 1
    assert paired.mcnemar([True, False], [True, False]).p == 1


def test_mcnemar_rejects_no_more_often_than_its_level():
    generator = np.random.default_rng(0)
    rejected = [paired.mcnemar(*(generator.random((2, 300)) < 0.8)).p < 0.05 for _ in range(1000)]
    assert 0.02 < np.mean(rejected) < 0.06


@quick
@given(full_tables)
def test_tests_of_full_tables_equal_statsmodels(table):
    square = contingency_tables.SquareTable(table, shift_zeros=False)
    for result, expected in (
        (paired.stuart_maxwell(table), square.homogeneity("stuart_maxwell")),
        (paired.bowker(table), square.symmetry("bowker")),
    ):
        assert result.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-10)
        assert result.degrees == expected.df
        assert result.p == pytest.approx(expected.pvalue, abs=1e-10)


@quick
@given(tables, st.randoms(use_true_random=False))
def test_neither_the_order_of_raters_nor_of_types_matters(table, random):
    order = list(range(len(table)))
    random.shuffle(order)
    for test in (paired.stuart_maxwell, paired.bowker):
        result = test(table)
        assert 0 <= result.p <= 1
        for other in (test(table.T), test(table[np.ix_(order, order)])):
            assert other.statistic == pytest.approx(result.statistic, rel=1e-9, abs=1e-9)
            assert other.degrees == result.degrees


@quick
@given(tables)
def test_cells_on_which_the_raters_agree_do_not_matter(table):
    bare = table.copy()
    np.fill_diagonal(bare, 0)
    for test in (paired.stuart_maxwell, paired.bowker):
        assert test(bare).statistic == pytest.approx(test(table).statistic, abs=1e-9)


@quick
@given(tables)
def test_types_without_cells_do_not_matter(table):
    padded = np.pad(table, (0, 2))
    for test in (paired.stuart_maxwell, paired.bowker):
        assert test(padded).statistic == pytest.approx(test(table).statistic, abs=1e-9)
        assert test(padded).degrees == test(table).degrees


def test_two_types_give_mcnemar_without_correction():
    table = [[50, 10], [20, 40]]
    for test in (paired.stuart_maxwell, paired.bowker):
        result = test(table)
        assert result.statistic == pytest.approx(100 / 30, abs=1e-12)
        assert result.degrees == 1
        assert result.p == pytest.approx(stats.chi2.sf(100 / 30, 1), abs=1e-12)


def test_types_that_are_never_confused_across_are_tested_apart():
    first, second = np.array([[5, 9], [2, 5]]), np.array([[1, 3], [12, 4]])
    apart = np.block([[first, np.zeros((2, 2), int)], [np.zeros((2, 2), int), second]])
    result = paired.stuart_maxwell(apart)
    assert result.degrees == 2
    both = paired.stuart_maxwell(first).statistic + paired.stuart_maxwell(second).statistic
    assert result.statistic == pytest.approx(both, abs=1e-12)


@pytest.mark.parametrize("table", [np.zeros((3, 3), int), np.diag([4, 5, 6]), [[7]]])
def test_raters_that_always_agree_have_p_1(table):
    for test in (paired.stuart_maxwell, paired.bowker):
        assert test(table) == paired.ChiSquareTest(0.0, 0, 1.0)


def test_homogeneous_margins_can_hide_an_asymmetry():
    cycle = np.array([[0, 30, 0], [0, 0, 30], [30, 0, 0]])
    assert paired.stuart_maxwell(cycle).p == pytest.approx(1)
    assert paired.bowker(cycle).p < 1e-10


def test_large_counts_do_not_overflow():
    table = np.array([[0, 4_000_000_000], [1_000_000_000, 0]])
    assert paired.bowker(table).statistic == pytest.approx(9e18 / 5e9)


@pytest.mark.parametrize("m", [1, 2, 5, 12])
def test_holm_equals_statsmodels(m):
    p_values = np.random.default_rng(m).integers(0, 10, m) / 40
    expected = multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose(paired.holm(p_values), expected, rtol=0, atol=1e-12)


@quick
@given(st.lists(probabilities | st.just(np.nan), max_size=12))
def test_holm_passes_over_tests_that_were_not_made(p_values):
    values = np.array(p_values, dtype=float)
    made = ~np.isnan(values)
    adjusted = paired.holm(values)
    np.testing.assert_array_equal(np.isnan(adjusted), ~made)
    np.testing.assert_array_equal(adjusted[made], paired.holm(values[made]))
    assert (adjusted[made] >= values[made]).all()
    assert (adjusted[made] <= 1).all()


def test_holm_leaves_its_input_alone():
    p_values = np.array([0.01, 0.02])
    paired.holm(p_values)
    assert p_values.tolist() == [0.01, 0.02]


def test_holm_by_hand():
    np.testing.assert_allclose(paired.holm([0.03, 0.01, 0.04]), [0.06, 0.03, 0.06])


@pytest.mark.parametrize("p_values", [[1.1], [-0.1], [[0.5]], 0.5])
def test_holm_refuses_what_is_no_probability(p_values):
    with pytest.raises(ValueError, match="p_values must"):
        paired.holm(p_values)


@pytest.mark.parametrize("table", [[[1, 2]], [[-1, 0], [0, 1]], [[0.5, 0], [0, 1]], []])
def test_tables_that_are_none_are_refused(table):
    for test in (paired.stuart_maxwell, paired.bowker):
        with pytest.raises(ValueError, match="table must"):
            test(table)


@pytest.mark.parametrize(("a", "b"), [([True], [True, False]), ([2], [1]), ([0.5], [1]), ([[True]], [[True]])])
def test_answers_that_do_not_fit_are_refused(a, b):
    with pytest.raises(ValueError, match="must"):
        paired.mcnemar(a, b)
