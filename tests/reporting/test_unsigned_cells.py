"""The page does not take the analyser's calls of unsigned slides for the laboratory's."""

from pathlib import Path

import pytest
from browser import Browser
from conftest import Command, write_cells
from test_desk import galleries, go_to, reload, show, text_of
from test_screening import ensemble, measured

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import Slide
from slidescreen.reporting.page import render_run
from slidescreen.reporting.reported_types import unsigned_images
from slidescreen.screening.results import Run, SlideResult, judge
from slidescreen.screening.thresholds import default_thresholds

SIGNED, UNSIGNED = "Signed slides/Lymphocyte", "Unsigned slides/Lymphocyte"


def mixed(folder: str = "/nowhere", parts: tuple[str, ...] = (SIGNED, UNSIGNED)) -> SlideResult:
    """A slide of a signed myeloblast and two unsigned ones, all in folders of lymphocytes."""
    row = tuple(0.9 if name == "myeloblast" else 0.1 / 15 for name in cells.CELL_TYPES)
    names = [f"{part}/{number}.jpg" for part, count in zip(parts, (1, 2), strict=False) for number in range(count)]
    calls = tuple(Call(name, Status.CLASSIFIED, "myeloblast", 0.9, "lymphocyte", row) for name in names)
    return judge(Slide("S", Path(folder), ()), calls, ensemble(measured()), default_thresholds())


def page(slide: SlideResult) -> str:
    return render_run(Run((slide,), cells.CELL_TYPES, {"run": "a"}))


def test_the_folder_of_unsigned_slides_tells_whose_calls_they_are() -> None:
    slide = mixed()
    assert unsigned_images(slide, slide.calls) == {f"{UNSIGNED}/0.jpg", f"{UNSIGNED}/1.jpg"}
    inside = mixed("/night/26-1/Unsigned slides", ("Lymphocyte",))  # the container is above the slide, or is the slide
    assert unsigned_images(inside, inside.calls) == {"Lymphocyte/0.jpg"}
    signed = mixed("/Unsigned slides/26-1", (SIGNED,))
    assert unsigned_images(signed, signed.calls) == frozenset()


def test_the_page_calls_them_the_analysers() -> None:
    text = page(mixed())
    assert text.count("<em>laboratory: Lymphocyte ≠</em>") == 1
    assert text.count("<em>analyser: Lymphocyte ≠</em>") == 2
    assert "Call and laboratory differ on 1 of 1 cell:" in text
    assert "Call and laboratory differ" not in page(mixed("/night/Unsigned slides", ("Lymphocyte",)))


def test_a_page_of_signed_slides_alone_holds_no_more_than_before() -> None:
    assert '"unsigned":[' in page(mixed())
    assert '"unsigned":[' not in page(mixed(parts=(SIGNED,)))


def test_the_desk_shows_them_and_does_not_take_them_for_labels(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, Run((mixed(),), cells.CELL_TYPES, {"run": str(tmp_path)}))
    go_to(browser, "S")
    marks = "[...document.querySelectorAll('.current .gallery em')].map(line => line.textContent).sort()"
    assert browser.ask(marks) == ["≠ analyser: Lymphocyte"] * 2 + ["≠ laboratory: Lymphocyte"]
    browser.press("d")
    assert galleries(browser) == {"Called otherwise by the laboratory": 1}
    browser.press("d")
    browser.ask("[...document.querySelectorAll('.current .gallery li')].find(li => li.title.startsWith('Un')).focus()")
    browser.press("l")
    assert galleries(browser) == {"Myeloblast": 3}
    browser.press("Enter")
    assert "Analyser: Lymphocyte ≠" in text_of(browser, "#viewer .facts")
    assert browser.complaints == []


@pytest.mark.parametrize(("container", "label"), [("Unsigned slides", "analyser"), ("Signed slides", "laboratory")])
def test_the_page_of_cells_worth_a_look_says_whose_calls_they_are(
    command: Command, browser: Browser, tmp_path: Path, container: str, label: str
) -> None:
    write_cells(Path("night/S", container, "Lymphocyte"), 3)
    assert command("classify", "night", "--out", "run", "--quiet").code == 0
    assert command("report", "run", "--uncertain", "3", "--out", tmp_path).code == 0
    text = (tmp_path / "uncertain.html").read_text(encoding="utf-8")
    assert text.count(f"<span>{label}: Lymphocyte</span>") == 3
    (tmp_path / "uncertain.html").rename(tmp_path / "page.html")
    reload(browser, tmp_path)
    tiles = "[...document.querySelectorAll('.gallery li')].map(tile => tile.getAttribute('aria-label'))"
    assert all(f"{label}: Lymphocyte" in said for said in browser.ask(tiles))
    browser.press("l")
    assert (text_of(browser, "#left") == "3 of 3 cells left to look at") == (label == "analyser")
