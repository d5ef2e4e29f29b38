"""Copies of a run's tables for spreadsheets."""

import csv
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_tables import result

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.files.writing import neutralise
from slidescreen.reporting.spreadsheet import is_turned, write_spreadsheets
from slidescreen.reporting.tables import read_calls, write_cells, write_differentials

SLIDES = ["00123", "1-2", "=1+1", "26-0001", "a;b", "Präparat", "S"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    calls = [
        Call(
            "Signed slides/Blast, no lineage spec/a.jpg",
            Status.CLASSIFIED,
            "monocyte",
            0.5,
            "blast",
            (0.5, *[0.03] * 15),
        ),
        Call("2.jpg", Status.UNREADABLE),
    ]
    slides = [result(calls, name) for name in SLIDES]
    write_cells(tmp_path / "cells.csv", slides, cells.CELL_TYPES)
    write_differentials(tmp_path / "differential.csv", slides)
    return tmp_path


def test_the_copy_is_of_the_table_that_lies_under_a_second_name(folder: Path) -> None:
    """While a spreadsheet shows a table on Windows, a night writes beside it."""
    (folder / "cells.csv").rename(folder / "cells.new.csv")
    (folder / "cells.csv").write_text((folder / "cells.new.csv").read_text().replace("monocyte", "basophil"))
    (folder / "run.json").write_text(json.dumps({"written_beside": {"cells.csv": "cells.new.csv"}}))
    write_spreadsheets(folder)
    copied = [row["cell_type"] for row in rows(folder / "cells.spreadsheet.csv")]
    assert copied == ["monocyte", ""] * len(SLIDES)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file, delimiter=";"))


def test_copies_have_semicolons_and_decimal_commas_and_the_tables_stay_as_they_are(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    written = write_spreadsheets(folder)
    assert [path.name for path in written] == ["cells.spreadsheet.csv", "differential.spreadsheet.csv"]
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path not in written} == before
    for path in written:
        assert path.read_bytes().startswith(b"\xef\xbb\xbfslide;")
        assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n") == len(rows(path)) + 1
    first, unreadable = rows(written[0])[:2]
    assert (first["probability"], first["p_neutrophil"], first["reported_type"]) == ("0,500000", "0,500000", "blast")
    assert (unreadable["status"], unreadable["probability"], unreadable["image"]) == ("unreadable", "", "2.jpg")
    share = rows(written[1])[0]
    assert (share["monocyte_count"], share["monocyte_percent"], share["blasts_high"]) == ("1", "100,000", "97,500")
    assert "." not in share["monocyte_corrected_low"]
    assert share["flags"].split(";") == ["too_few_cells", "unreliable"]


def test_names_stay_what_they_are_and_no_cell_is_a_formula(folder: Path) -> None:
    for path in write_spreadsheets(folder):
        names = list(dict.fromkeys(row["slide"] for row in rows(path)))
        assert sorted(names) == sorted(["'00123", "'1-2", "'=1+1", "26-0001", "a;b", "Präparat", "S"])


def test_a_copy_is_read_as_the_table_itself(folder: Path) -> None:
    copy, _ = write_spreadsheets(folder)
    assert read_calls(copy) == read_calls(folder / "cells.csv")


def test_another_programs_columns_are_copied_too(folder: Path) -> None:
    path = folder / "cells.csv"
    header, *others = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([f"{header},note", *(f"{line},1.5" for line in others)]), encoding="utf-8")
    assert {row["note"] for row in rows(write_spreadsheets(folder)[0])} == {"1,5"}


TURNED = [
    "00123",
    "1-2",
    "1/2",
    "31.12",
    "1.2",
    "1,5",
    "26-12",
    "2026-11-23",
    "11-2026",
    "1-99",
    "3-4-26",
    "2E5",
    "12e-3",
    "123456789012",
    "1.000",
    "1.000.000",
    "5%",
    "(12)",
    "12-",
    "12:30",
    "1:30:15",
    "8pm",
    "MAR1",
    "1-Dez",
    "Sep-05",
    "5.Okt.2026",
    "TRUE",
    "falsch",
]


@pytest.mark.parametrize("name", TURNED)
def test_a_name_that_a_spreadsheet_would_turn_is_known(name: str) -> None:
    assert is_turned(name)


KEPT = [
    "26-0001",
    "S1",
    "123",
    "0",
    "12345678901",
    "26-13",
    "2026-0001",
    "slide",
    "12a.jpg",
    "Marburg",
    "A-12",
    "may",
    "1-2-3-4",
    "13/32",
    "x",
]


@pytest.mark.parametrize("name", KEPT)
def test_other_names_are_left_alone(name: str) -> None:
    assert not is_turned(name)


@given(st.dates(), st.sampled_from(["%d.%m.%Y", "%Y-%m-%d", "%m/%d/%y", "%d-%m", "%d %b %Y", "%b-%y", "%H:%M"]))
def test_every_date_is_known(date: date, form: str) -> None:
    if date.year >= 1900:
        assert is_turned(date.strftime(form))


@given(st.text())
def test_a_protected_name_comes_back(name: str) -> None:
    """What protects a name is what neutralises it, and `denature` takes either away."""
    assert not (is_turned(name) and neutralise(name) != name)
