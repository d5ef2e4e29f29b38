"""A slide of which neither images nor a whole record are left does not leave the worklist unsaid."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Command, write_cells

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
