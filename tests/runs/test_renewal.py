"""A page that is drawn again never replaces a newer one, and holds up no night."""

import threading
import time
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.files.locking import locked
from slidescreen.runs import renewal


@pytest.fixture
def run(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_cells(Path("in/S0"), 4)
    write_cells(Path("in/S1"), 3, first_seed=10)
    assert night(command) == 0
    return Path("run")


def night(command: Command, *options: str) -> int:
    return command("classify", "in", "--out", "run", "-q", *options).code


def while_drawing(monkeypatch: pytest.MonkeyPatch, happens: object) -> None:
    """Something happens after the page is drawn, and before it is written."""
    draw = renewal.render_run

    def slowly(*arguments: object, **options: object) -> str:
        page = draw(*arguments, **options)  # type: ignore[arg-type]
        monkeypatch.setattr(renewal, "render_run", draw)
        happens()  # type: ignore[operator]
        return page

    monkeypatch.setattr(renewal, "render_run", slowly)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".html", ".json")}


def test_a_page_drawn_before_a_night_ended_does_not_replace_its_page(
    command: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after: dict[str, bytes] = {}

    def night_ends() -> None:
        write_cells(Path("in/NEW"), 3, first_seed=20)
        assert night(command) == 0  # the folder is free for it
        after.update(files(run))

    while_drawing(monkeypatch, night_ends)
    outcome = command("report", run)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert "run changed while its page was drawn: give the same command again" in outcome.err
    assert b"NEW" in after["report.html"]
    assert files(run) == after
    assert command("report", run).code == 0
    assert b"NEW" in (run / "report.html").read_bytes()


def test_a_page_drawn_before_a_review_came_does_not_replace_the_reviewed_one(
    command: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.csv").write_text("slide,image,cell_type,reviewer\nS0,cell_000.jpg,basophil,Zoe\n")
    while_drawing(monkeypatch, lambda: command("report", run, "--corrections", "c.csv"))
    assert command("report", run).code == 2
    assert b"Zoe" in (run / "report.html").read_bytes()


def test_the_same_holds_for_an_archive(command: Command, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in Path("in/S1").iterdir():
        path.unlink()
    Path("in/S1").rmdir()
    assert night(command, "--keep", "0") == 0
    archive = run / "archive"
    Path("c.csv").write_text("slide,image,cell_type,reviewer\nS1,cell_000.jpg,basophil,Zoe\n")
    while_drawing(monkeypatch, lambda: command("report", archive, "--corrections", "c.csv"))
    assert command("report", archive, "--spreadsheet").code == 2
    assert "Zoe" in (archive / "cells.csv").read_text()
    assert not list(archive.glob("*.spreadsheet.csv"))


def test_no_page_is_drawn_while_a_night_is_at_work(
    command: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "render_run", None)
    before = files(run)
    with locked(run):
        outcome = command("report", run)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert "run is in use by process" in outcome.err
    assert files(run) == before


def test_a_night_waits_while_a_page_is_written(command: Command, run: Path) -> None:
    held, free = threading.Event(), threading.Event()

    def write() -> None:
        with locked(run):
            held.set()
            time.sleep(0.3)
        free.set()

    writer = threading.Thread(target=write)
    writer.start()
    held.wait()
    assert night(command) == 0
    assert free.is_set()
    writer.join()
