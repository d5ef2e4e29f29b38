"""Is this night like the nights before."""

from pathlib import Path

import numpy as np
import pytest
from conftest import Command, draw_cell, write_cells
from PIL import Image, ImageFilter

from slidescreen.appearance import MEASURES, measure
from slidescreen.drift import LEAST_NIGHTS, add_to_history, compare, read_history
from slidescreen.errors import InputError

PAST = [{"background_red": 200.0 + (n % 3), "sharpness": 4.0 + 0.02 * (n % 4)} for n in range(20)]


def look(image: Image.Image) -> dict[str, float]:
    return dict(zip(MEASURES, measure(image), strict=True))


def test_a_flat_image_has_the_colour_it_has_and_no_sharpness() -> None:
    found = look(Image.new("RGB", (120, 90), (230, 200, 180)))
    assert [found[f"background_{c}"] for c in ("red", "green", "blue")] == [230, 200, 180]
    assert found["sharpness"] == 0


def test_background_and_nucleus_are_told_apart() -> None:
    pixels = np.full((200, 200, 3), (220, 210, 205), np.uint8)
    pixels[60:140, 60:140] = (90, 40, 120)
    found = look(Image.fromarray(pixels))
    assert found["background_green"] == pytest.approx(210, abs=1)
    assert found["nucleus_blue"] == pytest.approx(120, abs=1)


def test_a_loss_of_focus_shows_in_the_sharpness_and_a_lamp_in_the_background() -> None:
    image = draw_cell(3, (200, 200))
    blurred = image.filter(ImageFilter.GaussianBlur(3))
    assert look(blurred)["sharpness"] < 0.7 * look(image)["sharpness"]
    darker = image.point(lambda value: int(0.8 * value))
    assert look(darker)["background_red"] == pytest.approx(0.8 * look(image)["background_red"], rel=0.02)
    assert look(darker)["sharpness"] == pytest.approx(look(image)["sharpness"], rel=0.1)


def test_a_usual_night_gets_no_remark() -> None:
    assert compare({"background_red": 202.0, "sharpness": 4.1}, PAST, {}) == []


def test_a_departure_is_named_with_its_figures() -> None:
    assert compare({"background_red": 170.0, "sharpness": 4.0}, PAST, {}) == [
        "background red 170.0 is 21 deviations below the 201.0 of 20 earlier runs"
    ]


def test_one_odd_night_among_the_past_changes_little() -> None:
    odd = [*PAST, {"background_red": 20.0, "sharpness": 400.0}]
    assert compare({"background_red": 201.0, "sharpness": 4.0}, odd, {}) == []
    assert len(compare({"background_red": 180.0}, odd, {})) == 1


def test_before_there_is_a_past_the_measured_images_are_asked() -> None:
    few = PAST[: LEAST_NIGHTS - 1]
    limits = {"background_red": (150.0, 250.0), "sharpness": (1.0, 9.0)}
    assert compare({"background_red": 170.0, "sharpness": 4.0}, few, limits) == []
    (remark,) = compare({"background_red": 120.0, "sharpness": 4.0}, few, limits)
    assert remark == "background red 120 is outside of 150–250, where the ensemble was measured"
    (close,) = compare({"background_red": 250.04}, [], {"background_red": (150.0, 250.0)})
    assert close == "background red 250.04 is outside of 150–250, where the ensemble was measured"


def test_a_laboratory_whose_cells_the_ensemble_is_less_sure_of_is_told_so_on_the_first_night() -> None:
    usual = {"mean_probability": (0.732, 1.0), "unidentified_percent": (0.0, 15.8)}
    assert compare({"mean_probability": 0.81, "unidentified_percent": 9.0}, [], usual) == []
    assert compare({"mean_probability": 0.7072, "unidentified_percent": 22.61}, [], usual) == [
        "mean probability 0.707 is outside of 0.732–1, where the ensemble was measured",
        "unidentified % 22.6 is outside of 0–15.8, where the ensemble was measured",
    ]


def test_the_history_reads_back_what_was_added(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    assert read_history(path) == []
    for number in range(3):
        add_to_history(path, f"2026-01-0{number + 1}", [], {"background_red": 200.5 + number})
    assert [row["background_red"] for row in read_history(path)] == [200.5, 201.5, 202.5]
    assert path.read_text().startswith("time,slides,images,background_red,")


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "time,slides,images,background_red\nx,1,1,much\n"])
def test_a_file_that_is_no_history_is_refused_before_the_work(text: str, command: Command) -> None:
    write_cells(Path("night/S"), 2)
    Path("history.csv").write_text(text)
    outcome = command("classify", "night", "--out", "run", "--history", "history.csv")
    assert outcome.code == 2
    assert "history.csv is no history of slidescreen" in outcome.err
    assert not Path("run").exists()
    with pytest.raises(InputError):
        read_history(Path("history.csv"))


def test_nights_are_compared_and_a_changed_lamp_is_told(command: Command) -> None:
    for number in range(LEAST_NIGHTS):
        write_cells(Path(f"night{number}/S"), 24, first_seed=100 * number)
        outcome = command("classify", f"night{number}", "--out", f"run{number}", "--history", "lab.csv")
        assert "stain or camera changed" not in outcome.out
    assert len(read_history(Path("lab.csv"))) == LEAST_NIGHTS
    write_cells(Path("dark/S"), 24, first_seed=5000)
    for path in Path("dark/S").iterdir():
        Image.open(path).point(lambda value: int(0.6 * value)).save(path)
    outcome = command("classify", "dark", "--out", "dark_run", "--history", "lab.csv")
    assert "stain or camera changed: check before trusting: background" in " ".join(outcome.out.split())
    assert "Stain or camera changed: check before trusting." in Path("dark_run/report.html").read_text()
