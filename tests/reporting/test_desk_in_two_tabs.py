"""The same page in two tabs: each change stays that of its tab."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Browser
from test_desk import galleries, go_to, text_of, wait_for
from test_desk_over_nights import corrections, give_name, mark, move, night, pictured
from test_screening import NORMAL

Switch = Callable[[], Browser]


@pytest.fixture
def tabs(browser: Browser, tmp_path: Path) -> Iterator[tuple[Switch, Switch]]:
    """Two tabs with the page of a slide; a call goes to the first, or to the second."""
    night(browser, tmp_path, pictured("Well", NORMAL))
    first = browser.session
    second = browser.new_tab()
    browser.open(tmp_path / "page.html", 1280)

    def switch(tab: str) -> Browser:
        browser.session = tab
        time.sleep(0.3)  # the other tab's change arrives
        return browser

    yield lambda: switch(first), lambda: switch(second)
    browser.close_tab(second)
    browser.session = first


def test_corrections_get_the_name_that_stands_in_their_tab(tabs: tuple[Switch, Switch], tmp_path: Path) -> None:
    one, other = tabs
    give_name(one(), "Ben")
    give_name(other(), "Ada")
    browser = one()
    assert browser.ask("reviewer.value") == "Ben"
    move(browser, "Well", "neutrophil0.jpg", "8")
    assert corrections(browser, tmp_path) == [("Well", "neutrophil0.jpg", "myeloblast", "Ben")]
    assert browser.complaints == []


def test_a_tab_without_a_name_shows_and_takes_that_of_the_other(tabs: tuple[Switch, Switch], tmp_path: Path) -> None:
    one, other = tabs
    give_name(other(), "Ada")
    browser = one()
    assert browser.ask("reviewer.value") == "Ada"
    move(browser, "Well", "neutrophil0.jpg", "8")
    assert corrections(browser, tmp_path) == [("Well", "neutrophil0.jpg", "myeloblast", "Ada")]


def test_undo_takes_back_what_this_tab_changed(tabs: tuple[Switch, Switch]) -> None:
    one, other = tabs
    move(one(), "Well", "neutrophil0.jpg", "8")
    move(other(), "Well", "neutrophil1.jpg", "7")
    browser = one()
    go_to(browser, "Well")
    browser.press("u")
    assert galleries(browser)["Variant lymphocyte"] == 1
    assert "Myeloblast" not in galleries(browser)
    assert browser.ask("document.querySelector('.current .undo').disabled") is True


def test_undo_leaves_a_cell_that_the_other_tab_changed_later(tabs: tuple[Switch, Switch]) -> None:
    one, other = tabs
    move(one(), "Well", "neutrophil0.jpg", "8")
    move(other(), "Well", "neutrophil0.jpg", "7")
    browser = one()
    go_to(browser, "Well")
    assert browser.ask("document.querySelector('.current .undo').disabled") is True
    browser.press("u")
    assert galleries(browser)["Variant lymphocyte"] == 1


def test_a_tab_that_is_opened_later_undoes_what_was_done_before(tabs: tuple[Switch, Switch], tmp_path: Path) -> None:
    one, other = tabs
    move(one(), "Well", "neutrophil0.jpg", "8")
    browser = other()
    browser.open(tmp_path / "page.html", 1280)
    go_to(browser, "Well")
    browser.press("u")
    assert "Myeloblast" not in galleries(browser)


def test_the_focus_stays_when_the_other_tab_changes_something(tabs: tuple[Switch, Switch]) -> None:
    one, other = tabs
    browser = one()
    go_to(browser, "Well")
    browser.ask("document.querySelector('.current .gallery li[data-image=\"neutrophil5.jpg\"]').focus()")
    move(other(), "Well", "neutrophil0.jpg", "8")
    browser = one()
    assert browser.ask("document.activeElement.dataset.image") == "neutrophil5.jpg"
    browser.press("8")
    assert galleries(browser)["Myeloblast"] == 2
    browser.press("w")
    wait_for(browser, None)
    assert mark(browser, "Well") == "not yet signed, 2 cells changed or confirmed"


def test_a_name_typed_under_sign_stays_when_a_cell_is_moved(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    go_to(browser, "Well")
    browser.ask("document.querySelector('.current .signer').focus()")
    browser.write("Dr. Bee")
    browser.ask("document.querySelector('.current .gallery li').focus()")
    browser.press("8")
    assert browser.ask("document.querySelector('.current .signer').value") == "Dr. Bee"
    browser.ask("document.querySelector('.current .sign').click()")
    assert text_of(browser, ".current .signed").startswith("✓ Signed by Dr. Bee")
