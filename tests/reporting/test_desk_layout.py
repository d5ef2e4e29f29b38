"""Nothing of the desk hides or sticks out, whatever the reviewer does, at any width."""

from dataclasses import replace
from pathlib import Path

from browser import Browser
from test_desk import DOT, SICK, go_to, show
from test_desk_over_nights import sign
from test_disagreement_page import BLAST, LYMPHOCYTE, predicted, write_page
from test_page import slide

from slidescreen import cells
from slidescreen.evaluation import evaluate
from slidescreen.reporting.disagreement_page import DISAGREEMENTS
from slidescreen.screening.results import Run
from slidescreen.screening.slide_review import CellReview, SlideReview, reviewed_shares

WIDTHS = (1280, 1000, 900, 800, 708, 400, 320)


def test_the_bar_of_types_never_hides_the_chosen_cell(browser: Browser, tmp_path: Path) -> None:
    many = (("S", f"{n}.jpg", LYMPHOCYTE, BLAST, 0.9) for n in range(60))
    write_page(evaluate([predicted(*many)]), tmp_path, DOT)
    (tmp_path / DISAGREEMENTS).rename(tmp_path / "chosen.html")
    show(browser, tmp_path, Run((slide("Sick", SICK),), cells.CELL_TYPES, {"run": str(tmp_path)}))
    for page in ("chosen", "page"):
        for width in WIDTHS:
            browser.open(tmp_path / f"{page}.html", width)
            if page == "page":
                go_to(browser, "Sick")
            browser.ask("[...document.querySelectorAll('.current .gallery')].at(-1).firstElementChild.focus()")
            browser.press("End", " ")
            last = "[...document.querySelectorAll('.current .gallery li')].at(-1)"
            bottom = browser.ask(f"{last}.getBoundingClientRect().bottom")
            bar = browser.ask("document.querySelector('#types').getBoundingClientRect().top")
            assert 0 < bottom < bar < 900, (page, width)


def test_a_reviewed_slide_does_not_stick_out_at_the_right(browser: Browser, tmp_path: Path) -> None:
    judged = slide("A slide of a laboratory", SICK)
    said = {f"myeloblast{n}.jpg": CellReview("monocyte", "Dr. A") for n in range(4)}
    shares = reviewed_shares(judged.calls, said)
    review = SlideReview(said, tuple(said), ("Dr. A",), "2026-11-24T08:15:00Z", True, (), shares)
    for number, each in enumerate((judged, replace(judged, review=review))):
        run = Run((each,), cells.CELL_TYPES, {"run": f"{tmp_path} {number}"})
        show(browser, tmp_path, run)
        for width in WIDTHS:
            browser.open(tmp_path / "page.html", width)
            go_to(browser, "A slide of a laboratory")
            assert browser.ask("document.documentElement.scrollWidth") == width, number
            browser.ask("document.querySelector('.current .gallery li').focus()")
            browser.press("6")
            assert browser.ask("document.querySelector('.current').classList.contains('has-review')") is True
            assert browser.ask("document.documentElement.scrollWidth") == width, number
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        for width in WIDTHS:
            browser.open(tmp_path / "page.html", width)
            shown = browser.send("Page.getLayoutMetrics")["cssContentSize"]["width"]
            assert shown == width, "without scripts"
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


CONTRASTS = """(() => {
  const light = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    const [r, g, b, opacity = 1] = parts(getComputedStyle(element).backgroundColor);
    return opacity || !element.parentElement ? [r, g, b] : behind(element.parentElement);
  };
  const opacity = (element) => (element ? getComputedStyle(element).opacity * opacity(element.parentElement) : 1);
  const told = [...document.querySelectorAll('.is-reviewed td, .is-reviewed td *')].filter((element) =>
    element.offsetParent && [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  return told.map((element) => {
    const [ground, part] = [behind(element), opacity(element)];
    const ink = parts(getComputedStyle(element).color).slice(0, 3).map((c, at) => c * part + ground[at] * (1 - part));
    const [dark, bright] = [luminance(ink), luminance(ground)].sort((one, other) => one - other);
    return (bright + 0.05) / (dark + 0.05);
  });
})()"""


def test_reviewed_rows_can_be_read_in_both_colour_schemes(browser: Browser, tmp_path: Path) -> None:
    """By WCAG 2, a contrast of 4.5 is the least for small text."""
    show(browser, tmp_path, Run((slide("Sick", SICK),), cells.CELL_TYPES, {"run": str(tmp_path)}))
    sign(browser, "Sick", "Ada")
    try:
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.send("Emulation.setEmulatedMedia", features=features)
            found = browser.ask(CONTRASTS)
            assert len(found) > 5
            assert min(found) >= 4.5, scheme
    finally:
        browser.send("Emulation.setEmulatedMedia", features=[])
