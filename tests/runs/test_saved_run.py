"""A run read back from its folder, whole or damaged."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Command, write_cells
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slidescreen.errors import InputError
from slidescreen.reporting.page import render_run
from slidescreen.reporting.worklist import show_run
from slidescreen.runs.saved_run import read_run

VALUE = re.compile(rb'"[^"]*"|\d+|true|false|null|\[\]')
OTHERS = (b"null", b"[]", b"{}", b"7", b'"x"', b"true", b"-1", b"1e999", b"[null]", b'[{"slide": 1}]')

Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, ensemble_folder: Path) -> Path:
    """A run's folder."""
    from slidescreen.ensembles import storage
    from slidescreen.reporting.terminal import RunDisplay
    from slidescreen.runs import night
    from slidescreen.runs.found_slides import find_slides
    from slidescreen.runs.options import ClassifyOptions

    root = tmp_path_factory.mktemp("run")
    write_cells(root / "night" / "S", 4)
    (root / "night" / "S" / "bad.jpg").touch()
    request = ClassifyOptions(root / "night", root / "run", ensemble_folder)
    with find_slides(request) as found:
        night.classify_folder(request, storage.load(ensemble_folder), RunDisplay(quiet=True), found)
    shutil.rmtree(root / "run" / ".finished")  # a run that was copied elsewhere has none
    return root / "run"


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Ways to damage a file: cut it, change a byte or a value, insert zeros, change the separator."""
    share, byte, other = draw(st.floats(0, 1)), draw(st.integers(0, 255)), draw(st.sampled_from(OTHERS))

    def change(content: bytes, at: int, to: bytes, length: int = 1) -> bytes:
        return content[:at] + to + content[at + length :]

    def value(content: bytes) -> bytes:
        found = list(VALUE.finditer(content))
        place = found[int(share * (len(found) - 1))]
        return change(content, place.start(), other, len(place[0]))

    return draw(
        st.sampled_from(
            [
                lambda content: content[: int(share * len(content))],
                lambda content: change(content, int(share * len(content)), bytes([byte])),
                lambda content: change(content, int(share * len(content)), b"\0" * byte, 0),
                lambda content: content.replace(b",", b";"),
                value,
                value,
            ]
        )
    )


@pytest.mark.parametrize("name", ["run.json", "cells.csv", "differential.csv"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_a_damaged_run_is_read_or_refused_in_one_line(name: str, damage: Damage, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_bytes(damage((folder / name).read_bytes()))
    said = ""
    try:
        run = read_run(tmp_path)
        assert render_run(run, picture=lambda _: None)
        show_run(run, tmp_path)
    except InputError as error:
        said = str(error)
    assert not said or (name in said and len(said.splitlines()) == 1)


def test_a_damaged_record_says_what_to_do(command: Command, folder: Path) -> None:
    shutil.copytree(folder, "run")
    Path("run/run.json").write_text(json.dumps([1]))
    outcome = command("report", "run")
    assert outcome.code == 2
    assert outcome.err == (
        "error: run/run.json is damaged (it is not the record of a run): move it away and classify again; "
        "finished slides take no time\n"
    )


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.mark.parametrize("table", ["cells.csv", "differential.csv"])
@pytest.mark.parametrize("options", [(), ("--truth", "reported"), ("--spreadsheet",)])
def test_a_run_without_a_table_is_told_so_whatever_else_lies_there(
    table: str, options: tuple[str, ...], command: Command, copy: Path
) -> None:
    (copy / table).unlink()
    outcome = command("report", copy, *options)
    assert outcome.code == 2
    assert f"lacks its {table}: give the classify command of this run again" in outcome.err


def test_rows_that_somebody_removed_or_added_are_told(copy: Path) -> None:
    table = copy / "cells.csv"
    header, *rows = table.read_text().splitlines(keepends=True)
    assert len(rows) == 5

    def changed(*lines: str) -> str:
        table.write_text("".join((header, *lines)))
        with pytest.raises(InputError) as caught:
            read_run(copy)
        return str(caught.value)

    assert "cells.csv has 4 rows of S, and differential.csv counts 5 images" in changed(*rows[:2], *rows[3:])
    assert "cells.csv has 6 rows of S" in changed(*rows, rows[0])
    assert "cells.csv has 0 rows of S" in changed()
    assert "cells.csv has rows of T, and differential.csv has none" in changed(*rows, rows[0].replace("S,", "T,", 1))
    table.write_text("".join((header, *reversed(rows))))  # sorted otherwise
    assert len(read_run(copy).slides[0].calls) == 5


@pytest.mark.parametrize("options", [(), ("--spreadsheet",), ("--corrections", "corrections.csv")])
def test_a_folder_for_what_lies_in_the_runs_own_is_refused(
    options: tuple[str, ...], command: Command, copy: Path
) -> None:
    before = sorted(path.name for path in copy.iterdir())
    outcome = command("report", copy, "--out", "elsewhere", *options)
    assert outcome.code == 2
    assert "--out is for evaluations, --export and --uncertain" in outcome.err
    assert sorted(path.name for path in copy.iterdir()) == before
