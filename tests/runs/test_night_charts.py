"""The charts of a laboratory's nights: what the history holds, old and new, and the page of the night and of later."""

import csv
import json
import re
from pathlib import Path

import pytest
from conftest import Command, write_cells
from test_history import added, rows_of, slide, time

from slidescreen.runs.drift import SHARES, profile_of
from slidescreen.runs.history import read_history
from slidescreen.runs.night_charts import CHARTED, charts_of, saved_charts
from slidescreen.screening.differential import Differential
from slidescreen.screening.finding import Finding, Verdict
from slidescreen.screening.results import SlideResult


def without(path: Path, *names: str) -> None:
    """A history as an earlier release wrote it."""
    rows = rows_of(path)
    columns = [name for name in rows[0] if name not in names]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def of_verdict(verdict: Verdict, unfamiliar: int | None) -> SlideResult:
    found = slide(f"{verdict}{unfamiliar}")
    differential = Differential("S", 3, 3, 0, 0, 0, 3, {}, {}, compared=50, unfamiliar=unfamiliar)
    return SlideResult(differential, Finding(verdict, (), ()), found.calls, Path())


def test_the_shares_of_flagged_slides_and_unfamiliar_images_are_kept() -> None:
    slides = [of_verdict(Verdict.URGENT, 5), of_verdict(Verdict.CLEAR, 1), of_verdict(Verdict.REVIEW, 2),
              of_verdict(Verdict.INSUFFICIENT, 50)]  # fmt: skip
    figures = profile_of(slides).figures
    assert figures["flagged_percent"] == 50
    assert figures["unfamiliar_percent"] == 7  # between 2 and 5 of 50
    assert "unfamiliar_percent" not in profile_of([of_verdict(Verdict.CLEAR, None)]).figures


def test_an_older_history_gets_the_new_columns_at_its_end_and_is_charted_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    for number in range(1, 4):
        added(path, time(number), [slide(str(number))])
    without(path, *SHARES)
    before = path.read_text().splitlines()
    assert before[0].endswith(",content")
    added(path, time(9), [of_verdict(Verdict.URGENT, 5)])
    after = path.read_text().splitlines()
    assert [line.startswith(old) for line, old in zip(after, before, strict=False)] == [True] * 4
    assert after[0].endswith(",content,unfamiliar_percent,flagged_percent")
    assert read_history(path).remarks == ()
    charts = {chart.figure: chart for chart in charts_of(read_history(path), time(9))}
    assert [point.value for point in charts["flagged_percent"].points] == [100.0]
    assert [point.value for point in charts["sharpness"].points] == [200.5] * 4
    assert [point.this_run for point in charts["sharpness"].points] == [False, False, False, True]
    assert list(charts) == [figure for figure in CHARTED if figure in charts]


def test_a_last_figure_that_was_cut_off_is_not_taken_for_another(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    for number in range(1, 3):
        added(path, time(number), [of_verdict(Verdict.URGENT, number)])
    path.write_text(path.read_text().rstrip("\n")[:-6])  # 100.0000 → 10
    found = read_history(path)
    assert len(found.rows) == 1
    assert found.spoilt


def test_a_night_is_in_its_own_charts_and_the_page_made_anew_has_the_same(command: Command) -> None:
    for number in range(3):
        write_cells(Path(f"night{number}/S"), 3, first_seed=10 * number)
        assert command("classify", f"night{number}", "--out", f"run{number}", "--history", "lab.csv").code == 0
    page = Path("run2/report.html")
    shown = charts_in(page)
    assert "3 nights" in shown
    assert shown.count('class="this-run"') > 10
    assert command("report", "run2").code == 0
    assert charts_in(page) == shown
    started = json.loads(Path("run2/run.json").read_text())["started"]
    assert [row["time"] for row in rows_of(Path("lab.csv"))][-1] == started


def charts_in(page: Path) -> str:
    found = re.search(r'<section class="charts".*?</section>', page.read_text(), re.DOTALL)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("content", [b"\x00\x01 broken", b"name,born\nDoe,1970\n"])
def test_a_history_that_cannot_be_read_costs_the_page_its_charts_alone(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_bytes(content)
    assert saved_charts(tmp_path, {"started": "x"}) == ()
    assert saved_charts(tmp_path, {"options": {"history": str(tmp_path / "history.csv")}}) == ()
    assert saved_charts(tmp_path, {"options": {"history": "\0"}}) == ()
    assert saved_charts(tmp_path / "nowhere", {}) == ()
    assert (tmp_path / "history.csv").read_bytes() == content
