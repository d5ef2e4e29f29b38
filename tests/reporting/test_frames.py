"""A run's tables as data frames: the columns, rows and values of the files."""

from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.reporting.frames import frame_of_cells, frame_of_differentials, frame_of_shares
from slidescreen.reporting.tables import write_cells, write_differentials
from slidescreen.screening.differential import NAMES, Differential, Share
from slidescreen.screening.finding import Finding, Verdict
from slidescreen.screening.results import SlideResult

NAME = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
TYPES = ("neutrophil", "myeloblast")
CALLS = (
    Call("a.jpg", Status.CLASSIFIED, "myeloblast", 0.75, "blast", (0.25, 0.75)),
    Call("=b.jpg", Status.UNIDENTIFIED, "", 0.5, "", (0.5, 0.5)),
    Call("007", Status.UNREADABLE, reason="no image"),
)


def slide_of(name: str, leukocytes: int = 1) -> SlideResult:
    share = Share(leukocytes, 100.0, 2.5, 100.0) if leukocytes else Share(0, None, None, None)
    found = Differential(
        slide=name,
        images=3,
        classified=1,
        unidentified=1,
        unreadable=1,
        duplicates=0,
        leukocytes=leukocytes,
        shares=dict.fromkeys(NAMES, share),
        per_100=dict.fromkeys(cells.OTHER_OBJECTS),
    )
    return SlideResult(found, Finding(Verdict.URGENT, ("blasts", "apl"), ("=1 blast", "few")), CALLS, Path(name))


def test_cells_are_as_in_the_file_and_typed() -> None:
    frame = frame_of_cells([slide_of("007")], TYPES)
    assert list(frame.columns[:6]) == ["slide", "image", "status", "cell_type", "probability", "reported_type"]
    assert list(frame.columns[6:]) == ["p_neutrophil", "p_myeloblast", "unfamiliarity"]
    assert frame.slide.tolist() == ["007"] * 3  # no number
    assert frame.image.tolist() == ["a.jpg", "=b.jpg", "007"]
    assert frame.status.tolist() == ["classified", "unidentified", "unreadable"]
    assert frame.cell_type.isna().tolist() == [False, True, True]
    assert frame.reported_type.isna().tolist() == [False, True, True]
    assert frame.p_myeloblast.tolist()[:2] == [0.75, 0.5]
    assert frame.probability.isna().tolist() == [False, False, True]


def test_differentials_are_as_in_the_file_and_typed(tmp_path: Path) -> None:
    slides = [slide_of("NA"), slide_of("empty", leukocytes=0)]
    write_differentials(tmp_path / "differential.csv", slides)
    frame = frame_of_differentials(slides)
    read = pandas.read_csv(tmp_path / "differential.csv", keep_default_na=False, na_values=[""])
    assert list(frame.columns) == list(read.columns)
    assert frame.slide.tolist() == ["NA", "empty"]
    assert frame.blasts_count.tolist() == [1, 0]
    assert frame.blasts_count.dtype == "int64"
    assert frame.blasts_percent.tolist()[0] == 100.0
    assert frame.blasts_percent.isna().tolist() == [False, True]
    assert frame.unfamiliar_count.isna().all()  # it was not compared
    assert frame["flags"].tolist() == ["blasts;apl"] * 2
    assert frame.reasons.tolist() == ["=1 blast; few"] * 2


@given(name=NAME)
def test_any_name_comes_through_as_it_is(name: str) -> None:
    expected = name.removeprefix("'")  # the one mark that files put before a formula
    assert set(frame_of_cells([slide_of(name)], TYPES).slide) <= {name, expected}
    assert set(frame_of_differentials([slide_of(name)]).slide) <= {name, expected}


def test_no_slide_and_no_image_are_tables_without_rows(tmp_path: Path) -> None:
    write_cells(tmp_path / "cells.csv", [], TYPES)
    assert list(frame_of_cells([], TYPES).columns) == (tmp_path / "cells.csv").read_text().strip().split(",")
    assert len(frame_of_cells([], TYPES)) == len(frame_of_differentials([])) == 0
    assert frame_of_cells([], TYPES).probability.dtype == "float64"


def test_shares_are_a_row_for_each_name() -> None:
    frame = frame_of_shares(slide_of("S").differential.shares)
    assert list(frame.index) == list(NAMES)
    assert frame.loc["blasts", "count"] == 1
    assert frame.loc["blasts", ["percent", "low", "high"]].tolist() == pytest.approx([100.0, 2.5, 100.0])
    assert frame.loc["blasts", ["corrected_percent", "corrected_low"]].isna().all()
