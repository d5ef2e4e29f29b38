"""One network decides what it is certain of, the ensemble the rest: which cells, and in which order they come back."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.engine.interface import MemberEngines
from slidescreen.ensembles.cascade import Cascade, find_gate, may_decide
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult
from slidescreen.ensembles.voting import Vote
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member

TYPES = cells.CELL_TYPES
CRITICAL = {"myeloblast", "lymphoblast", "promyelocyte", "myelocyte", "metamyelocyte"}
AGREED = PrecisionAgreement(1000, 0.1, 0.001, 0.0, 0.0)


def sure_of(names: Sequence[str], certainties: Sequence[float]) -> NDArray[np.float64]:
    certain = np.asarray(certainties)[:, None]
    rows = np.repeat((1 - certain) / (len(TYPES) - 1), len(TYPES), axis=1)
    rows[np.arange(len(names)), [TYPES.index(name) for name in names]] = certain[:, 0]
    return rows


def test_what_a_verdict_rests_on_is_never_decided_by_one_network() -> None:
    decided = Cascade(0, 0.8, 0.5, AGREED).decides(sure_of(TYPES, [0.999] * len(TYPES)), TYPES)
    assert {name for name, alone in zip(TYPES, decided, strict=True) if not alone} == CRITICAL


def test_only_calls_from_the_gate_on_stand() -> None:
    rows = sure_of(["neutrophil", "lymphocyte", "monocyte"], [0.79, 0.8, 0.81])
    assert Cascade(0, 0.8, 0.5, AGREED).decides(rows, TYPES).tolist() == [False, True, True]


@given(
    arrays(np.float64, st.tuples(st.integers(1, 60), st.just(len(TYPES))), elements=st.floats(0.001, 1)),
    st.data(),
)
def test_the_gate_is_the_lowest_that_changes_no_more_calls_than_allowed(
    raw: NDArray[np.float64], data: st.DataObject
) -> None:
    rows = np.repeat(raw / raw.sum(axis=1, keepdims=True), 50, axis=0)  # 1 in 1000 is then less than 4 cells
    flags = data.draw(arrays(np.bool_, len(raw)))
    differs = np.zeros(len(rows), bool)
    differs[::50] = flags

    def changed(gate: float) -> int:
        return int((differs & may_decide(rows, TYPES) & (rows.max(axis=1) >= gate)).sum())

    allowed = 0.001 * len(rows)
    tried = [level for level in np.unique(rows.max(axis=1)[may_decide(rows, TYPES)]) if changed(level) <= allowed]
    # Whoever lowers the gate takes in all cells above it, so the lowest one that is allowed has none forbidden above.
    assert find_gate(differs, rows, may_decide(rows, TYPES)) == (min(tried) if tried else None)


def test_a_network_that_is_wrong_where_it_is_surest_gets_no_gate() -> None:
    rows = sure_of(["neutrophil"] * 10, np.linspace(0.5, 0.99, 10).tolist())
    differs = np.zeros(10, bool)
    differs[-1] = True
    assert find_gate(differs, rows, may_decide(rows, TYPES)) is None


def test_a_network_that_calls_only_what_it_may_not_decide_gets_no_gate() -> None:
    rows = sure_of(["myeloblast"] * 3, [0.9, 0.95, 0.99])
    assert find_gate(np.zeros(3, bool), rows, may_decide(rows, TYPES)) is None


class Reader:
    """Knows a cell by its first pixel, and remembers which it was shown."""

    def __init__(self, rows: NDArray[np.float64]) -> None:
        self.rows = rows
        self.shown: list[int] = []

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        numbers = pixels[:, 0, 0, 0].tolist()
        self.shown += numbers
        return self.rows[numbers]


def pixels_of(count: int, side: int) -> NDArray[np.uint8]:
    pixels = np.zeros((count, side, side, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(count)
    return pixels


def voting(first: Reader | None, *others: Reader) -> Vote:
    members = tuple(
        Member(Path(str(side)), weight, "0", Checkpoint("efficientnet_b1", TYPES, Preprocessing(side)))
        for side, weight in ((32, 0.4), (48, 0.6))
    )
    validation = ValidationResult(temperature=0.5, cascade=Cascade(1, 0.9, 0.5, AGREED))
    return Vote(Ensemble(members, validation=validation), MemberEngines(others, "", first=first))


def test_the_ensemble_sees_only_the_cells_that_are_left_and_all_come_back_in_order() -> None:
    first = Reader(sure_of(["neutrophil", "myeloblast", "basophil", "monocyte"], [0.8, 0.95, 0.2, 0.9]))
    others = Reader(sure_of(["lymphocyte"] * 4, [0.9] * 4)), Reader(sure_of(["eosinophil"] * 4, [0.9] * 4))
    pixels = [pixels_of(4, 32), pixels_of(4, 48)]
    found = voting(first, *others)(pixels).probabilities
    whole = voting(None, *others)(pixels).probabilities
    assert first.shown == [0, 1, 2, 3]
    assert [other.shown for other in others] == [[1, 2, 0, 1, 2, 3]] * 2
    assert [TYPES[k] for k in found.argmax(axis=1)] == ["neutrophil", "eosinophil", "eosinophil", "monocyte"]
    assert np.array_equal(found[1:3], whole[1:3])
    squared = first.rows[[0, 3]] ** 2  # a temperature of 0.5
    assert np.allclose(found[[0, 3]], squared / squared.sum(axis=1, keepdims=True))


def test_where_all_are_decided_the_ensemble_is_not_asked() -> None:
    first, other = Reader(sure_of(["neutrophil"] * 3, [0.99] * 3)), Reader(sure_of(["neutrophil"] * 3, [0.9] * 3))
    voting(first, other, other)([pixels_of(3, 32), pixels_of(3, 48)])
    assert other.shown == []
