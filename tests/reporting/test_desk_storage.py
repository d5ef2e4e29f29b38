"""A browser that is full, or that keeps nothing: the page says so, and loses nothing that it could keep."""

import json
from pathlib import Path

import pytest
from browser import Browser
from test_desk import SICK, downloaded, go_to, reload, wait_for
from test_desk_over_nights import corrections, give_name, mark, move, night, pictured, sign
from test_handed_on import Laboratory
from test_screening import NORMAL

from slidescreen import cells
from slidescreen.screening.results import Run

STORE = "slidescreen review "
SHOWN = "document.querySelector('#unkept').checkVisibility()"
ASKS = "!window.dispatchEvent(new Event('beforeunload', {cancelable: true}))"
FILL = """(() => {
  for (let length = 2 ** 22; length >= 1; length /= 2) {
    try { for (;;) localStorage.setItem(`filler ${crypto.randomUUID()}`, 'x'.repeat(length)); } catch {}
  }
})()"""


@pytest.fixture(autouse=True)
def empty_storage(browser: Browser, tmp_path: Path) -> None:
    """All pages that are files share the browser's storage."""
    (tmp_path / "empty.html").write_text("<!doctype html><title>empty</title>", encoding="utf-8")
    browser.open(tmp_path / "empty.html", 1280)
    browser.ask("localStorage.clear()")


@pytest.fixture
def full(browser: Browser, tmp_path: Path) -> Browser:
    """A page of two slides in a browser whose storage is full."""
    night(browser, tmp_path, pictured("Well", NORMAL), pictured("Sick", SICK))
    give_name(browser, "Dr. A")
    browser.ask(FILL)
    return browser


def test_a_slide_says_that_the_browser_keeps_nothing_and_closing_asks_until_it_is_downloaded(
    full: Browser, tmp_path: Path
) -> None:
    assert full.ask(f"[{SHOWN}, {ASKS}]") == [False, False]
    go_to(full, "Well")
    full.press("8")
    full.ask("scrollTo(0, 600)")
    assert full.ask(f"[{SHOWN}, {ASKS}]") == [True, True]
    place = "document.querySelector('#unkept').getBoundingClientRect()"
    assert 0 <= full.ask(f"{place}.top") < full.ask(f"{place}.bottom") <= full.ask("innerHeight")
    (row,) = downloaded(full, tmp_path, "#unkept button")
    assert (row["slide"], row["cell_type"], row["reviewer"]) == ("Well", "myeloblast", "Dr. A")
    assert full.ask(f"[{SHOWN}, {ASKS}]") == [True, False]
    full.ask("localStorage.clear()")
    full.press("8")
    assert full.ask(f"[{SHOWN}, {ASKS}]") == [False, False]
    reload(full, tmp_path)
    assert mark(full, "Well") == "not yet signed, 2 cells changed or confirmed"
    assert full.complaints == []


def test_a_browser_without_storage_says_so_at_once_also_at_a_slide(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied'); }})"
    script = browser.send("Page.addScriptToEvaluateOnNewDocument", source=refuse)["identifier"]
    try:
        address = browser.ask("document.querySelector('.worklist a').href")
        browser.go("about:blank")
        browser.go(address)
        wait_for(browser, "Well")
        assert browser.ask(f"[{SHOWN}, {ASKS}]") == [True, False]  # nothing is lost yet
        browser.press("g", "8")
        assert browser.ask(f"[{SHOWN}, {ASKS}]") == [True, True]
    finally:
        browser.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_without_a_name_the_warning_leads_to_the_field_for_it(full: Browser) -> None:
    give_name(full, "")
    go_to(full, "Well")
    full.press("8")
    full.ask("document.querySelector('#unkept button').click()")
    assert full.ask("document.activeElement.id") == "reviewer"
    assert full.ask("document.querySelector('#kept').checkVisibility()") is True


def test_a_full_browser_forgets_other_runs_that_were_downloaded_the_oldest_first(
    browser: Browser, tmp_path: Path
) -> None:
    large = {"signed": None, "withdrawn": [], "comment": "x" * 50_000, "log": []}
    verdict = {"type": "lymphocyte", "previous": "monocyte", "time": "2026-11-24T08:00:00.000Z", "place": None}
    night(browser, tmp_path, pictured("Well", NORMAL))
    signed = {"reviewer": "Dr. A", "time": "2026-11-24T08:00:00.000Z"}
    for name, handed, signature, said in (
        ("new", "2026-11-26T00:00:00.000Z", signed, verdict),
        ("old", "2026-11-25T00:00:00.000Z", signed, verdict),
        ("comment", "2026-11-25T00:00:00.000Z", None, verdict),
        ("later", "2026-11-25T00:00:00.000Z", signed, {**verdict, "time": "2026-11-26T00:00:00.000Z"}),
        ("unknown", "", signed, verdict),
    ):
        review = {**large, "signed": signature, "cells": {"a.jpg": said}, "handedOn": handed}
        kept = json.dumps({"reviewer": "Dr. A", "slides": {"S": review}})
        browser.ask(f"localStorage.setItem({json.dumps(STORE + name)}, {json.dumps(kept)})")
    browser.ask(FILL)
    move(browser, "Well", "monocyte0.jpg", "8")
    others = f"Object.keys(localStorage).filter(k => k.startsWith('{STORE}') && !k.endsWith('{tmp_path}')).sort()"
    assert browser.ask(others) == [STORE + name for name in ("comment", "later", "new", "unknown")]
    assert browser.ask(SHOWN) is False
    browser.ask(FILL)
    move(browser, "Well", "monocyte1.jpg", "8")
    browser.ask(FILL)
    move(browser, "Well", "monocyte2.jpg", "8")
    assert browser.ask(others) == [STORE + name for name in ("comment", "later", "unknown")]
    assert browser.ask(SHOWN) is True
    reload(browser, tmp_path)
    assert mark(browser, "Well") == "not yet signed, 2 cells changed or confirmed"


def test_a_full_browser_forgets_what_the_run_has(browser: Browser, tmp_path: Path) -> None:
    run = Run((pictured("Well", NORMAL), pictured("Sick", SICK)), cells.CELL_TYPES, {"run": str(tmp_path)})
    laboratory = Laboratory(browser, tmp_path, run)
    laboratory.show()
    give_name(browser, "Dr. A")
    for number in range(10):
        move(browser, "Well", f"neutrophil{number}.jpg", "8")
    sign(browser, "Well", "Dr. A")
    laboratory.hand_on()
    laboratory.show()
    browser.ask(FILL)
    move(browser, "Sick", "monocyte0.jpg", "8")
    assert browser.ask(SHOWN) is False
    laboratory.show()
    assert mark(browser, "Sick") == "not yet signed, 1 cell changed or confirmed"
    assert corrections(browser, tmp_path) == [("Sick", "monocyte0.jpg", "myeloblast", "Dr. A")]
    assert browser.ask("document.querySelector('.worklist tr[data-slide=Well]').className") == "is-reviewed"


def test_another_tab_does_not_replace_what_the_browser_could_not_keep(full: Browser, tmp_path: Path) -> None:
    move(full, "Well", "monocyte0.jpg", "8")
    assert full.ask(SHOWN) is True
    elsewhere = {"type": "lymphocyte", "previous": "monocyte", "time": "2026-11-24T08:00:00.000Z", "place": None}
    review = {"cells": {"monocyte1.jpg": elsewhere}, "signed": None, "withdrawn": [], "comment": "", "log": []}
    kept = json.dumps({"reviewer": "Dr. A", "slides": {"Sick": review}})
    key = json.dumps(STORE + str(tmp_path))
    full.ask(f"localStorage.clear(); localStorage.setItem({key}, {json.dumps(kept)})")
    full.ask(f"window.dispatchEvent(new StorageEvent('storage', {{key: {key}}}))")
    assert full.ask(f"[{SHOWN}, {ASKS}]") == [False, False]
    reload(full, tmp_path)
    for name in ("Well", "Sick"):
        assert mark(full, name) == "not yet signed, 1 cell changed or confirmed"
