"""The worklist comes first: what a night can do without costs it nothing when it cannot be written."""

import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

from slidescreen.errors import OutputError
from slidescreen.files import writing
from slidescreen.runs.monitoring import LogFile, Monitor
from slidescreen.screening import slide_record

TABLES = ("cells.csv", "differential.csv")
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


class Watcher:
    """A display that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None:
        self.told.append(text)

    def start(self, slides: int, cells: int) -> None: ...

    def cells(self, count: int) -> None: ...

    def slide(self, result: object) -> None: ...


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From now on files of some names, or in folders of these names, cannot be written."""
    write = writing.write_whole

    def refuse(*names: str) -> None:
        def refusing(path: Path, *rest: Any) -> Path:
            if {path.name, path.parent.name} & set(names):
                raise OutputError(f"cannot write {path}: No space left on device")
            return write(path, *rest)

        for module in (writing, slide_record):
            monkeypatch.setattr(module, "write_whole", refusing)

    return refuse


def record(out: str = "run") -> dict[str, list[str]]:
    return dict(json.loads(Path(out, "run.json").read_text()))


@FULL
def test_whatever_a_night_can_do_without_costs_it_nothing(
    command: Command, night: Path, refuse: Callable[..., None]
) -> None:
    assert command("classify", night, "--out", "whole").code == 0
    refuse("status.json", "history.csv", ".finished", "run.json")
    outcome = command("classify", night, "--out", "run", "--log-file", "/dev/full")
    assert outcome.code == 3
    for name in TABLES:
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()
    assert Path("run/report.html").is_file()
    assert outcome.out.startswith("2 slides: ")
    assert "4 images: " in outcome.out
    lines = [line for line in outcome.err.splitlines() if line.startswith("warning: cannot write ")]
    for name in ("status.json", "history.csv", ".finished/", "run.json", "/dev/full"):
        assert sum(name in line for line in lines) == 1, lines


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--history", "gone/lab.csv"], "gone/lab.csv"),
        (["--log-file", "gone/night.log"], "gone/night.log"),
        (["--log-file", "."], "."),
    ],
)
def test_what_could_not_be_written_is_said_in_the_record_and_to_scripts(
    options: list[str], name: str, command: Command, night: Path
) -> None:
    outcome = command("classify", night, "--out", "run", "--format", "json", "--quiet", *options)
    assert outcome.code == 3
    assert record()["unwritten_files"] == [name]
    assert json.loads(outcome.out)["unwritten_files"] == [name]
    (warning,) = record()["warnings"]
    assert outcome.err == f"warning: {warning}\n"


def test_a_record_that_cannot_be_written_is_told_to_scripts(
    command: Command, night: Path, refuse: Callable[..., None]
) -> None:
    refuse("run.json")
    outcome = command("classify", night, "--out", "run", "--format", "json")
    assert outcome.code == 3
    assert json.loads(outcome.out)["unwritten_files"] == ["run/run.json"]
    assert json.loads(Path("run/status.json").read_text())["state"] == "done"


def test_a_table_that_cannot_be_written_is_an_error(command: Command, night: Path, refuse: Callable[..., None]) -> None:
    refuse("differential.csv", "history.csv")
    outcome = command("classify", night, "--out", "run", "--quiet")
    assert outcome.code == 2
    assert outcome.err == "error: cannot write run/differential.csv: No space left on device\n"
    assert not Path("run/run.json").exists()


def test_the_worklist_is_written_before_the_history_is_asked_to_grow(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        assert all(Path("run", name).is_file() for name in (*TABLES, "report.html"))
        raise OutputError("cannot write")

    monkeypatch.setattr("slidescreen.runs.quality_control.add_night", fail)
    assert command("classify", night, "--out", "run").code == 3


def test_a_history_on_a_share_that_no_longer_answers_costs_no_night(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slidescreen.runs.quality_control.read_history", lambda *_, **__: time.sleep(60))
    outcome = command("classify", night, "--out", "run", "--history", "lab.csv", "--image-timeout", "2")
    assert outcome.code == 3
    assert "lab.csv does not answer within 2 s" in outcome.err
    assert Path("run/report.html").is_file()


def test_a_log_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "night.log")
    log.add("one")
    (tmp_path / "night.log").rename(tmp_path / "night.log.1")
    log.add("two")
    assert (tmp_path / "night.log").read_text() == "two\n"


@FULL
def test_a_log_goes_on_below_a_line_that_may_be_torn(tmp_path: Path) -> None:
    (tmp_path / "night.log").symlink_to("/dev/full")
    watcher = Watcher()
    monitor = Monitor(watcher, LogFile(tmp_path / "night.log"))
    monitor.event("one")
    monitor.event("two")
    assert watcher.told == [f"cannot write {tmp_path}/night.log: No space left on device"]
    (tmp_path / "night.log").unlink()
    (tmp_path / "night.log").write_text('{"time": "2026')
    monitor.event("three")
    torn, whole = (tmp_path / "night.log").read_text().splitlines()
    assert (torn, json.loads(whole)["event"]) == ('{"time": "2026', "three")
    assert monitor.troubles() == {"warnings": watcher.told, "unwritten_files": [f"{tmp_path}/night.log"]}


def test_a_signal_while_the_page_is_written_leaves_tables_and_page_of_one_run(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slidescreen.runs import record as record_module

    render, signals = record_module.render_run, [KeyboardInterrupt]

    def interrupted(*arguments: Any, **options: Any) -> str:
        if signals:
            raise signals.pop()
        return render(*arguments, **options)

    monkeypatch.setattr(record_module, "render_run", interrupted)
    assert command("classify", night, "--out", "run").code == 130
    assert {path.name for path in Path("run").glob("[!.]*")} >= {*TABLES, "report.html", "run.json"}
    assert json.loads(Path("run/run.json").read_text())["complete"] is True


def test_a_log_in_a_groups_folder_is_the_groups(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    old = os.umask(0o077)
    try:
        LogFile(tmp_path / "night.log").add("first")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "night.log").stat().st_mode) == 0o660


def test_side_files_that_this_user_may_not_read_cost_no_night(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"night.log", "history.csv"}
    for name in names:
        Path(name).touch()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name not in names and access(path, mode))
    outcome = command("classify", night, "--out", "run", "--log-file", "night.log", "--history", "history.csv")
    assert outcome.code == 0, outcome.err
    assert Path("night.log").read_text()
