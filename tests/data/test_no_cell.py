"""Pictures that show no single cell, and cells that must not be taken for one."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, draw_cell, write_cells
from drawn_pictures import pictures, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from slidescreen.data.images import decode
from slidescreen.data.no_cell import why_no_cell
from slidescreen.runs.saved_run import read_run

SHARED = Path(__file__).parents[3] / "shared" / "data"


SAMPLES = sorted((Path(__file__).parents[2] / "sample_data" / "normal_01").rglob("*.jpg"))
NO_CELLS = pictures([decode(path.read_bytes()) for path in SAMPLES[:12]])


@pytest.mark.parametrize("jpeg", [False, True])
@pytest.mark.parametrize("name", NO_CELLS)
def test_what_shows_no_cell_is_told(name: str, jpeg: bool, tmp_path: Path) -> None:
    picture = NO_CELLS[name]
    if jpeg:
        picture.save(tmp_path / "a.jpg", quality=80)
        picture = decode((tmp_path / "a.jpg").read_bytes())
    assert why_no_cell(picture)


def test_a_wholly_transparent_picture_shows_nothing(tmp_path: Path) -> None:
    clear = draw_cell(1).convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "a.png")
    assert why_no_cell(decode((tmp_path / "a.png").read_bytes())).startswith("blank")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(40, 560), st.floats(0.75, 1.33), st.floats(0.4, 1.0), st.booleans(),
    st.sampled_from([None, (0, 0, 0), (255, 255, 255)]),
)  # fmt: skip
def test_a_cell_of_any_size_and_light_is_none_of_them(
    seed: int, side: int, aspect: float, light: float, grey: bool, mask: tuple[int, int, int] | None
) -> None:
    """Also cut out by its outline, as some laboratories do, and in grey."""
    cell = draw_cell(seed)
    if mask is not None:
        outline = Image.new("L", cell.size)
        ImageDraw.Draw(outline).ellipse((6, 6, 66, 64), 255)
        cell = Image.composite(cell, Image.new("RGB", cell.size, mask), outline)
    image = cell.resize((side, round(side * aspect)), Image.Resampling.BICUBIC).point(lambda value: int(value * light))
    assert why_no_cell(image.convert("L").convert("RGB") if grey else image) == ""


@pytest.mark.skipif(not SHARED.is_dir(), reason="no real cell images here")
def test_no_real_cell_is_one_of_them() -> None:
    found = []
    for name in ("cells.csv", "labs.csv"):
        with (SHARED / name).open() as file:
            found += [SHARED / row["file"] for row in csv.DictReader(file)]
    chosen = np.random.default_rng(0).choice(len(found), 250, replace=False)
    assert [path for path in (found[n] for n in chosen) if why_no_cell(decode(path.read_bytes()))] == []


def test_a_run_says_which_images_show_no_cell_and_which_files_hold_more(command: Command) -> None:
    write_cells(Path("in/S"), 3)
    plain().save("in/S/blank.png")
    NO_CELLS["a note"].save("in/S/note.jpg")
    draw_cell(77).save("in/S/pages.tif", save_all=True, append_images=[draw_cell(78)])
    outcome = command("classify", "in", "--out", "out", "--verbose")
    said = " ".join(outcome.out.split())
    assert outcome.code == 0
    assert (
        "2 images show no single cell and stay unidentified: S: blank.png (blank or nearly blank: nothing is stained)"
        in said
    )
    assert "1 file with several pages or frames; only the first was used" in said
    with Path("out/cells.csv").open() as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    for name in ("blank.png", "note.jpg"):
        assert (rows[name]["status"], rows[name]["cell_type"]) == ("unidentified", "")
    assert rows["pages.tif"]["status"] == "classified"
    for again in (False, True):  # the second run finds the slide finished, and says the same
        if again:
            assert "2 images show no single cell" in " ".join(command("classify", "in", "--out", "out").out.split())
        info = json.loads(Path("out/run.json").read_text())
        assert [(each["slide"], each["image"]) for each in info["not_cells"]] == [("S", "blank.png"), ("S", "note.jpg")]
        assert info["remarks"] == {"the first of 2 pages": 1}
        assert info["failures"] == []
    page = Path("out/report.html").read_text()
    assert page.count("No cell</strong> <span>blank or nearly blank") == 1
    assert "2 images show no single cell" in page
    assert command("report", "out").code == 0
    assert Path("out/report.html").read_text() == page
    calls = {call.image: call.reason for slide in read_run(Path("out")).slides for call in slide.calls}
    assert calls["blank.png"] == "blank or nearly blank: nothing is stained"
