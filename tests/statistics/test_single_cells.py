"""Limits and tests of independent cells: at their level for few cells, and never of zero width."""

import time

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from slidescreen.statistics import single_cells

FREQUENCIES = np.array([0.7, 0.25, 0.05])
ACCURACIES = np.array([0.98, 0.95, 0.9])
SHARES = FREQUENCIES[:, None] * np.where(np.eye(3, dtype=bool), ACCURACIES[:, None], (1 - ACCURACIES[:, None]) / 2)
"""The shares of cells by true type and call."""


def macro_f1(shares):
    own = np.diag(shares)
    return np.mean(2 * own / (shares.sum(axis=0) + shares.sum(axis=1)))


def kappa(shares):
    by_chance = shares.sum(axis=0) @ shares.sum(axis=1)
    return (np.trace(shares) - by_chance) / (1 - by_chance)


def sides(matrix, place):
    hit = int(matrix[place, place])
    return hit, int(matrix[place].sum()) - hit, int(matrix[:, place].sum()) - hit


@pytest.mark.parametrize("number", [6, 12, 30, 100, 400])
def test_limits_hold_the_truth_at_their_level_from_few_cells_on(number):
    truths = {"accuracy": np.trace(SHARES), "macro_f1": macro_f1(SHARES), "kappa": kappa(SHARES)}
    rare = 2 * SHARES[2, 2] / (SHARES[2].sum() + SHARES[:, 2].sum())
    held = {name: [] for name in (*truths, "f1")}
    for matrix in np.random.default_rng(number).multinomial(number, SHARES.ravel(), size=400).reshape(-1, 3, 3):
        limits = {name: single_cells.statistic_limits(matrix, name) for name in truths}
        if matrix[2].sum():
            limits["f1"] = single_cells.f1_limits(*sides(matrix, 2))
        for name, each in limits.items():
            assert each.note == "too few cells" or np.isnan(each.low) or each.low < each.high
            if not np.isnan(each.low):
                held[name].append(each.low <= truths.get(name, rare) <= each.high)
    assert all(np.mean(each) > 0.93 for each in held.values()), {name: np.mean(each) for name, each in held.items()}


@pytest.mark.parametrize("cells", [1, 3, 30])
def test_a_type_whose_cells_are_all_found_may_still_have_others(cells):
    limits = single_cells.f1_limits(cells, 0, 0)
    assert limits.high == 1
    assert limits.low == pytest.approx(2 / (1 + 1 / 0.025 ** (1 / cells)))
    none = single_cells.f1_limits(0, cells, 0)
    assert (none.low, none.high < 1) == (0, True)
    assert none.high >= 1 - 0.025 ** (1 / cells) - 1e-12


@pytest.mark.parametrize("counts", [(7, 2, 4), (40, 1, 0), (1, 9, 12)])
def test_limits_of_an_f1_are_those_of_the_binomial_share_that_it_is_made_of(counts):
    hit, missed, false = counts
    exact = stats.binomtest(hit, sum(counts)).proportion_ci(method="exact")
    found = single_cells.f1_limits(*counts)
    for ours, share in ((found.low, exact.low), (found.high, exact.high)):
        assert ours == pytest.approx(2 * share / (1 + share))
    assert found.low < 2 * hit / (2 * hit + missed + false) < found.high


@pytest.mark.parametrize("statistic", ["accuracy", "macro_f1", "kappa"])
def test_cells_that_are_all_right_do_not_make_a_score_certain(statistic):
    few, many = (single_cells.statistic_limits(np.diag([n, n]), statistic) for n in (3, 300))
    assert few.high == many.high == 1
    assert few.low < 0.6 < 0.97 < many.low < 1


@pytest.mark.parametrize("statistic", ["accuracy", "macro_f1", "kappa"])
def test_limits_of_many_cells_are_those_of_resampled_cells(statistic):
    generator = np.random.default_rng(1)
    even = np.array([[0.40, 0.05, 0.03], [0.04, 0.25, 0.03], [0.02, 0.03, 0.15]])
    matrix = np.round(even * 3000).astype(int)
    drawn = generator.multinomial(3000, even.ravel(), size=4000).reshape(-1, 3, 3) / 3000
    score = {"accuracy": np.trace, "macro_f1": macro_f1, "kappa": kappa}[statistic]
    low, high = np.quantile([score(each) for each in drawn], (0.025, 0.975))
    found = single_cells.statistic_limits(matrix, statistic)
    wider = 1.35 if statistic == "kappa" else 1.1  # never narrower than binomial limits on the scale from -1 to 1
    assert 0.95 < (found.high - found.low) / (high - low) < wider


def test_a_kappa_that_hangs_on_one_cell_has_no_limits():
    limits = single_cells.statistic_limits([[9, 0], [0, 1]], "kappa")
    assert (np.isnan(limits.low), limits.note) == (True, "too few cells")
    undefined = single_cells.statistic_limits([[9, 0], [0, 0]], "kappa")
    assert (np.isnan(undefined.low), undefined.note) == (True, "")


def two_models(number, generator):
    """Two equally good models that share half of their errors."""
    true = generator.choice(3, number, p=FREQUENCIES)
    luck = generator.random(number)
    calls = []
    for _ in range(2):
        own = np.where(generator.random(number) < 0.5, luck, generator.random(number))
        calls.append(np.where(own < ACCURACIES[true] - 0.1, true, (true + 1) % 3))
    return true, calls


@pytest.mark.parametrize("number", [6, 30, 200])
def test_no_difference_is_found_more_often_than_the_level_allows(number):
    generator, found = np.random.default_rng(number), []
    for _ in range(300):
        true, calls = two_models(number, generator)
        each = [single_cells.paired_difference(true, *calls, 3, name) for name in ("accuracy", "macro_f1", "kappa")]
        found.append([difference.p < 0.05 for difference in each])
    assert (np.mean(found, axis=0) < 0.085).all()


@pytest.mark.parametrize("cells", [3, 4, 5])
def test_few_cells_that_one_model_alone_finds_are_no_certain_difference(cells):
    true = np.repeat([0, 1], [100, cells])
    other = np.zeros_like(true)
    macro = single_cells.paired_difference(true, true, other, 2, "macro_f1")
    assert macro.p > 0.05
    assert macro.interval.low < 0 < macro.difference < macro.interval.high
    assert single_cells.paired_difference(true, true, other, 2, "accuracy").p >= stats.binomtest(cells, cells).pvalue


def test_a_clear_difference_is_found():
    true, (one, _) = two_models(400, np.random.default_rng(0))
    worse = np.where(np.arange(400) % 4 == 0, (true + 1) % 3, one)
    for statistic in ("accuracy", "macro_f1", "kappa"):
        found, turned = (
            single_cells.paired_difference(true, *calls, 3, statistic) for calls in ((one, worse), (worse, one))
        )
        assert found.p < 0.001
        assert 0 < found.interval.low < found.difference < found.interval.high < 1
        assert (turned.difference, turned.p) == (pytest.approx(-found.difference), pytest.approx(found.p))
    expected = metrics.f1_score(true, one, average="macro") - metrics.f1_score(true, worse, average="macro")
    assert single_cells.paired_difference(true, one, worse, 3, "macro_f1").difference == pytest.approx(expected)


def test_equal_models_do_not_differ():
    true, (one, _) = two_models(60, np.random.default_rng(0))
    found = single_cells.paired_difference(true, one, one, 3, "macro_f1")
    assert (found.difference, found.p, found.interval.note) == (0, 1, "no cells differ")
    assert np.isnan(found.interval.low)


def test_a_single_cell_says_nothing():
    found = single_cells.paired_difference([0], [0], [1], 2, "macro_f1")
    assert found.difference == 1
    assert found.p > 0.05
    assert single_cells.statistic_limits([[1, 0], [0, 0]], "macro_f1").note == "too few cells"


def test_as_many_cells_as_years_bring_take_a_moment():
    true, one, other = np.random.default_rng(0).integers(0, 16, (3, 200_000))
    matrix = np.zeros((16, 16), dtype=int)
    np.add.at(matrix, (true, one), 1)
    start = time.process_time()
    single_cells.statistic_limits(matrix, "macro_f1")
    single_cells.paired_difference(true, one, other, 16, "macro_f1")
    assert time.process_time() - start < 5


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="one of accuracy, macro_f1, kappa, received 'auroc'"):
        single_cells.statistic_limits([[1, 0], [0, 1]], "auroc")
    with pytest.raises(ValueError, match="must have the shape"):
        single_cells.statistic_limits([[1, 0]], "kappa")
    with pytest.raises(ValueError, match="true must have 1 or more"):
        single_cells.paired_difference([], [], [], 2, "kappa")
    with pytest.raises(ValueError, match="same length"):
        single_cells.paired_difference([0, 1], [0, 1], [0], 2, "kappa")
    with pytest.raises(ValueError, match="level must be between"):
        single_cells.statistic_limits([[1, 0], [0, 1]], "kappa", level=95)
