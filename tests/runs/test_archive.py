"""What leaves the worklist for the archive, and that it is somewhere at every moment, and nowhere twice."""

import csv
import errno
import json
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import Command, write_cells

MONTH = "run/archive/" + time.strftime("%Y-%m", time.gmtime())
DAY = 24 * 3600


@pytest.fixture
def night(command: Command) -> Path:
    """Three slides that were classified into `run`; the first two have gone since."""
    root = Path("night")
    for number in range(3):
        write_cells(root / f"S{number}", 3, first_seed=10 * number)
    assert command("classify", root, "--out", "run").code == 0
    for number in range(2):
        shutil.rmtree(root / f"S{number}")
    return root


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """By how many seconds the clock is ahead."""
    ahead, now = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead[0])
    return ahead


def slides_of(folder: str) -> list[str]:
    """Of each row of a table of cells, the slide."""
    return [row["slide"] for row in csv.DictReader(Path(folder, "cells.csv").read_text().splitlines())]


def recorded() -> Counter[str]:
    """How many records there are of each slide, in the run's folder and its archive."""
    paths = [*Path("run/.finished").glob("*.json"), *Path("run/archive").glob("*/finished-slides/*.json")]
    return Counter(json.loads(path.read_text())[1]["slide"] for path in paths)


def test_an_emptied_folder_of_a_slide_in_the_archive_is_no_empty_slide(
    command: Command, night: Path, clock: list[float]
) -> None:
    (night / "S0").mkdir()
    for days in (0, 31, 32):
        clock[0] = days * DAY
        assert command("classify", night, "--out", "run").code == 0
    assert set(slides_of("run")) == {"S2"}
    record = json.loads(Path("run/run.json").read_text())
    assert record["complete"] is True
    assert record["passed_over"]["empty_folders"]["names"] == ["S0"]
    write_cells(night / "S0", 2, first_seed=50)
    assert command("classify", night, "--out", "run").code == 0
    assert set(slides_of("run")) == {"S0", "S2"}


def test_a_slide_that_has_been_gone_for_long_leaves_the_worklist_for_the_archive(
    command: Command, night: Path, clock: list[float]
) -> None:
    before = Path("run/cells.csv").read_text().splitlines()
    for days in (0, 29):
        clock[0] = days * DAY
        command("classify", night, "--out", "run")
        assert sorted(set(slides_of("run"))) == ["S0", "S1", "S2"]
    clock[0] = 31 * DAY
    outcome = command("classify", night, "--out", "run")
    assert outcome.code == 0
    assert f"gone for 30 days, moved to the archive ({MONTH.removeprefix('run/')}): 2 slides" in outcome.err
    assert set(slides_of("run")) == {"S2"}
    shown = command("report", MONTH)
    assert shown.code == 0
    assert shown.out.startswith("2 slides: ")
    assert "6 images: " in shown.out
    assert Path(MONTH, "cells.csv").read_text().splitlines() == before[:7]
    assert len(Path(MONTH, "differential.csv").read_text().splitlines()) == 3
    assert Path(MONTH, "report.html").read_text().count('<section class="slide') == 2
    assert recorded() == {"S0": 1, "S1": 1, "S2": 1}


def test_a_slide_that_comes_back_in_time_has_not_been_gone(command: Command, night: Path, clock: list[float]) -> None:
    command("classify", night, "--out", "run", "--keep", "2")
    write_cells(night / "S0", 3)
    clock[0] = DAY
    command("classify", night, "--out", "run", "--keep", "2")
    shutil.rmtree(night / "S0")
    clock[0] = 2.5 * DAY
    command("classify", night, "--out", "run", "--keep", "2")
    assert sorted(set(slides_of("run"))) == ["S0", "S2"]


def test_a_night_with_a_wrong_clock_shortens_no_absence(command: Command, night: Path, clock: list[float]) -> None:
    for days in (0, -23_000, 1, 29):
        clock[0] = days * DAY
        command("classify", night, "--out", "run")
        assert sorted(set(slides_of("run"))) == ["S0", "S1", "S2"]
    clock[0] = 31 * DAY
    command("classify", night, "--out", "run")
    assert set(slides_of("run")) == {"S2"}


def test_a_slide_that_was_finished_by_a_clock_that_was_ahead_leaves_as_others_do(
    command: Command, night: Path, clock: list[float]
) -> None:
    for days in (-23_000, -22_999, -22_969):  # as seen from the day of its record
        clock[0] = days * DAY
        command("classify", night, "--out", "run")
        assert ("S0" in slides_of("run")) == (days < -22_969)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": "then"}'])
def test_a_damaged_memory_of_absences_begins_anew(text: str, command: Command, night: Path, clock: list[float]) -> None:
    command("classify", night, "--out", "run", "--keep", "2")
    Path("run/.vanished.json").write_text(text)
    clock[0] = 3 * DAY
    command("classify", night, "--out", "run", "--keep", "2")
    assert sorted(set(slides_of("run"))) == ["S0", "S1", "S2"]


def test_an_emptied_slide_leaves_as_a_removed_one_does(command: Command, night: Path) -> None:
    (night / "S0").mkdir()
    command("classify", night, "--out", "run", "--keep", "0")
    assert set(slides_of("run")) == {"S2"}
    assert command("classify", night, "--out", "run", "--keep", "0").code == 0
    assert recorded() == {"S0": 1, "S1": 1, "S2": 1}


@pytest.mark.parametrize("moment", [0, 1])
def test_a_crash_while_records_move_loses_none_and_doubles_none(
    moment: int, command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, calls = Path.rename, []

    def dying(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) > moment:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying)
        assert command("classify", night, "--out", "run", "--keep", "0").code == 130
    assert recorded() == {"S0": 1, "S1": 1, "S2": 1}
    assert command("classify", night, "--out", "run", "--keep", "0").code == 0
    assert set(slides_of("run")) == {"S2"}
    assert recorded() == {"S0": 1, "S1": 1, "S2": 1}


@pytest.mark.parametrize("dies", [False, True])
def test_an_archive_on_another_disk_is_filled_by_copying_first(
    dies: bool, command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def refuse(*_: Path) -> Path:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def dying(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "rename", refuse)
    if dies:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", dying)
            assert command("classify", night, "--out", "run", "--keep", "0").code == 130
        assert sum(recorded().values()) == 4  # one of them is in both places
    assert command("classify", night, "--out", "run", "--keep", "0").code == 0
    assert recorded() == {"S0": 1, "S1": 1, "S2": 1}


def test_a_slide_whose_record_cannot_be_moved_stays_in_the_worklist(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Path) -> Path:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    outcome = command("classify", night, "--out", "run", "--keep", "0")
    assert outcome.code == 0
    assert "S0 stays in the worklist" in outcome.err
    assert sorted(set(slides_of("run"))) == ["S0", "S1", "S2"]


def test_a_record_gives_way_to_other_images_of_the_same_slide_and_is_kept(command: Command, night: Path) -> None:
    before = Path("run/cells.csv").read_text().splitlines()
    write_cells(night / "S2", 3, first_seed=500)
    command("classify", night, "--out", "run", "--keep", "0")
    assert recorded() == {"S0": 1, "S1": 1, "S2": 2}
    command("report", "run/archive")
    assert Path("run/archive/cells.csv").read_text().splitlines() == before
    write_cells(night / "S2", 4, first_seed=500)  # one more image: what was there is still there
    command("classify", night, "--out", "run")
    assert recorded() == {"S0": 1, "S1": 1, "S2": 2}


def test_slides_of_one_name_in_an_archive_are_told_apart_by_their_times(command: Command, night: Path) -> None:
    before = Path("run/cells.csv").read_text().splitlines()
    for seed in (500, 700):
        write_cells(night / "S2", 3, first_seed=seed)
        command("classify", night, "--out", "run", "--keep", "0")
    command("report", MONTH)
    names = slides_of(MONTH)
    assert len(names) == len(before) - 1 + 3
    assert Counter(names)["S2"] == 3
    (other,) = {name for name in names if name.startswith("S2 (20")}
    assert Counter(names)[other] == 3


def test_the_archive_is_measured_against_labels_as_a_run_is(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run", "--keep", "0")
    labels = Path("labels.csv")
    rows = [f"night/S{slide}/cell_{cell:03d}.jpg,monocyte" for slide in range(2) for cell in range(3)]
    labels.write_text("file,label\n" + "\n".join(rows) + "\n")
    for number in range(2):
        write_cells(night / f"S{number}", 3, first_seed=10 * number)
    outcome = command("report", MONTH, "--truth", labels)
    assert outcome.code == 0, outcome.err
    assert json.loads(Path(MONTH, "evaluation", "metrics.json").read_text())["models"][0]["cells"] == 6


def test_a_damaged_record_in_an_archive_is_named(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run", "--keep", "0")
    record = next(Path(MONTH, "finished-slides").glob("*.json"))
    record.write_text(record.read_text()[:-40])
    outcome = command("report", MONTH)
    assert outcome.code == 2
    assert f"{record.name} is damaged: move it away" in outcome.err


def test_heat_maps_of_an_archive_are_refused(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run", "--keep", "0")
    outcome = command("report", MONTH, "--explain")
    assert outcome.code == 2
    assert "an archive has none" in outcome.err
