"""Two pages with other pictures of a slide share what the browser keeps: neither loses what was said in the other."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import Browser
from test_desk import DOT, SICK, go_to, text_of
from test_desk_over_nights import corrections, give_name, mark, move, pictured, sign
from test_screening import NORMAL

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.reporting.chosen_cells import CellPage, ChosenCell, render_cells
from slidescreen.reporting.page import render_run
from slidescreen.screening.results import Run, SlideResult

Open = Callable[[str], None]
NEW = {**NORMAL, "myeloblast": 10}


def other_pictures(counts: dict[str, int]) -> SlideResult:
    """A slide of an archive: the names of the run's slide, but other pictures."""
    names = [f"{kind}{number}" for kind, count in counts.items() for number in range(count)]
    return pictured("Well", counts, **{name: f"archived {name}" for name in names})


@pytest.fixture
def pages(browser: Browser, tmp_path: Path) -> Open:
    """Opens the page of a run, of its night before, or of its archive."""
    slides = {"before": pictured("Well", NORMAL), "now": pictured("Well", NEW), "archive": other_pictures(SICK)}
    for name, slide in slides.items():
        run = Run((slide,), cells.CELL_TYPES, {"run": str(tmp_path)})
        text = render_run(run, picture=lambda _: DOT, others=lambda _: DOT)
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
    browser.complaints.clear()
    browser.open(tmp_path / "now.html", 1280)
    give_name(browser, "Ada")
    return lambda name: browser.open(tmp_path / f"{name}.html", 1280)


def comment(browser: Browser, text: str) -> None:
    go_to(browser, "Well")
    box = "document.querySelector('.current .comment')"
    browser.ask(f"{box}.value = {json.dumps(text)}; {box}.dispatchEvent(new Event('input'))")
    browser.press("w")


@pytest.mark.parametrize("other", ["before", "archive"])
def test_a_change_in_another_page_erases_nothing(other: str, browser: Browser, pages: Open, tmp_path: Path) -> None:
    for image in ("myeloblast1.jpg", "myeloblast2.jpg"):
        move(browser, "Well", image, "6")
    sign(browser, "Well", "Ada")
    here = corrections(browser, tmp_path)
    assert len(here) == 3
    pages(other)
    assert mark(browser, "Well") == ""
    move(browser, "Well", "monocyte0.jpg", "3")
    comment(browser, "seen there")
    sign(browser, "Well", "Ada")
    there = [("Well", "", "", "Ada"), ("Well", "monocyte0.jpg", "eosinophil", "Ada")]
    assert sorted(corrections(browser, tmp_path)) == there
    pages("now")
    if other == "archive":
        assert mark(browser, "Well") == "✓ reviewed by Ada, 2 cells changed or confirmed"
        assert sorted(corrections(browser, tmp_path)) == sorted(here)
    else:  # the moved cell is of this page too, and its signature was over another type
        assert mark(browser, "Well") == "not yet signed, 3 cells changed or confirmed"
        assert sorted(corrections(browser, tmp_path)) == sorted([*here, there[1]])
    go_to(browser, "Well")
    assert browser.ask("document.querySelector('.current .comment').value") == ""
    pages(other)
    assert mark(browser, "Well").startswith("✓ reviewed by Ada")
    go_to(browser, "Well")
    assert browser.ask("document.querySelector('.current .comment').value") == "seen there"
    assert browser.complaints == []


def test_a_download_of_one_page_hands_on_nothing_of_another(browser: Browser, pages: Open, tmp_path: Path) -> None:
    sign(browser, "Well", "Ada")
    pages("archive")
    move(browser, "Well", "monocyte0.jpg", "3")
    assert corrections(browser, tmp_path) == [("Well", "monocyte0.jpg", "eosinophil", "Ada")]
    pages("now")
    assert mark(browser, "Well") == "✓ reviewed by Ada"
    go_to(browser, "Well")
    browser.ask("document.querySelector('.current .withdraw').click()")
    browser.ask("document.querySelector('#download').click()")
    assert text_of(browser, "#kept").startswith("Nothing to download yet")  # no file has the signature


def chosen(*numbers: int, slide: str = "S") -> str:
    """A page of chosen cells."""
    row = (0.9, *[0.1 / 15] * 15)
    found = [
        ChosenCell(slide, Call(f"{n}.jpg", Status.CLASSIFIED, "neutrophil", 0.9, "", row), DOT, f"{n:02d}" * 32)
        for n in numbers
    ]
    return render_cells(
        found, CellPage("Cells worth a look", ["x"], cells.CELL_TYPES, "laboratory", "run1", "run1 todo")
    )


def test_labels_of_an_earlier_choice_of_cells_are_handed_on(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(chosen(*range(6)), encoding="utf-8")
    browser.complaints.clear()
    browser.open(path, 1280)
    give_name(browser, "Ada")
    for number in range(6):
        browser.ask(f"document.querySelector('.gallery li[data-image=\"S/{number}.jpg\"]').focus()")
        browser.press("8")
    path.write_text(chosen(*range(4, 10)), encoding="utf-8")
    browser.open(path, 1280)
    assert (
        text_of(browser, "#left") == "4 of 6 cells left to look at; the download also has 4 cells of an earlier choice"
    )
    browser.ask("document.querySelector('.gallery li[data-image=\"S/9.jpg\"]').focus()")
    browser.press("3")
    labelled = [("S", f"{number}.jpg", "myeloblast", "Ada") for number in range(6)]
    assert sorted(corrections(browser, tmp_path)) == [*labelled, ("S", "9.jpg", "eosinophil", "Ada")]
    path.write_text(chosen(0, 1, slide="S2"), encoding="utf-8")  # the same pictures in another slide
    browser.open(path, 1280)
    assert (
        text_of(browser, "#left") == "2 of 2 cells left to look at; the download also has 7 cells of an earlier choice"
    )
    assert len(corrections(browser, tmp_path)) == 7
    path.write_text(chosen(*range(6)), encoding="utf-8")
    browser.open(path, 1280)
    assert text_of(browser, "#left").startswith("You have looked at all cells; the download also has 1 cell")
    browser.press("u")
    assert text_of(browser, ".changes") == "Undone: 1 cell."
    assert browser.complaints == []
