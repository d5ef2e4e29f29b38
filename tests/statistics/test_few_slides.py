"""Limits and tests over slides: at their level from three slides on, and none below."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from slidescreen.statistics import classification, clustered_tables, clusters, roc
from slidescreen.statistics.intervals import clopper_pearson

TYPES = 3
ACCURACY = 0.8


def slides_of_cells(n_slides, seed, per_slide=60, spread=10.0, models=1):
    """Cells of three types, each slide's accuracy its own, about 0.8 for every model."""
    generator = np.random.default_rng(seed)
    slides = np.repeat(np.arange(n_slides), per_slide)
    true = generator.choice(TYPES, len(slides), p=(0.6, 0.3, 0.1))
    calls = []
    for _ in range(models):
        accuracy = generator.beta(ACCURACY * spread, (1 - ACCURACY) * spread, n_slides)
        right = generator.random(len(slides)) < accuracy[slides]
        calls.append(np.where(right, true, (true + generator.integers(1, TYPES, len(slides))) % TYPES))
    return true, calls, slides


def macro_f1_of_all():
    true, (calls,), _ = slides_of_cells(3000, 0)
    return classification.macro(classification.per_type(classification.confusion_matrix(true, calls, TYPES)).f1).value


def score(true, calls):
    return classification.accuracy(classification.confusion_matrix(true, calls, TYPES))


@pytest.mark.parametrize("n_slides", [3, 6, 12])
def test_limits_hold_the_truth_at_their_level_when_cells_of_a_slide_err_together(n_slides):
    expected = {"accuracy": ACCURACY, "macro_f1": macro_f1_of_all()}
    held = {name: [] for name in expected}
    for seed in range(250):
        true, (calls,), slides = slides_of_cells(n_slides, seed)
        tables = clustered_tables.tabulate(true, calls, TYPES, slides)
        for name, value in expected.items():
            limits = clustered_tables.statistic_limits(tables, name)
            held[name].append(limits.low <= value <= limits.high)
    assert all(np.mean(each) > 0.92 for each in held.values()), {name: np.mean(each) for name, each in held.items()}


@pytest.mark.parametrize("n_slides", [3, 6, 12])
def test_no_difference_is_found_more_often_than_the_level_allows(n_slides):
    found = []
    for seed in range(250):
        true, calls, slides = slides_of_cells(n_slides, seed, models=2)
        rights = [each == true for each in calls]
        found.append(
            (
                clusters.rate_difference(*rights, slides).p,
                clustered_tables.paired_difference(true, *calls, TYPES, "macro_f1", slides).p,
            )
        )
    assert ((np.array(found) < 0.05).mean(axis=0) < 0.09).all()


def test_resampled_slides_would_find_far_more():
    """What this replaces, so that the tests above are known to notice."""
    found = []
    for seed in range(200):
        true, calls, slides = slides_of_cells(3, seed, models=2)
        gains = [np.bincount(slides, weights=(each == true).astype(float)) for each in calls]
        drawn = np.random.default_rng(seed).integers(0, 3, (200, 3))
        differences = (gains[0] - gains[1])[drawn].sum(axis=1)
        found.append(min((differences <= 0).mean(), (differences >= 0).mean()) < 0.025)
    assert np.mean(found) > 0.15


def test_slides_of_one_size_are_compared_as_by_students_t():
    true, calls, slides = slides_of_cells(7, 1, models=2)
    gains = (calls[0] == true).astype(float) - (calls[1] == true)
    expected = stats.ttest_1samp(gains.reshape(7, -1).mean(axis=1), 0)
    for found in (
        clusters.rate_difference(calls[0] == true, calls[1] == true, slides),
        clustered_tables.paired_difference(true, *calls, TYPES, "accuracy", slides),
    ):
        assert found.difference == pytest.approx(gains.mean())
        assert found.p == pytest.approx(expected.pvalue)
        low, high = expected.confidence_interval()
        assert (found.interval.low, found.interval.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize("n_slides", [1, 2])
def test_too_few_slides_have_a_word_instead_of_limits(n_slides):
    true, calls, slides = slides_of_cells(n_slides, 1, models=2)
    rights = [each == true for each in calls]
    tables = clustered_tables.tabulate(true, calls[0], TYPES, slides)
    limits = [clustered_tables.statistic_limits(tables, name) for name in ("accuracy", "macro_f1", "kappa")]
    limits += [clusters.rate_limits([3] * n_slides, [4] * n_slides), clusters.auroc_limits(true == 0, calls[0], slides)]
    differences = [
        clusters.rate_difference(*rights, slides),
        clustered_tables.paired_difference(true, *calls, TYPES, "macro_f1", slides),
        clusters.auroc_difference(true == 0, *calls, slides),
    ]
    assert differences[0].difference == pytest.approx(score(true, calls[0]) - score(true, calls[1]))
    assert np.isnan([each.p for each in differences]).all()
    for each in [*limits, *(found.interval for found in differences)]:
        assert each.note == "too few slides"
        assert np.isnan([each.low, each.high]).all()


def test_slides_that_hold_nothing_of_what_is_scored_do_not_count():
    assert clusters.rate_limits([3, 4, 0, 0], [4, 5, 0, 0]).note == "too few slides"
    some, all_of_them = clusters.rate_limits([3, 4, 2], [4, 5, 4]), clusters.rate_limits([3, 4, 2, 0], [4, 5, 4, 0])
    assert some == all_of_them


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=3, max_size=9))
def test_limits_of_a_rate_lie_between_0_and_1_about_it(counts):
    successes, trials = [min(pair) for pair in counts], [max(pair) for pair in counts]
    limits = clusters.rate_limits(successes, trials)
    if sum(n > 0 for n in trials) < 3:
        assert limits.note == "too few slides"
    else:
        assert 0 <= limits.low <= sum(successes) / sum(trials) <= limits.high <= 1
        assert limits.low < limits.high


def test_cells_that_come_singly_have_the_exact_limits_nearly():
    right = np.arange(400) % 10 != 0
    found, exact = clusters.rate_limits(right.astype(int), np.ones(400)), clopper_pearson(360, 400)
    assert (found.low, found.high) == (pytest.approx(exact.low, abs=2e-3), pytest.approx(exact.high, abs=2e-3))


def test_slides_without_an_error_still_leave_room_for_one():
    few, many = clusters.rate_limits([50] * 3, [50] * 3), clusters.rate_limits([50] * 30, [50] * 30)
    assert few.high == many.high == 1
    assert few.low < 0.95 < many.low < 1
    table = clustered_tables.SlideTables(np.tile(np.diag([50, 3]), (3, 1, 1)))
    assert clustered_tables.statistic_limits(table, "macro_f1").low < 0.8
    assert clustered_tables.statistic_limits(table, "kappa").high == 1


def test_one_slide_that_outweighs_the_others_makes_limits_wide():
    even, uneven = clusters.rate_limits([80, 85, 90], [100] * 3), clusters.rate_limits([240, 4, 5], [280, 10, 10])
    assert uneven.high - uneven.low > even.high - even.low


def test_equal_models_do_not_differ():
    true, (calls,), slides = slides_of_cells(5, 3)
    for statistic in ("accuracy", "macro_f1", "kappa"):
        found = clustered_tables.paired_difference(true, calls, calls, TYPES, statistic, slides)
        assert (found.difference, found.p, found.interval.note) == (0, 1, "no cells differ")
        assert np.isnan([found.interval.low, found.interval.high]).all()


@pytest.mark.parametrize("cells", [3, 4, 5, 6, 12])
def test_few_cells_found_by_one_model_alone_are_no_more_certain_than_their_number(cells):
    """Every slide and every cell says the same. So neither slides nor cells seem to vary."""
    exact = stats.binomtest(cells, cells).pvalue
    found = clusters.rate_difference(np.ones(cells, bool), np.zeros(cells, bool), np.arange(cells))
    assert found.p >= exact
    assert found.interval.low < 1 == found.interval.high
    assert (found.interval.low > 0) == (found.p < 0.05)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=3, max_size=40))
def test_a_rates_difference_is_never_more_certain_than_by_its_discordant_cells(cells):
    a, b, slides = map(np.array, zip(*cells, strict=True))
    found, discordant = clusters.rate_difference(a, b, slides), int((a != b).sum())
    if len(np.unique(slides)) < 3:
        assert np.isnan(found.p)
    elif discordant < 25:
        assert found.p >= (stats.binomtest(int((a & ~b).sum()), discordant).pvalue if discordant else 1) - 1e-12


def of_rare_type(cells):
    """A type of 100 cells that both models call right, and a rare one, found by the first alone. Slides of 10 cells."""
    true = np.repeat([0, 1], [100, cells])
    return true, true, np.zeros_like(true), np.concatenate([np.arange(100) // 10, np.arange(cells) % 10])


@pytest.mark.parametrize("cells", [3, 4])
def test_a_rare_type_that_one_model_never_finds_makes_no_macro_f1_certain(cells):
    true, a, b, slides = of_rare_type(cells)
    found = clustered_tables.paired_difference(true, a, b, 2, "macro_f1", slides)
    assert found.difference > 0.5
    assert found.p > 0.05
    assert found.interval.low < 0 < found.interval.high


@pytest.mark.parametrize("cells", [6, 10, 20])
def test_cells_that_agree_vary_no_less_than_if_chance_exchanged_the_models_calls(cells):
    """The randomisation test, drawn. It is the reference for so few cells; only limits far wider would be of no use."""
    true, a, b, _ = of_rare_type(cells)

    def macro_f1(calls):
        return classification.macro(classification.per_type(classification.confusion_matrix(true, calls, 2)).f1).value

    drawn = np.random.default_rng(4).random((2000, len(true))) < 0.5
    exchanged = [macro_f1(np.where(each, a, b)) - macro_f1(np.where(each, b, a)) for each in drawn]
    found = clustered_tables.paired_difference(true, a, b, 2, "macro_f1", np.arange(len(true)))
    degrees = 1 / (100 * 0.005**2 + cells * (0.5 / cells) ** 2) - 1
    wider = (found.interval.high - found.interval.low) / 2 / (stats.t.ppf(0.975, degrees) * np.std(exchanged))
    assert 1 < wider < 1.4


@pytest.mark.parametrize(("of_type", "least", "most"), [(3, 0.05, 0.5), (60, 0, 0.001)])
def test_few_cells_ranked_alike_make_no_aurocs_difference_certain(of_type, least, most):
    """One score ranks every cell right and the other is the same for all cells: the ranks of a type do not vary."""
    positive = np.arange(200) < of_type
    slides = np.arange(200) % 20
    found = clusters.auroc_difference(positive, positive.astype(float), np.zeros(200), slides)
    assert found.difference == 0.5
    assert least < found.p < most


def test_a_kappa_that_hangs_on_one_slide_has_no_limits():
    """Without the third slide all cells would be of one type and called it, and there would be no kappa."""
    true = np.repeat([0, 0, 0, 1], [50, 50, 10, 10])
    called = true.copy()
    called[-3:] = 0
    slides = np.repeat([0, 1, 2], [50, 50, 20])
    limits = clustered_tables.statistic_limits(clustered_tables.tabulate(true, called, 2, slides), "kappa")
    assert limits.note == "too few slides"
    assert np.isnan([limits.low, limits.high]).all()
    found = clustered_tables.paired_difference(true, true, called, 2, "kappa", slides)
    assert found.difference > 0
    assert (np.isnan(found.p), found.interval.note) == (True, "too few slides")


def test_a_difference_on_few_cells_is_none_though_every_slide_shows_it():
    """One cell more on each of three slides: without the cells' own chance it would be certain."""
    true = np.zeros(300, int)
    a = true.copy()
    a[::100] = 1
    found = clusters.rate_difference(true == 0, a == 0, np.repeat([0, 1, 2], 100))
    assert found.difference == pytest.approx(0.01)
    assert found.p > 0.2


def test_exchanging_the_models_turns_the_difference_around():
    true, calls, slides = slides_of_cells(6, 2, models=2)
    for statistic in ("accuracy", "macro_f1", "kappa"):
        one = clustered_tables.paired_difference(true, *calls, TYPES, statistic, slides)
        other = clustered_tables.paired_difference(true, *calls[::-1], TYPES, statistic, slides)
        assert one.difference == pytest.approx(-other.difference)
        assert one.interval.low == pytest.approx(-other.interval.high)
        assert one.p == pytest.approx(other.p)


def test_names_of_slides_may_be_text_and_their_order_does_not_matter():
    true, calls, slides = slides_of_cells(6, 2, models=2)
    names = np.array([f"slide {9 - number}" for number in slides])
    order = np.random.default_rng(1).permutation(len(true))
    one = clustered_tables.paired_difference(true, *calls, TYPES, "macro_f1", slides)
    other = clustered_tables.paired_difference(
        true[order], *(each[order] for each in calls), TYPES, "macro_f1", names[order]
    )
    assert (one.p, one.interval.low) == (pytest.approx(other.p), pytest.approx(other.interval.low))


def test_the_influence_of_cells_on_an_auroc_is_what_leaving_them_out_would_change():
    generator = np.random.default_rng(0)
    positive = generator.random(3000) < 0.3
    scores = np.round(generator.normal(size=3000) + positive, 1)
    influences = roc.influences(positive, scores)
    assert influences.sum() == pytest.approx(0, abs=1e-9)
    left = np.arange(3000) >= 30
    change = roc.auroc(positive[left], scores[left]) - roc.auroc(positive, scores)
    assert change == pytest.approx(-influences[~left].sum(), rel=0.05)
    assert np.sum(influences**2) == pytest.approx(roc.delong_variance(positive, scores), rel=0.01)


def test_an_auroc_is_tested_at_its_level_where_cells_of_a_slide_err_together():
    found, held = [], []
    for seed in range(250):
        generator = np.random.default_rng(seed)
        slides = np.repeat(np.arange(6), 50)
        positive = generator.random(300) < 0.4
        a, b = (
            positive + generator.normal(size=300) + generator.normal(0, 0.7, (6, 2))[slides, positive.astype(int)]
            for _ in range(2)
        )
        found.append(clusters.auroc_difference(positive, a, b, slides).p)
        limits = clusters.auroc_limits(positive, a, slides)
        held.append(limits.low <= stats.norm.cdf(1 / np.sqrt(2 * (1 + 0.7**2))) <= limits.high)
    assert np.mean(np.array(found) < 0.05) < 0.09
    assert np.mean(held) > 0.91


def test_a_perfect_auroc_has_limits_that_are_not():
    positive, slides = np.arange(60) % 2 == 0, np.arange(60) // 12
    limits = clusters.auroc_limits(positive, positive.astype(float), slides)
    assert limits.high == 1
    assert 0.5 < limits.low < 0.95


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (([], [], 2, []), "true must have 1 or more elements"),
        (([0, 1], [0], 2, [1, 2]), "same length, received true 2, predicted 1"),
        (([0, 2], [0, 1], 2, [1, 2]), "true must be type indices from 0 to 1"),
        (([0, 1], [0, 1], 2, [1]), "same length, received true 2, predicted 2, slides 1"),
        (([0, 1], [0, 1], 2, [["a"], ["b"]]), "slides must have one dimension"),
    ],
)
def test_cells_that_cannot_be_counted_are_refused(cells, message):
    with pytest.raises(ValueError, match=message):
        clustered_tables.tabulate(*cells)


def test_an_unknown_statistic_is_refused_by_name():
    tables = clustered_tables.tabulate([0, 1], [0, 1], 2, [1, 2])
    with pytest.raises(ValueError, match="one of accuracy, macro_f1, kappa, received 'auroc'"):
        clustered_tables.statistic_limits(tables, "auroc")


def test_as_many_slides_as_there_are_cells_take_seconds():
    import time

    true, predicted = np.random.default_rng(0).integers(0, 16, (2, 10_000))
    start = time.process_time()
    clustered_tables.paired_difference(true, predicted, true, 16, "macro_f1", np.arange(10_000))
    assert time.process_time() - start < 5


def test_a_difference_by_cells_alone_is_that_of_resampled_cells():
    """Where each cell is a slide of its own both methods measure the same spread."""
    generator = np.random.default_rng(3)
    true = generator.integers(0, 3, 2000)
    a, b = (np.where(generator.random(2000) < share, true, (true + 1) % 3) for share in (0.8, 0.7))
    ours = clustered_tables.paired_difference(true, a, b, 3, "macro_f1", np.arange(2000)).interval
    differences = []
    for drawn in generator.integers(0, 2000, (1000, 2000)):
        sides = (classification.confusion_matrix(true[drawn], calls[drawn], 3) for calls in (a, b))
        first, second = (classification.macro(classification.per_type(side).f1).value for side in sides)
        differences.append(first - second)
    low, high = np.quantile(differences, (0.025, 0.975))
    assert ours.low == pytest.approx(low, abs=5e-3)
    assert ours.high == pytest.approx(high, abs=5e-3)


def test_limits_of_a_difference_of_rates_stay_within_what_is_possible() -> None:
    right_a, right_b = np.ones(105, dtype=bool), np.ones(105, dtype=bool)
    right_a[:50], right_b[50:90] = False, False
    found = clusters.rate_difference(right_a, right_b, ["large"] * 100 + ["1", "2", "3", "4", "5"])
    assert (found.interval.low, found.interval.high) == (-1, 1)
