"""The control charts of a page: what is marked, what is said, and that a remark leads to its chart."""

import re
from pathlib import Path

import pytest
from browser import Browser
from test_page import read, slide
from test_screening import NORMAL

from slidescreen import cells
from slidescreen.reporting.chart_drawing import HEIGHT, MOST_NIGHTS, WIDTH, Standing, chart_of_remark, draw_charts
from slidescreen.reporting.page import render_run
from slidescreen.screening.results import Run
from slidescreen.statistics.control_charts import ChartPoint, ControlChart, control_limits

STEADY = [200.0 + n % 5 for n in range(30)]  # mean 202, standard deviation 1.45
REMARK = "background red (last 12 slides): 170.0, 22 robust standard deviations below the median of 30 earlier runs"


def chart(values: list[float], figure: str = "background_red", name: str = "background red") -> ControlChart:
    last = len(values) - 1
    points = tuple(
        ChartPoint(f"2026-{1 + n // 28:02d}-{1 + n % 28:02d}T02:00", 7, v, n == last) for n, v in enumerate(values)
    )
    return ControlChart(figure, name, points, control_limits(values, 1.0))


def page(*charts: ControlChart, drift: tuple[str, ...] = ()) -> str:
    return render_run(
        Run((slide("S", NORMAL),), cells.CELL_TYPES, {"run": "charts", "drift": list(drift)}), charts=charts
    )


def test_points_beyond_two_and_three_standard_deviations_are_marked() -> None:
    found = draw_charts([chart([*STEADY, 205.5, 207.0, 198.5, 170.0])])
    assert found is not None
    (drawn,) = found.first
    assert [mark.standing for mark in drawn.marks[-4:]] == [
        Standing.WARNING, Standing.OUT, Standing.WARNING, Standing.OUT,
    ]  # fmt: skip
    assert {mark.standing for mark in drawn.marks[:-4]} == {Standing.WITHIN}
    assert all(0 < mark.y < HEIGHT and 0 < mark.x < WIDTH for mark in drawn.marks)
    assert drawn.marks[-1].y > max(line.y for line in drawn.lines)
    assert drawn.out == "2026-02-04 (207.0), 2026-02-06 (170.0)"
    assert drawn.marks[-1].words == "2026-02-06, 170.0, -22.1 SD, 7 slides, this run"
    assert found.out_now == ("Background red",)


def test_lines_stand_at_the_mean_and_at_two_and_three_standard_deviations() -> None:
    found = draw_charts([chart(STEADY)])
    assert found is not None
    drawn = found.first[0]
    assert [(line.kind, line.words) for line in drawn.lines] == [
        ("mean", "202.0"), ("two", "204.9"), ("two", "199.1"), ("three", "206.4"), ("three", "197.6"),
    ]  # fmt: skip
    mean, two, *_ = (line.y for line in drawn.lines)
    assert drawn.marks[2].y == pytest.approx(mean)
    assert two < drawn.marks[4].y < mean
    assert drawn.summary == "204.0 on 2026-02-02 (+1.4 SD). Mean 202.0, SD 1.45."
    assert drawn.marks[19].x < drawn.first_end < drawn.marks[20].x


def test_few_nights_say_that_limits_are_provisional_or_missing() -> None:
    some, few = draw_charts([chart(STEADY[:12])]), draw_charts([chart(STEADY[:3])])
    assert some is not None
    assert few is not None
    assert some.first[0].summary.endswith(", provisional: 12 nights.")
    assert few.first[0].summary == "202.0 on 2026-01-03. No limits yet: 3 nights."
    assert few.first[0].lines == ()
    assert draw_charts([]) is None


def test_a_share_has_no_line_below_nothing() -> None:
    found = draw_charts([chart([float(n % 4) for n in range(20)], "unidentified_percent", "unidentified %")])
    assert found is not None
    assert [line.words for line in found.first[0].lines] == ["1.50", "3.79", "4.94"]


def test_of_many_nights_the_latest_are_shown_against_the_limits_of_the_first() -> None:
    found = draw_charts([chart([*STEADY, *[230.0] * MOST_NIGHTS])])
    assert found is not None
    drawn = found.first[0]
    assert len(drawn.marks) == MOST_NIGHTS
    assert {mark.standing for mark in drawn.marks} == {Standing.OUT}
    assert drawn.first_end == 0
    assert drawn.out.startswith("115 earlier, ")


def test_a_remark_finds_the_chart_that_it_is_about() -> None:
    charts = [
        chart(STEADY, "lymphocyte_percent", "lymphocyte %"),
        chart(STEADY, "variant_lymphocyte_percent", "variant lymphocyte %"),
        chart(STEADY),
    ]
    assert chart_of_remark(REMARK, charts) == "background_red"
    assert chart_of_remark("variant lymphocyte %: 30.0, 9 robust …", charts) == "variant_lymphocyte_percent"
    assert chart_of_remark("sharpness: 1.0", charts) == ""


def test_a_page_without_a_history_has_no_charts() -> None:
    assert 'id="charts"' not in page()
    assert 'id="charts"' in page(chart(STEADY))


def test_the_times_of_a_history_stay_text() -> None:
    hostile = ControlChart("sharpness", "sharpness", (ChartPoint("<b>\"'&", 1, 2.0, False),), None)
    text = page(hostile)
    assert "<b>\"'&" not in text
    assert any("<b>\"'&" in part for part in read(text).text)


def test_a_remark_on_drift_leads_to_its_chart(browser: Browser, tmp_path: Path) -> None:
    charts = (chart([*STEADY, 170.0]), chart([*STEADY, 170.0], "monocyte_percent", "monocyte %"))
    drift = (REMARK, "monocyte %: 170.0, 9 robust standard deviations above the median of 30 earlier runs (2.0)")
    (tmp_path / "page.html").write_text(page(*charts, drift=drift), encoding="utf-8")
    browser.complaints.clear()
    browser.open(tmp_path / "page.html", 1280)
    links = browser.ask("[...document.querySelectorAll('.drift a')].map(a => a.getAttribute('href'))")
    assert links == ["#chart-background_red", "#chart-monocyte_percent"]
    for number, figure in enumerate(("background_red", "monocyte_percent")):
        browser.ask(f"document.querySelectorAll('.drift a')[{number}].click()")
        shown = f"document.querySelector('#chart-{figure} svg').getBoundingClientRect()"
        for _ in range(100):
            if browser.ask(f"{shown}.height") > 50 and 0 <= browser.ask(f"{shown}.top") < 900:
                break
        else:
            pytest.fail(f"the chart of {figure} is not shown")
    label = browser.ask("document.querySelector('#chart-background_red svg').getAttribute('aria-label')")
    assert re.fullmatch(r"Background red: 170\.0 on .* Beyond 3 SD: 2026-02-03 \(170\.0\)\.", label)
    assert browser.complaints == []
