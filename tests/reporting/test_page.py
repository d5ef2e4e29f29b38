"""The page of a run."""

import base64
import hashlib
import re
import shutil
import threading
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from browser import Browser
from conftest import write_cells
from statsmodels.stats.proportion import proportion_confint
from test_screening import NORMAL, ensemble, measured

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.images import read_bytes
from slidescreen.data.slides import Slide
from slidescreen.reporting.flag_words import MEANINGS
from slidescreen.reporting.page import MOST_PICTURES, render_run, suspicious
from slidescreen.reporting.thumbnails import in_time
from slidescreen.screening.results import Run, SlideResult, judge
from slidescreen.screening.thresholds import default_thresholds

DATA = "application/json"
HOSTILE = "<script>alert(1)</script>\"'&.jpg"


class Reader(HTMLParser):
    """Keeps what matters of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def slide(name: str, counts: dict[str, int], folder: Path = Path("/nowhere"), reported: str = "") -> SlideResult:
    row = (0.9, *[0.1 / 15] * 15)
    calls = [
        Call(f"{kind}{n}.jpg", Status.CLASSIFIED, kind, 0.9, reported, row)
        for kind, k in counts.items()
        for n in range(k)
    ]
    return judge(Slide(name, folder, ()), tuple(calls), ensemble(measured()), default_thresholds())


def run_of(*slides: SlideResult) -> Run:
    return Run(slides, cells.CELL_TYPES, {"input": HOSTILE, "started": "2026-01-02T03:04:05+00:00"})


def page(*slides: SlideResult) -> str:
    return render_run(run_of(*slides))


def test_the_urgent_come_first() -> None:
    text = page(
        slide("A clear", NORMAL), slide("B urgent", {**NORMAL, "myeloblast": 80}), slide("C few", {"monocyte": 3})
    )
    order = [href for tag, attributes in read(text).tags if tag == "a" and (href := attributes.get("href"))]
    titles = re.findall(r'<h2 id="title-\d+">(.*?)</h2>', text)
    assert titles == ["B urgent", "C few", "A clear"]
    assert order == ["#worklist", "#slide-1", "#slide-2", "#slide-3", "#worklist"]


def test_the_worklist_tells_blasts_and_immature_granulocytes_with_exact_limits() -> None:
    result = slide("S", {**NORMAL, "myeloblast": 30, "myelocyte": 7})
    line = next(row for row in re.findall(r"<tr data-slide.*?</tr>", page(result), re.DOTALL))
    leukocytes = result.differential.leukocytes
    for name, count in (("blasts %", 30), ("IG %", 7)):
        low, high = proportion_confint(count, leukocytes, method="beta")  # Clopper–Pearson
        cell = re.search(rf'data-name="{name}".*?</td>', line, re.DOTALL)
        assert cell
        assert f"{100 * count / leukocytes:.1f} " in cell[0]
        assert f"({100 * low:.1f}–{100 * high:.1f})" in cell[0]


def test_monocytes_are_shown_where_they_are_a_reason() -> None:
    many, few = slide("many", {**NORMAL, "monocyte": 90}), slide("few", NORMAL)
    assert [(title, len(calls)) for title, calls in suspicious(many)] == [("Monocytes", MOST_PICTURES)]
    assert suspicious(few) == []
    assert page(many).count(MEANINGS["monocytes"]) == page(few).count(MEANINGS["monocytes"]) + 1  # both explain it


def test_hostile_names_do_nothing(tmp_path: Path) -> None:
    calls = (
        Call(HOSTILE, Status.UNREADABLE, reason=HOSTILE),
        Call(HOSTILE, Status.UNIDENTIFIED, "", 0.2, "", (0.2, *[0.8 / 15] * 15)),
    )
    result = judge(Slide(HOSTILE, tmp_path, ()), calls, ensemble(measured()), default_thresholds())
    text = page(result)
    assert [a.get("type") for tag, a in read(text).tags if tag == "script"] == [DATA, DATA, "module"]
    assert "<script>" not in text
    assert text.count("&lt;script&gt;alert(1)") >= 4


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    paths = write_cells(tmp_path, 3)
    for number, path in enumerate(paths):
        path.rename(tmp_path / f"myeloblast{number}.jpg")
    reader = read(page(slide("S", {"myeloblast": 3}, tmp_path)))
    assert not {tag for tag, _ in reader.tags} & {"link", "iframe", "object"}
    assert not any(attributes.keys() & {"action", "srcset"} for _, attributes in reader.tags)
    sources = [attributes["src"] for tag, attributes in reader.tags if "src" in attributes]
    assert len(sources) == 6  # each in the worklist and below
    assert all(source and source.startswith("data:image/webp;base64,") for source in sources)


def test_its_policy_allows_its_own_script_alone() -> None:
    text = page(slide("S", NORMAL))
    (code,) = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policies = [a.get("content") for tag, a in read(text).tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"]


def test_pictures_are_capped_and_the_rest_is_counted() -> None:
    text = page(slide("S", {**NORMAL, "myeloblast": MOST_PICTURES + 7}))
    assert text.count('<span class="missing">') == MOST_PICTURES
    assert "7 more: see cells.csv" in text


def test_a_page_of_very_many_slides_lists_all_and_shows_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slidescreen.reporting.shown_slides.MOST_SHOWN", 2)
    text = page(slide("A", NORMAL), slide("B", {**NORMAL, "myeloblast": 80}), slide("C", {"monocyte": 3}))
    assert text.count('class="slide"') == 2
    assert all(f">{name}<" in text for name in "BC")
    assert re.findall('href="(#slide-.*?)"', text) == ["#slide-1", "#slide-2"]
    assert 'data-slide="A" data-verdict="clear">' in text
    assert "Below are 2 slides with their cells" in text
    assert "3 slides," in text


def test_new_slides_come_before_earlier_ones_and_are_marked_only_beside_such() -> None:
    old = replace(slide("Old", {**NORMAL, "myeloblast": 80}), new=False)
    text = page(old, slide("New", NORMAL))
    assert re.findall(r'<h2 id="title-\d+">(.*?)</h2>', text) == ["New", "Old"]
    assert text.count(">new</em>") == 1
    assert ">new</em>" not in page(slide("New", NORMAL))


def pictures_of_cells(text: str) -> int:
    return text.count('<img class="cell"')


def test_in_haste_the_most_urgent_slides_have_pictures_and_all_have_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr("slidescreen.reporting.thumbnails.time", SimpleNamespace(monotonic=lambda: next(clock)))
    sick, well = {**NORMAL, "myeloblast": 3}, {**NORMAL, "promyelocyte": 2}
    slides = [slide(name, counts, tmp_path / name) for name, counts in (("Well", well), ("Sick", sick))]
    for name in ("Sick", "Well"):
        (first,) = write_cells(tmp_path / name, 1)
        for kind, count in {**NORMAL, "myeloblast": 3, "promyelocyte": 2}.items():
            for number in range(count):
                shutil.copy(first, tmp_path / name / f"{kind}{number}.jpg")
    shown = pictures_of_cells(render_run(run_of(*slides)))
    text = render_run(run_of(*slides), picture=in_time(in_all=2.5))
    assert shown > 3
    assert pictures_of_cells(text) == 3
    assert text.count('<span class="missing">') == shown - 3
    assert text.index('<img class="cell"') < text.index('<h2 id="title-2">')


def test_a_folder_that_no_longer_answers_holds_up_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = slide("S", {"myeloblast": 30}, tmp_path)
    for number, path in enumerate(write_cells(tmp_path, 30)):
        path.rename(tmp_path / f"myeloblast{number}.jpg")
    held_up = tmp_path / suspicious(result)[0][1][5].image
    release = threading.Event()

    def read_held_up(path: Path) -> bytes:
        if path == held_up:
            release.wait(30)
        return read_bytes(path)

    monkeypatch.setattr("slidescreen.reporting.thumbnails.read_bytes", read_held_up)
    text = render_run(run_of(result), picture=in_time(each=0.5))
    release.set()
    assert pictures_of_cells(text) == 5
    assert text.count('<span class="missing">') > 5


def test_disagreements_with_the_laboratory_are_marked() -> None:
    assert page(slide("S", {"myeloblast": 1}, reported="lymphocyte")).count('class="disagrees"') == 1
    assert 'class="disagrees"' not in page(slide("S", {"myeloblast": 1}, reported="blast"))
    assert 'class="disagrees"' not in page(slide("S", {"myeloblast": 1}))


def test_it_says_that_it_is_no_diagnosis() -> None:
    text = page(slide("S", NORMAL))
    assert "research use only" in text
    assert "no diagnosis" in text


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of an urgent slide and a clear one."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    urgent, clear = slide("Sick", {**NORMAL, "myeloblast": 30}), slide("Well", NORMAL)
    path.write_text(page(clear, urgent), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1280, 800])
def test_a_browser_shows_the_page_whole_and_without_complaint(browser: Browser, shown: Path, width: int) -> None:
    browser.open(shown, width)
    assert browser.complaints == []
    assert browser.ask("document.documentElement.scrollWidth") <= width
    sections = "[...document.querySelectorAll('section.slide')]"
    assert browser.ask(f"{sections}.map(s => s.querySelector('details').open)") == [True, False]
    assert browser.ask(f"{sections}.map(s => s.querySelector('h2').textContent)") == ["Sick", "Well"]


def test_without_scripts_the_page_is_whole_and_used_by_keyboard(browser: Browser, shown: Path) -> None:
    reached = []
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(shown, 1280)
    for _ in range(5):
        browser.press("Tab")
        reached.append(browser.ask("document.activeElement.textContent.trim().split('\\n')[0]"))
    assert reached == ["Skip to the worklist", "Sick", "Well", "Sick", "Well"]
    browser.press("Enter")  # the summary of the clear slide has the focus
    assert browser.ask("document.querySelector('#slide-2 details').open") is True
    browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_the_page_prints(browser: Browser, shown: Path) -> None:
    browser.open(shown, 1280)
    printed = browser.print()
    assert printed.startswith(b"%PDF-")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 6


def test_a_page_of_fifty_slides_opens_quickly(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        page(*(slide(f"S{n}", {**NORMAL, "myeloblast": 30}) for n in range(50))), encoding="utf-8"
    )
    started = time.monotonic()
    browser.open(tmp_path / "page.html", 1280)
    assert browser.ask("document.querySelectorAll('section.slide').length") == 50
    assert time.monotonic() - started < 10  # three seconds on a quiet machine
