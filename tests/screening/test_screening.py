"""A differential to a verdict."""

import math
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
from slidescreen.ensembles.false_calls import from_matrix
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member
from slidescreen.screening.differential import NAMES, Share, count_slide
from slidescreen.screening.excess import ExcessTest, excess_test
from slidescreen.screening.finding import Finding, Verdict
from slidescreen.screening.sentences import percent_text, undecided
from slidescreen.screening.verdict import screen, urgency

NORMAL = {"neutrophil": 120, "band_neutrophil": 4, "lymphocyte": 58, "monocyte": 12, "eosinophil": 4, "basophil": 2}


def measured(error: float = 0.02, correlation: float = 0.002, support: int = 2000) -> ValidationResult:
    matrix = np.full((16, 16), round(support * error / 15))
    np.fill_diagonal(matrix, round(support * (1 - error)))
    return ValidationResult(
        confusion_matrix=matrix,
        false_calls={
            group: replace(from_matrix(matrix, cells.CELL_TYPES, members), correlation=correlation)
            for group, members in cells.GROUPS.items()
        },
    )


def ensemble(validation: ValidationResult) -> Ensemble:
    checkpoint = Checkpoint("efficientnet_b1", cells.CELL_TYPES, Preprocessing(64))
    return Ensemble((Member(Path("x"), 1.0, "0", checkpoint),), validation=validation)


def judge(calls: dict[str, int], validation: ValidationResult | None = None, **other: int) -> Finding:
    listed = [Call(f"{n}{i}", Status.CLASSIFIED, n, 0.9) for n, times in calls.items() for i in range(times)]
    listed += [Call(f"{s}{i}", Status(s)) for s, times in other.items() for i in range(times)]
    model = ensemble(validation or measured())
    return screen(count_slide("S", listed, model), model)


def test_a_normal_slide_is_clear() -> None:
    assert judge(NORMAL).verdict is Verdict.CLEAR


def test_a_few_false_blasts_alarm_nobody() -> None:
    found = judge({**NORMAL, "myeloblast": 1, "lymphoblast": 1})
    assert found.verdict is Verdict.CLEAR
    assert "no more than expected from classifier error" in found.reasons[0]


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
        "the 95% limits for blasts include 5%" in reason and "needed to decide" in reason
        for reason in judge({**NORMAL, "myeloblast": 8}).reasons
    )
    assert not any("to decide" in reason for reason in judge({**NORMAL, "myeloblast": 150}).reasons)


def test_basophils_with_a_left_shift_point_to_cml() -> None:
    found = judge({**NORMAL, "basophil": 16, "myelocyte": 25, "metamyelocyte": 20, "band_neutrophil": 20})
    assert "cml" in found.flags


def test_many_monocytes_are_reviewed_for_promonocytes_may_be_among_them() -> None:
    found = judge({**NORMAL, "monocyte": 80})
    assert (found.verdict, found.flags) == (Verdict.REVIEW, ("monocytes",))
    assert found.reasons[0].startswith("monocytes 29.9% (95% limits 24.4–35.7), above 15%: some may be promonocytes")
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
    assert judge({**NORMAL, "myeloblast": 1}, ValidationResult()).verdict is Verdict.URGENT


def hopeless(support: int = 2000) -> ValidationResult:
    """Every other cell of any type is called a myeloblast, on some slides all of them, and only certainty 1 counts."""
    matrix = np.zeros((16, 16), np.int64)
    np.fill_diagonal(matrix, support // 2)
    matrix[:, cells.CELL_TYPES.index("myeloblast")] += support // 2
    found = {group: from_matrix(matrix, cells.CELL_TYPES, members) for group, members in cells.TESTED_GROUPS.items()}
    return ValidationResult(
        confusion_matrix=matrix,
        corrected=frozenset(NAMES),
        false_calls={group: replace(each, certainty=1.0, correlation=0.3) for group, each in found.items()},
    )


def test_a_tenth_of_blasts_is_seen_by_someone_even_where_errors_explain_them() -> None:
    found = judge({"neutrophil": 90, "myeloblast": 10}, hopeless())
    assert (found.verdict, found.flags) == (Verdict.REVIEW, ("many_blasts",))
    assert found.reasons[0].startswith("10 cells (10.0% of the leukocytes) look like blasts: from 10% on")
    assert judge({"neutrophil": 91, "myeloblast": 9}, hopeless()).verdict is Verdict.CLEAR


def test_a_tenth_of_promyelocytes_and_blasts_is_seen_by_someone_too() -> None:
    found = judge({"neutrophil": 90, "myeloblast": 5, "promyelocyte": 5}, hopeless())
    assert (found.verdict, found.flags) == (Verdict.REVIEW, ("many_blasts",))
    assert "look like blasts or promyelocytes" in found.reasons[0]


def test_a_fifth_of_doubtful_blasts_is_urgent_where_errors_explain_fewer() -> None:
    """None is certain enough to be tested; all calls, however certain, are tested then."""
    found = certain({**NORMAL, "myeloblast": 60}, 0.8, 0.7)
    assert found.verdict is Verdict.URGENT
    assert {"blasts", "blasts_20"} <= set(found.flags)
    assert "60 blasts among 260 leukocytes" in found.reasons[0]
    assert "certain" not in found.reasons[0]


def test_unidentified_cells_that_look_like_blasts_are_seen_by_someone() -> None:
    likeness = {name: tuple(0.3 * (t == name) + 0.7 / 16 for t in cells.CELL_TYPES) for name in cells.CELL_TYPES}

    def found(reason: str, looks: str) -> Finding:
        calls = [Call(f"n{i}", Status.CLASSIFIED, "neutrophil", 0.9) for i in range(120)]
        calls += [
            Call(f"u{i}", Status.UNIDENTIFIED, "", 0.3, probabilities=likeness[looks], reason=reason) for i in range(30)
        ]
        model = ensemble(measured())
        return screen(count_slide("S", calls, model), model)

    assert (found("", "lymphoblast").verdict, found("", "lymphoblast").flags) == (Verdict.REVIEW, ("many_blasts",))
    assert found("", "monocyte").verdict is Verdict.CLEAR
    assert found("blank", "lymphoblast").verdict is Verdict.CLEAR


@settings(max_examples=30)
@given(
    st.integers(1, 400),
    st.integers(0, 2000),
    st.floats(1e-4, 0.3),
    st.sampled_from((0.0, 0.7, 1.0)),
    st.floats(0.2, 1.0),
    st.booleans(),
    st.integers(0, 5),
)
def test_no_ignorance_and_no_error_makes_a_fifth_of_blasts_clear(
    leukocytes: int, support: int, correlation: float, certainty: float, share: float, tried: bool, seed: int
) -> None:
    matrix = np.random.default_rng(seed).multinomial(support, np.full(16, 1 / 16), size=16)
    found = {group: from_matrix(matrix, cells.CELL_TYPES, members) for group, members in cells.TESTED_GROUPS.items()}
    validation = ValidationResult(
        confusion_matrix=matrix,
        corrected=frozenset(NAMES) if tried else None,
        false_calls={group: replace(f, certainty=certainty, correlation=correlation) for group, f in found.items()},
    )
    blasts = math.ceil(leukocytes * share)
    calls = {"neutrophil": leukocytes - blasts, "lymphoblast": blasts}
    assert judge(calls, validation).verdict in (Verdict.URGENT, Verdict.REVIEW)


@pytest.mark.parametrize("support", [0, 1, 5, 20, 100])
def test_what_was_never_measured_does_not_explain_blasts(support: int) -> None:
    """Only neutrophils and lymphocytes were measured, and no error was seen."""
    matrix = np.zeros((16, 16), np.int64)
    for name in ("neutrophil", "lymphocyte"):
        matrix[cells.CELL_TYPES.index(name), cells.CELL_TYPES.index(name)] = support
    few = ValidationResult(confusion_matrix=matrix)
    assert judge({**NORMAL, "myeloblast": 12}, few).verdict is Verdict.URGENT
    assert judge({"eosinophil": 60, "monocyte": 40, "myeloblast": 6}, few).verdict is Verdict.URGENT
    assert judge({**NORMAL, "myeloblast": 1}, few).verdict is Verdict.CLEAR


def test_what_a_few_cells_were_called_does_not_explain_blasts() -> None:
    """One of five eosinophils was called a blast: of a slide of eosinophils not every fifth one is one by error."""
    matrix = np.diag([100] * 16)
    eosinophil, blast = (cells.CELL_TYPES.index(name) for name in ("eosinophil", "myeloblast"))
    matrix[eosinophil, [eosinophil, blast]] = 4, 1
    assert judge(
        {"neutrophil": 50, "eosinophil": 50, "myeloblast": 15}, ValidationResult(confusion_matrix=matrix)
    ).verdict is (Verdict.URGENT)


def test_a_correction_that_was_not_tried_on_slides_lowers_no_grade() -> None:
    """A third of the lymphocytes was called blasts, so that of 25% counted blasts the correction leaves few."""
    matrix = np.diag([60] * 16)
    lymphocyte, blast = (cells.CELL_TYPES.index(name) for name in ("lymphocyte", "myeloblast"))
    matrix[lymphocyte, [lymphocyte, blast]] = 48, 12
    calls = {"lymphocyte": 100, "neutrophil": 50, "myeloblast": 50}
    tried, untried = (
        judge(calls, ValidationResult(confusion_matrix=matrix, corrected=corrected))
        for corrected in (frozenset(NAMES), None)
    )
    assert tried.verdict is untried.verdict is Verdict.URGENT
    assert "blasts_20" in untried.flags
    assert "blasts_20" not in tried.flags


def test_blasts_and_promyelocytes_together_are_corrected_only_if_both_are() -> None:
    matrix = np.diag([60] * 16)
    lymphocyte, blast = (cells.CELL_TYPES.index(name) for name in ("lymphocyte", "myeloblast"))
    matrix[lymphocyte, [lymphocyte, blast]] = 48, 12
    calls = {"lymphocyte": 40, "neutrophil": 39, "myeloblast": 11, "promyelocyte": 10}
    both, one = (
        judge(calls, ValidationResult(confusion_matrix=matrix, corrected=frozenset(corrected)))
        for corrected in ({"blasts", "promyelocyte"}, {"promyelocyte"})
    )
    assert "blast_equivalents" not in both.flags
    assert "blast_equivalents" in one.flags
    assert any(reason.startswith("blasts and promyelocytes together 21.0%: in the range") for reason in one.reasons)


def test_copies_do_not_hide_that_many_images_are_unusable() -> None:
    for copies in (0, 82):
        found = judge({"neutrophil": 36, "lymphocyte": 16}, unidentified=30, duplicate=copies)
        assert (found.verdict, found.flags) == (Verdict.INSUFFICIENT, ("unreliable",))
        assert "30 of 82 images could not be identified or read" in found.reasons


def test_the_limits_that_leave_a_cut_off_undecided_are_those_that_were_told_before() -> None:
    share = Share(7, 4.6, 1.9, 9.2, corrected_percent=6.9, corrected_low=2.8, corrected_high=11.7)
    slide = replace(count_slide("S", [], ensemble(measured())), leukocytes=153)
    assert undecided("immature granulocytes", share, slide, (2,)) == []
    assert "include 5%" in undecided("immature granulocytes", share, slide, (5,))[0]
    assert "include 2%" in undecided("immature granulocytes", replace(share, corrected_percent=None), slide, (2,))[0]


def test_a_corrected_percentage_is_told_beside_the_counted_one() -> None:
    assert percent_text(1.4, 16.3) == "1.4%, corrected 16.3%"
    assert percent_text(1.4, 1.4) == "1.4%"


def test_every_verdict_says_that_the_ensemble_was_measured_on_too_little() -> None:
    few = measured(support=30)
    for calls in (NORMAL, {**NORMAL, "myeloblast": 90}, {"neutrophil": 5}):
        found = judge(calls, few)
        assert found.flags[-1] == "few_validation_cells"
        assert found.reasons[-1].startswith(
            "too few validation data to know the classifier's error rates (464 of 500 cells, 290 of 300"
        )
    assert judge({"neutrophil": 5}, ValidationResult()).flags == ("too_few_cells", "few_validation_cells")


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
    validation = measured(error=0.05)
    assert validation.confusion_matrix is not None
    rates = validation.confusion_matrix / validation.confusion_matrix.sum(axis=1, keepdims=True)
    shares = np.zeros(16)
    for name, number in NORMAL.items():
        shares[cells.CELL_TYPES.index(name)] = number / sum(NORMAL.values())
    flagged = 0
    for _ in range(300):
        calls = generator.multinomial(200, shares @ rates)
        found = judge(dict(zip(cells.CELL_TYPES, calls.tolist(), strict=True)), validation)
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
    validation = measured()
    found = {group: replace(f, certainty=certainty) for group, f in validation.false_calls.items()}
    model = ensemble(replace(validation, false_calls=found))
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
    doubtful = certain({**NORMAL, "myeloblast": 8}, 0.8, 0.7)
    assert doubtful.verdict is Verdict.CLEAR
    assert "8 blasts (none of them certain)" in doubtful.reasons[0]
    assert "no more certain ones than expected" in doubtful.reasons[0]


def test_from_five_percent_on_uncertain_blasts_are_tested_too() -> None:
    found = certain({**NORMAL, "myeloblast": 12}, 0.8, 0.7)
    assert (found.verdict, found.flags[:2]) == (Verdict.URGENT, ("blasts", "blasts_5"))


def test_uncertain_blasts_may_be_smudge_cells() -> None:
    matrix = measured().confusion_matrix
    assert matrix is not None
    smudge, blast = (cells.CELL_TYPES.index(name) for name in ("smudge_cell", "myeloblast"))
    matrix[smudge, [smudge, blast]] -= [100, -100]  # one in twenty is called a blast
    model = ensemble(replace(measured(), confusion_matrix=matrix))

    def test_of(smudge_cells: int) -> ExcessTest:
        counts = {**NORMAL, "myeloblast": 12, "smudge_cell": smudge_cells}
        calls = [Call(f"{n}{i}", Status.CLASSIFIED, n, 0.9) for n, k in counts.items() for i in range(k)]
        return excess_test(count_slide("S", calls, model), model, "blasts", however_certain=True)

    assert test_of(0).significant(0.01)
    assert not test_of(200).significant(0.01)
    more = (test_of(200).expected or 0) - (test_of(0).expected or 0)
    assert more == pytest.approx(200 * 0.05, rel=0.2)


def test_uncertain_blasts_may_vary_between_slides_as_calls_do() -> None:
    """Twelve of 212 are many for independent errors of 1%, but not for errors that differ by slide."""
    model = ensemble(replace(measured(), call_correlation=0.2))
    calls = [
        Call(f"{n}{i}", Status.CLASSIFIED, n, 0.9) for n, k in {**NORMAL, "myeloblast": 12}.items() for i in range(k)
    ]
    counted = count_slide("S", calls, model)
    assert excess_test(counted, model, "blasts").significant(0.01)
    assert not excess_test(counted, model, "blasts", however_certain=True).significant(0.01)
