"""A reviewer signs what the page shows; the page says what it does not show."""

from dataclasses import replace
from pathlib import Path

from browser import Browser
from test_desk import DOT, galleries, go_to, text_of, wait_for
from test_desk_over_nights import corrections, night, pictured, sign
from test_screening import NORMAL, ensemble, measured

from slidescreen import cells
from slidescreen.data.slides import Slide
from slidescreen.reporting.page import render_run
from slidescreen.screening.results import Run, SlideResult, judge
from slidescreen.screening.thresholds import default_thresholds


def show_suspicious(browser: Browser, folder: Path, *slides: SlideResult) -> None:
    """Show a page with pictures of the suspicious cells alone, as `classify --page-cells suspicious` writes it."""
    text = render_run(Run(slides, cells.CELL_TYPES, {"run": str(folder)}), picture=lambda _: DOT)
    (folder / "page.html").write_text(text, encoding="utf-8")
    browser.complaints.clear()
    browser.open(folder / "page.html", 1280)


def press_sign(browser: Browser) -> str:
    browser.ask("document.querySelector('.current .sign').click()")
    return text_of(browser, ".current .signed")


def test_cells_without_a_picture_are_only_signed_if_sign_is_pressed_again(browser: Browser, tmp_path: Path) -> None:
    show_suspicious(browser, tmp_path, pictured("Well", {**NORMAL, "myeloblast": 2}))
    go_to(browser, "Well")
    tiles = sum(galleries(browser).values())
    count = sum(NORMAL.values()) + 2
    assert 2 <= tiles < count
    said = f"{count - tiles} of {count} cells have no picture in this page. slidescreen report RUN draws more."
    assert text_of(browser, ".current .unseen") == said
    assert browser.ask("document.querySelector('.current .unseen').checkVisibility()") is True
    browser.ask("document.querySelector('.current .signer').value = 'Dr. A'")
    assert f"sign {count - tiles} cells without a picture" in press_sign(browser)
    assert browser.ask("document.querySelector('.current').classList.contains('is-signed')") is False
    browser.press("w")
    wait_for(browser, None)
    go_to(browser, "Well")
    browser.ask("document.querySelector('.current .signer').value = 'Dr. A'")
    assert press_sign(browser).startswith("Not signed yet.")  # it is said anew at each visit
    assert press_sign(browser).startswith("✓ Signed by Dr. A")
    assert corrections(browser, tmp_path) == [("Well", "", "", "Dr. A")]
    assert browser.complaints == []


def test_a_slide_whose_cells_all_have_pictures_is_signed_at_once(browser: Browser, tmp_path: Path) -> None:
    show_suspicious(browser, tmp_path, pictured("Blasts", {"myeloblast": 12}))
    go_to(browser, "Blasts")
    assert browser.ask("document.querySelector('.current .unseen').hidden") is True
    sign(browser, "Blasts", "Dr. A")
    assert corrections(browser, tmp_path) == [("Blasts", "", "", "Dr. A")]


def test_every_slide_opens_with_all_its_cells_and_is_signed_with_all_in_sight(browser: Browser, tmp_path: Path) -> None:
    well = pictured("Well", NORMAL)
    calls = (replace(well.calls[0], reported_type="basophil"), *well.calls[1:])
    first = judge(Slide("First", Path("/nowhere"), ()), calls, ensemble(measured()), default_thresholds())
    night(browser, tmp_path, first, well)
    every = sum(NORMAL.values())
    only = {"Called otherwise by the laboratory": 1}
    go_to(browser, "First")
    browser.press("d")
    assert galleries(browser) == only
    browser.ask("document.querySelector('.current .next').click()")
    wait_for(browser, "Well")
    assert sum(galleries(browser).values()) == every
    browser.press("k")
    wait_for(browser, "First")
    assert sum(galleries(browser).values()) == every
    browser.press("d")
    assert galleries(browser) == only
    browser.ask("document.querySelector('.current .signer').value = 'Dr. A'")
    assert press_sign(browser).startswith("✓ Signed by Dr. A")
    assert sum(galleries(browser).values()) == every
    assert browser.complaints == []
