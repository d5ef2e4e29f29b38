"""One slide's calls to its differential."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member
from slidescreen.screening.correction import unmix
from slidescreen.screening.differential import NAMES, Differential, count_slide


def ensemble(matrix: np.ndarray | None = None, types: tuple[str, ...] = cells.CELL_TYPES) -> Ensemble:
    checkpoint = Checkpoint("efficientnet_b1", types, Preprocessing(64))
    return Ensemble((Member(Path("x"), 1.0, "0", checkpoint),), validation=ValidationResult(confusion_matrix=matrix))


def count(calls: dict[str, int], matrix: np.ndarray | None = None, **other: int) -> Differential:
    listed = [Call(f"{n}{i}", Status.CLASSIFIED, n, 0.9) for n, times in calls.items() for i in range(times)]
    listed += [Call(f"{s}{i}", Status(s)) for s, times in other.items() for i in range(times)]
    return count_slide("S", listed, ensemble(matrix))


def test_percentages_are_of_leukocytes_and_others_per_hundred_of_them() -> None:
    found = count({"neutrophil": 60, "lymphocyte": 30, "myeloblast": 6, "lymphoblast": 4, "smudge_cell": 25})
    assert found.leukocytes == 100
    assert found.shares["neutrophil"].percent == 60
    assert found.shares["blasts"].count == 10
    assert found.per_100 == {"erythroblast": 0, "smudge_cell": 25, "platelet": 0, "artefact": 0}


@pytest.mark.parametrize(("found", "low", "high"), [(0, 0.0, 3.6), (1, 0.0, 5.4), (5, 1.6, 11.3), (50, 39.8, 60.2)])
def test_limits_are_ruemkes(found: int, low: float, high: float) -> None:
    """Rümke 1985, table of 95% limits for 100 cells (there in whole percent; here Clopper and Pearson's own)."""
    share = count({"myeloblast": found, "neutrophil": 100 - found}).shares["myeloblast"]
    assert (round(share.low or 0, 1), round(share.high or 0, 1)) == (low, high)


def test_what_was_not_classified_is_not_in_the_differential() -> None:
    found = count({"neutrophil": 2}, unidentified=3, unreadable=4, duplicate=5)
    assert (found.images, found.classified, found.unidentified, found.unreadable, found.duplicates) == (14, 2, 3, 4, 5)
    assert found.leukocytes == 2


def test_without_leukocytes_percentages_are_undefined() -> None:
    found = count({"smudge_cell": 3})
    assert found.shares["blasts"].percent is None
    assert found.per_100["smudge_cell"] is None


def test_a_model_of_twelve_types_says_nothing_of_others() -> None:
    calls = [Call("a", Status.CLASSIFIED, "monocyte", 0.9)]
    assert set(count_slide("S", calls, ensemble(types=cells.LEUKOCYTES)).per_100.values()) == {None}


@given(st.dictionaries(st.sampled_from(cells.CELL_TYPES), st.integers(0, 40)))
@settings(max_examples=30, deadline=None)
def test_counts_add_up_and_limits_enclose(calls: dict[str, int]) -> None:
    found = count(calls, np.full((16, 16), 1) + np.diag([80] * 16))
    assert sum(found.shares[name].count for name in cells.LEUKOCYTES) == found.leukocytes
    assert found.classified == sum(calls.values())
    for name in NAMES:
        share = found.shares[name]
        if share.percent is not None:
            assert share.low is not None
            assert share.high is not None
            assert 0 <= share.low <= share.percent + 1e-9 <= share.high + 2e-9 <= 100 + 3e-9
        if share.corrected_percent is not None:
            assert share.corrected_low is not None
            assert share.corrected_high is not None
            assert share.corrected_low <= share.corrected_percent <= share.corrected_high


def confusion(error: float, size: int = 4, support: int = 4000) -> np.ndarray:
    rates = np.full((size, size), error / (size - 1))
    np.fill_diagonal(rates, 1 - error)
    return np.rint(rates * support).astype(np.int64)


def test_the_correction_recovers_the_true_composition() -> None:
    matrix = confusion(0.2)
    truth = np.array([0.7, 0.25, 0.05, 0.0])
    calls = np.rint(10_000 * truth @ (matrix / matrix.sum(axis=1, keepdims=True))).astype(np.int64)
    found = unmix(calls, matrix)
    assert found is not None
    assert np.abs(found.shares - truth).max() < 0.005


def test_a_perfect_classifier_needs_no_correction() -> None:
    found = unmix(np.array([10, 20, 30, 40]), np.diag([100_000] * 4))
    assert found is not None
    assert np.allclose(found.shares, [0.1, 0.2, 0.3, 0.4], atol=1e-3)


def test_limits_of_the_correction_cover_the_truth() -> None:
    generator = np.random.default_rng(1)
    matrix = confusion(0.15, support=400)
    rates = matrix / matrix.sum(axis=1, keepdims=True)
    truth = np.array([0.6, 0.3, 0.08, 0.02])
    covered = []
    for seed in range(60):
        found = unmix(generator.multinomial(200, truth @ rates), matrix, seed=seed)
        assert found is not None
        low, high = np.quantile(found.draws, (0.025, 0.975), axis=0)
        covered.append((low[:3] <= truth[:3]) & (truth[:3] <= high[:3]))
    assert np.mean(covered) > 0.88


def test_types_with_too_few_validation_cells_are_taken_at_their_word() -> None:
    matrix = confusion(0.1)
    matrix[3] = [0, 0, 0, 49]
    found = unmix(np.array([50, 30, 10, 10]), matrix)
    assert found is not None
    assert found.supported.tolist() == [True, True, True, False]


def test_a_type_mostly_called_something_else_is_not_identified_but_with_what_it_is_called() -> None:
    matrix = confusion(0.1)
    matrix[3] = [0, 0, 2100, 2000]
    found = unmix(np.array([50, 30, 10, 10]), matrix)
    assert found is not None
    assert [found.identifies([k]) for k in range(4)] == [True, True, True, False]
    assert found.identifies([2, 3])
    assert not found.identifies([1, 3])
    assert not found.identifies([])


def test_sure_calls_and_others_tell_apart_what_their_sum_does_not() -> None:
    generator = np.random.default_rng(4)
    rates = np.array([[0.60, 0.02, 0.20, 0.18], [0.02, 0.60, 0.18, 0.20]])  # sure a, sure b, other a, other b
    matrix = np.rint(4000 * rates).astype(np.int64)
    errors = []
    for _ in range(200):
        calls = generator.multinomial(200, np.array([0.9, 0.1]) @ rates)
        together = unmix(calls.reshape(2, 2).sum(axis=0), matrix.reshape(2, 2, 2).sum(axis=1))
        apart = unmix(calls, matrix)
        assert together is not None
        assert apart is not None
        assert apart.rates.shape == together.rates.shape == (2, 2)
        errors.append([abs(found.shares[1] - 0.1) for found in (together, apart)])
    of_sum, of_both = np.mean(errors, axis=0)
    assert of_both < 0.85 * of_sum


def test_graded_calls_of_too_few_validation_cells_are_taken_at_their_word() -> None:
    matrix = np.hstack([np.diag([900, 900, 20]), np.diag([100, 100, 20])])
    found = unmix(np.array([50, 20, 10, 5, 5, 10]), matrix)
    assert found is not None
    assert found.supported.tolist() == [True, True, False]
    assert found.shares == pytest.approx([0.55, 0.25, 0.20], abs=0.01)


def test_a_slide_is_corrected_by_how_sure_its_calls_are() -> None:
    plain = np.diag([500] * 16) + 5
    blast, neutrophil = (cells.LEUKOCYTES.index(name) for name in ("myeloblast", "neutrophil"))
    plain[neutrophil, blast] = 100  # neutrophils called blasts, never surely
    sure = plain.copy()
    sure[neutrophil, blast] = 0
    model = ensemble(plain)
    model = replace(model, validation=replace(model.validation, sure_matrix=sure))
    found = []
    for probability in (0.95, 0.6):
        kinds = ["neutrophil"] * 90 + ["myeloblast"] * 10
        of = {"neutrophil": 0.95, "myeloblast": probability}
        calls = [Call(f"{n}", Status.CLASSIFIED, kind, of[kind]) for n, kind in enumerate(kinds)]
        found.append(count_slide("S", calls, model).shares["blasts"].corrected_percent)
    assert found[0] == pytest.approx(10, abs=2)
    assert found[1] == pytest.approx(0, abs=2)


def test_errors_that_vary_between_slides_widen_the_limits() -> None:
    calls, matrix = np.array([100, 60, 20, 20]), confusion(0.2)
    alike, varying = (unmix(calls, matrix, correlation) for correlation in (0.0, 0.1))
    assert alike is not None
    assert varying is not None
    assert np.array_equal(alike.shares, varying.shares)
    assert (varying.draws.std(axis=0) > 1.2 * alike.draws.std(axis=0)).all()


def test_the_correction_is_the_same_every_time() -> None:
    calls, matrix = np.array([50, 30, 10, 10]), confusion(0.1)
    first, second = unmix(calls, matrix), unmix(calls, matrix)
    assert first is not None
    assert second is not None
    assert np.array_equal(first.draws, second.draws)


def test_nothing_called_gives_no_composition() -> None:
    assert unmix(np.zeros(4, np.int64), confusion(0.1)) is None


def test_no_call_at_all_does_not_mean_none_beyond_doubt() -> None:
    matrix = np.diag([500] * 16) + 5
    blasts = count({"neutrophil": 60, "lymphocyte": 40}, matrix).shares["blasts"]
    assert blasts.corrected_percent == pytest.approx(0, abs=0.1)
    assert blasts.corrected_high is not None
    assert blasts.high is not None
    assert blasts.corrected_high >= blasts.high > 3


@pytest.mark.parametrize("number", [1, 5, 60])
def test_calls_of_one_type_alone_do_not_mean_all_beyond_doubt(number: int) -> None:
    matrix = np.full((16, 16), 2) + np.diag([970] * 16)
    share = count({"lymphocyte": number}, matrix).shares["lymphocyte"]
    assert share.corrected_low is not None
    assert share.corrected_low <= 100 * 0.025 ** (1 / number) + 1e-9  # Clopper and Pearson's lower limit of n of n
    assert share.corrected_high == 100


@pytest.mark.parametrize(("types", "correlation"), [(2, 0.15), (5, 0.25), (9, 0.3)])
def test_types_without_validation_cells_give_draws_however_much_slides_vary(types: int, correlation: float) -> None:
    matrix = np.zeros((types, 2 * types), np.int64)
    for true in range(types - 1):
        matrix[true, [true, types + true]] = 300, 30
    calls = np.bincount([0] * 100, minlength=2 * types)
    for seed in range(10):
        found = unmix(calls, matrix, correlation, seed)
        assert found is not None
        assert np.allclose(found.draws.sum(axis=1), 1)


def test_pictures_without_a_cell_are_not_compared_with_familiar_cells() -> None:
    cell = Call("a", Status.CLASSIFIED, "lymphoblast", 0.9, unfamiliarity=0.3, strangeness=0.2)
    blank = Call("b", Status.UNIDENTIFIED, reason="blank or nearly blank", unfamiliarity=1e5, strangeness=3.0)
    found = count_slide("S", [cell] * 12 + [blank] * 17, ensemble())
    assert (found.compared, found.unfamiliar, found.strange) == (12, 0, 0)


def test_what_the_correction_does_not_improve_is_left_as_counted() -> None:
    plain = ensemble(np.diag([500] * 16) + 5)
    chosen = replace(plain, validation=replace(plain.validation, corrected=frozenset({"blasts"})))
    kinds = ["neutrophil"] * 60 + ["lymphocyte"] * 30 + ["myeloblast"] * 10
    calls = [Call(f"{n}", Status.CLASSIFIED, kind, 0.9) for n, kind in enumerate(kinds)]
    for model, expected in ((plain, set(NAMES)), (chosen, {"blasts"})):
        shares = count_slide("S", calls, model).shares
        assert {name for name, share in shares.items() if share.corrected_percent is not None} == expected


def test_errors_measured_on_too_few_cells_correct_nothing() -> None:
    """A quarter of the cells of any other type was called a blast, on 480 validation cells or on 960."""
    matrix = 60 * np.eye(16, dtype=np.int64)
    matrix[:, cells.CELL_TYPES.index("myeloblast")] += 20
    calls = {"neutrophil": 60, "myeloblast": 40}
    assert count(calls, matrix).shares["blasts"].corrected_percent == pytest.approx(20, abs=3)
    assert count(calls, matrix * 3 // 8).shares["blasts"].corrected_percent is None
