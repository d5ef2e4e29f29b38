"""The drawn sample slides are complete, small, labelled in the project's words, and drawn by the script beside them."""

import csv
import importlib
import io
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from slidescreen.cells import CELL_TYPES

SAMPLES = Path(__file__).parents[1] / "sample_data"
BROKEN = {"normal_01/cell_999.jpg", "normal_01/notes.jpg"}
MODULES = ("draw", "recipes", "cell_painter", "nuclei", "smear", "shapes")


@pytest.fixture(scope="module")
def labels() -> list[dict[str, str]]:
    with (SAMPLES / "labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def drawing() -> Iterator[ModuleType]:
    """`sample_data/draw.py`, imported as the script it is, and forgotten afterwards."""
    sys.path.insert(0, str(SAMPLES))
    try:
        yield importlib.import_module("draw")
    finally:
        sys.path.remove(str(SAMPLES))
        for name in MODULES:
            sys.modules.pop(name, None)


def image_files() -> set[str]:
    return {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*.jpg")}


def test_every_readable_image_is_labelled_once(labels: list[dict[str, str]]) -> None:
    files = [row["file"] for row in labels]
    assert len(files) == len(set(files))
    assert set(files) == image_files() - BROKEN


def test_labels_are_cell_types_and_slides_are_folders(labels: list[dict[str, str]]) -> None:
    assert {row["label"] for row in labels} <= set(CELL_TYPES)
    assert all(row["file"].startswith(row["slide"] + "/") for row in labels)


def test_slides_are_what_they_play(labels: list[dict[str, str]]) -> None:
    counts = {
        slide: Counter(r["label"] for r in labels if r["slide"] == slide) for slide in {r["slide"] for r in labels}
    }
    assert set(counts) == {"normal_01", "blasts_01", "left_shift_01"}
    assert counts["normal_01"]["myeloblast"] == 0
    assert counts["blasts_01"]["myeloblast"] >= 45
    assert counts["left_shift_01"]["myeloblast"] == 0
    assert counts["left_shift_01"]["band_neutrophil"] >= 8


def test_images_open_and_have_the_analysers_size(labels: list[dict[str, str]]) -> None:
    for row in labels:
        with Image.open(SAMPLES / row["file"]) as image:
            image.load()
            assert (image.size, image.mode, image.format) == ((360, 363), "RGB", "JPEG")


def test_no_two_images_are_alike() -> None:
    contents = [(SAMPLES / file).read_bytes() for file in image_files()]
    assert len(set(contents)) == len(contents)


@pytest.mark.parametrize("file", sorted(BROKEN))
def test_broken_files_are_broken(file: str) -> None:
    with pytest.raises(OSError), Image.open(SAMPLES / file) as image:
        image.load()


def test_all_of_it_is_under_five_megabytes() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 5_000_000


def test_drawing_again_gives_the_same_images(drawing: ModuleType) -> None:
    for slide in drawing.SLIDES:
        cell = next(drawing.sample_cells(slide))
        with Image.open(SAMPLES / cell.file) as image:
            kept = np.asarray(image).astype(int)
        with Image.open(io.BytesIO(drawing.encode(drawing.draw(cell)))) as image:
            again = np.asarray(image).astype(int)
        assert np.abs(kept - again).mean() < 1.0  # other library versions may round otherwise, no more


def test_a_cell_is_drawn_the_same_twice_and_unlike_the_next(drawing: ModuleType) -> None:
    first, second = (cell for cell, _ in zip(drawing.sample_cells(drawing.SLIDES[0]), range(2), strict=False))
    assert np.array_equal(drawing.draw(first), drawing.draw(first))
    assert not np.array_equal(drawing.draw(first), drawing.draw(second))


def test_every_cell_type_has_a_recipe(drawing: ModuleType) -> None:
    assert set(drawing.RECIPES) == set(CELL_TYPES)


def test_labels_list_what_the_script_draws(drawing: ModuleType, labels: list[dict[str, str]]) -> None:
    planned = [(c.file, c.label, c.slide.name) for slide in drawing.SLIDES for c in drawing.sample_cells(slide)]
    assert [(row["file"], row["label"], row["slide"]) for row in labels] == planned
