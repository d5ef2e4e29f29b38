"""What a folder already holds: damaged records stop no night, and nothing of anybody's is lost."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.errors import InputError
from slidescreen.files.damaged import set_aside
from slidescreen.files.run_files import RECORD, TABLES
from slidescreen.runs.earlier_run import earlier_slides, in_the_way, last_places

NAMES = (*TABLES, RECORD, "status.json", "history.csv")


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_record_costs_no_night(share: float, command: Command, night: Path) -> None:
    assert command("classify", night, "--out", "run").code == 0
    tables = {name: Path("run", name).read_bytes() for name in TABLES[:2]}
    cut(Path("run/run.json"), share)
    damaged = Path("run/run.json").read_bytes()
    outcome = command("classify", night, "--out", "run")
    assert outcome.code == 0
    said = "run/run.json is damaged or of an unknown run: kept as run.set-aside-1.json"
    assert f"warning: {said}\n" in outcome.err
    assert Path("run/run.set-aside-1.json").read_bytes() == damaged
    assert said in json.loads(Path("run/run.json").read_text())["warnings"]
    assert json.loads(Path("run/status.json").read_text())["slides_done"] == 0  # nothing is classified again
    assert {name: Path("run", name).read_bytes() for name in tables} == tables


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 900,
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"[1]",
        b"null",
        b'{"input": 7}',
        b'{"input": "\\x"}',
        b'{"in',
    ],
)
def test_a_record_of_no_run_is_set_aside_with_the_tables(content: bytes, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_bytes(content)
    (tmp_path / TABLES[0]).touch()
    assert in_the_way(tmp_path, tmp_path) == [tmp_path / RECORD, tmp_path / TABLES[0]]
    assert earlier_slides(tmp_path) == frozenset()


def test_a_record_that_was_cut_still_says_whose_run_it_is(command: Command, night: Path) -> None:
    assert command("classify", night, "--out", "run").code == 0
    shutil.copytree(night, "other")
    cut(Path("run/run.json"), 0.5)
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    outcome = command("classify", "other", "--out", "run")
    assert outcome.code == 2
    assert f"run holds the run of {night.resolve()}: choose another --out, or use --overwrite" in outcome.err
    assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before


def test_tables_of_a_run_that_nobody_knows_are_kept(command: Command, night: Path) -> None:
    assert command("classify", night, "--out", "run").code == 0
    shutil.copytree(night, "other")
    tables = {name: Path("run", name).read_bytes() for name in TABLES}
    Path("run/run.json").write_bytes(b"")
    assert command("classify", "other", "--out", "run").code == 0
    for name, content in tables.items():
        stem, _, suffix = name.partition(".")
        assert Path("run", f"{stem}.set-aside-1.{suffix}").read_bytes() == content


def test_a_labels_file_named_like_a_table_is_kept(command: Command, night: Path) -> None:
    Path("cells.csv").write_text("file,label\na.jpg,monocyte\n")
    outcome = command("classify", night, "--out", ".")
    assert outcome.code == 0
    assert "cells.csv is damaged or of an unknown run: kept as cells.set-aside-1.csv" in outcome.err
    assert Path("cells.set-aside-1.csv").read_text() == "file,label\na.jpg,monocyte\n"


def test_a_run_killed_before_its_record_is_known_by_its_finished_slides(tmp_path: Path) -> None:
    (tmp_path / ".finished").mkdir()
    (tmp_path / "cells.csv").touch()
    assert in_the_way(tmp_path, tmp_path) == [tmp_path / "cells.csv"]
    (tmp_path / ".finished" / "one.json").touch()
    assert in_the_way(tmp_path, tmp_path) == []


def test_overwriting_is_allowed_by_name(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps({"input": "/elsewhere", "slides": []}))
    with pytest.raises(InputError, match="holds the run of /elsewhere"):
        in_the_way(tmp_path, tmp_path)
    assert in_the_way(tmp_path, tmp_path, overwrite=True) == []


def test_folders_named_like_files_are_set_aside(command: Command, night: Path) -> None:
    for name in NAMES:
        Path("run", name, "of somebody").mkdir(parents=True)
    Path("run/.finished").write_text("no folder")
    Path("run/.lock").mkdir()
    outcome = command("classify", night, "--out", "run")
    assert outcome.code == 0
    assert outcome.err.count("set-aside-1") == len(NAMES) + 2
    assert all(Path("run", name).is_file() for name in NAMES)
    assert len(list(Path("run").glob("*.set-aside-1.*/of somebody"))) == len(NAMES)
    assert len(list(Path("run/.finished").iterdir())) >= 2


def test_what_is_set_aside_gets_a_name_that_nothing_has(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for number in range(1, 4):
        path.write_text(str(number))
        assert set_aside(path) == tmp_path / f"run.set-aside-{number}.json"
    assert [(tmp_path / f"run.set-aside-{n}.json").read_text() for n in (1, 2, 3)] == ["1", "2", "3"]


def identity() -> str:
    return str(json.loads(Path("run/run.json").read_text())["run"])


def test_a_run_keeps_its_identity_night_after_night(command: Command, night: Path) -> None:
    assert command("classify", night, "--out", "run").code == 0
    first = identity()
    assert len(first) == 32
    write_cells(night / "S2", 2, first_seed=90)
    assert command("classify", night, "--out", "run", "--overwrite").code == 0
    assert identity() == first
    cut(Path("run/run.json"), 0.7)
    assert command("classify", night, "--out", "run").code == 0
    assert identity() == first


def test_the_run_of_another_input_has_another_identity(command: Command, night: Path) -> None:
    assert command("classify", night, "--out", "run").code == 0
    first = identity()
    night.rename("another")
    assert command("classify", "another", "--out", "run", "--overwrite").code == 0
    assert identity() != first


def test_the_places_of_the_last_slides_are_those_below_the_same_input(tmp_path: Path) -> None:
    source = tmp_path / "in"
    told = {"in": "in", "day/S1": "in/day/S1", "caf?": "in/caf\ufffd", "S2": "in2/S2"}
    slides = [{"slide": name, "folder": str(tmp_path / folder)} for name, folder in told.items()]
    (tmp_path / "run.json").write_text(json.dumps({"input": str(source), "slides": slides}))
    assert last_places(tmp_path, source) == {"in": ".", "day/S1": "day/S1"}
    assert last_places(tmp_path, tmp_path / "other") == {}
    (tmp_path / "run.json").write_text("{")
    assert last_places(tmp_path, source) == {}
