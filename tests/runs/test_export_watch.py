"""Whether a slide is still being exported: what arrived lately, whatever the times that a copy brought along."""

import os
import shutil
import time
from pathlib import Path

import pytest
from conftest import write_cells

from slidescreen.data.slides import Slide, discover
from slidescreen.runs.export_watch import ExportWatch, FolderState

HOUR = 3600.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """By how many seconds the clock is ahead."""
    ahead, now = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead[0])
    return ahead


@pytest.fixture
def slide(tmp_path: Path) -> Slide:
    """A slide with a class folder, its files and folders of an hour ago by their times of change."""
    write_cells(tmp_path / "in" / "S1" / "Monocyte", 2)
    write_cells(tmp_path / "in" / "S1" / "Lymphocyte", 2, first_seed=10)
    age(tmp_path / "in")
    return discover(tmp_path / "in" / "S1")[0]


def age(path: Path, seconds: float = HOUR) -> None:
    """Set times of change back, as `cp -p`, `rsync -a` and robocopy bring old ones along."""
    for each in (path, *path.rglob("*")):
        os.utime(each, (time.time() - seconds,) * 2)


def waits(slide: Slide, tmp_path: Path, settle: float = 60.0) -> bool:
    return ExportWatch(settle, tmp_path, [slide]).waiting([slide]) == [slide]


def test_what_arrived_lately_makes_a_slide_wait_however_old_its_times(
    slide: Slide, tmp_path: Path, clock: list[float]
) -> None:
    assert waits(slide, tmp_path)
    clock[0] = 61
    assert not waits(slide, tmp_path)


def test_without_a_time_to_settle_no_slide_waits(slide: Slide, tmp_path: Path) -> None:
    assert not waits(slide, tmp_path, settle=0)


@pytest.mark.parametrize("fresh", [".", "Monocyte", "Monocyte/cell_000.jpg"])
def test_a_time_of_change_of_a_file_or_folder_counts_as_well(
    fresh: str, slide: Slide, tmp_path: Path, clock: list[float]
) -> None:
    clock[0] = HOUR
    os.utime(slide.folder / fresh, (time.time(),) * 2)
    assert waits(slide, tmp_path)


def test_a_new_class_folder_is_a_sign_before_any_image_is_in_it(
    slide: Slide, tmp_path: Path, clock: list[float]
) -> None:
    clock[0] = HOUR
    fresh = slide.folder / "Basophil"
    fresh.mkdir()
    os.utime(slide.folder, (0, 0))
    os.utime(fresh, (time.time(),) * 2)
    assert waits(slide, tmp_path)


def test_what_belongs_to_another_slide_is_no_sign(slide: Slide, tmp_path: Path, clock: list[float]) -> None:
    clock[0] = HOUR
    write_cells(slide.folder / "26-0002", 1)
    os.utime(slide.folder / "26-0002" / "cell_000.jpg", (time.time(),) * 2)
    other = Slide("26-0002", slide.folder / "26-0002", ())
    assert ExportWatch(60, tmp_path, [slide]).waiting([slide]) == [slide]
    (tmp_path / ".waiting.json").unlink()
    assert ExportWatch(60, tmp_path, [slide, other]).waiting([slide]) == []


@pytest.mark.parametrize("seconds", [-2 * HOUR, -86400 * 365])
def test_a_wrong_clock_does_not_make_a_slide_wait(
    seconds: float, slide: Slide, tmp_path: Path, clock: list[float]
) -> None:
    clock[0] = 61
    age(slide.folder, seconds)
    assert not waits(slide, tmp_path)


def test_a_wrong_clock_does_not_hide_what_arrived_just_now(slide: Slide, tmp_path: Path) -> None:
    age(slide.folder, -86400)
    assert waits(slide, tmp_path)


@pytest.mark.parametrize("seconds", [59, 61, HOUR, 86400 * 365])
def test_what_arrived_by_a_clock_that_is_ahead_waits_until_a_second_look_finds_it_the_same(
    seconds: float, slide: Slide, tmp_path: Path, clock: list[float]
) -> None:
    age(slide.folder, 86400 * 400)
    clock[0] = -seconds  # a server that is ahead, as seen from here
    assert waits(slide, tmp_path)
    clock[0] += 50
    shutil.copy2(slide.images[0].path, slide.folder / "Monocyte" / "cell_007.jpg")  # the export goes on
    assert waits(slide, tmp_path)
    clock[0] += 59
    assert waits(slide, tmp_path)
    clock[0] += 61
    assert not waits(slide, tmp_path)


def test_a_copy_that_stands_still_does_not_wait_for_ever_where_the_clock_is_ahead(
    slide: Slide, tmp_path: Path, clock: list[float]
) -> None:
    (slide.folder / "Monocyte" / "cell_009.jpg.part").touch()
    for hours, waiting in [(0, True), (23, True), (25, False)]:
        clock[0] = hours * HOUR - 86400 * 365
        assert waits(slide, tmp_path) is waiting


@pytest.mark.parametrize(
    "name",
    [
        "cell_009.jpg.part", "cell_009.jpg.filepart", "cell_009.jpg.partial", "cell_009.jpg.crdownload", "~tmp0001",
        ".cell_009.jpg.Xy3z9Q", ".in.cell_009.jpg.", "cell_009.TMP", "~syncthing~cell_009.jpg.tmp", ".~tmp~",
    ],
)  # fmt: skip
def test_the_temporary_names_of_copies_make_a_slide_wait_and_not_for_ever(
    name: str, slide: Slide, tmp_path: Path, clock: list[float]
) -> None:
    (slide.folder / "Monocyte" / name).touch()
    clock[0] = 2 * HOUR  # the copy stands still, or its tool keeps what is next in line
    assert waits(slide, tmp_path)
    clock[0] = 4 * HOUR
    assert waits(slide, tmp_path)
    clock[0] = 25 * HOUR
    assert not waits(slide, tmp_path)


@pytest.mark.parametrize("name", ["cell_009.jpg", "apart.jpg", "part.jpg", "notes.txt", ".hidden", "temp.jpg"])
def test_other_names_are_no_sign_of_a_copy(name: str, slide: Slide, tmp_path: Path, clock: list[float]) -> None:
    (slide.folder / name).touch()
    clock[0] = 2 * HOUR
    assert not waits(slide, tmp_path)


def test_a_slide_that_two_looks_found_the_same_waits_no_longer_whatever_its_times_say(
    slide: Slide, tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderState, "is_fresh", lambda *_: True)  # a virus scanner, say, touches it every minute
    for ahead, waiting in [(0, True), (59, True), (61, False)]:
        clock[0] = ahead
        assert waits(slide, tmp_path) is waiting


def test_a_slide_that_changed_between_two_near_looks_waits_whatever_its_times_say(
    slide: Slide, tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert waits(slide, tmp_path)
    monkeypatch.setattr(FolderState, "is_fresh", lambda *_: False)  # the share tells no times of arrival
    shutil.copy2(slide.images[0].path, slide.folder / "Monocyte" / "cell_007.jpg")
    clock[0] = 59
    assert waits(slide, tmp_path)
    clock[0] = 118
    assert not waits(slide, tmp_path)


def test_a_damaged_memory_is_none(slide: Slide, tmp_path: Path, clock: list[float]) -> None:
    for text in ("", "[]", "{", '{"a": {}}'):
        (tmp_path / ".waiting.json").write_text(text)
        assert waits(slide, tmp_path)
    clock[0] = 61
    assert not waits(slide, tmp_path)


def test_a_change_after_the_first_look_is_seen(slide: Slide, tmp_path: Path, clock: list[float]) -> None:
    clock[0] = 61
    exports = ExportWatch(60, tmp_path, [slide])
    assert exports.waiting([slide]) == []
    assert not exports.has_changed(slide)
    (slide.folder / "Thumbs.db").touch()
    assert not exports.has_changed(slide)
    shutil.copy2(slide.images[0].path, slide.folder / "cell_007.jpg")
    assert exports.has_changed(slide)
