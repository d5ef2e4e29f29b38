"""A share that is not mounted is an empty folder. A night says so, and none of its slides leaves the worklist."""

import csv
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from conftest import Command, write_cells

ROOT, OUT = Path("export"), Path("run")
DAY = 24 * 3600


@pytest.fixture
def mounted(command: Command, monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Two analysers' shares below `export`, each with a classified slide. What is taken out is no longer mounted."""
    write_cells(ROOT / "A" / "S1", 2)
    write_cells(ROOT / "B" / "S2", 2, first_seed=10)
    mounts, real = {(ROOT / name).resolve() for name in "AB"}, os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) in mounts or real(path))
    assert command("classify", ROOT, "--out", OUT, "--quiet").code == 0
    return mounts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """By how many seconds the clock is ahead."""
    ahead, now = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead[0])
    return ahead


def record() -> dict[str, object]:
    return dict(json.loads((OUT / "run.json").read_text()))


def listed() -> list[str]:
    with (OUT / "differential.csv").open(newline="", encoding="utf-8") as file:
        return [row["slide"] for row in csv.DictReader(file)]


def hide(folder: Path) -> None:
    """Leave an empty folder in a share's place."""
    folder.rename(f"{folder.name} elsewhere")
    folder.mkdir()


def show(folder: Path) -> None:
    folder.rmdir()
    Path(f"{folder.name} elsewhere").rename(folder)


@pytest.mark.usefixtures("mounted")
def test_an_input_without_any_image_is_said_and_costs_no_slide(command: Command, clock: list[float]) -> None:
    hide(ROOT)
    for days in (0, 20, 40, 60):
        clock[0] = days * DAY
        outcome = command("classify", ROOT, "--out", OUT, "--quiet")
        assert outcome.code == 3
        assert f"no image is left in {ROOT.resolve()}: is the share mounted?" in outcome.err
        assert listed() == ["A/S1", "B/S2"]
        assert record()["absent_shares"] == ["."]
    show(ROOT)
    outcome = command("classify", ROOT, "--out", OUT, "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    assert record()["earlier_slides"] == ["A/S1", "B/S2"]
    assert "absent_shares" not in record()


def test_one_of_several_shares_is_missed_too(command: Command, mounted: set[Path], clock: list[float]) -> None:
    hide(ROOT / "A")
    mounted.remove((ROOT / "A").resolve())
    for days in (0, 20, 40):
        clock[0] = days * DAY
        outcome = command("classify", ROOT, "--out", OUT, "--quiet")
        assert outcome.code == 3
        assert f"no image is left in {(ROOT / 'A').resolve()}: is the share mounted?" in outcome.err
        assert listed() == ["A", "A/S1", "B/S2"]  # the first is an empty folder
    show(ROOT / "A")
    mounted.add((ROOT / "A").resolve())
    assert command("classify", ROOT, "--out", OUT, "--quiet").code == 0
    assert listed() == ["A/S1", "B/S2"]


@pytest.mark.parametrize("still_mounted", [True, False])
def test_slides_that_were_cleared_away_leave_the_worklist(
    still_mounted: bool, command: Command, mounted: set[Path], clock: list[float]
) -> None:
    if still_mounted:
        write_cells(ROOT / "A" / "S3", 2, first_seed=20)
        shutil.rmtree(ROOT / "A" / "S1")
    else:  # the share is given up, with its folder
        shutil.rmtree(ROOT / "A")
        mounted.remove((ROOT / "A").resolve())
    for days in (0, 31):
        clock[0] = days * DAY
        assert command("classify", ROOT, "--out", OUT, "--quiet").code == 0
    assert listed() == (["A/S3"] if still_mounted else []) + ["B/S2"]


@pytest.mark.usefixtures("mounted")
def test_a_night_without_any_image_does_not_begin_absences_anew(command: Command, clock: list[float]) -> None:
    shutil.rmtree(ROOT / "A")
    assert command("classify", ROOT, "--out", OUT, "--quiet").code == 0
    hide(ROOT)
    clock[0] = 31 * DAY
    assert command("classify", ROOT, "--out", OUT, "--quiet").code == 3
    show(ROOT)
    assert command("classify", ROOT, "--out", OUT, "--quiet").code == 0
    assert listed() == ["B/S2"]


def test_slides_that_moved_from_a_share_onto_the_disk_are_not_missed(command: Command, mounted: set[Path]) -> None:
    mounted.clear()
    assert command("classify", ROOT, "--out", OUT, "--quiet").code == 0
    assert "mount_points" not in record()
