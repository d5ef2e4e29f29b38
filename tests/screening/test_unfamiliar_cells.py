"""Unfamiliar slides and unknown cells in the verdict."""

from dataclasses import replace

import numpy as np
import pytest
from test_screening import NORMAL, ensemble, measured

from slidescreen.data.calls import Call, Status
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity import Familiarity, UsualShare
from slidescreen.screening.differential import count_slide
from slidescreen.screening.finding import Finding, Verdict
from slidescreen.screening.verdict import screen

HOME = Familiarity({}, 1.0, 1.0, 0.4, UsualShare(0.025, 0.05), (1000, 1000))


def model() -> Ensemble:
    return replace(ensemble(measured()), familiarity=HOME)


def judged(calls: dict[str, int], unfamiliar: float = 0.0, strange: float = 0.0, known: bool = True) -> Finding:
    """A slide of which a share of the cells is beyond the cut of each measure."""
    names = [name for name, count in calls.items() for _ in range(count)]
    order = np.random.default_rng(1).permutation(len(names)) / len(names)
    listed = [
        Call(
            f"{place}",
            Status.CLASSIFIED,
            name,
            0.9,
            unfamiliarity=(2.0 if rank < max(unfamiliar, strange) else 0.3) if known else None,
            strangeness=(2.0 if rank < strange else 0.3) if known else None,
        )
        for place, (name, rank) in enumerate(zip(names, order.tolist(), strict=True))
    ]
    return screen(count_slide("S", listed, model()), model())


def test_what_would_be_clear_is_insufficient_and_says_what_to_do() -> None:
    found = judged(NORMAL, unfamiliar=0.9)
    assert found.verdict is Verdict.INSUFFICIENT
    assert found.flags == ("unfamiliar",)
    assert "unlike anything this ensemble was measured on: adapt it to your laboratory first" in found.reasons[0]
    assert not [reason for reason in found.reasons if "; " in reason]  # which parts reasons in the table


def test_urgent_and_review_stay_and_say_so_and_no_lineage_is_named() -> None:
    blasts = {**NORMAL, "myeloblast": 80}
    assert "lineage_myeloid" in judged(blasts).flags
    found = judged(blasts, unfamiliar=0.9)
    assert found.verdict is Verdict.URGENT
    assert "unfamiliar" in found.flags
    assert not [flag for flag in found.flags if flag.startswith("lineage")]
    assert judged({**NORMAL, "myelocyte": 30}, unfamiliar=0.9).verdict is Verdict.REVIEW


def test_a_slide_at_home_stays_clear() -> None:
    assert judged(NORMAL, unfamiliar=0.35).verdict is Verdict.CLEAR
    assert judged(NORMAL, known=False).verdict is Verdict.CLEAR


@pytest.mark.parametrize(("cells", "told"), [(9, False), (10, True)])
def test_a_few_cells_are_no_slide(cells: int, told: bool) -> None:
    assert ("unfamiliar" in judged({"neutrophil": cells}, unfamiliar=1.0).flags) is told


def test_unknown_cells_are_reviewed() -> None:
    found = judged(NORMAL, strange=0.3)
    assert found.verdict is Verdict.REVIEW
    assert found.flags == ("unknown_cells",)
    assert "60 of 200 cells are unlike every type" in found.reasons[0]
    assert judged(NORMAL, strange=0.05).verdict is Verdict.CLEAR


def test_an_unfamiliar_slide_has_no_unknown_cells() -> None:
    assert judged(NORMAL, strange=0.9).flags == ("unfamiliar",)
