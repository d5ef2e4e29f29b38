"""A differential to a verdict."""

from pathlib import Path

import numpy as np
import pytest

from slidescreen import cells
from slidescreen.calls import Call, Status
from slidescreen.differential import count_slide
from slidescreen.ensemble import Calibration, Ensemble, Member
from slidescreen.false_calls import LEAST_CORRELATION, false_call_rates, slide_correlation, tail_probability
from slidescreen.images import Preprocessing
from slidescreen.networks import Checkpoint
from slidescreen.screening import Finding, Verdict, screen, urgency

NORMAL = {"neutrophil": 120, "band_neutrophil": 4, "lymphocyte": 58, "monocyte": 12, "eosinophil": 4, "basophil": 2}


def measured(error: float = 0.02, correlation: float = 0.002, support: int = 2000) -> Calibration:
    matrix = np.full((16, 16), round(support * error / 15))
    np.fill_diagonal(matrix, round(support * (1 - error)))
    return Calibration(
        confusion_matrix=matrix,
        slide_correlation={"blasts": correlation, "immature_granulocytes": correlation},
    )


def ensemble(calibration: Calibration) -> Ensemble:
    checkpoint = Checkpoint("efficientnet_b1", cells.CELL_TYPES, Preprocessing(64))
    return Ensemble((Member(Path("x"), 1.0, "0", checkpoint),), calibration=calibration)


def judge(calls: dict[str, int], calibration: Calibration | None = None, **other: int) -> Finding:
    listed = [Call(f"{n}{i}", Status.CLASSIFIED, n, 0.9) for n, times in calls.items() for i in range(times)]
    listed += [Call(f"{s}{i}", Status(s)) for s, times in other.items() for i in range(times)]
    model = ensemble(calibration or measured())
    return screen(count_slide("S", listed, model), model)


def test_a_normal_slide_is_clear() -> None:
    assert judge(NORMAL).verdict is Verdict.CLEAR


def test_a_few_false_blasts_alarm_nobody() -> None:
    found = judge({**NORMAL, "myeloblast": 1, "lymphoblast": 1})
    assert found.verdict is Verdict.CLEAR
    assert "errors alone explain" in found.reasons[0]


@pytest.mark.parametrize(
    ("blasts", "flags"), [(8, {"blasts"}), (20, {"blasts", "blasts_5"}), (120, {"blasts", "blasts_5", "blasts_20"})]
)
def test_blasts_beyond_the_errors_are_urgent_and_graded(blasts: int, flags: set[str]) -> None:
    found = judge({**NORMAL, "myeloblast": blasts})
    assert found.verdict is Verdict.URGENT
    assert {f for f in found.flags if f.startswith("blasts")} == flags
    assert any(f"{blasts} blasts among" in reason for reason in found.reasons)


def test_the_lineage_is_named_only_where_it_is_clear() -> None:
    assert "lineage_myeloid" in judge({**NORMAL, "myeloblast": 150}).flags
    assert "lineage_lymphoid" in judge({**NORMAL, "lymphoblast": 150}).flags
    mixed = judge({**NORMAL, "myeloblast": 60, "lymphoblast": 60}).flags
    assert not [flag for flag in mixed if flag.startswith("lineage")]


def test_a_left_shift_is_for_review() -> None:
    found = judge({**NORMAL, "band_neutrophil": 30, "metamyelocyte": 12, "myelocyte": 8, "promyelocyte": 2})
    assert found.verdict is Verdict.REVIEW
    assert {"ig", "left_shift"} <= set(found.flags)


def test_many_promyelocytes_are_urgent() -> None:
    found = judge({"neutrophil": 20, "lymphocyte": 20, "promyelocyte": 100})
    assert found.verdict is Verdict.URGENT
    assert "apl" in found.flags


def test_promyelocytes_that_a_classifier_splits_from_blasts_are_graded_with_them() -> None:
    found = judge({**NORMAL, "myeloblast": 28, "promyelocyte": 30})
    assert "blasts_20" not in found.flags
    assert "blast_equivalents" in found.flags
    assert any("blasts and promyelocytes together" in reason for reason in found.reasons)
    assert "blast_equivalents" not in judge({**NORMAL, "myeloblast": 150, "promyelocyte": 30}).flags
    assert "blast_equivalents" not in judge({**NORMAL, "promyelocyte": 10}).flags


def test_a_percentage_near_a_cut_off_says_how_many_cells_would_decide() -> None:
    assert any("to tell it from 5% would take about" in reason for reason in judge({**NORMAL, "myeloblast": 8}).reasons)
    assert not any("would take" in reason for reason in judge({**NORMAL, "myeloblast": 150}).reasons)


def test_basophils_with_a_left_shift_point_to_cml() -> None:
    found = judge({**NORMAL, "basophil": 16, "myelocyte": 25, "metamyelocyte": 20, "band_neutrophil": 20})
    assert "cml" in found.flags


def test_too_few_cells_are_insufficient_and_never_clear() -> None:
    found = judge({"neutrophil": 20})
    assert (found.verdict, found.flags) == (Verdict.INSUFFICIENT, ("too_few_cells",))


def test_too_few_cells_do_not_hide_blasts() -> None:
    assert judge({"neutrophil": 10, "myeloblast": 15}).verdict is Verdict.URGENT


def test_many_unusable_images_are_insufficient() -> None:
    found = judge(NORMAL, unreadable=70, unidentified=80)
    assert (found.verdict, found.flags) == (Verdict.INSUFFICIENT, ("unreliable",))


def test_without_measured_errors_any_blast_counts() -> None:
    assert judge({**NORMAL, "myeloblast": 1}, Calibration()).verdict is Verdict.URGENT


def test_no_cells_at_all_are_insufficient() -> None:
    assert judge({}, unreadable=3).verdict is Verdict.INSUFFICIENT


def test_no_reason_holds_the_separator_of_reasons() -> None:
    found = judge(
        {**NORMAL, "myeloblast": 90, "promyelocyte": 90, "basophil": 20, "band_neutrophil": 50}, unreadable=500
    )
    assert len(found.reasons) > 5
    assert not [reason for reason in found.reasons if ";" in reason]


def test_normal_slides_are_flagged_at_most_at_the_set_rate() -> None:
    """Slides drawn from the classifier's own errors, blasts and immature granulocytes tested at 1% each."""
    generator = np.random.default_rng(3)
    calibration = measured(error=0.05)
    assert calibration.confusion_matrix is not None
    rates = calibration.confusion_matrix / calibration.confusion_matrix.sum(axis=1, keepdims=True)
    shares = np.zeros(16)
    for name, number in NORMAL.items():
        shares[cells.CELL_TYPES.index(name)] = number / sum(NORMAL.values())
    flagged = 0
    for _ in range(300):
        calls = generator.multinomial(200, shares @ rates)
        found = judge(dict(zip(cells.CELL_TYPES, calls.tolist(), strict=True)), calibration)
        flagged += found.verdict in (Verdict.URGENT, Verdict.REVIEW)
    assert flagged <= 14  # 2% of 300 is 6; 14 has a probability below 0.3%


def test_the_worklist_puts_the_urgent_first_and_more_blasts_before_fewer() -> None:
    model = ensemble(measured())

    def key(calls: dict[str, int]) -> tuple[int, float, float, str]:
        listed = [Call(f"{n}{i}", Status.CLASSIFIED, n, 0.9) for n, times in calls.items() for i in range(times)]
        differential = count_slide("S", listed, model)
        return urgency(differential, screen(differential, model))

    many, few = key({**NORMAL, "myeloblast": 99}), key({**NORMAL, "myeloblast": 15})
    clear, little = key(NORMAL), key({"neutrophil": 5})
    assert many < few < little < clear


def test_false_call_rates_are_by_true_type_among_leukocytes() -> None:
    matrix = np.zeros((16, 16), np.int64)
    neutrophil, blast, smudge = (cells.CELL_TYPES.index(n) for n in ("neutrophil", "myeloblast", "smudge_cell"))
    matrix[neutrophil, [neutrophil, blast, smudge]] = 95, 4, 50
    rates = false_call_rates(matrix, cells.CELL_TYPES, cells.BLASTS)
    assert rates[0] == pytest.approx(4.5 / 100)
    assert rates[1] == 0.5  # nothing known: the prior alone


def test_clustering_on_slides_is_measured() -> None:
    generator = np.random.default_rng(5)
    neutrophil, blast = cells.CELL_TYPES.index("neutrophil"), cells.CELL_TYPES.index("myeloblast")
    rates = np.full(10, 0.1)

    def estimate(correlation: float) -> float:
        scale = 1 / correlation - 1
        means = generator.beta(0.1 * scale, 0.9 * scale, 80)
        called = np.concatenate([np.where(generator.random(100) < m, blast, neutrophil) for m in means])
        slides = [f"S{n // 100}" for n in range(8000)]
        return slide_correlation(np.full(8000, neutrophil), called, slides, rates, cells.CELL_TYPES, cells.BLASTS)

    assert estimate(0.1) == pytest.approx(0.1, abs=0.04)
    assert estimate(0.0005) < 0.01


def test_without_slides_nothing_is_said_of_clustering() -> None:
    ones = np.zeros(100, np.int64)
    rates = np.full(10, 0.1)
    assert slide_correlation(ones, ones, [""] * 100, rates, cells.CELL_TYPES, cells.BLASTS) == LEAST_CORRELATION


def test_the_tail_is_the_binomials_where_slides_do_not_differ() -> None:
    from scipy.stats import binom

    assert tail_probability(5, 200, 0.01, 1e-9) == pytest.approx(binom.sf(4, 200, 0.01), rel=0.05)
