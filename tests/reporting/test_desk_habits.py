"""What a reviewer does without thinking: hold a key, reload, print, write a comment."""

import time
from pathlib import Path

import pytest
from browser import Browser
from test_desk import DOT, SICK, galleries, go_to, reload, text_of, wait_for
from test_desk_over_nights import corrections, give_name, move, night, pictured, sign
from test_screening import NORMAL

from slidescreen import cells
from slidescreen.reporting.page import render_run
from slidescreen.screening.results import Run, SlideResult

TEXT = "Line one.\\nLine two: bone marrow recommended.\\nLine three.\\nLine four: THE END."
SHOWN = "document.querySelector('{}').checkVisibility()"


def write(folder: Path, *slides: SlideResult) -> None:
    """Write the page of a later night, without opening it."""
    run = Run(slides, cells.CELL_TYPES, {"run": str(folder)})
    text = render_run(run, picture=lambda _: DOT, others=lambda _: DOT)
    (folder / "page.html").write_text(text, encoding="utf-8")


def press_reload(browser: Browser) -> None:
    browser.ask("window.isOld = true")
    browser.send("Page.reload")
    for _ in range(200):
        if browser.ask("!window.isOld && document.readyState === 'complete'"):
            return
        time.sleep(0.02)
    pytest.fail("the page does not reload")


def hold(browser: Browser, key: str, times: int) -> None:
    held = {"key": key, "text": key, "windowsVirtualKeyCode": ord(key.upper())}
    for number in range(times):
        browser.send("Input.dispatchKeyEvent", type="keyDown", autoRepeat=number > 0, **held)
    browser.send("Input.dispatchKeyEvent", type="keyUp", key=key)


@pytest.mark.parametrize("key", ["8", "c", "u"])
def test_a_key_that_is_held_acts_once(browser: Browser, tmp_path: Path, key: str) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    go_to(browser, "Well")
    browser.press("7", "7", "7")
    hold(browser, key, 12)
    said = {"8": "1 cell moved to Myeloblast.", "c": "1 cell confirmed.", "u": "Undone: 1 cell."}
    assert text_of(browser, ".current .changes") == said[key]
    assert galleries(browser)["Variant lymphocyte"] == 3 - (key == "u")
    touched = browser.ask("document.querySelectorAll('.current .touched').length")
    assert touched == {"8": 4, "c": 4, "u": 2}[key]


def test_a_held_arrow_goes_on(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    go_to(browser, "Well")
    for number in range(5):
        browser.send("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", autoRepeat=number > 0)
    tiles = "[...document.querySelectorAll('.current .gallery li')]"
    assert browser.ask(f"{tiles}.indexOf(document.activeElement)") == 5


def test_no_key_decides_on_a_cell_out_of_sight(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    go_to(browser, "Well")
    tile = "document.querySelector('.current .gallery li')"
    browser.ask(f"{tile}.focus(); document.querySelector('.current .signing').scrollIntoView()")
    assert browser.ask(f"{tile}.getBoundingClientRect().bottom") < 0
    browser.press("8")
    assert text_of(browser, ".current .changes").startswith("The cell was out of sight.")
    assert "Myeloblast" not in galleries(browser)
    assert 0 <= browser.ask("document.activeElement.getBoundingClientRect().top") < 900
    browser.press("8")
    assert galleries(browser)["Myeloblast"] == 1


def test_after_a_later_night_a_reload_shows_the_same_slide(browser: Browser, tmp_path: Path) -> None:
    well, sick = pictured("Well", NORMAL), pictured("Sick", SICK)
    night(browser, tmp_path, well)
    go_to(browser, "Well")
    first = browser.ask("location.hash")
    address = browser.ask("location.href")
    for slides, expected in (((well, sick), "Well"), ((sick,), None)):
        write(tmp_path, *slides)
        press_reload(browser)
        wait_for(browser, expected)
    assert browser.ask("location.hash") == "#worklist"
    write(tmp_path, well, sick)
    browser.go("about:blank")
    browser.go(address)
    wait_for(browser, "Sick")  # a new visit goes by the address
    assert browser.ask("location.hash") == first
    browser.press("j")
    wait_for(browser, "Well")
    browser.ask("history.back()")
    wait_for(browser, "Sick")
    assert browser.complaints == []


def test_a_printed_slide_has_the_whole_comment(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    go_to(browser, "Well")
    box = "document.querySelector('.current .comment')"
    browser.ask(f"{box}.value = '{TEXT}'; {box}.dispatchEvent(new Event('input'))")
    printed = "document.querySelector('.current .comment-in-print')"
    assert browser.ask(f"{printed}.checkVisibility()") is False
    browser.send("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.ask(f"[{box}, {printed}].map(e => e.checkVisibility())") == [False, True]
        assert browser.ask(f"{printed}.innerText") == TEXT.replace("\\n", "\n")
    finally:
        browser.send("Emulation.setEmulatedMedia", media="")


def test_the_printed_worklist_says_what_was_reviewed(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL), pictured("Sick", SICK))
    move(browser, "Well", "monocyte0.jpg", "8")
    sign(browser, "Well", "Dr. A")
    reload(browser, tmp_path)
    browser.ask("window.dispatchEvent(new Event('beforeprint'))")
    browser.send("Emulation.setEmulatedMedia", media="print")
    try:
        number = browser.ask("document.querySelector('.worklist tr[data-slide=Well]').dataset.number")
        parts = [f"#slide-{number} {part}" for part in (".signed", ".reviewed-share", ".galleries", ".signing button")]
        assert [browser.ask(SHOWN.format(part)) for part in parts] == [True, True, False, False]
        assert text_of(browser, parts[0]).startswith("✓ Signed by Dr. A")
        other = browser.ask("document.querySelector('.worklist tr[data-slide=Sick]').dataset.number")
        assert browser.ask(f"document.querySelector('#slide-{other} .desk')") is None
    finally:
        browser.send("Emulation.setEmulatedMedia", media="")


def test_the_download_says_which_comments_it_does_not_have(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL), pictured("Sick", SICK))
    go_to(browser, "Well")
    browser.press("s")
    browser.write("repeat smear")
    browser.ask("document.activeElement.blur()")
    browser.press("w")
    wait_for(browser, None)
    browser.ask("document.querySelector('#download').click()")
    left = "A comment goes with a signature: not yet downloaded are those on Well."
    assert text_of(browser, "#kept").endswith(f"no slide is signed. {left}")
    give_name(browser, "Dr. A")
    sign(browser, "Sick", "Dr. A")
    assert corrections(browser, tmp_path) == [("Sick", "", "", "Dr. A")]
    assert text_of(browser, "#kept") == f"Downloaded. {left}"
    sign(browser, "Well", "Dr. A")
    assert len(corrections(browser, tmp_path)) == 2
    assert left not in text_of(browser, "#kept")
