"""Slides and images whose names are not printable: their pictures are shown, reviewed, measured and learnt from."""

import hashlib
import shutil
from pathlib import Path

import pytest
from conftest import Command, draw_cell, write_cells
from test_corrections import corrections, table

from slidescreen.data.label_options import LabelRules
from slidescreen.data.reviewed_labels import read_reviewed_cells
from slidescreen.errors import InputError
from slidescreen.evaluation.prediction_files import of_tables
from slidescreen.files.run_files import FINISHED
from slidescreen.reporting.kept_pictures import KeptPictures
from slidescreen.runs.heat_maps import explain_run
from slidescreen.runs.saved_run import read_run
from slidescreen.screening.slide_contents import contents_of_slide

FOLDER = "Blast\u3000cells"


@pytest.fixture
def run(command: Command) -> Path:
    """A slide with a class folder that has a Japanese space, and two images whose names look alike."""
    write_cells(Path("night/S1", FOLDER), 3)
    for seed, name in enumerate(("two  sp.jpg", "two sp.jpg")):
        draw_cell(50 + seed).save(Path("night/S1", name))
    assert command("classify", "night", "--out", "run", "--slide-depth", "1").code == 0
    return Path("run")


def images() -> list[str]:
    return [row["image"] for row in table("cells.csv")]


def hashed(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def confirmed(images: list[str]) -> Path:
    """A correction of each image: it is a lymphoblast."""
    lines = [("S1", image, "lymphoblast", "", "Ada", "2026-11-24T08:00:00Z", "", "") for image in images]
    return corrections(*lines)


def test_their_pictures_are_found_without_the_record(run: Path) -> None:
    shown = images()
    assert any("\\u3000" in image for image in shown)
    assert any(" #" in image for image in shown)
    shutil.rmtree(run / FINISHED)
    (slide,) = read_run(run).slides
    expected = sorted(hashed(path) for path in Path("night").rglob("*.jpg"))
    assert sorted(contents_of_slide(slide).values()) == expected


def test_the_page_shows_them(command: Command, run: Path) -> None:
    shutil.rmtree(run / FINISHED)  # with the pictures that were drawn in the night
    (slide,) = read_run(run).slides
    drawn = [KeptPictures(slide).get(call.image, hashed) for call in slide.calls]
    assert sorted(filter(None, drawn)) == sorted(hashed(path) for path in Path("night").rglob("*.jpg"))
    assert command("report", run, "--uncertain", "5").code == 0
    page = (run / "uncertain" / "uncertain.html").read_text(encoding="utf-8")
    assert page.count("data:image/") == len(images())


def test_their_reviews_train_a_network_and_are_refused_for_another_picture(command: Command, run: Path) -> None:
    assert command("report", run, "--corrections", confirmed(images())).code == 0
    found = read_reviewed_cells(run)
    assert {each.path.resolve() for each in found} == {path.resolve() for path in Path("night").rglob("*.jpg")}
    draw_cell(99).save(Path("night/S1", FOLDER, "cell_000.jpg"))
    with pytest.raises(InputError, match="the pictures of slide 'S1' have changed since their review"):
        read_reviewed_cells(run)


def test_they_are_measured_against_labels_of_their_folders(command: Command, run: Path) -> None:
    Path("labels.csv").write_text(
        f"file,label\nnight/S1/{FOLDER}/cell_000.jpg,lymphoblast\nnight/S1/two  sp.jpg,monocyte\n", encoding="utf-8"
    )
    assert command("report", run, "--truth", "labels.csv", "--out", "measured").code == 0
    page = Path("measured/disagreements.html").read_text(encoding="utf-8")
    assert page.count("data:image/") == 2


def test_their_heat_maps_are_drawn_with_an_ensemble_whose_folder_has_such_a_name(
    command: Command, ensemble_folder: Path
) -> None:
    shutil.copytree(ensemble_folder, "our\u3000ensemble")
    write_cells(Path("night/S1", FOLDER), 2)
    classified = command("classify", "night", "--out", "run", "--ensemble", "our\u3000ensemble", "--slide-depth", "1")
    assert classified.code == 0
    assert command("report", "run", "--corrections", confirmed(images())).code == 0  # what was changed has a heat map
    told: list[tuple[int, int]] = []
    found = explain_run(read_run(Path("run")), None, "cpu", lambda *now: told.append(now))
    assert {image for _, image in found} == set(images())
    assert told


def test_results_are_never_written_into_an_input_of_such_a_name(command: Command) -> None:
    write_cells(Path("our\u3000night/S1"), 2)
    assert command("classify", "our\u3000night", "--out", "run").code == 0
    outcome = command("report", "run", "--truth", "reported", "--out", "our\u3000night/measured")
    assert outcome.code == 2
    assert "--out must not lie inside" in outcome.err


def test_pictures_of_predictions_are_found_by_the_names_in_their_table(tmp_path: Path) -> None:
    (picture,) = write_cells(tmp_path / FOLDER, 1)
    text = "image,truth,cell_type\nBlast\\u3000cells/cell_000.jpg,lymphoblast,basophil\n"
    (tmp_path / "predictions.csv").write_text(text, encoding="utf-8")
    (found,) = of_tables([tmp_path / "predictions.csv"], LabelRules())
    assert found.pictures == (picture,)
