"""Which slides a page shows with their cells."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_screening import NORMAL, ensemble, measured

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import Slide
from slidescreen.reporting.page import render_run
from slidescreen.reporting.shown_slides import MOST_EARLIER, MOST_SHOWN, URGENT_EARLIER, shown_with_cells
from slidescreen.screening.results import Run, SlideResult, judge
from slidescreen.screening.slide_record import FinishedSlide, Provenance
from slidescreen.screening.thresholds import default_thresholds


@pytest.fixture(scope="module")
def model() -> SlideResult:
    calls = [
        Call(f"{kind}{n}.jpg", Status.CLASSIFIED, kind, 0.9, "", (1 / 16,) * 16)
        for kind, count in NORMAL.items()
        for n in range(count)
    ]
    return judge(Slide("S", Path("/nowhere"), ()), tuple(calls), ensemble(measured()), default_thresholds())


def finished(model: SlideResult, time: str, new: bool = False, name: str = "S") -> SlideResult:
    record = FinishedSlide(
        *(Path("/nowhere"), name, Path("/nowhere"), Provenance("", "", ""), time, "", (), cells.CELL_TYPES),
        *(model.differential, model.finding),
    )
    differential = replace(model.differential, slide=name)
    return replace(model, differential=differential, new=new, kept=record)


def test_a_night_shows_what_is_new_the_last_three_days_and_the_most_urgent(model: SlideResult) -> None:
    old, recent, tonight = "2025-11-20T02:00:00+00:00", "2025-11-23T02:00:00+00:00", "2025-11-26T02:00:00+00:00"
    worklist = [finished(model, tonight, new=True)]
    worklist += [finished(model, old) for _ in range(URGENT_EARLIER + 5)]
    worklist += [finished(model, recent), finished(model, old), replace(finished(model, recent), kept=None)]
    last = len(worklist) - 1
    assert shown_with_cells(worklist, of_a_night=True) == [*range(1 + URGENT_EARLIER), last - 2, last]
    assert shown_with_cells(worklist) == list(range(last + 1))


def test_slides_of_one_night_are_all_shown_however_long_ago_it_was(model: SlideResult) -> None:
    worklist = [finished(model, f"2020-01-01T02:{minute:02d}:00+00:00") for minute in range(60)]
    assert shown_with_cells(worklist, of_a_night=True) == list(range(60))


def test_a_night_with_a_clock_far_ahead_hides_no_slides_of_other_nights(model: SlideResult) -> None:
    old, recent, tonight = "2025-11-20T02:00:00+00:00", "2025-11-25T02:00:00+00:00", "2025-11-26T02:00:00+00:00"
    times = [*[old] * URGENT_EARLIER, *[recent] * 40, "2030-01-01T02:00:00+00:00", old, "0001-01-01T00:00:00+14:00"]
    worklist = [finished(model, time) for time in times]
    expected = [*range(URGENT_EARLIER + 41), len(times) - 1]
    assert shown_with_cells(worklist, of_a_night=True, time=tonight) == expected
    run = Run(tuple(replace(slide, calls=model.calls) for slide in worklist), cells.CELL_TYPES, {"finished": tonight})
    page = render_run(run, picture=lambda _: None, of_a_night=True)
    assert f"Below are {len(expected)} slides with their cells." in page


@pytest.mark.parametrize("of_a_night", [True, False])
@pytest.mark.parametrize(("new", "earlier", "shown"), [
    (0, 500, MOST_EARLIER), (90, 500, MOST_EARLIER), (150, 500, 150), (500, 500, MOST_SHOWN), (0, 0, 0), (0, 7, 7)
])  # fmt: skip
def test_a_page_stays_small_enough_for_a_browser(
    new: int, earlier: int, shown: int, of_a_night: bool, model: SlideResult
) -> None:
    time = "2025-11-26T02:00:00+00:00"
    worklist = [finished(model, time, new=True)] * new + [finished(model, time)] * earlier
    assert shown_with_cells(worklist, of_a_night) == list(range(shown))


def test_a_time_that_nobody_can_read_hides_no_slide(model: SlideResult) -> None:
    worklist = [finished(model, "2025-11-26T02:00:00+00:00")] + [finished(model, "yesterday")] * 50
    assert shown_with_cells(worklist, of_a_night=True) == list(range(51))


def test_the_sections_of_a_page_keep_the_numbers_of_the_worklist(model: SlideResult) -> None:
    """The 22nd of the 23 slides is old and not among the most urgent: it is a line without a link."""
    times = ["2025-11-20T02:00:00+00:00"] * 22 + ["2025-11-26T02:00:00+00:00"]
    slides = [finished(model, time, name=f"S{n:02d}") for n, time in enumerate(times)]
    bare = tuple(replace(slide, kept=replace(slide.kept, path=Path("/none"))) for slide in slides if slide.kept)
    run = Run(tuple(replace(slide, calls=model.calls) for slide in bare), cells.CELL_TYPES, {})
    names = [slide.name for slide in run.worklist()]
    text = render_run(run, picture=lambda _: None, of_a_night=True)
    hidden = [n for n, name in enumerate(names, start=1) if f'href="#slide-{n}">{name}<' not in text]
    assert [names[n - 1] for n in hidden] == [name for name in names[20:] if name != "S22"]
    for number, name in enumerate(names, start=1):
        assert (f'<h2 id="title-{number}">{name}</h2>' in text) == (number not in hidden)
        assert (f'id="cells-{number}">{{"slide":"{name}"' in text) == (number not in hidden)
    assert f"Below are {23 - len(hidden)} slides with their cells. <code>slidescreen report</code> makes" in text
    assert "Below are" not in render_run(run, picture=lambda _: None)
