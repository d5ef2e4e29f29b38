"""Calibration: measures and offsets against independent ones, the temperature against a search by values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats
from sklearn import metrics

from slidescreen.statistics import calibration, scaling

quick = settings(max_examples=30, deadline=None, derandomize=True, database=None)
confidences = st.lists(st.tuples(st.integers(0, 20).map(lambda v: v / 20), st.booleans()), min_size=1, max_size=60)


def cells(n=800, k=5, seed=0, temperature=1.0):
    """Probabilities that are calibrated after division of their logits by `temperature`."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=2, size=(n, k))
    calibrated = special.softmax(logits, axis=1)
    true = np.array([generator.choice(k, p=row) for row in calibrated])
    return true, special.softmax(logits * temperature, axis=1)


def test_brier_score_and_log_likelihood_equal_scikit_learn():
    true, probabilities = cells()
    brier = metrics.brier_score_loss(true, probabilities, labels=range(5), scale_by_half=False)
    assert calibration.brier_score(true, probabilities) == pytest.approx(brier, abs=1e-10)
    loss = metrics.log_loss(true, probabilities, labels=range(5))
    assert calibration.negative_log_likelihood(true, probabilities) == pytest.approx(loss, abs=1e-10)


def test_the_ends_of_the_brier_score():
    assert calibration.brier_score([0, 1], [[1, 0], [0, 1]]) == 0
    assert calibration.brier_score([0, 1], [[0, 1], [1, 0]]) == 2


def test_a_probability_of_0_for_the_truth_costs_much_but_not_everything():
    loss = calibration.negative_log_likelihood([0], [[0.0, 1.0]])
    assert loss == pytest.approx(-np.log(np.finfo(np.float32).tiny))


def test_calibration_error_equals_bins_cut_by_hand():
    generator = np.random.default_rng(1)
    confidence = generator.random(1500)
    correct = generator.random(1500) < confidence**2
    order = np.argsort(confidence)
    expected = sum(
        len(part) / 1500 * abs(correct[part].mean() - confidence[part].mean()) for part in np.array_split(order, 15)
    )
    assert calibration.expected_calibration_error(confidence, correct) == pytest.approx(expected, abs=1e-12)
    curve = calibration.reliability_curve(confidence, correct)
    assert curve.cells.tolist() == [100] * 15
    assert (np.diff(curve.confidence) > 0).all()


def test_calibration_error_by_hand():
    confidence = [0.6, 0.7, 0.8, 0.9]
    correct = [True, False, True, True]
    curve = calibration.reliability_curve(confidence, correct, bins=2)
    np.testing.assert_allclose(curve.confidence, [0.65, 0.85])
    np.testing.assert_allclose(curve.accuracy, [0.5, 1.0])
    assert calibration.expected_calibration_error(confidence, correct, bins=2) == pytest.approx(0.15)


@quick
@given(confidences, st.integers(1, 20), st.randoms(use_true_random=False))
def test_the_order_of_equally_confident_cells_does_not_matter(pairs, bins, random):
    confidence, correct = map(np.array, zip(*pairs, strict=True))
    curve = calibration.reliability_curve(confidence, correct, bins)
    assert curve.cells.sum() == len(pairs)
    assert len(curve.cells) <= bins
    order = list(range(len(pairs)))
    random.shuffle(order)
    shuffled = calibration.reliability_curve(confidence[order], correct[order], bins)
    np.testing.assert_array_equal(curve.cells, shuffled.cells)
    np.testing.assert_allclose(curve.accuracy, shuffled.accuracy, atol=1e-12)
    np.testing.assert_allclose(curve.confidence, shuffled.confidence, atol=1e-12)


@quick
@given(st.integers(1, 60), st.integers(1, 20))
def test_bins_without_ties_differ_by_one_cell_at_most(n, bins):
    cells_in_bins = calibration.reliability_curve(np.arange(n) / n, np.ones(n, bool), bins).cells
    assert len(cells_in_bins) == min(n, bins)
    assert cells_in_bins.max() - cells_in_bins.min() <= 1


def test_equal_confidences_share_one_bin():
    curve = calibration.reliability_curve([1.0] * 30, [True] * 27 + [False] * 3)
    assert (curve.accuracy.tolist(), curve.cells.tolist()) == ([0.9], [30])


def test_calibrated_probabilities_have_little_error_and_sharpened_ones_have_much():
    for temperature, low, high in ((1.0, 0.0, 0.02), (2.0, 0.08, 0.5)):
        true, probabilities = cells(10_000, temperature=temperature)
        correct = probabilities.argmax(axis=1) == true
        error = calibration.expected_calibration_error(probabilities.max(axis=1), correct)
        assert low < error < high


@pytest.mark.parametrize("seed", range(5))
def test_temperature_equals_a_search_by_values(seed):
    true, probabilities = cells(seed=seed, temperature=1.7)
    found = optimize.minimize_scalar(
        lambda t: metrics.log_loss(true, special.softmax(np.log(probabilities) / t, axis=1), labels=range(5)),
        bounds=(0.1, 10),
        method="bounded",
        options={"xatol": 1e-9},
    )
    fitted = scaling.fit_temperature(probabilities, true)
    assert fitted == pytest.approx(found.x, rel=1e-6)
    scaled = scaling.apply_temperature(probabilities, fitted)
    assert calibration.negative_log_likelihood(true, scaled) <= found.fun + 1e-12


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature):
    true, probabilities = cells(20_000, temperature=temperature)
    assert scaling.fit_temperature(probabilities, true) == pytest.approx(temperature, rel=0.05)


@quick
@given(st.floats(0.3, 3), st.integers(0, 5))
def test_scaled_probabilities_need_the_rest_of_the_temperature(scale, seed):
    true, probabilities = cells(100, seed=seed)
    whole = scaling.fit_temperature(probabilities, true)
    rest = scaling.fit_temperature(scaling.apply_temperature(probabilities, scale), true)
    assert rest * scale == pytest.approx(whole, rel=1e-8)


@quick
@given(st.floats(0.05, 20))
def test_a_temperature_changes_no_call_and_keeps_the_sum(temperature):
    _, probabilities = cells(50)
    scaled = scaling.apply_temperature(probabilities, temperature)
    np.testing.assert_array_equal(scaled.argmax(axis=1), probabilities.argmax(axis=1))
    np.testing.assert_allclose(scaled.sum(axis=1), 1, atol=1e-12)


def test_temperature_1_changes_nothing_and_2_takes_the_root():
    np.testing.assert_allclose(scaling.apply_temperature([[0.9, 0.1]], 1), [[0.9, 0.1]], atol=1e-15)
    np.testing.assert_allclose(scaling.apply_temperature([[0.9, 0.1]], 2), [[0.75, 0.25]], atol=1e-15)


def test_a_temperature_without_a_best_value_stops_at_its_bounds():
    _, probabilities = cells(200)
    calls = probabilities.argmax(axis=1)
    assert scaling.fit_temperature(probabilities, calls) == scaling.COLDEST
    wrong = probabilities.argmin(axis=1)
    assert scaling.fit_temperature(probabilities, wrong) == scaling.HOTTEST
    assert scaling.fit_temperature(np.full((4, 5), 0.2), [0, 1, 2, 3]) == 1
    assert scaling.fit_temperature([[1.0]], [0]) == 1


@pytest.mark.parametrize("count", [1, 5, 20, 80])
def test_a_prior_keeps_few_cells_from_an_extreme_temperature(count):
    """All called right with 0.9, all called wrong with 0.9: chance, if they are few."""
    probabilities = np.tile([0.9, 0.05, 0.05], (count, 1))
    right, wrong = np.zeros(count, int), np.ones(count, int)
    assert scaling.fit_temperature(probabilities, right) == scaling.COLDEST
    assert 0.4 < scaling.fit_temperature(probabilities, right, prior_cells=2) < 1
    assert 1 < scaling.fit_temperature(probabilities[:1], wrong[:1], prior_cells=2) < 3
    colder = [scaling.fit_temperature(probabilities, right, prior_cells=weight) for weight in (1, 2, 20, 10_000)]
    assert colder == sorted(colder)
    assert colder[-1] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_with_many_cells_a_prior_changes_nothing(temperature):
    true, probabilities = cells(5000, temperature=temperature)
    alone, held = (scaling.fit_temperature(probabilities, true, weight) for weight in (0, 2))
    assert held == pytest.approx(alone, rel=0.01)


def test_a_temperature_with_a_prior_is_the_best_by_values():
    true, probabilities = cells(30, temperature=1.7)
    n, scores = len(true), np.log(probabilities)

    def loss(t):
        likelihood = -n * metrics.log_loss(true, special.softmax(scores / t, axis=1), labels=range(5))
        return -likelihood - stats.gamma.logpdf(1 / t, 1 + 4.0, scale=1 / 4.0)

    found = optimize.minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-9})
    assert scaling.fit_temperature(probabilities, true, prior_cells=4.0) == pytest.approx(found.x, rel=1e-6)


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf])
def test_a_prior_has_a_finite_weight(weight):
    with pytest.raises(ValueError, match="prior_cells must be"):
        scaling.fit_temperature([[0.9, 0.1]], [0], weight)


def test_probabilities_of_0_can_be_scaled_and_fitted():
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=np.float32)
    fitted = scaling.fit_temperature(probabilities, [0, 0, 1, 0])
    assert 1 < fitted <= scaling.HOTTEST
    assert np.isfinite(scaling.apply_temperature(probabilities, fitted)).all()


def rarely_shown(n=20_000, k=4, seed=3):
    """Probabilities of a network that was shown types as often as each other, which come in the shares 8:4:2:1."""
    generator = np.random.default_rng(seed)
    shares = np.array([8, 4, 2, 1]) / 15
    true = generator.choice(k, size=n, p=shares)
    likelihoods = special.softmax(2 * np.eye(k)[true] + generator.normal(scale=2, size=(n, k)), axis=1)
    return true, likelihoods


def test_offsets_are_the_penalised_logistic_regression_of_an_independent_solver():
    true, probabilities = rarely_shown(n=300)
    logarithms, penalty = np.log(probabilities), 0.01 * (1 + 2000 / 300)

    def loss(offsets):
        scores = logarithms + offsets
        return metrics.log_loss(true, special.softmax(scores, axis=1), labels=range(4)) + penalty * np.sum(offsets**2)

    found = optimize.minimize(loss, np.zeros(4), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-14})
    offsets = scaling.fit_offsets(probabilities, true)
    np.testing.assert_allclose(offsets, found.x, atol=1e-5)
    assert offsets.sum() == pytest.approx(0, abs=1e-6)


def test_offsets_call_common_types_more_and_make_more_calls_right():
    true, probabilities = rarely_shown()
    offsets = scaling.fit_offsets(probabilities[:10_000], true[:10_000])
    assert (np.diff(offsets) < 0).all()
    mended = scaling.apply_offsets(probabilities[10_000:], offsets)
    before = (probabilities[10_000:].argmax(axis=1) == true[10_000:]).mean()
    assert (mended.argmax(axis=1) == true[10_000:]).mean() > before + 0.02
    np.testing.assert_allclose(mended.sum(axis=1), 1, atol=1e-12)


def test_few_cells_move_the_offsets_little_and_honest_ones_hardly():
    true, probabilities = rarely_shown()
    assert np.abs(scaling.fit_offsets(probabilities[:20], true[:20])).max() < 0.25
    honest_true, honest = cells(20_000)
    assert np.abs(scaling.fit_offsets(honest, honest_true)).max() < 0.05
    sure = np.eye(3)[[0, 1, 2]]
    np.testing.assert_allclose(scaling.fit_offsets(sure, [0, 1, 2]), 0, atol=1e-12)


def test_a_type_without_a_cell_is_called_less_but_not_never():
    true, probabilities = cells(400)
    some = true != 4
    offsets = scaling.fit_offsets(probabilities[some], true[some])
    assert offsets[4] == offsets.min()
    assert offsets[4] > -2


def test_offsets_of_0_change_nothing_and_impossible_ones_are_refused():
    _, probabilities = cells(50)
    np.testing.assert_allclose(scaling.apply_offsets(probabilities, np.zeros(5)), probabilities, atol=1e-12)
    with pytest.raises(ValueError, match="offsets must be one for each of 5 types, received 4"):
        scaling.apply_offsets(probabilities, np.zeros(4))
    with pytest.raises(ValueError, match="offsets must be finite numbers"):
        scaling.apply_offsets(probabilities, [0, 0, np.nan, 0, 0])


@quick
@given(st.integers(0, 99), st.sets(st.integers(0, 4), min_size=1, max_size=4))
def test_spared_types_never_become_less_probable(seed, spared):
    _, probabilities = cells(200, seed=seed)
    offsets, chosen = np.random.default_rng(seed).normal(size=5), sorted(spared)
    plain, found = (scaling.apply_offsets(probabilities, offsets, those) for those in ((), chosen))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    lost = plain[:, chosen].sum(axis=1) < probabilities[:, chosen].sum(axis=1)
    np.testing.assert_array_equal(found[~lost], plain[~lost])
    np.testing.assert_allclose(found[lost][:, chosen], probabilities[lost][:, chosen], atol=1e-12)
    others = [kind for kind in range(5) if kind not in spared]
    shares, expected = (each[lost][:, others] for each in (found, plain))  # the other types keep their proportions
    np.testing.assert_allclose(
        shares * expected.sum(axis=1, keepdims=True), expected * shares.sum(axis=1, keepdims=True)
    )


@quick
@given(st.integers(0, 99), st.sets(st.integers(0, 4), min_size=1, max_size=4), st.floats(0.1, 10))
def test_the_odds_of_favoured_types_are_multiplied(seed, chosen, factor):
    _, probabilities = cells(200, seed=seed)
    before = probabilities.copy()
    found, types = scaling.favoured(probabilities, sorted(chosen), factor), sorted(chosen)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    joint, was = found[:, types].sum(axis=1), probabilities[:, types].sum(axis=1)
    np.testing.assert_allclose(joint * (1 - was), factor * was * (1 - joint), atol=1e-9)
    np.testing.assert_array_equal(probabilities, before)


def test_single_precision_and_rounded_probabilities_pass():
    true, probabilities = cells(100)
    for coarse in (probabilities.astype(np.float32), probabilities.round(4)):
        assert calibration.brier_score(true, coarse) == pytest.approx(
            calibration.brier_score(true, probabilities), abs=1e-3
        )


def test_without_cells_measures_are_undefined_and_nothing_is_fitted():
    empty = np.empty((0, 3))
    assert np.isnan(calibration.brier_score([], empty))
    assert np.isnan(calibration.negative_log_likelihood([], empty))
    assert np.isnan(calibration.expected_calibration_error([], []))
    assert scaling.apply_temperature(empty, 2).shape == (0, 3)
    with pytest.raises(ValueError, match="true must have 1 or more elements"):
        scaling.fit_temperature(empty, [])
    with pytest.raises(ValueError, match="true must have 1 or more elements"):
        scaling.fit_offsets(empty, [])


@pytest.mark.parametrize(
    ("true", "probabilities", "message"),
    [
        ([0], [[0.5, 0.4]], "sum to 1 for every cell, received 0.9 at 0"),
        ([0], [[1.5, -0.5]], "probabilities must be from 0 to 1, received -0.5 to 1.5"),
        ([0], [[np.nan, 1.0]], "probabilities must be from 0 to 1"),
        ([0], [0.5, 0.5], r"the shape \(cells, types\), received \(2,\)"),
        ([2], [[0.5, 0.5]], "true must be type indices from 0 to 1"),
        ([0, 1], [[0.5, 0.5]], "same length, received true 2, probabilities 1"),
        ([[0.5, 0.5]], [0], "probabilities must have the shape"),
    ],
)
def test_probabilities_that_are_none_are_refused(true, probabilities, message):
    for measure in (calibration.brier_score, calibration.negative_log_likelihood):
        with pytest.raises(ValueError, match=message):
            measure(true, probabilities)
    with pytest.raises(ValueError, match=message):
        scaling.fit_temperature(probabilities, true)
    with pytest.raises(ValueError, match=message):
        scaling.fit_offsets(probabilities, true)


@pytest.mark.parametrize("temperature", [0, -1, np.inf, np.nan])
def test_an_impossible_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be a finite number above 0, received"):
        scaling.apply_temperature([[0.5, 0.5]], temperature)


@pytest.mark.parametrize(
    ("confidence", "correct", "bins", "message"),
    [
        ([1.2], [True], 15, "confidence must be from 0 to 1, received 1.2"),
        ([np.nan], [True], 15, "confidence must be finite numbers"),
        ([0.5, 0.6], [True], 15, "same length, received confidence 2, correct 1"),
        ([0.5], [3], 15, "correct must be booleans"),
        ([0.5], [True], 0, "bins must be an integer of 1 or more, received 0"),
    ],
)
def test_confidences_that_do_not_fit_are_refused(confidence, correct, bins, message):
    with pytest.raises(ValueError, match=message):
        calibration.expected_calibration_error(confidence, correct, bins)
