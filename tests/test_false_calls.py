"""How often an ensemble's calls are false, and how that clusters on slides."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from slidescreen import cells
from slidescreen.correction import call_correlation
from slidescreen.false_calls import (
    LEAST_CORRELATION,
    FalseCalls,
    from_matrix,
    measure,
    power,
    slide_correlation,
    tail_probability,
)

TYPES = cells.CELL_TYPES
NEUTROPHIL, MONOCYTE, BLAST = (TYPES.index(n) for n in ("neutrophil", "monocyte", "myeloblast"))


def test_false_call_rates_are_by_true_type_among_leukocytes() -> None:
    matrix = np.zeros((16, 16), np.int64)
    neutrophil, blast, smudge = (TYPES.index(n) for n in ("neutrophil", "myeloblast", "smudge_cell"))
    matrix[neutrophil, [neutrophil, blast, smudge]] = 95, 4, 50
    rates = from_matrix(matrix, TYPES, cells.BLASTS).rates([neutrophil, neutrophil + 1])
    assert rates[0] == pytest.approx(4.5 / 100)
    assert rates[1] == 0.5  # nothing known: the prior alone


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


def test_without_slides_clustering_is_taken_for_strong() -> None:
    """Two thirds of the way, in orders of magnitude, from the least to the greatest that is possible."""
    found = slide_correlation(np.ones(100, bool), np.full(100, ""), np.full(100, 0.1))
    assert found == pytest.approx(LEAST_CORRELATION ** (1 / 3) * 0.3 ** (2 / 3), rel=0.05)


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


def test_where_too_few_slides_are_without_true_ones_all_tell_of_false_calls() -> None:
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
    assert found.certainty == 0.0
    assert found.counted[MONOCYTE] == 100


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
