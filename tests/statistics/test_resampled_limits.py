"""The bootstrap: unbiased, seeded, as wide as it should be, and as fast as one run a night needs."""

import time

import numpy as np
import pytest
from sklearn import metrics

from slidescreen.statistics import bootstrap, classification

STATISTICS = {
    "accuracy": classification.accuracy,
    "macro_f1": lambda matrix: classification.macro(classification.per_type(matrix).f1).value,
    "kappa": classification.cohen_kappa,
}


def random_cells(n=400, k=5, seed=0, accuracy=0.8):
    generator = np.random.default_rng(seed)
    true = generator.integers(0, k, n)
    predicted = np.where(generator.random(n) < accuracy, true, generator.integers(0, k, n))
    return true, predicted


def test_resampled_cells_keep_their_number_and_their_mean():
    true, predicted = random_cells()
    matrices = bootstrap.bootstrap_matrices(true, predicted, 5, resamples=4000)
    assert matrices.shape == (4000, 5, 5)
    assert matrices.dtype == np.int64
    assert (matrices.sum(axis=(1, 2)) == len(true)).all()
    matrix = classification.confusion_matrix(true, predicted, 5)
    standard_error = np.sqrt(matrix * (1 - matrix / len(true)) / 4000)
    assert (np.abs(matrices.mean(axis=0) - matrix) <= 5 * standard_error).all()
    expected = matrix * (1 - matrix / len(true))
    np.testing.assert_allclose(matrices.var(axis=0), expected, rtol=0.15, atol=1e-12)


def test_a_seed_repeats_its_matrices_and_another_does_not():
    cells = random_cells()
    first, again, other = (bootstrap.bootstrap_matrices(*cells, 5, resamples=20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_drawing_in_blocks_changes_nothing(monkeypatch):
    true, predicted = random_cells()
    whole = bootstrap.bootstrap_matrices(true, predicted, 5, resamples=100)
    monkeypatch.setattr(bootstrap, "_BLOCK_ENTRIES", 200)
    blocks = bootstrap.bootstrap_matrices(true, predicted, 5, resamples=100)
    np.testing.assert_array_equal(whole, blocks)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_scalar_limits_equal_one_matrix_at_a_time(statistic):
    matrices = bootstrap.bootstrap_matrices(*random_cells(60), 5, resamples=300)
    samples = [STATISTICS[statistic](matrix) for matrix in matrices]
    limits = bootstrap.statistic_interval(matrices, statistic, level=0.9)
    assert limits.low == pytest.approx(np.nanquantile(samples, 0.05), abs=1e-12)
    assert limits.high == pytest.approx(np.nanquantile(samples, 0.95), abs=1e-12)
    assert isinstance(limits.low, float)


def test_limits_of_f1_are_one_pair_for_each_type():
    matrices = bootstrap.bootstrap_matrices(*random_cells(60), 5, resamples=300)
    samples = np.array([classification.per_type(matrix).f1 for matrix in matrices])
    limits = bootstrap.statistic_interval(matrices, "f1")
    np.testing.assert_allclose(limits.low, np.nanquantile(samples, 0.025, axis=0), atol=1e-12)
    np.testing.assert_allclose(limits.high, np.nanquantile(samples, 0.975, axis=0), atol=1e-12)


def test_a_type_without_cells_has_no_limits_and_a_rare_one_has():
    true = np.array([0] * 50 + [2])
    matrices = bootstrap.bootstrap_matrices(true, true, 3, resamples=500)
    limits = bootstrap.statistic_interval(matrices, "f1")
    assert np.isnan([limits.low[1], limits.high[1]]).all()
    assert (limits.low[2], limits.high[2]) == (1, 1)
    assert bootstrap.statistic_interval(matrices, "macro_f1").low == 1


def test_undefined_resamples_are_left_out():
    limits = bootstrap.percentile_interval([np.nan, *range(101), np.nan], level=0.9)
    assert (limits.low, limits.high) == (pytest.approx(5), pytest.approx(95))
    nothing = bootstrap.percentile_interval([np.nan, np.nan])
    assert np.isnan([nothing.low, nothing.high]).all()


def test_limits_of_accuracy_cover_at_their_level():
    covered = []
    for seed in range(300):
        matrices = bootstrap.bootstrap_matrices(*random_cells(200, 2, seed, 0.6), 2, resamples=300)
        limits = bootstrap.statistic_interval(matrices, "accuracy")
        covered.append(limits.low <= 0.8 <= limits.high)
    assert 0.91 < np.mean(covered) < 0.98


def test_ten_thousand_cells_resampled_two_thousand_times_take_seconds():
    true, predicted = random_cells(10_000, 16)
    start = time.process_time()
    matrices = bootstrap.bootstrap_matrices(true, predicted, 16)
    for statistic in (*STATISTICS, "f1"):
        bootstrap.statistic_interval(matrices, statistic)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("statistic", STATISTICS)
def test_difference_of_two_models_is_that_of_their_scores(statistic):
    true, a = random_cells(seed=1)
    _, b = random_cells(seed=2, accuracy=0.5)
    result = bootstrap.paired_difference(true, a, b, 5, statistic, resamples=300)
    score = {
        "accuracy": metrics.accuracy_score,
        "macro_f1": lambda *cells: metrics.f1_score(*cells, average="macro"),
        "kappa": metrics.cohen_kappa_score,
    }[statistic]
    assert result.difference == pytest.approx(score(true, a) - score(true, b), abs=1e-12)
    assert result.interval.low < result.difference < result.interval.high
    assert result.interval.low > 0
    assert result.p == pytest.approx(2 / 301)


def test_exchanging_the_models_turns_the_difference_around():
    true, a = random_cells(seed=1)
    b = np.where(np.random.default_rng(2).random(len(a)) < 0.1, true, a)
    one = bootstrap.paired_difference(true, a, b, 5, resamples=300)
    other = bootstrap.paired_difference(true, b, a, 5, resamples=300)
    assert one.difference == -other.difference
    assert one.interval.low == pytest.approx(-other.interval.high, abs=0.01)  # of other draws


def test_equal_models_do_not_differ():
    true, a = random_cells()
    result = bootstrap.paired_difference(true, a, a, 5, resamples=100)
    assert (result.difference, result.interval.low, result.interval.high, result.p) == (0, 0, 0, 1)


def test_pairing_makes_the_limits_narrow_where_the_models_err_on_the_same_cells():
    true, a = random_cells(1000)
    b = a.copy()
    b[:20] = true[:20]
    paired = bootstrap.paired_difference(true, b, a, 5, "accuracy", resamples=500).interval
    alone = bootstrap.statistic_interval(bootstrap.bootstrap_matrices(true, a, 5, resamples=500), "accuracy")
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_the_difference_is_called_significant_at_its_level_when_there_is_none():
    p = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        true = generator.integers(0, 3, 320)
        flips = generator.random((2, 320)) < 0.3
        a, b = ((true + flip) % 3 for flip in flips)
        p.append(bootstrap.paired_difference(true, a, b, 3, "accuracy", resamples=200).p)
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.1


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        (([], [], 2), {}, "true must have 1 or more elements, received 0"),
        (([0, 1], [0], 2), {}, "same length, received true 2, predicted 1"),
        (([0, 2], [0, 1], 2), {}, "true must be type indices from 0 to 1"),
        (([0, 1], [0, 1], 2), {"resamples": 0}, "resamples must be an integer of 1 or more, received 0"),
    ],
)
def test_cells_that_cannot_be_resampled_are_refused(cells, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap.bootstrap_matrices(*cells, **options)


def test_an_unknown_statistic_is_refused_by_name():
    matrices = bootstrap.bootstrap_matrices([0, 1], [0, 1], 2, resamples=5)
    with pytest.raises(ValueError, match="one of accuracy, macro_f1, kappa, received 'auroc'"):
        bootstrap.statistic_interval(matrices, "auroc")
    with pytest.raises(ValueError, match="received 'f1'"):
        bootstrap.paired_difference([0, 1], [0, 1], [0, 1], 2, "f1")


@pytest.mark.parametrize("matrices", [np.zeros((2, 2), int), np.zeros((5, 2, 3), int), np.zeros((0, 2, 2), int)])
def test_limits_refuse_what_is_not_a_stack_of_matrices(matrices):
    for statistic in (*STATISTICS, "f1"):
        with pytest.raises(ValueError, match="must have"):
            bootstrap.statistic_interval(matrices, statistic)


@pytest.mark.parametrize(("samples", "level"), [([], 0.95), ([[1.0]], 0.95), ([np.inf], 0.95), ([1.0], 1.0)])
def test_percentiles_refuse_what_they_cannot_take(samples, level):
    with pytest.raises(ValueError, match="must"):
        bootstrap.percentile_interval(samples, level)
