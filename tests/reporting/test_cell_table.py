"""cells.csv is read slide by slide, and says what it says when it is read as a whole."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.errors import InputError
from slidescreen.reporting import cell_table
from slidescreen.reporting.cell_table import TableCalls, open_calls
from slidescreen.reporting.tables import CELL_COLUMNS, UNFAMILIARITY, cell_rows, read_calls, to_csv

HEADER = to_csv([[*CELL_COLUMNS, *(f"p_{name}" for name in cells.CELL_TYPES), UNFAMILIARITY]])
names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)


def call(image: str, status: Status = Status.CLASSIFIED) -> Call:
    if status is Status.CLASSIFIED:
        return Call(image, status, "monocyte", 0.5, "blast", (0.5, *[0.03125] * 15))
    return Call(image, status)


def table(path: Path, *slides: tuple[str, list[Call]]) -> Path:
    path.write_text(
        HEADER + "".join(cell_rows(name, calls, cells.CELL_TYPES) for name, calls in slides), encoding="utf-8"
    )
    return path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(names, st.lists(names, min_size=1, max_size=3)), max_size=4))
def test_each_slides_calls_are_those_of_the_whole_table(tmp_path: Path, slides: list[tuple[str, list[str]]]) -> None:
    """Whatever the names, and where the rows of a slide lie apart."""
    path = table(tmp_path / "c.csv", *((slide, [call(image) for image in images]) for slide, images in slides))
    whole, _ = read_calls(path)
    found, _ = open_calls(path, {})
    assert {slide: list(calls) for slide, calls in found.items()} == whole
    assert {slide: len(calls) for slide, calls in found.items()} == {
        slide: len(calls) for slide, calls in whole.items()
    }
    assert all(isinstance(calls, TableCalls) for calls in found.values())


def test_a_slide_is_read_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "c.csv", *((f"S{number}", [call("a"), call("b")]) for number in range(50)))
    found, types = open_calls(path, {})
    assert types == cells.CELL_TYPES
    made: list[str] = []
    monkeypatch.setattr(cell_table, "call_of_row", lambda row, _: made.append(row["slide"]) or call(row["image"]))
    assert [each.image for each in found["S7"]] == ["a", "b"]
    assert made == ["S7", "S7"]


def test_why_an_image_is_unreadable_comes_from_the_runs_record(tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", ("S1", [call("a"), call("b", Status.UNREADABLE)]))
    for change in (lambda text: text, lambda text: f"\ufeff{text}"):  # as we write it, as spreadsheets do
        path.write_text(change(path.read_text()))
        found, _ = open_calls(path, {"S1": {"b": "the file is empty"}})
        assert [each.reason for each in found["S1"]] == ["", "the file is empty"]


@pytest.mark.parametrize("damage", ["eaten", "short", "no number"])
def test_a_damaged_row_is_told_with_its_line(damage: str, tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", ("S1", [call("a"), call("b")]))
    lines = path.read_text().splitlines()
    lines[2] = {
        "eaten": lines[2].replace("classified", "eaten"),
        "short": lines[2].rsplit(",", 3)[0],
        "no number": lines[2].replace("0.03125", "much"),
    }[damage]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="line 3"):
        open_calls(path, {})


def test_a_table_that_changes_while_it_is_read_is_one_clear_error(tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", ("S1", [call("a")]))
    found, _ = open_calls(path, {})
    path.unlink()
    with pytest.raises(InputError, match="changed while it was read"):
        list(found["S1"])
