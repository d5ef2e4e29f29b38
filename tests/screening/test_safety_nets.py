"""What must not happen to a verdict: doubtful cells never hide what certain ones show, and many are always seen."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from test_screening import NORMAL, ensemble, hopeless, measured

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.screening.differential import NAMES, Differential, count_slide
from slidescreen.screening.excess import excess_test
from slidescreen.screening.finding import Finding, Verdict
from slidescreen.screening.thresholds import default_thresholds
from slidescreen.screening.verdict import screen

DEFAULT = Path(__file__).parents[2] / "weights" / "default"
SURE, UNSURE, UNIDENTIFIED = 0.95, 0.6, 0.4


def of_certain_calls(error: float = 0.02) -> Ensemble:
    """An ensemble of which only certain calls of blasts and immature granulocytes are tested."""
    validation = measured(error)
    found = {group: replace(each, certainty=0.8) for group, each in validation.false_calls.items()}
    return ensemble(replace(validation, false_calls=found))


def counted(model: Ensemble, *parts: tuple[Mapping[str, int], float]) -> Differential:
    """A slide of numbers of cells by type and their probability. Below one half they are unidentified."""
    calls = []
    for numbers, probability in parts:
        for name, number in numbers.items():
            likely = tuple(probability if t == name else (1 - probability) / 15 for t in cells.CELL_TYPES)
            call = Call("x.png", Status.CLASSIFIED, name, probability, probabilities=likely)
            if probability < 0.5:
                call = replace(call, status=Status.UNIDENTIFIED, cell_type="")
            calls += [call] * number
    return count_slide("S", calls, model)


def judged(model: Ensemble, *parts: tuple[Mapping[str, int], float]) -> Finding:
    return screen(counted(model, *parts), model)


@given(st.integers(0, 12), st.integers(0, 60), st.sampled_from(["myeloblast", "myelocyte"]))
@settings(max_examples=40)
def test_the_certain_calls_are_tested_among_the_cells_that_are_not_called_so_without_certainty(
    certain: int, uncertain: int, name: str
) -> None:
    model = of_certain_calls()
    group = "blasts" if name == "myeloblast" else "immature_granulocytes"
    alone = excess_test(counted(model, (NORMAL, SURE), ({name: certain}, SURE)), model, group)
    found = excess_test(
        counted(model, (NORMAL, SURE), ({name: certain}, SURE), ({name: uncertain}, UNSURE)), model, group
    )
    assert (found.count, found.certain) == (certain + uncertain, certain)
    assert found.p_value == pytest.approx(alone.p_value, rel=0.05)
    rate, rho = (
        (found.expected or 0) / (sum(NORMAL.values()) + certain),
        model.validation.false_calls[group].correlation,
    )
    a, b = rate * (1 / rho - 1), (1 - rate) * (1 / rho - 1)
    assert found.p_value == pytest.approx(
        stats.betabinom.sf(certain - 1, sum(NORMAL.values()) + certain, a, b), rel=1e-6
    )


@given(st.integers(1, 12), st.integers(1, 80), st.floats(0.01, 0.1))
@settings(max_examples=60)
def test_doubtful_blasts_beside_certain_ones_never_lower_the_verdict(
    certain: int, uncertain: int, error: float
) -> None:
    model = of_certain_calls(error)
    blasts = ({"myeloblast": certain}, SURE)
    if judged(model, (NORMAL, SURE), blasts).verdict is Verdict.URGENT:
        more = judged(model, (NORMAL, SURE), blasts, ({"myeloblast": uncertain}, UNSURE))
        assert more.verdict is Verdict.URGENT


@pytest.mark.parametrize("uncertain", [0, 8, 12, 20])
def test_five_certain_blasts_stay_urgent_whatever_else_may_be_blasts(uncertain: int) -> None:
    others = {"neutrophil": 32, "band_neutrophil": 13, "eosinophil": 20, "monocyte": 36, "lymphocyte": 60}
    found = judged(
        storage.load(DEFAULT), (others, SURE), ({"myeloblast": 5}, SURE), ({"myeloblast": uncertain}, UNSURE)
    )
    assert found.verdict is Verdict.URGENT


def test_a_slide_of_doubtful_blasts_alone_is_seen_by_someone() -> None:
    assert judged(of_certain_calls(), ({"myeloblast": 60}, UNSURE)).verdict in (Verdict.URGENT, Verdict.REVIEW)


@pytest.mark.parametrize("unidentified", [0, 1, 12, 60])
def test_unidentified_cells_of_other_types_hide_no_tenth_of_blasts(unidentified: int) -> None:
    model = ensemble(hopeless())
    found = judged(
        model,
        ({"neutrophil": 90, "myeloblast": 10}, SURE),
        ({"neutrophil": unidentified, "lymphocyte": unidentified}, UNIDENTIFIED),
    )
    assert found.verdict is Verdict.REVIEW
    assert found.reasons[0].startswith("10 cells (10.0% of the leukocytes) look like blasts")


def test_unidentified_cells_that_look_like_blasts_still_count_where_they_are_more() -> None:
    model = ensemble(hopeless())
    found = judged(model, ({"neutrophil": 94, "myeloblast": 6}, SURE), ({"lymphoblast": 10}, UNIDENTIFIED))
    assert found.reasons[0].startswith("16 cells (14.5% of the leukocytes) look like blasts")


def test_a_tenth_of_doubtful_immature_granulocytes_is_seen_by_someone() -> None:
    model = of_certain_calls()
    model = replace(model, validation=replace(model.validation, call_correlation=0.3))
    few = judged(model, ({"neutrophil": 91}, SURE), ({"myelocyte": 9}, UNSURE))
    many = judged(model, ({"neutrophil": 90}, SURE), ({"myelocyte": 10}, UNSURE))
    assert few.verdict is Verdict.CLEAR
    assert (many.verdict, many.flags) == (Verdict.REVIEW, ("ig",))
    assert many.reasons[0] == (
        "10 cells (10.0% of the leukocytes) look like immature granulocytes: from 10% on, "
        "a morphologist must see them, even if classifier error may explain them"
    )


def test_more_doubtful_immature_granulocytes_than_errors_explain_are_graded() -> None:
    found = judged(
        of_certain_calls(), ({**NORMAL, "band_neutrophil": 30, "basophil": 12}, SURE), ({"myelocyte": 40}, UNSURE)
    )
    assert {"ig", "left_shift", "cml"} <= set(found.flags)
    assert "certain" not in found.reasons[0]


def test_limits_of_nought_flag_no_slide_without_such_cells() -> None:
    limits = replace(default_thresholds(), blasts_always_seen=0.0, ig_always_seen=0.0, monocytes=0.0)
    model = ensemble(measured())
    assert screen(counted(model, ({"neutrophil": 120}, SURE)), model, limits).verdict is Verdict.CLEAR
    one = screen(counted(model, ({"neutrophil": 119, "metamyelocyte": 1}, SURE)), model, limits)
    assert one.reasons[0].startswith("1 cell (0.8% of the leukocytes) looks like immature granulocytes: from 0% on")


def test_a_corrected_percentage_below_a_limit_says_so_where_the_counted_one_is_not() -> None:
    validation = replace(measured(error=0.004, support=4000), corrected=frozenset(NAMES))
    found = judged(ensemble(validation), ({"neutrophil": 490, "myelocyte": 10}, SURE))
    assert found.verdict is Verdict.CLEAR
    assert found.reasons[0].endswith("immature granulocytes 2.0%, corrected 1.97%: below 2%")


@pytest.mark.parametrize(
    ("mixture", "clear", "urgent"),
    [
        ({"neutrophil": 60, "lymphocyte": 30, "monocyte": 6, "eosinophil": 3, "basophil": 1}, 7, 10),
        ({"neutrophil": 100}, 4, 7),
    ],
)
def test_so_many_doubtful_blasts_are_urgent_in_the_shipped_ensemble(
    mixture: dict[str, int], clear: int, urgent: int
) -> None:
    """Of 100 leukocytes, as docs/evidence/verdict.md says."""
    shipped = storage.load(DEFAULT)

    def verdict(blasts: int) -> Verdict:
        exact = np.asarray(list(mixture.values())) * (100 - blasts) / 100
        others = np.floor(exact).astype(int)
        others[np.argsort(others - exact)[: 100 - blasts - others.sum()]] += 1
        numbers = dict(zip(mixture, others.tolist(), strict=True))
        return judged(shipped, (numbers, SURE), ({"myeloblast": blasts}, UNSURE)).verdict

    assert verdict(clear) is Verdict.CLEAR
    assert verdict(urgent) is Verdict.URGENT


def test_limits_of_the_correction_cover_a_type_that_fills_the_slide_and_is_poorly_recognised() -> None:
    """Nine of ten cells are promyelocytes, half of which the shipped ensemble calls otherwise."""
    shipped = storage.load(DEFAULT)
    matrix = shipped.validation.graded_matrix
    assert matrix is not None
    assert matrix.shape == (16, 32)
    generator = np.random.default_rng(5)
    rates = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    held = 0
    for _ in range(40):
        called = sum(
            generator.multinomial(number, rates[cells.CELL_TYPES.index(name)])
            for name, number in (("promyelocyte", 180), ("neutrophil", 20))
        )
        sure, unsure = (dict(zip(cells.CELL_TYPES, part.tolist(), strict=True)) for part in np.split(called, 2))
        share = counted(shipped, (sure, SURE), (unsure, UNSURE)).shares["promyelocyte"]
        assert share.corrected_low is not None
        assert share.corrected_high is not None
        held += share.corrected_low <= 90 <= share.corrected_high
    assert held >= 34  # 38 expected; fewer than 34 has a probability below 2%
