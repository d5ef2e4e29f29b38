"""Is this night like the nights before."""

from pathlib import Path

import numpy as np
import pytest
from conftest import Command, draw_cell, write_cells
from PIL import Image, ImageFilter

from slidescreen.data.appearance import MEASURES, measure
from slidescreen.data.calls import Call, Status
from slidescreen.runs.drift import LEAST_NIGHTS, Profile, compare, profile_of
from slidescreen.runs.history import read_history
from slidescreen.screening.differential import Differential
from slidescreen.screening.finding import Finding, Verdict
from slidescreen.screening.results import SlideResult

PAST = [Profile(40, {"background_red": 200.0 + (n % 3), "sharpness": 4.0 + 0.02 * (n % 4)}) for n in range(20)]


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


def night(slides: int = 40, **figures: float) -> Profile:
    return Profile(slides, figures)


def test_a_usual_night_gets_no_remark() -> None:
    assert compare(night(background_red=202.0, sharpness=4.1), PAST, {}) == []


def test_a_departure_is_named_with_its_figures() -> None:
    assert compare(night(background_red=170.0, sharpness=4.0), PAST, {}) == [
        "background red: 170.0, 21 robust standard deviations below the median of 20 earlier runs (201.0)"
    ]


def test_one_odd_night_among_the_past_changes_little() -> None:
    odd = [*PAST, night(background_red=20.0, sharpness=400.0)]
    assert compare(night(background_red=201.0, sharpness=4.0), odd, {}) == []
    assert len(compare(night(background_red=180.0), odd, {})) == 1


def test_before_there_is_a_past_the_measured_images_are_asked() -> None:
    few = PAST[: LEAST_NIGHTS - 1]
    limits = {"background_red": (150.0, 250.0), "sharpness": (1.0, 9.0)}
    assert compare(night(background_red=170.0, sharpness=4.0), few, limits) == []
    (remark,) = compare(night(background_red=120.0, sharpness=4.0), few, limits)
    assert remark == "background red: 120, outside the range of the validation images (150–250)"


def test_a_background_as_white_as_it_can_be_is_no_departure_from_one_that_nearly_was() -> None:
    assert compare(night(1, background_red=254.972), [], {"background_red": (163.9, 254.970)}) == []
    (close,) = compare(night(sharpness=9.1004), [], {"sharpness": (1.0, 9.0)})
    assert close == "sharpness: 9.1, outside the range of the validation images (1–9)"


def test_a_laboratory_whose_cells_the_ensemble_is_less_sure_of_is_told_so_on_the_first_night() -> None:
    usual = {"mean_probability": (0.732, 1.0), "unidentified_percent": (0.0, 15.8)}
    assert compare(night(mean_probability=0.81, unidentified_percent=9.0), [], usual) == []
    assert compare(night(mean_probability=0.7072, unidentified_percent=22.61), [], usual) == [
        "mean probability: 0.707, outside the range of the validation images (0.732–1)",
        "unidentified %: 22.6, outside the range of the validation images (0–15.8)",
    ]


def test_certainty_is_judged_over_enough_slides_and_not_by_one_difficult_one() -> None:
    usual = {"mean_probability": (0.755, 1.0)}
    assert compare(night(1, mean_probability=0.715), [], usual) == []
    nights = [night(3, mean_probability=0.71) for _ in range(3)]
    assert compare(night(3, mean_probability=0.71), nights, usual) == [
        "mean probability (last 12 slides): 0.71, outside the range of the validation images (0.755–1)"
    ]


def test_a_lone_slide_of_leukaemia_is_no_change_of_stain() -> None:
    usual = [night(1, nucleus_red=120.0 + n % 4, sharpness=3.5, neutrophil_percent=55.0 + n % 5, myeloblast_percent=0.0)
             for n in range(30)]  # fmt: skip
    ill = night(1, nucleus_red=100.0, sharpness=2.4, neutrophil_percent=3.0, myeloblast_percent=90.0)
    assert compare(ill, usual, {}) == []
    large = [night(30, **look.figures) for look in usual]
    assert compare(ill, large, {}) == []
    (remark,) = compare(night(30, myeloblast_percent=90.0), large, {})
    assert remark == "myeloblast %: 90.0, 90 robust standard deviations above the median of 30 earlier runs (0.0)"


def test_what_changed_for_good_is_told_to_a_small_laboratory_too() -> None:
    usual = [night(2, nucleus_red=120.0 + n % 4, band_neutrophil_percent=4.0 + n % 2) for n in range(30)]
    changed = night(2, nucleus_red=150.0, band_neutrophil_percent=30.0)
    told = [len(compare(changed, [*usual, *[changed] * after], {})) for after in range(4)]
    assert told == [0, 0, 2, 2]


def test_figures_of_a_night_are_medians_over_its_slides() -> None:
    def slide(types: str, probability: float) -> SlideResult:
        kinds = {"n": "neutrophil", "b": "myeloblast"}
        calls = tuple(
            Call(f"{at}.jpg", Status.CLASSIFIED, kinds[kind], probability, appearance=tuple(range(7)))
            for at, kind in enumerate(types)
        )
        return SlideResult(Differential("S", 9, 9, 0, 0, 0, 9, {}, {}), Finding(Verdict.CLEAR, (), ()), calls, Path())

    look = profile_of([slide("nnnn", 0.9), slide("nnnb", 0.8), slide("bbbbbbbbbbbb", 0.4)])
    assert look.slides == 3
    assert look.figures["neutrophil_percent"] == 75
    assert look.figures["myeloblast_percent"] == 25
    assert look.figures["mean_probability"] == pytest.approx(0.8)
    assert look.figures["background_green"] == 1


def test_nights_are_compared_and_a_changed_lamp_is_told(command: Command) -> None:
    for number in range(LEAST_NIGHTS):
        write_cells(Path(f"night{number}/S"), 24, first_seed=100 * number)
        outcome = command("classify", f"night{number}", "--out", f"run{number}", "--history", "lab.csv")
        assert "stain or camera changed" not in outcome.out
    assert len(read_history(Path("lab.csv")).rows) == LEAST_NIGHTS
    write_cells(Path("dark/S"), 24, first_seed=5000)
    for path in Path("dark/S").iterdir():
        Image.open(path).point(lambda value: int(0.6 * value)).save(path)
    outcome = command("classify", "dark", "--out", "dark_run", "--history", "lab.csv")
    assert "check stain and camera before you trust this run: background" in " ".join(outcome.out.split())
    assert "Check stain and camera before you trust this run." in Path("dark_run/report.html").read_text()
