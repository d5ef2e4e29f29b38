"""Data sets so small or so uneven that a batch, a split or a class has a single image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_cell
from hypothesis import given
from hypothesis import strategies as st
from small_training import OPTIONS, SMALL, TYPES, Silent, build_small, labelled, request, table

from slidescreen.errors import InputError
from slidescreen.training import learner
from slidescreen.training.dataset import in_batches
from slidescreen.training.options import Recipe
from slidescreen.training.session import run_training


@given(st.integers(0, 100), st.integers(2, 40))
def test_batches_hold_every_image_once_and_none_is_alone(count: int, size: int) -> None:
    batches = in_batches(np.arange(count), size)
    assert [int(n) for batch in batches for n in batch] == list(range(count))
    assert all(2 <= len(batch) <= size + 1 for batch in batches) or count == 1
    assert all(len(batch) == size for batch in batches[:-1])


def test_one_image_left_over_is_learnt_from(tmp_path: Path) -> None:
    """24 images in batches of 23, with the real network, whose last maps have one pixel at 32 pixels a side."""
    display = Silent()
    options = replace(OPTIONS, batch_size=23, epochs=1, balance="none")
    run_training(request(labelled(tmp_path / "cells"), tmp_path / "out", options), display)
    assert np.isfinite(display.results[0].train_loss)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "build", build_small)


@pytest.mark.usefixtures("small")
def test_a_class_of_one_image_is_learnt_from(tmp_path: Path) -> None:
    rows = [(TYPES[0], "train")] * 5 + [(TYPES[1], "train")] + [(name, "validation") for name in TYPES[:2]]
    display = Silent()
    run_training(request(table(tmp_path / "cells", rows), tmp_path / "out", SMALL), display)
    assert len(display.results) == SMALL.epochs
    assert any(note.startswith("no training images of myeloblast") for note in display.notes)


@pytest.mark.usefixtures("small")
def test_types_that_the_validation_lacks_are_named(tmp_path: Path) -> None:
    rows = [(name, "train") for name in TYPES] * 2 + [(TYPES[0], "validation")]
    display = Silent()
    run_training(request(table(tmp_path / "cells", rows), tmp_path / "out", SMALL), display)
    assert "no validation images of lymphocyte, myeloblast: the best epoch is chosen without them" in display.notes


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(TYPES[0], "")], "too few images or slides to draw a split"),
        ([(TYPES[0], "train")], "images in both the train and the validation split"),
        ([(TYPES[0], "train"), (TYPES[1], "train")], "images in both the train and the validation split"),
        ([(TYPES[0], "validation")], "images in both the train and the validation split"),
        ([(TYPES[0], "train"), (TYPES[1], "validation")], "two cell types or more; all of the train split are neutr"),
        ([(TYPES[0], "train")] * 4 + [(TYPES[1], "validation")], "two cell types or more"),
    ],
)
def test_too_little_to_learn_from_is_one_clear_error(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_training(request(table(tmp_path / "cells", rows), tmp_path / "out", SMALL), Silent())
    assert not (tmp_path / "out").exists()


def test_a_batch_of_one_is_refused() -> None:
    with pytest.raises(InputError, match="--batch-size must be 2 or more, not 1"):
        Recipe(batch_size=1)


def test_results_among_the_labelled_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cells" / "monocyte").mkdir(parents=True)
    draw_cell(1).save(tmp_path / "cells" / "monocyte" / "1.png")
    with pytest.raises(InputError, match="would lie among the labelled images"):
        run_training(request(tmp_path / "cells", tmp_path / "cells" / "out", SMALL), Silent())
