"""How the agreement of two kinds of arithmetic is measured."""

from dataclasses import replace

import numpy as np
import pytest

from slidescreen import cells
from slidescreen.engine.exactness import agreement

TYPES = cells.CELL_TYPES


def sure_of(names: list[str], certainty: float = 0.9) -> np.ndarray:
    """Probabilities (N, K): `certainty` for the named type, the rest spread evenly."""
    rows = np.full((len(names), len(TYPES)), (1 - certainty) / (len(TYPES) - 1))
    rows[np.arange(len(names)), [TYPES.index(name) for name in names]] = certainty
    return rows


def test_the_same_probabilities_agree_wholly_which_few_images_cannot_prove() -> None:
    rows = sure_of(["neutrophil", "lymphocyte", "myeloblast", "neutrophil"] * 125)
    found = agreement(rows, rows, rows.argmax(axis=1), ["a", "a", "b", ""] * 125, TYPES, 0.5)
    assert (found.images, found.largest_difference, found.calls_changed) == (500, 0, 0)
    assert (found.macro_f1_change, found.blasts_change) == (0, 0)
    assert found.harmless
    assert not replace(found, images=499).harmless
    assert replace(found, images=4).tolerable


def test_a_changed_call_is_counted_and_moves_its_slides_blasts() -> None:
    exact = sure_of(["neutrophil", "lymphocyte", "myeloblast", "neutrophil", "platelet"])
    other = sure_of(["neutrophil", "myeloblast", "myeloblast", "neutrophil", "platelet"])
    found = agreement(exact, other, exact.argmax(axis=1), ["a", "a", "a", "a", "a"], TYPES, 0.5)
    assert found.calls_changed == pytest.approx(1 / 5)
    assert found.largest_difference == pytest.approx(0.9 - 0.1 / 15)
    assert found.blasts_change == pytest.approx(25)  # 2 instead of 1 of 4 leukocytes: the platelet is none
    assert found.macro_f1_change == pytest.approx((1 + 1 + 2 / 3 + 0) / 4 - 1)
    assert not found.harmless


def test_a_cell_that_becomes_unidentified_leaves_its_slides_leukocytes() -> None:
    exact = sure_of(["myeloblast", "lymphocyte"])
    other = exact.copy()
    other[1] = sure_of(["lymphocyte"], 0.4)[0]
    found = agreement(exact, other, exact.argmax(axis=1), ["a", "a"], TYPES, 0.5)
    assert found.calls_changed == 0
    assert found.blasts_change == pytest.approx(50)


def test_slides_without_leukocytes_and_images_without_slides_do_no_harm() -> None:
    rows = sure_of(["platelet", "artefact"])
    assert agreement(rows, rows, rows.argmax(axis=1), ["a", ""], TYPES, 0.5).blasts_change == 0
