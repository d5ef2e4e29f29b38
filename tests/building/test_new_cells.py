"""Which signed cells an adaptation may learn from and measure on: those that are new to the ensemble."""

from pathlib import Path

import pytest

from slidescreen.building.new_cells import new_cells
from slidescreen.cells import CELL_TYPES
from slidescreen.data.labels import LabelledImage
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError
from slidescreen.files.writing import sha256_of
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member
from slidescreen.models.trained_on import record


@pytest.fixture
def signed(tmp_path: Path) -> list[LabelledImage]:
    """120 cells of two types on ten slides; the slides of the last twenty are unknown."""
    cells = []
    for number in range(120):
        path = tmp_path / f"{number}.png"
        path.write_bytes(b"cell %d" % number)
        slide = f"S{number // 10}" if number < 100 else ""
        cells.append(LabelledImage(path, ("neutrophil", "lymphocyte")[number % 2], slide))
    return cells


def ensemble(**provenance: object) -> Ensemble:
    """Two networks; the second alone has learnt something."""
    return Ensemble(
        tuple(
            Member(Path(name), 0.5, name, Checkpoint(name, CELL_TYPES, Preprocessing(64), known))
            for name, known in (("efficientnet_b1", {}), ("efficientnetv2_b2", provenance))
        )
    )


def recorded(cells: list[LabelledImage]) -> dict[str, str]:
    return record(sha256_of(cell.path) for cell in cells)


def test_cells_of_an_earlier_adaptation_are_refused(signed: list[LabelledImage]) -> None:
    old = ensemble(adapted=recorded(signed[:50]), **recorded([]))
    with pytest.raises(InputError, match=r"^m1 has already learnt 50 of the 120 .*0\.png.*--adapt default"):
        new_cells(Path("m1"), old, signed, Path("data"), lambda _: None)
    later = signed[50:]
    assert new_cells(Path("m1"), old, later, Path("data"), pytest.fail) == later


def test_slides_of_cells_that_a_network_was_trained_on_are_left_out(signed: list[LabelledImage]) -> None:
    old = ensemble(**recorded([signed[3], signed[44], signed[110]]))
    said: list[str] = []
    found = new_cells(Path("m1"), old, signed, Path("data"), said.append)
    assert found == [*signed[10:40], *signed[50:110], *signed[111:]]
    assert [line.split(" signed")[0] for line in said] == ["left out: 21"]


def test_too_few_new_cells_are_refused(signed: list[LabelledImage]) -> None:
    with pytest.raises(InputError, match="too few signed cells that are new to the networks to adapt to: 30 of 2"):
        new_cells(Path("m1"), ensemble(**recorded(signed[:90])), signed, Path("d"), print)


def test_networks_that_record_nothing_learn_from_all_cells(signed: list[LabelledImage]) -> None:
    assert new_cells(Path("m1"), ensemble(), signed, Path("data"), pytest.fail) == signed
