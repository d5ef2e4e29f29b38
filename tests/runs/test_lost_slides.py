"""A slide of which neither images nor a whole record are left does not leave the worklist unsaid."""

import csv
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.errors import OutputError
from slidescreen.files import writing

OUT = Path("run")


@pytest.fixture
def night(command: Command) -> Path:
    """Two slides that a first night has classified."""
    write_cells(Path("in/S1"), 2)
    write_cells(Path("in/S2"), 2, first_seed=10)
    assert command("classify", "in", "--out", OUT, "--quiet").code == 0
    return Path("in")


def slides(table: str = "differential.csv") -> list[str]:
    with (OUT / table).open(newline="", encoding="utf-8") as file:
        return [row["slide"] for row in csv.DictReader(file)]


def record_of(slide: str) -> Path:
    (found,) = (path for path in (OUT / ".finished").glob("*.json") if f'"slide": "{slide}"' in path.read_text())
    return found


def zero(path: Path) -> None:
    """What a power cut leaves on some file systems."""
    path.write_bytes(bytes(path.stat().st_size))


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize("damage", [zero, Path.unlink])
@pytest.mark.parametrize("gone", [shutil.rmtree, empty])
def test_a_slide_that_left_no_trace_is_named_and_the_last_tables_are_kept(
    damage: Callable[[Path], None], gone: Callable[[Path], None], command: Command, night: Path
) -> None:
    damage(record_of("S1"))
    gone(night / "S1")
    before = (OUT / "differential.csv").read_bytes()
    outcome = command("classify", night, "--out", OUT, "--quiet")
    assert outcome.code == 3
    said = (
        "no longer in the worklist, because neither images nor a whole record are left: S1; the last run's files are "
    )
    assert said in outcome.err
    assert json.loads((OUT / "run.json").read_text())["lost_slides"] == ["S1"]
    assert (OUT / "differential.set-aside-1.csv").read_bytes() == before
    assert slides("cells.set-aside-1.csv") == ["S1", "S1", "S2", "S2"]
    assert "S2" in slides()
    again = command("classify", night, "--out", OUT, "--quiet")
    assert "no longer" not in again.err
    assert not (OUT / "differential.set-aside-2.csv").exists()


def test_what_is_known_elsewhere_is_not_lost(command: Command, night: Path) -> None:
    zero(record_of("S2"))  # its images are there
    empty(night / "S1")  # its record is there
    (night / "S3").mkdir()  # it never had images
    assert command("classify", night, "--out", OUT, "--quiet").code == 3
    shutil.rmtree(night / "S1")
    shutil.rmtree(night / "S3")
    outcome = command("classify", night, "--out", OUT, "--keep", "0", "--quiet")  # S1 moves into the archive
    assert outcome.code == 0, outcome.err
    assert command("classify", night, "--out", OUT, "--quiet").code == 0
    assert slides() == ["S2"]
    assert json.loads((OUT / "run.json").read_text())["lost_slides"] == []
    assert not list(OUT.glob("*set-aside*"))


@pytest.mark.usefixtures("night")
def test_the_slides_of_another_input_are_not_missed(command: Command) -> None:
    write_cells(Path("other/S9"), 2, first_seed=20)
    outcome = command("classify", "other", "--out", OUT, "--overwrite", "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    assert slides() == ["S9"]


def again_with_other_images(night: Path, command: Command, *options: str) -> int:
    """A night later, S1 has been exported with other images. Returns the exit code."""
    time.sleep(1.1)  # records tell seconds
    shutil.rmtree(night / "S1")
    write_cells(night / "S1", 2, first_seed=30)
    return command("classify", night, "--out", OUT, "--quiet", *options).code


@pytest.mark.parametrize("gone", [shutil.rmtree, empty])
def test_the_record_of_other_images_in_the_archive_does_not_stand_for_a_damaged_one(
    gone: Callable[[Path], None], command: Command, night: Path
) -> None:
    assert again_with_other_images(night, command) == 0
    assert len(list(OUT.glob("archive/*/finished-slides/*.json"))) == 1
    zero(record_of("S1"))
    gone(night / "S1")
    assert command("classify", night, "--out", OUT, "--quiet").code == 3
    assert json.loads((OUT / "run.json").read_text())["lost_slides"] == ["S1"]
    assert command("classify", night, "--out", OUT, "--quiet").code == (3 if gone is empty else 0)


@pytest.mark.parametrize("images", ["other", "more"])
def test_a_result_that_could_not_be_recorded_is_missed_when_its_images_go(
    images: str, command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("slidescreen.screening.slide_record.write_whole", full)
        if images == "other":
            assert again_with_other_images(night, command) == 3
        else:
            write_cells(night / "S1", 3)
            time.sleep(1.1)
            assert command("classify", night, "--out", OUT, "--quiet").code == 3
    listed = (OUT / "cells.csv").read_text()
    shutil.rmtree(night / "S1")
    outcome = command("classify", night, "--out", OUT, "--quiet")
    assert outcome.code == 3, "an older result, or none, stands in the worklist unsaid"
    assert json.loads((OUT / "run.json").read_text())["lost_slides"] == ["S1"]
    assert (OUT / "cells.set-aside-1.csv").read_text() == listed


def test_a_result_that_could_not_be_recorded_a_second_time_is_kept(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("slidescreen.screening.slide_record.write_whole", full)
        assert command("classify", night, "--out", OUT, "--quiet", "--force").code == 3
    shutil.rmtree(night / "S1")
    assert command("classify", night, "--out", OUT, "--quiet").code == 0
    assert slides() == ["S1", "S2"]


def test_a_kill_before_a_record_is_replaced_leaves_the_earlier_one_in_its_place(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = record_of("S1").read_bytes()

    def killed(temporary: Path, path: Path, or_beside: bool) -> Path:
        if path.parent.name == ".finished":
            raise KeyboardInterrupt
        return put(temporary, path, or_beside)

    put = writing._put
    with monkeypatch.context() as patch:
        patch.setattr(writing, "_put", killed)
        assert again_with_other_images(night, command) == 130
    assert record_of("S1").read_bytes() == before
    assert [path.read_bytes() for path in OUT.glob("archive/*/finished-slides/*.json")] == [before]
    assert command("classify", night, "--out", OUT, "--quiet").code == 0
    assert len(list(OUT.glob("archive/*/finished-slides/*.json"))) == 1
    assert slides() == ["S1", "S2"]


def full(path: Path, *_: object) -> None:
    raise OutputError(f"cannot write {path}: No space left on device")
