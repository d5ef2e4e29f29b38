"""Curves and areas against scikit-learn; DeLong against its definition over all pairs of cells."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from slidescreen.statistics import roc

quick = settings(max_examples=30, deadline=None, derandomize=True, database=None)


@st.composite
def scored_cells(draw, models=1, least=2):
    """Few distinct scores, so that ties abound; at least `least` cells of either class."""
    m, n = draw(st.integers(least, 12)), draw(st.integers(least, 12))
    truth = draw(st.permutations([True] * m + [False] * n))
    scores = [
        draw(st.lists(st.integers(0, 8).map(lambda v: v / 8), min_size=m + n, max_size=m + n)) for _ in range(models)
    ]
    return np.array(truth), *map(np.array, scores)


def random_cells(m, n, models=2, seed=0, shift=1.0, decimals=None):
    generator = np.random.default_rng(seed)
    truth = np.arange(m + n) < m
    shared = generator.normal(size=m + n)
    scores = [shared + generator.normal(size=m + n) + shift * truth for _ in range(models)]
    return truth, *(score if decimals is None else score.round(decimals) for score in scores)


def placements_by_definition(truth, scores):
    """DeLong's components: for each cell the share of the other class it is ranked rightly against."""
    x, y = scores[truth][:, None], scores[~truth][None, :]
    wins = (x > y) + 0.5 * (x == y)
    return wins.mean(axis=1), wins.mean(axis=0)


def covariance_by_definition(truth, *scores):
    positives, negatives = zip(*(placements_by_definition(truth, values) for values in scores), strict=True)
    of_positives = np.atleast_2d(np.cov(positives, ddof=1)) / truth.sum()
    return of_positives + np.atleast_2d(np.cov(negatives, ddof=1)) / (~truth).sum()


@quick
@given(scored_cells(least=1))
def test_curves_and_areas_equal_scikit_learn(cells):
    truth, scores = cells
    curve = roc.roc_curve(truth, scores)
    expected = metrics.roc_curve(truth, scores, drop_intermediate=False)
    for ours, theirs in zip(
        (curve.false_positive_rate, curve.true_positive_rate, curve.thresholds), expected, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)

    ranked = roc.precision_recall_curve(truth, scores)
    precision, recall, thresholds = metrics.precision_recall_curve(truth, scores)
    np.testing.assert_allclose(ranked.precision, precision[:-1][::-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(ranked.recall, recall[:-1][::-1], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(ranked.thresholds, thresholds[::-1])

    assert roc.auroc(truth, scores) == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-12)
    assert roc.average_precision(truth, scores) == pytest.approx(
        metrics.average_precision_score(truth, scores), abs=1e-12
    )


@quick
@given(scored_cells(least=1))
def test_auroc_is_the_mann_whitney_statistic(cells):
    truth, scores = cells
    wins = stats.mannwhitneyu(scores[truth], scores[~truth]).statistic
    assert roc.auroc(truth, scores) == pytest.approx(wins / (truth.sum() * (~truth).sum()), abs=1e-12)


@quick
@given(scored_cells(), st.randoms(use_true_random=False))
def test_neither_the_order_of_the_cells_nor_the_scale_of_the_scores_matters(cells, random):
    truth, scores = cells
    order = list(range(len(truth)))
    random.shuffle(order)
    assert roc.auroc(truth[order], np.exp(3 * scores[order])) == roc.auroc(truth, scores)
    assert roc.delong_variance(truth[order], np.exp(3 * scores[order])) == pytest.approx(
        roc.delong_variance(truth, scores), abs=1e-15
    )


@quick
@given(scored_cells())
def test_turning_the_scores_around_turns_the_area_around(cells):
    truth, scores = cells
    assert roc.auroc(truth, -scores) == pytest.approx(1 - roc.auroc(truth, scores), abs=1e-12)
    assert roc.delong_variance(truth, -scores) == pytest.approx(roc.delong_variance(truth, scores), abs=1e-15)


@quick
@given(scored_cells())
def test_delong_variance_equals_its_definition(cells):
    truth, scores = cells
    expected = covariance_by_definition(truth, scores).item()
    assert roc.delong_variance(truth, scores) == pytest.approx(expected, abs=1e-12)


@quick
@given(scored_cells(models=2))
def test_delong_test_equals_its_definition(cells):
    truth, a, b = cells
    result = roc.delong_test(truth, a, b)
    difference = metrics.roc_auc_score(truth, a) - metrics.roc_auc_score(truth, b)
    assert result.difference == pytest.approx(difference, abs=1e-12)
    covariance = covariance_by_definition(truth, a, b)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if variance > 1e-12:
        z = difference / np.sqrt(variance)
        assert result.z == pytest.approx(z, rel=1e-9, abs=1e-10)
        assert result.p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("decimals", [None, 1])
def test_delong_equals_its_definition_for_hundreds_of_cells(decimals):
    truth, a, b = random_cells(150, 400, decimals=decimals)
    covariance = covariance_by_definition(truth, a, b)
    assert roc.delong_variance(truth, a) == pytest.approx(covariance[0, 0], abs=1e-14)
    z = (metrics.roc_auc_score(truth, a) - metrics.roc_auc_score(truth, b)) / np.sqrt(
        covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    )
    result = roc.delong_test(truth, a, b)
    assert result.z == pytest.approx(z, abs=1e-10)
    assert result.p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-10)


@quick
@given(scored_cells(models=2))
def test_exchanging_the_models_turns_the_sign_and_keeps_p(cells):
    truth, a, b = cells
    one, other = roc.delong_test(truth, a, b), roc.delong_test(truth, b, a)
    assert one.difference == -other.difference
    assert one.p == pytest.approx(other.p, nan_ok=True)
    assert one.z == pytest.approx(-other.z, nan_ok=True)


def test_delong_by_hand():
    truth = np.array([True, True, False, False])
    scores = np.array([4.0, 2.0, 3.0, 1.0])
    # Placements 1 and 1/2 of the positives, 1/2 and 1 of the negatives: each with the variance 1/8, halved.
    assert roc.auroc(truth, scores) == 0.75
    assert roc.delong_variance(truth, scores) == pytest.approx(1 / 8, abs=1e-15)


def test_equal_rankings_cannot_be_told_apart():
    truth, a, _ = random_cells(30, 40)
    result = roc.delong_test(truth, a, 2 * a + 5)
    assert (result.difference, result.z, result.p) == (0.0, 0.0, 1.0)


def test_perfect_against_perfectly_wrong_has_no_p():
    truth = np.array([True] * 3 + [False] * 3)
    scores = truth.astype(float)
    result = roc.delong_test(truth, scores, -scores)
    assert result.difference == 1
    assert np.isnan([result.z, result.p]).all()


def test_delong_test_rejects_at_its_level_when_nothing_differs():
    rejected = [roc.delong_test(*random_cells(60, 80, seed=seed)).p < 0.05 for seed in range(600)]
    assert 0.03 < np.mean(rejected) < 0.075


@pytest.mark.parametrize(("m", "n", "shift"), [(40, 60, 1.5), (30, 300, 3.0), (200, 200, 0.0)])
def test_delong_limits_cover_at_their_level(m, n, shift):
    area = stats.norm.cdf(shift / 2)
    covered = []
    for seed in range(500):
        limits = roc.delong_interval(*random_cells(m, n, models=1, seed=seed, shift=shift))
        covered.append(limits.low <= area <= limits.high)
    assert 0.92 < np.mean(covered) < 0.98


def test_delong_limits_stay_within_0_and_1_and_hold_the_area():
    truth, scores = random_cells(15, 15, models=1, shift=4.0)
    limits = roc.delong_interval(truth, scores)
    assert 0 < limits.low < roc.auroc(truth, scores) < limits.high < 1
    wider = roc.delong_interval(truth, scores, level=0.99)
    assert wider.low < limits.low < limits.high < wider.high


def test_delong_limits_by_hand():
    truth, scores = np.array([True, True, False, False]), np.array([4.0, 2.0, 3.0, 1.0])
    reach = stats.norm.ppf(0.975) * np.sqrt(1 / 8) / (0.75 * 0.25)
    odds = np.log(3)
    limits = roc.delong_interval(truth, scores)
    assert limits.low == pytest.approx(1 / (1 + np.exp(-(odds - reach))), abs=1e-12)
    assert limits.high == pytest.approx(1 / (1 + np.exp(-(odds + reach))), abs=1e-12)


def test_a_perfect_separation_still_leaves_doubt():
    truth = np.array([True] * 20 + [False] * 50)
    limits = roc.delong_interval(truth, truth.astype(float))
    assert limits.high == 1
    assert limits.low == pytest.approx(stats.binomtest(20, 20).proportion_ci(0.95, "exact").low, abs=1e-10)
    mirrored = roc.delong_interval(truth, -truth.astype(float))
    assert (mirrored.low, mirrored.high) == (0, pytest.approx(1 - limits.low))


def test_limits_of_few_cells_cover_though_many_samples_separate_perfectly():
    area = stats.norm.cdf(1.5)
    limits = [roc.delong_interval(*random_cells(8, 10, models=1, seed=seed, shift=3.0)) for seed in range(500)]
    assert np.mean([limit.high == 1 for limit in limits]) > 0.1
    assert np.mean([limit.low <= area <= limit.high for limit in limits]) > 0.92


def test_all_scores_equal_are_worth_a_half():
    truth = np.array([True, False, True])
    assert roc.auroc(truth, [0.2, 0.2, 0.2]) == 0.5
    curve = roc.roc_curve(truth, [0.2, 0.2, 0.2])
    assert curve.false_positive_rate.tolist() == [0, 1]
    assert curve.true_positive_rate.tolist() == [0, 1]


@pytest.mark.parametrize("truth", [[True] * 4, [False] * 4, []])
def test_one_class_alone_leaves_everything_undefined(truth):
    scores = np.linspace(0, 1, len(truth))
    assert np.isnan(roc.auroc(truth, scores))
    assert np.isnan(roc.delong_variance(truth, scores))
    limits = roc.delong_interval(truth, scores)
    assert np.isnan([limits.low, limits.high]).all()
    result = roc.delong_test(truth, scores, scores)
    assert np.isnan([result.difference, result.z, result.p]).all()
    curve = roc.roc_curve(truth, scores)
    missing = curve.false_positive_rate if all(truth) else curve.true_positive_rate
    assert np.isnan(missing).all()
    if not any(truth):
        assert np.isnan(roc.average_precision(truth, scores))


def test_a_single_positive_has_an_area_and_no_variance():
    truth = [True, False, False, False]
    assert roc.auroc(truth, [0.5, 0.1, 0.9, 0.2]) == pytest.approx(2 / 3)
    assert np.isnan(roc.delong_variance(truth, [0.5, 0.1, 0.9, 0.2]))
    assert np.isnan(roc.delong_interval(truth, [0.5, 0.1, 0.9, 0.2]).low)


def test_infinite_scores_are_ranked():
    assert roc.auroc([True, False, False], [np.inf, 1.0, -np.inf]) == 1


def test_a_hundred_thousand_cells_take_no_pairwise_comparison():
    truth, a, b = random_cells(20_000, 80_000)
    start = time.process_time()
    roc.delong_test(truth, a, b)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("truth", "scores", "message"),
    [
        ([True, False], [0.1], "same length, received positive 2, scores 1"),
        ([True, False], [0.1, np.nan], "scores must be numbers or infinities, received nan at 1"),
        ([True, False], [[0.1, 0.2]], "scores must have one dimension"),
        ([2, 0], [0.1, 0.2], r"positive must be booleans \(or 0 and 1\), received 2"),
        ([0.0, 1.0], [0.1, 0.2], "positive must be booleans"),
        (["yes", "no"], [0.1, 0.2], "positive must be booleans"),
        ([True, False], ["a", "b"], "scores must be numbers"),
    ],
)
def test_what_does_not_fit_is_refused(truth, scores, message):
    for function in (
        roc.auroc,
        roc.roc_curve,
        roc.average_precision,
        roc.delong_variance,
        roc.delong_interval,
    ):
        with pytest.raises(ValueError, match=message):
            function(truth, scores)


def test_the_second_score_is_checked_under_its_own_name():
    with pytest.raises(ValueError, match="scores_b 1"):
        roc.delong_test([True, False], [0.1, 0.2], [0.1])


@pytest.mark.parametrize("level", [0, 1, 95, np.nan])
def test_a_level_that_is_no_fraction_is_refused(level):
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        roc.delong_interval([True, False], [0.1, 0.2], level)


def test_delong_gives_the_values_published_with_proc():
    """WFNS grade against outcome of 113 patients with subarachnoid haemorrhage (aSAH, Turck et al., Intensive Care
    Medicine 2010; 36: 107-115), as in the example of pROC (Robin et al., BMC Bioinformatics 2011; 12: 77)."""
    good, poor = (37, 20, 3, 8, 4), (2, 12, 1, 8, 18)
    grades = np.repeat([1, 2, 3, 4, 5] * 2, good + poor)
    truth = np.repeat([False, True], [sum(good), sum(poor)])
    assert roc.auroc(truth, grades) == pytest.approx(0.8236789, abs=5e-8)
    assert roc.delong_variance(truth, grades) == pytest.approx(0.00146991470882, abs=1e-14)


def test_the_paired_test_gives_the_values_of_proc():
    """Fourteen cells, two scores: areas, z and p as printed by roc.test of pROC 1.18.0."""
    truth = np.repeat([False, True], [8, 6])
    a = [0.1, 0.2, 0.2, 0.35, 0.4, 0.5, 0.55, 0.7, 0.3, 0.5, 0.6, 0.65, 0.8, 0.9]
    b = [0.3, 0.1, 0.25, 0.6, 0.2, 0.45, 0.7, 0.4, 0.2, 0.35, 0.5, 0.75, 0.55, 0.8]
    found = roc.delong_test(truth, a, b)
    assert found.difference == pytest.approx(0.8020833333333334 - 0.6979166666666666, abs=1e-12)
    assert abs(found.z) == pytest.approx(0.9747072836582813, abs=1e-12)
    assert found.p == pytest.approx(0.3297054789476887, abs=1e-12)
    assert roc.delong_variance(truth, a) == pytest.approx(0.0159164186507936, abs=1e-14)
