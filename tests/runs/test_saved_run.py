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
