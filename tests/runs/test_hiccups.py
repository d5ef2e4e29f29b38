"""A file that cannot be read just now is no damaged one: nothing is set aside, and the next night goes on with it."""

import csv
import errno
import io
import json
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, write_cells

OUT = Path("run")
Hiccup = Callable[[Path, int], None]


@pytest.fixture
def hiccup(monkeypatch: pytest.MonkeyPatch) -> Hiccup:
    """From now on the first openings of a file for reading fail, as on a share that is disturbed."""
    sound = io.open
    left: dict[str, int] = {}

    def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        name = str(Path(file).absolute()) if isinstance(file, str | os.PathLike) else ""
        if "r" in mode and left.get(name, 0):
            left[name] -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        return sound(file, mode, *arguments, **named)

    monkeypatch.setattr(io, "open", opened)
    return lambda path, times: left.update({str(path.absolute()): times})


@pytest.fixture
def night(command: Command) -> Path:
    """Two slides that a first night has classified."""
    write_cells(Path("in/S1"), 3)
    write_cells(Path("in/S2"), 2, first_seed=10)
    assert command("classify", "in", "--out", OUT, "--quiet").code == 0
    return Path("in")


def content() -> dict[str, bytes]:
    """The contents of the run's files, but for those that tell how far a run is."""
    files = (path for path in OUT.rglob("*") if path.is_file() and path.name not in ("status.json", ".lock"))
    return {path.relative_to(OUT).as_posix(): path.read_bytes() for path in files}


def rows(table: str = "differential.csv") -> list[dict[str, str]]:
    with (OUT / table).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def record_of(slide: str) -> Path:
    (found,) = (path for path in (OUT / ".finished").glob("*.json") if f'"slide": "{slide}"' in path.read_text())
    return found


def sign(slide: str, command: Command) -> None:
    identity = json.loads((OUT / "run.json").read_text())["run"]
    Path("c.csv").write_text(f"slide,image,cell_type,reviewer,time,run\n{slide},,,Ada,2026-11-27,{identity}\n")
    assert command("report", OUT, "--corrections", "c.csv").code == 0


@pytest.mark.parametrize("name", ["reviews.csv", "run.json"])
@pytest.mark.parametrize("times", [1, 100])
def test_reviews_and_the_record_that_cannot_be_read_end_the_night_before_anything_changes(
    times: int, name: str, command: Command, night: Path, hiccup: Hiccup
) -> None:
    sign("S1", command)
    before = content()
    hiccup(OUT / name, times)
    outcome = command("classify", night, "--out", OUT, "--quiet")
    assert (outcome.code, outcome.err) == (2, f"error: cannot read {OUT / name}: Input/output error\n")
    hiccup(OUT / name, 0)
    assert content() == before
    assert command("classify", night, "--out", OUT, "--quiet").code == 0
    assert json.loads((OUT / "run.json").read_text())["run"] == json.loads(before["run.json"])["run"]
    assert json.loads((OUT / "run.json").read_text())["reviewed_slides"][0]["signed"]


@pytest.mark.parametrize("opened", range(2, 12))
def test_whenever_the_record_cannot_be_read_nothing_of_it_is_lost(
    opened: int, command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads((OUT / "run.json").read_text())
    disturbed, count = io.open, [0]

    def opens(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if str(file).endswith("run.json") and "r" in mode:
            count[0] += 1
            if count[0] == opened:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return disturbed(file, mode, *arguments, **named)

    monkeypatch.setattr(io, "open", opens)
    assert command("classify", night, "--out", OUT, "--quiet").code in (0, 2)
    monkeypatch.setattr(io, "open", disturbed)
    assert not list(OUT.glob("*.set-aside*"))
    assert command("classify", night, "--out", OUT, "--quiet").code == 0
    after = json.loads((OUT / "run.json").read_text())
    assert {name: after[name] for name in ("run", "slides", "counts")} == {
        name: before[name] for name in ("run", "slides", "counts")
    }
    assert {row["slide"] for row in rows()} == {"S1", "S2"}


@pytest.mark.parametrize("times", [2, 3, 5, 100])  # the first time only the format is looked at
def test_a_record_that_cannot_be_read_stays_and_its_slide_is_classified_again(
    times: int, command: Command, night: Path, hiccup: Hiccup
) -> None:
    before, record = rows(), record_of("S1")
    hiccup(record, times)
    outcome = command("classify", night, "--out", OUT, "--quiet")
    assert times == 2 or f"cannot read {record}: Input/output error" in outcome.err  # soon read after all
    hiccup(record, 0)
    assert [path.suffix for path in (OUT / ".finished").iterdir() if path.suffix != ".pictures"] == [".json", ".json"]
    assert not (OUT / "archive").exists()
    assert rows() == before
    assert command("classify", night, "--out", OUT, "--quiet").code == 0
    assert rows() == before


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def thin(folder: Path) -> None:
    (folder / "cell_000.jpg").unlink()


@pytest.mark.parametrize("gone", [shutil.rmtree, empty, thin])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_vanished_slide_whose_record_cannot_be_read_stays_in_the_worklist(
    earlier: bool, gone: Callable[[Path], None], command: Command, night: Path, hiccup: Hiccup
) -> None:
    first = rows()[0]
    gone(night / "S1")
    if earlier:
        assert command("classify", night, "--out", OUT, "--quiet").code == 0
    record = record_of("S1")
    whole = record.read_bytes()
    hiccup(record, 1000)
    outcome = command("classify", night, "--out", OUT, "--quiet")
    assert outcome.code == 3
    assert f"cannot read {record}: Input/output error: left as they are; the last run's rows are kept of: S1" in (
        outcome.err
    )
    found = rows()[0]
    numbers = [name for name in first if name not in ("flags", "reasons")]
    assert {name: found[name] for name in numbers} == {name: first[name] for name in numbers}
    assert found["flags"].split(";").count("vanished") == 1
    assert found["reasons"].count("its record cannot be read at present: its cells are not listed") == 1
    assert command("report", OUT).code == 2  # while the record cannot be read
    hiccup(record, 0)
    assert command("report", OUT).code == 0
    assert record.read_bytes() == whole
    assert command("classify", night, "--out", OUT, "--quiet").code == 0
    assert {name: rows()[0][name] for name in numbers} == {name: first[name] for name in numbers}
    assert "cannot be read" not in rows()[0]["reasons"]
    assert [row["slide"] for row in rows("cells.csv")] == ["S1"] * 3 + ["S2"] * 2


def test_a_night_that_does_not_know_what_was_exported_exports_nothing(
    command: Command, night: Path, hiccup: Hiccup
) -> None:
    assert command("classify", night, "--out", OUT, "--quiet", "--export", "hl7").code == 0
    memory = OUT / "export" / ".exported.json"
    for path in (OUT / "export").glob("*.hl7"):  # the interface engine took them
        path.unlink()
    known = memory.read_bytes()
    hiccup(memory, 1)
    outcome = command("classify", night, "--out", OUT, "--quiet", "--export", "hl7")
    assert outcome.code == 3
    assert f"cannot read {memory}: Input/output error" in outcome.err
    assert [path.name for path in (OUT / "export").iterdir()] == [".exported.json"]
    assert memory.read_bytes() == known
    assert command("classify", night, "--out", OUT, "--quiet", "--export", "hl7").code == 0
    assert [path.name for path in (OUT / "export").iterdir()] == [".exported.json"]


def later(record: Path) -> bytes:
    """Turn a record into one of a later version, with all checksums right. Returns its content."""
    head, *parts = (line.removesuffix(b",") for line in record.read_bytes().split(b"\n")[1:4])
    told = {**json.loads(head), "format": 5, "new": 1}
    lines = [json.dumps({name: value for name, value in told.items() if name != "finding"}).encode(), *parts]
    checks = " ".join(f"{zlib.crc32(line):08x}" for line in lines)
    record.write_bytes(b",\n".join([f'["{checks}"'.encode(), *lines]) + b"\n]\n")
    return record.read_bytes()


@pytest.mark.parametrize("images", ["there", "gone"])
def test_a_record_of_a_later_version_is_left_as_it_is(images: str, command: Command, night: Path) -> None:
    """An upgrade was taken back, or another machine has a later version."""
    record, table = record_of("S1"), rows()
    written = later(record)
    if images == "gone":
        shutil.rmtree(night / "S1")
    for _ in range(2):
        outcome = command("classify", night, "--out", OUT, "--quiet")
        assert outcome.code == 3
        assert f"{record} was written by a later slidescreen (format 5)" in outcome.err
        assert "damaged" not in outcome.err
        assert "no longer" not in outcome.err.replace("no longer there", "")
        assert record.read_bytes() == written
        assert [row["slide"] for row in rows()] == ["S1", "S2"]
        assert rows()[0]["verdict"] == table[0]["verdict"]
    assert command("report", OUT).code == 0
    assert not [path for path in OUT.rglob("*") if ".damaged" in path.name or "set-aside" in path.name]


def test_a_damaged_record_of_a_later_version_is_damaged(command: Command, night: Path) -> None:
    record = record_of("S1")
    record.write_bytes(later(record).replace(b'"format": 5', b'"format": 6'))
    outcome = command("classify", night, "--out", OUT, "--quiet")
    assert "set aside damaged records of finished slides: S1" in outcome.err
