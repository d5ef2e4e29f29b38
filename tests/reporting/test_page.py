"""The page of a run."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import write_cells
from test_screening import NORMAL, ensemble, measured

from slidescreen import cells
from slidescreen.calls import Call, Status
from slidescreen.reporting.page import FLAGS, MOST_PICTURES, render_run
from slidescreen.runs import Run, SlideResult, judge
from slidescreen.slides import Slide
from slidescreen.thresholds import default_thresholds

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


def page(*slides: SlideResult) -> str:
    return render_run(Run(slides, cells.CELL_TYPES, {"input": HOSTILE, "started": "2026-01-02T03:04:05+00:00"}))


def test_the_urgent_come_first() -> None:
    text = page(
        slide("A clear", NORMAL), slide("B urgent", {**NORMAL, "myeloblast": 80}), slide("C few", {"monocyte": 3})
    )
    order = [href for tag, attributes in read(text).tags if tag == "a" and (href := attributes.get("href"))]
    titles = re.findall(r'<h2 id="title-\d+">(.*?)</h2>', text)
    assert titles == ["B urgent", "C few", "A clear"]
    assert order == ["#worklist", "#slide-1", "#slide-2", "#slide-3"]


def test_hostile_names_do_nothing(tmp_path: Path) -> None:
    calls = (
        Call(HOSTILE, Status.UNREADABLE, reason=HOSTILE),
        Call(HOSTILE, Status.UNIDENTIFIED, "", 0.2, "", (0.2, *[0.8 / 15] * 15)),
    )
    result = judge(Slide(HOSTILE, tmp_path, ()), calls, ensemble(measured()), default_thresholds())
    text = page(result)
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)") >= 4


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    paths = write_cells(tmp_path, 3)
    for number, path in enumerate(paths):
        path.rename(tmp_path / f"myeloblast{number}.jpg")
    reader = read(page(slide("S", {"myeloblast": 3}, tmp_path)))
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "iframe", "object", "form"}
    sources = [attributes["src"] for tag, attributes in reader.tags if tag == "img"]
    assert len(sources) == 3
    assert all(source and source.startswith("data:image/jpeg;base64,") for source in sources)
    policies = [a.get("content") for tag, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_pictures_are_capped_and_the_rest_is_counted() -> None:
    text = page(slide("S", {**NORMAL, "myeloblast": MOST_PICTURES + 7}))
    assert text.count('<span class="missing">') == MOST_PICTURES
    assert "and 7 more, see cells.csv" in text


def test_disagreements_with_the_laboratory_are_marked() -> None:
    assert page(slide("S", {"myeloblast": 1}, reported="lymphocyte")).count('class="disagrees"') == 1
    assert 'class="disagrees"' not in page(slide("S", {"myeloblast": 1}, reported="blast"))
    assert 'class="disagrees"' not in page(slide("S", {"myeloblast": 1}))


def test_every_flag_that_screening_raises_is_explained() -> None:
    source = Path(__file__).parents[2].joinpath("slidescreen", "screening.py").read_text()
    raised = set(re.findall(r'flags(?:\.append\(| \+= \[)"(\w+)"', source)) | {"lineage_myeloid", "lineage_lymphoid"}
    assert raised <= set(FLAGS)


def test_it_says_that_it_is_no_diagnosis() -> None:
    text = page(slide("S", NORMAL))
    assert "research use only" in text
    assert "no diagnosis" in text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_a_browser_shows_the_page_without_complaint(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(slide("S", {**NORMAL, "myeloblast": 30})), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    ended = subprocess.run(
        ["chromium", *flags, "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'u'}",
         "--enable-logging=stderr", "--dump-dom", f"file://{tmp_path / 'page.html'}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "Refused to" not in ended.stderr
    assert 'id="slide-1"' in ended.stdout
