"""A differential to a verdict."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slidescreen import cells
from slidescreen.calls import Call, Status
from slidescreen.differential import count_slide
from slidescreen.ensemble import Calibration, Ensemble, Member
from slidescreen.false_calls import from_matrix
from slidescreen.images import Preprocessing
from slidescreen.networks import Checkpoint
from slidescreen.screening import Finding, Verdict, screen, urgency

NORMAL = {"neutrophil": 120, "band_neutrophil": 4, "lymphocyte": 58, "monocyte": 12, "eosinophil": 4, "basophil": 2}


def measured(error: float = 0.02, correlation: float = 0.002, support: int = 2000) -> Calibration:
    matrix = np.full((16, 16), round(support * error / 15))
    np.fill_diagonal(matrix, round(support * (1 - error)))
    return Calibration(
        confusion_matrix=matrix,
        false_calls={
            group: replace(from_matrix(matrix, cells.CELL_TYPES, members), correlation=correlation)
            for group, members in cells.GROUPS.items()
        },
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
    assert any(
        "to tell the blasts from 5% would take about" in reason for reason in judge({**NORMAL, "myeloblast": 8}).reasons
    )
    assert not any("would take" in reason for reason in judge({**NORMAL, "myeloblast": 150}).reasons)


def test_basophils_with_a_left_shift_point_to_cml() -> None:
    found = judge({**NORMAL, "basophil": 16, "myelocyte": 25, "metamyelocyte": 20, "band_neutrophil": 20})
    assert "cml" in found.flags


def test_many_monocytes_are_reviewed_for_promonocytes_may_be_among_them() -> None:
    found = judge({**NORMAL, "monocyte": 80})
    assert (found.verdict, found.flags) == (Verdict.REVIEW, ("monocytes",))
    assert found.reasons[0].startswith("monocytes 29.9% (24.4–35.7), above 15%: promonocytes")
    assert judge({**NORMAL, "monocyte": 35}).verdict is Verdict.CLEAR  # 15.7%: may be less


def test_too_few_monocytes_to_be_sure_of_do_not_make_a_review_of_too_few_cells() -> None:
    assert judge({"neutrophil": 4, "monocyte": 1}).flags == ("too_few_cells",)


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


def certain(calls: dict[str, int], certainty: float, probability: float) -> Finding:
    """A slide whose calls into blasts have a probability, where only those from a certainty on are tested."""
    calibration = measured()
    found = {group: replace(f, certainty=certainty) for group, f in calibration.false_calls.items()}
    model = ensemble(replace(calibration, false_calls=found))
    probabilities = {n: tuple(probability * (n == t) for t in cells.CELL_TYPES) for n in calls}
    listed = [
        Call(f"{n}{i}", Status.CLASSIFIED, n, 0.9, probabilities=probabilities[n])
        for n, times in calls.items()
        for i in range(times)
    ]
    return screen(count_slide("S", listed, model), model)


def test_only_certain_calls_are_tested_and_the_reason_says_how_many() -> None:
    found = certain({**NORMAL, "myeloblast": 12}, 0.8, 0.9)
    assert found.verdict is Verdict.URGENT
    doubtful = certain({**NORMAL, "myeloblast": 12}, 0.8, 0.7)
    assert doubtful.verdict is Verdict.CLEAR
    assert "12 blasts (none of them certain)" in doubtful.reasons[0]
