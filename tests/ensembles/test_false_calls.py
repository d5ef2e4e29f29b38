"""How often an ensemble's calls are false, and how that clusters on slides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from slidescreen import cells
from slidescreen.ensembles.false_calls import (
    MOST_UNSEEN,
    FalseCalls,
    from_matrix,
    measure,
    power,
    slide_correlation,
    tail_probability,
)
from slidescreen.screening.correction import call_correlation

TYPES = cells.CELL_TYPES
NEUTROPHIL, MONOCYTE, BLAST = (TYPES.index(n) for n in ("neutrophil", "monocyte", "myeloblast"))


def test_false_call_rates_are_by_true_type_among_leukocytes() -> None:
    matrix = np.zeros((16, 16), np.int64)
    neutrophil, blast, smudge = (TYPES.index(n) for n in ("neutrophil", "myeloblast", "smudge_cell"))
    matrix[neutrophil, [neutrophil, blast, smudge]] = 95, 4, 50
    rates = from_matrix(matrix, TYPES, cells.BLASTS).rates([neutrophil, neutrophil + 1])
    assert rates[0] == pytest.approx(4 / 119 + MOST_UNSEEN)
    assert rates[1] == MOST_UNSEEN  # nothing known: next to nothing explained


def test_with_many_cells_the_rates_are_those_that_were_seen() -> None:
    found = FalseCalls(0.0, np.array([0, 20]), np.array([2000, 2000])).rates([0, 1])
    assert found == pytest.approx([0.5 / 2001, 20.5 / 2001], rel=0.02)


@given(st.integers(0, 300), st.integers(0, 300))
def test_no_rate_is_above_what_was_seen_by_more_than_the_rarest_error(counted: int, more: int) -> None:
    (rate,) = FalseCalls(0.0, np.array([counted]), np.array([counted + more])).rates([0])
    assert 0 < rate <= counted / max(1, counted + more) + MOST_UNSEEN


def test_clustering_on_slides_is_measured() -> None:
    generator = np.random.default_rng(5)

    def estimate(correlation: float) -> float:
        scale = 1 / correlation - 1
        means = generator.beta(0.1 * scale, 0.9 * scale, 80)
        false = np.concatenate([generator.random(100) < mean for mean in means])
        slides = np.asarray([f"S{n // 100}" for n in range(8000)])
        return slide_correlation(false, slides, np.full(8000, 0.1))

    assert estimate(0.1) == pytest.approx(0.1, abs=0.04)
    assert estimate(0.0005) < 0.01


def test_clustering_that_nobody_measured_is_taken_for_weak() -> None:
    """No slide is named, or on named ones there was no false call: strong clustering would explain blasts away."""
    unnamed = slide_correlation(np.ones(100, bool), np.full(100, ""), np.full(100, 0.1))
    assert unnamed == pytest.approx(0.0022, rel=0.05)
    for slides in (1, 10, 40):
        names = np.repeat([f"S{n}" for n in range(slides)], 80)
        assert slide_correlation(np.zeros(80 * slides, bool), names, np.full(80 * slides, 0.01)) == unnamed


@pytest.mark.parametrize("cells_measured", [20, 50, 80, 100, 240, 500, 1000, 2000])
def test_few_validation_cells_cost_little_of_the_chance_to_flag_few_true_members(cells_measured: int) -> None:
    """One in a hundred other cells is called a member, nine of ten members are; 5% are to be found among 200 cells."""
    generator = np.random.default_rng(cells_measured)
    chances = []
    for _ in range(40):
        called = generator.multinomial(cells_measured, [0.5, 0.3, 0.1, 0.0, 0.1])
        counted = generator.binomial(called, [0.01, 0.01, 0.01, 0.01, 0.9])
        correlation = slide_correlation(np.zeros(0, bool), np.zeros(0, str), np.zeros(0))
        limits = FalseCalls(0.0, counted, called, correlation)
        rate = float(np.average(limits.rates([0, 1, 2, 3]), weights=[0.5, 0.3, 0.1, 0.1]))
        least = next(k for k in range(1, 200) if tail_probability(k, 200, rate, correlation) < 0.01)
        chances.append(binom.sf(least - 1, 200, 0.05 * 0.9 + 0.95 * 0.01))
    assert np.mean(chances) > 0.75  # 0.84 with any number of cells


def test_a_few_false_calls_on_a_few_slides_prove_neither_that_they_cluster_nor_that_they_do_not() -> None:
    """Four slides of 80 cells, one in a hundred falsely called: as many as expected, or all on one slide."""
    slides = np.repeat([f"S{n}" for n in range(4)], 80)
    even, heaped = np.zeros(320, bool), np.zeros(320, bool)
    even[[0, 80, 160]] = True
    heaped[:3] = True
    spread, gathered = (slide_correlation(false, slides, np.full(320, 0.01)) for false in (even, heaped))
    assert 0.0005 < spread < gathered < 0.1


def on_slides(clean: int, blasty: int) -> FalseCalls:
    """Slides of 60 monocytes, half of them called blasts where 40 blasts are on the slide, one elsewhere."""
    truth, called, slides = [], [], []
    for number in range(clean + blasty):
        members = 40 if number >= clean else 0
        false = 30 if members else 1
        truth += [MONOCYTE] * 60 + [BLAST] * members
        called += [BLAST] * false + [MONOCYTE] * (60 - false) + [BLAST] * members
        slides += [f"S{number}"] * (60 + members)
    sure = np.eye(len(TYPES))[called]
    return measure(np.asarray(truth), np.asarray(called), sure, slides, TYPES, cells.BLASTS)


def test_false_calls_are_those_on_slides_without_true_ones() -> None:
    found = on_slides(clean=5, blasty=5)
    assert (found.counted[MONOCYTE], found.called[MONOCYTE]) == (5, 300)
    assert (found.counted[BLAST], found.called[BLAST]) == (200, 200)
    assert found.correlation < 0.02


def test_where_too_few_cells_or_slides_are_without_true_ones_all_tell_of_false_calls() -> None:
    """Too few cells of the rate, too few slides of the clustering."""
    found = on_slides(clean=0, blasty=5)
    assert (found.counted[MONOCYTE], found.called[MONOCYTE]) == (150, 300)
    few = on_slides(clean=2, blasty=5)
    assert (few.counted[MONOCYTE], few.called[MONOCYTE]) == (2, 120)
    assert few.correlation > 0.1 > 10 * on_slides(clean=5, blasty=5).correlation


def test_the_tail_is_the_binomials_where_slides_do_not_differ() -> None:
    assert tail_probability(5, 200, 0.01, 1e-9) == pytest.approx(binom.sf(4, 200, 0.01), rel=0.05)


def measured(false_certainty: tuple[float, float], true_certainty: tuple[float, float]) -> FalseCalls:
    """1000 monocytes, a tenth called blasts, and 500 blasts; each call's certainty is drawn between two limits."""
    generator = np.random.default_rng(1)
    truth = np.repeat([MONOCYTE, BLAST], [1000, 500])
    called = truth.copy()
    called[:100] = BLAST
    probabilities = np.zeros((1500, len(TYPES)))
    probabilities[:1000, BLAST] = generator.uniform(*false_certainty, 1000)
    probabilities[1000:, BLAST] = generator.uniform(*true_certainty, 500)
    return measure(truth, called, probabilities, [f"S{n % 20}" for n in range(1500)], TYPES, cells.BLASTS)


def test_the_certainty_is_where_true_members_stand_out() -> None:
    found = measured((0.5, 0.7), (0.75, 1.0))
    assert found.certainty == 0.7
    assert found.counted[MONOCYTE] == 0
    assert found.counted[BLAST] == 500
    assert found.called[MONOCYTE] == 1000


def test_where_certainty_tells_nothing_every_call_counts() -> None:
    found = measured((0.95, 1.0), (0.95, 1.0))
    assert (found.counted[MONOCYTE], found.counted[BLAST]) == (100, 500)


def test_of_certainties_that_serve_alike_the_highest_is_chosen() -> None:
    """One false call in ten thousand tells nothing of which certainty is better, but elsewhere there may be more."""
    truth = np.repeat([MONOCYTE, BLAST], [10_000, 500])
    called = truth.copy()
    called[0] = BLAST
    probabilities = np.zeros((len(truth), len(TYPES)))
    probabilities[0, BLAST] = 0.55
    probabilities[10_000:, BLAST] = np.linspace(0.79, 1.0, 500)
    found = measure(truth, called, probabilities, [""] * len(truth), TYPES, cells.BLASTS)
    assert found.certainty == 0.8
    assert found.counted[BLAST] > 475


@pytest.mark.parametrize(("members", "certainty"), [(0, 0.0), (49, 0.0), (50, 0.9)])
def test_of_too_few_true_members_nobody_knows_how_certain_their_calls_are(members: int, certainty: float) -> None:
    """False calls are doubtful and true ones certain, but that can be chance."""
    truth = np.repeat([MONOCYTE, BLAST], [300, members])
    called = truth.copy()
    called[:100] = BLAST
    probabilities = np.zeros((300 + members, len(TYPES)))
    probabilities[:300, BLAST], probabilities[300:, BLAST] = 0.85, 0.99
    found = measure(truth, called, probabilities, [""] * len(truth), TYPES, cells.BLASTS)
    assert found.certainty == certainty


@pytest.mark.parametrize(("variation", "clustering"), [(0.0, 1e-4), (0.15, 0.01), (0.3, 0.05)])
def test_the_chance_to_flag_few_true_members_is_that_of_drawn_slides(variation: float, clustering: float) -> None:
    generator = np.random.default_rng(5)
    false_calls = FalseCalls(0.8, np.array([10, 800]), np.array([1000, 1000]), clustering)

    def drawn(cells_on_slide: int, rate: float, correlation: float) -> NDArray[np.int64]:
        scale = 1 / max(correlation, 1e-4) - 1
        return generator.binomial(cells_on_slide, generator.beta(rate * scale, (1 - rate) * scale, 100_000))

    rate, found = 10.5 / 1001, 800.5 / 1001
    alarm = np.quantile(drawn(200, rate, clustering), 0.99)
    flagged = drawn(10, found, variation) + drawn(190, rate, clustering) > alarm
    assert power(false_calls, [1], [0], variation) == pytest.approx(flagged.mean(), abs=0.03)


def drawn_calls(correlation: float) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Forty slides of 50 monocytes, a tenth of them called neutrophils, more on some slides than on others."""
    generator = np.random.default_rng(3)
    scale = 1 / correlation - 1
    shares = generator.beta(0.1 * scale, 0.9 * scale, 40)
    called = np.concatenate([np.where(generator.random(50) < share, NEUTROPHIL, MONOCYTE) for share in shares])
    return np.full(2000, MONOCYTE), called, [f"S{n // 50}" for n in range(2000)]


@pytest.mark.parametrize("correlation", [0.02, 0.2])
def test_how_calls_vary_between_slides_is_measured(correlation: float) -> None:
    truth, called, slides = drawn_calls(correlation)
    matrix = np.zeros((16, 16), np.int64)
    np.add.at(matrix, (truth, called), 1)
    assert call_correlation(truth, called, slides, matrix) == pytest.approx(correlation, rel=0.5)
    assert call_correlation(truth, called, [""] * 2000, matrix) == 0
