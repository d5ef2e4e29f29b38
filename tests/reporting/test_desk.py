"""The desk: a reviewer's work in the page, done in a real browser."""

import csv
import io
import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser
from conftest import write_cells
from test_page import slide
from test_screening import NORMAL, ensemble, measured

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import Slide
from slidescreen.files.writing import denature
from slidescreen.reporting.desk import KEYS, cell_records, embedded
from slidescreen.reporting.page import render_run
from slidescreen.screening.results import Run, SlideResult, judge, renamed
from slidescreen.screening.slide_review import CellReview, SlideReview, reviewed_shares
from slidescreen.screening.thresholds import default_thresholds
from slidescreen.statistics.intervals import clopper_pearson

NAME = "</script><b>\"'&=1+1 ü.jpg"
FORMULA = "=cmd|' /C calc'!A0"
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="
SICK = {"neutrophil": 60, "lymphocyte": 30, "monocyte": 6, "myeloblast": 24}


@pytest.fixture
def desk(browser: Browser, tmp_path: Path) -> Browser:
    """A page of four slides: two urgent, one with hostile names; each test has a run of its own."""
    found = [slide("Sick", SICK), slide("Well", NORMAL), slide("Few", {"monocyte": 3}), hostile_slide()]
    show(browser, tmp_path, Run(tuple(found), cells.CELL_TYPES, {"run": str(tmp_path)}))
    return browser


def hostile_slide() -> SlideResult:
    row = (0.9, *[0.1 / 15] * 15)
    calls = tuple(
        Call(name, Status.CLASSIFIED, "myeloblast", 0.9, "lymphocyte", row)
        for name in (NAME, FORMULA, *(f"{n}.jpg" for n in range(60)))
    )
    return judge(Slide(NAME, Path("/nowhere"), ()), calls, ensemble(measured()), default_thresholds())


def show(browser: Browser, folder: Path, run: Run) -> None:
    text = render_run(run, picture=lambda _: DOT, others=lambda _: DOT)
    (folder / "page.html").write_text(text, encoding="utf-8")
    browser.complaints.clear()
    browser.requests.clear()
    reload(browser, folder)


def reload(browser: Browser, folder: Path) -> None:
    browser.go("about:blank")
    browser.open(folder / "page.html", 1280)


def rows(browser: Browser) -> list[str]:
    found = "[...document.querySelectorAll('.worklist tbody tr')].filter(r => !r.hidden).map(r => r.dataset.slide)"
    return list(browser.ask(found))


def text_of(browser: Browser, selector: str) -> str:
    return str(browser.ask(f"document.querySelector({json.dumps(selector)}).textContent.trim()"))


def galleries(browser: Browser) -> dict[str, int]:
    found = (
        "[...document.querySelectorAll('.current .of-type')].map(g => [g.ariaLabel, g.querySelectorAll('li').length])"
    )
    return {str(name): int(count) for name, count in browser.ask(found)}


def go_to(browser: Browser, name: str) -> None:
    browser.ask(
        f"[...document.querySelectorAll('.worklist a')].find(a => a.textContent === {json.dumps(name)}).click()"
    )
    wait_for(browser, name)


def wait_for(browser: Browser, name: str | None) -> None:
    """Until a slide is shown; None: the worklist."""
    for _ in range(100):
        if browser.ask("document.querySelector('section.slide.current h2')?.textContent") == name:
            return
        time.sleep(0.02)
    pytest.fail(f"{name} is not shown")


def downloaded(browser: Browser, folder: Path, button: str = "#download") -> list[dict[str, str]]:
    browser.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.ask(f"document.querySelector('{button}').click()")
    path = folder / "corrections.csv"
    for _ in range(200):
        if path.is_file() and path.stat().st_size:
            break
        time.sleep(0.02)
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def test_the_worklist_is_filtered_searched_and_sorted(desk: Browser) -> None:
    everything = rows(desk)
    assert set(everything) == {"Sick", "Well", "Few", NAME}
    desk.ask("document.querySelector('.filters [data-verdict=urgent]').click()")
    assert set(rows(desk)) == {"Sick", NAME}
    desk.press("/")
    desk.write("SIC")
    assert rows(desk) == ["Sick"]
    assert text_of(desk, "#left") == "4 of 4 slides left to review; 3 hidden by the filter"
    desk.ask("document.querySelector('.filters [data-verdict=\"\"]').click()")
    desk.ask("search.value = ''; search.dispatchEvent(new Event('input'))")
    desk.ask("document.querySelectorAll('.sort')[2].click()")
    counts = [
        int(n)
        for n in desk.ask("[...document.querySelectorAll('.worklist tbody tr')].map(r => r.cells[3].textContent)")
    ]
    assert counts == sorted(counts, reverse=True)
    desk.ask("document.querySelectorAll('.sort')[2].click()")
    assert rows(desk)[0] == "Few"
    assert desk.complaints == []


def test_cells_are_moved_recounted_and_moved_back_by_keyboard_alone(desk: Browser) -> None:
    while desk.ask("document.querySelector('tr[aria-current]')?.dataset.slide") != "Sick":
        desk.press("j")
    desk.press("Enter")
    wait_for(desk, "Sick")
    assert next(iter(galleries(desk).items())) == ("Myeloblast", 24)
    desk.press(" ", "ArrowRight")
    desk.press("ArrowRight", shift=True)
    desk.press("ArrowRight", shift=True)
    assert desk.ask("document.querySelectorAll('.current [aria-selected=true]').length") == 4
    desk.press("5")
    assert galleries(desk) == {"Myeloblast": 20, "Monocyte": 10, "Neutrophil": 60, "Lymphocyte": 30}
    limits = clopper_pearson(20, 120)
    row = cells.LEUKOCYTES.index("myeloblast")
    parts = "['.reviewed-share', '.reviewed-limits'].map(part => row.querySelector(part).textContent)"
    shares = f"[...document.querySelectorAll('.current .differential tbody tr')].map(row => {parts})"
    assert desk.ask(shares)[row] == [
        f"20 · {2000 / 120:.1f}",
        f"{100 * limits.low:.1f}–{100 * limits.high:.1f}",
    ]
    assert desk.ask("document.querySelector('.current').classList.contains('has-review')") is True
    desk.press("u")
    assert galleries(desk)["Myeloblast"] == 24
    assert desk.ask("document.querySelector('.current').classList.contains('has-review')") is False
    desk.press("w")
    wait_for(desk, None)
    assert desk.ask("document.activeElement.textContent") == "Sick"
    assert desk.complaints == []


def test_every_type_has_a_key_and_a_button(desk: Browser, tmp_path: Path) -> None:
    go_to(desk, "Sick")
    kept = f"JSON.parse(localStorage['slidescreen review {tmp_path}']).slides.Sick"
    for cell_type, key in KEYS.items():
        desk.press("Home", key)
        moved = desk.ask(f"Object.values({kept}.cells).map(c => c.type)")
        assert cell_type in moved, key
    desk.press(" ")
    assert desk.ask("document.querySelectorAll('#types button').length") == len(KEYS) + 4
    assert desk.ask("document.querySelector('#types .labelled').hidden") is True  # no cell of the slide has a label


def test_a_signed_slide_is_ticked_off_kept_and_downloaded(desk: Browser, tmp_path: Path) -> None:
    go_to(desk, NAME)
    desk.ask(f"document.querySelector('.gallery li[data-image=' + CSS.escape({json.dumps(FORMULA)}) + ']').click()")
    desk.ask("document.querySelector('#types button:nth-of-type(6)').click()")
    desk.press("s")
    desk.write('seen, "twice"\nand again')
    desk.ask("document.querySelector('.current .signer').value = '=Dr. Ü'")
    desk.ask("document.querySelector('.current .sign').click()")
    assert "Signed by =Dr. Ü" in text_of(desk, ".current .signed")
    reload(desk, tmp_path)
    assert text_of(desk, "#left") == "3 of 4 slides left to review"
    assert "reviewed by =Dr. Ü, 1 cell changed" in text_of(desk, ".is-reviewed .reviewed")
    changed, signed = downloaded(desk, tmp_path)
    assert list(changed) == [
        "slide",
        "image",
        "cell_type",
        "previous_type",
        "reviewer",
        "time",
        "comment",
        "run",
        "content",
        "signed_types",
    ]
    assert (changed["cell_type"], changed["previous_type"]) == ("lymphocyte", "myeloblast")
    assert [denature(changed[column]) for column in ("slide", "image", "run")] == [NAME, FORMULA, str(tmp_path)]
    assert changed["image"].startswith("'=")
    assert changed["reviewer"] == signed["reviewer"] == "'=Dr. Ü"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", changed["time"])
    assert (signed["image"], signed["cell_type"], signed["comment"]) == ("", "", 'seen, "twice"\nand again')
    assert [url for url in desk.requests if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
    assert desk.complaints == []


def test_the_larger_view_goes_through_the_gallery_whatever_is_moved(desk: Browser) -> None:
    go_to(desk, "Sick")
    images = desk.ask("[...document.querySelectorAll('.current .gallery li')].map(li => li.dataset.image)")
    assert images[3].startswith("myeloblast")

    def seen() -> str:
        return text_of(desk, "#viewer-title").split(" · ")[1]

    desk.press("Home", "Enter")
    for place in range(3):
        assert seen() == images[place]
        desk.press("5", "ArrowRight")
    assert seen() == images[3]
    desk.press("u")
    assert text_of(desk, "#viewer-title") == f"Myeloblast · {images[2]}"
    desk.press("ArrowLeft")
    assert text_of(desk, "#viewer-title") == f"Monocyte · {images[1]}"
    assert desk.complaints == []


def test_a_change_takes_the_signature_back(desk: Browser) -> None:
    go_to(desk, "Well")
    desk.ask("document.querySelector('.current .signer').value = 'Dr. B'")
    desk.ask("document.querySelector('.current .sign').click()")
    assert desk.ask("document.querySelector('.current').classList.contains('is-signed')") is True
    desk.ask("document.querySelector('.current .gallery li').focus()")
    desk.press("8")
    assert desk.ask("document.querySelector('.current').classList.contains('is-signed')") is False
    desk.press("u")
    assert desk.ask("document.querySelector('.current').classList.contains('is-signed')") is True


def test_a_review_that_was_given_back_is_where_the_next_begins(browser: Browser, tmp_path: Path) -> None:
    said = {f"myeloblast{n}.jpg": CellReview("monocyte", "Dr. A") for n in range(4)}
    judged = slide("Sick", SICK)
    shares = reviewed_shares(judged.calls, said)
    review = SlideReview(said, tuple(said), ("Dr. A",), "2026-11-24T08:15:00Z", True, (), shares)
    show(browser, tmp_path, Run((replace(judged, review=review),), cells.CELL_TYPES, {"run": str(tmp_path)}))
    assert text_of(browser, "#left") == "All slides are reviewed"
    go_to(browser, "Sick")
    assert galleries(browser)["Monocyte"] == 6 + 4
    browser.ask("document.querySelector('.current .gallery li').focus()")
    browser.press("6")
    assert text_of(browser, "#left") == "1 of 1 slide left to review"
    (row,) = [json.loads(text) for text in browser.ask(f"[localStorage['slidescreen review {tmp_path}']]")]
    ((_, verdict),) = row["slides"]["Sick"]["cells"].items()
    assert (verdict["type"], verdict["previous"]) == ("lymphocyte", "myeloblast")


def test_a_cell_is_moved_to_the_type_that_the_laboratory_gave_it(desk: Browser) -> None:
    go_to(desk, NAME)
    desk.ask("document.querySelector('.current .gallery li').focus()")
    desk.press("l")
    assert galleries(desk) == {"Myeloblast": 61, "Lymphocyte": 1}
    assert text_of(desk, ".current .changes") == "1 cell moved to what the label says."


def test_cells_that_the_laboratory_called_otherwise_are_shown_alone_the_most_certain_first(
    browser: Browser, tmp_path: Path
) -> None:
    types = cells.CELL_TYPES
    said = (("a", "monocyte", "monocyte", 0.9), ("b", "monocyte", "basophil", 0.7), ("c", "basophil", "monocyte", 0.8),
            ("d", "monocyte", "", 0.99), ("e", "", "basophil", 0.3), ("f", "myeloblast", "blast", 0.9))  # fmt: skip
    calls = tuple(
        Call(
            image, Status.CLASSIFIED if called else Status.UNIDENTIFIED, called, certain, reported,
            tuple(certain if name == (called or "monocyte") else (1 - certain) / 15 for name in types),
        )
        for image, called, reported, certain in said
    )  # fmt: skip
    judged = judge(Slide("S", Path("/nowhere"), ()), calls, ensemble(measured()), default_thresholds())
    show(browser, tmp_path, Run((judged, slide("Plain", NORMAL)), types, {"run": str(tmp_path)}))
    assert "Call and laboratory differ on 2 of 4 cells" in browser.ask("document.querySelector('header').textContent")
    go_to(browser, "S")
    browser.press("d")
    assert galleries(browser) == {"Called otherwise by the laboratory": 2}
    images = "[...document.querySelectorAll('.current .gallery li')].map(li => li.dataset.image)"
    assert browser.ask(images) == ["c", "b"]
    assert text_of(browser, ".current .gallery strong") == "Basophil 80%"
    browser.press("l")
    assert browser.ask(images) == ["c", "b"]
    assert text_of(browser, ".current .gallery .by-hand") == "✓ now Monocyte"
    browser.press("d")
    assert galleries(browser) == {"Monocyte": 4, "Myeloblast": 1, "Unidentified": 1}
    browser.press("w")
    wait_for(browser, None)
    go_to(browser, "Plain")
    assert browser.ask("document.querySelector('.current .differing').hidden") is True
    assert browser.complaints == []


@pytest.mark.parametrize("width", [1280, 1000, 900, 800, 400, 320])
def test_nothing_sticks_out_at_the_right(browser: Browser, tmp_path: Path, width: int) -> None:
    judged = slide("A slide of a laboratory", SICK)
    known = replace(judged.differential, images=1234, compared=1234, unfamiliar=1123)
    run = Run((replace(judged, differential=known),), cells.CELL_TYPES, {"run": str(tmp_path)})
    show(browser, tmp_path, run)
    browser.open(tmp_path / "page.html", width)
    beyond = (
        "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().width"
        " && e.getBoundingClientRect().right > e.parentElement.getBoundingClientRect().right + 1"
        " && !e.closest('svg')).map(e => e.tagName + '.' + e.className)"
    )
    assert browser.ask(beyond) == []
    assert browser.ask("document.documentElement.scrollWidth") == width
    go_to(browser, "A slide of a laboratory")
    assert browser.ask(beyond) == []
    assert browser.ask("document.documentElement.scrollWidth") == width


def roles(browser: Browser) -> list[tuple[str, str]]:
    """What a screen reader finds: role and name of each element that it is told of."""
    browser.send("Accessibility.enable")
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    browser.send("Accessibility.disable")
    told = [node for node in nodes if not node.get("ignored")]
    return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in told]


def test_a_screen_reader_is_told_what_everything_is(desk: Browser) -> None:
    found = roles(desk)
    assert {("table", "Slides, the most urgent first"), ("button", "Download corrections"), ("textbox", "Reviewer"),
            ("searchbox", "Search"), ("button", "Keys"), ("group", "Show slides by verdict")} <= set(found)  # fmt: skip
    go_to(desk, "Sick")
    desk.press(" ")
    found = roles(desk)
    assert {("table", "Differential of Sick"), ("navigation", "Slides"), ("listbox", "Myeloblast, 24 cells"),
            ("option", "Myeloblast 90%, myeloblast0.jpg"), ("toolbar", "Move the chosen cells to another type"),
            ("textbox", "Comment"), ("button", "Sign"), ("slider", "Size")} <= set(found)  # fmt: skip
    needing = {
        "button",
        "link",
        "textbox",
        "searchbox",
        "slider",
        "option",
        "listbox",
        "image",
        "dialog",
        "columnheader",
    }
    assert [role for role, name in found if role in needing and not name.strip()] == []
    desk.press("Escape", "Enter")
    assert any(role == "dialog" and name.startswith("Myeloblast · ") for role, name in roles(desk))


def test_in_print_the_tools_are_left_out_and_the_slide_is_whole(desk: Browser) -> None:
    go_to(desk, "Sick")
    desk.send("Emulation.setEmulatedMedia", media="print")
    try:
        shown = "[...document.querySelectorAll('{}')].filter(e => e.getBoundingClientRect().height).length"
        assert desk.ask(shown.format(".tools, .moves, .bar-of-types, #worklist, .current .suspicious")) == 0
        assert desk.ask(shown.format(".current .gallery li")) == 120
        assert desk.ask(shown.format(".current .differential tbody tr")) == 14
    finally:
        desk.send("Emulation.setEmulatedMedia", media="")
    assert desk.print().startswith(b"%PDF")


def test_hostile_names_stay_text(desk: Browser) -> None:
    go_to(desk, NAME)
    desk.ask("document.querySelector('.current .gallery li').focus()")
    desk.press("Enter")
    assert text_of(desk, "#viewer-title") == f"Myeloblast · {NAME}"
    assert "Laboratory: Lymphocyte ≠" in text_of(desk, "#viewer .facts")
    assert desk.ask("document.querySelectorAll('main b, dialog b').length") == desk.ask(
        "document.querySelectorAll('.filters b, .legend b, .probabilities b').length"
    )
    assert desk.complaints == []


def test_embedded_data_cannot_end_its_block() -> None:
    text = str(embedded({"name": "</script><!--&ü\u2028"}))
    assert not set("<>&ü\u2028") & set(text)
    assert json.loads(text) == {"name": "</script><!--&ü\u2028"}


def test_the_most_suspicious_cells_come_first_and_improbable_types_are_left_out() -> None:
    types = ("neutrophil", "myeloblast", "monocyte")
    calls = [
        Call("sure", Status.CLASSIFIED, "neutrophil", 0.99, "", (0.99, 0.006, 0.004)),
        Call("twice", Status.DUPLICATE),
        Call("doubtful", Status.CLASSIFIED, "neutrophil", 0.6, "", (0.6, 0.4, 0.0)),
        Call("blast", Status.CLASSIFIED, "myeloblast", 0.9, "", (0.05, 0.9, 0.05)),
    ]
    records = cell_records(calls, types, lambda image: f"data:{image}", {"blast"})
    assert [(record[0], record[5]) for record in records] == [
        ("blast", 0),
        ("doubtful", "data:doubtful"),
        ("sure", "data:sure"),
    ]
    place = cells.CELL_TYPES.index
    assert records[2][6:] == [place("neutrophil"), 990, place("myeloblast"), 6]


def test_only_as_many_other_cells_have_pictures_as_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, path in enumerate(write_cells(tmp_path, 4)):
        path.rename(tmp_path / f"neutrophil{number}.jpg")
    run = Run((slide("S", {"neutrophil": 4}, tmp_path),), cells.CELL_TYPES, {})

    def drawn(text: str) -> int:
        return text.count('"data:image/webp')

    assert drawn(render_run(run)) == 0
    assert drawn(render_run(run, others=lambda path: "data:image/webp," + path.name)) == 4
    monkeypatch.setattr("slidescreen.reporting.page.MOST_CELLS", 3)
    assert drawn(render_run(run, others=lambda path: "data:image/webp," + path.name)) == 3


def test_the_desk_opens_a_hundred_slides_of_two_hundred_cells_in_time(browser: Browser, tmp_path: Path) -> None:
    source = "data:image/webp;base64," + "A" * 2400  # as long as a cell's picture is
    one = slide("S", {**SICK, "neutrophil": 140})
    slides = tuple(renamed(one, f"S{n}") for n in range(100))
    run = Run(slides, cells.CELL_TYPES, {"run": "large"})
    text = render_run(run, picture=lambda _: source, others=lambda _: source)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    assert len(text) < 60e6
    browser.go("about:blank")
    started = time.monotonic()
    browser.open(tmp_path / "page.html", 1280)
    assert browser.ask("document.querySelectorAll('.worklist tbody tr').length") == 100
    assert time.monotonic() - started < 10  # three seconds on a quiet machine
    go_to(browser, "S99")
    assert sum(galleries(browser).values()) == 200
    assert browser.ask("document.querySelector('.current .gallery').role") == "listbox"
