"""A child process that looks at images ahead gives what this process would, and its failure costs nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.data.slides import Slide, discover
from slidescreen.runs import fingerprints_ahead as ahead
from slidescreen.runs.fingerprints import fingerprint_of
from slidescreen.runs.fingerprints_ahead import fingerprints_ahead


@pytest.fixture
def slides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Slide]:
    """Slides of all kinds: flat, with class folders, with a picture that may not be opened, of an odd name."""
    monkeypatch.setattr(ahead, "LEAST_IMAGES", 1)
    root = tmp_path / "in"
    for number, name in enumerate(("26-0001", "26-0002 Ä", os.fsdecode(b"26-0003 \xff"))):
        write_cells(root / name, 2, first_seed=10 * number)
    write_cells(root / "26-0004" / "Monocytes", 2, first_seed=50)
    write_cells(root / "26-0004" / "Lymphocytes", 1, first_seed=60)
    (root / "26-0004" / "Monocytes" / "z.jpg").symlink_to(__file__)
    return discover(root)


def children(monkeypatch: pytest.MonkeyPatch) -> "list[subprocess.Popen[bytes]]":
    """The child processes that are started from here on."""
    started = []
    start = subprocess.Popen

    def noted(*given: object, **named: object) -> object:
        started.append(start(*given, **named))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    return started


def given(slides: list[Slide]) -> list[str]:
    with fingerprints_ahead(slides) as next_fingerprint:
        return [next_fingerprint(slide) for slide in slides]


def test_the_child_gives_the_same_fingerprints(slides: list[Slide], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [fingerprint_of(slide) for slide in slides]
    monkeypatch.setattr(ahead, "fingerprint_of", lambda _: pytest.fail("the child failed"))
    started = children(monkeypatch)
    assert given(slides) == expected
    assert len(started) == 1
    assert started[0].poll() is not None  # it has ended


def test_a_change_shows(slides: list[Slide]) -> None:
    before = given(slides)
    os.utime(slides[2].images[0].path, (1e9, 1e9))
    after = given(slides)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, False, True]


def test_few_images_need_no_child(slides: list[Slide], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "LEAST_IMAGES", 11)
    started = children(monkeypatch)
    assert given(slides) == [fingerprint_of(slide) for slide in slides]
    assert not started


@pytest.mark.parametrize("fault", ["no python", "dies at once", "dies halfway", "talks nonsense"])
def test_a_child_that_fails_costs_nothing(fault: str, slides: list[Slide], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [fingerprint_of(slide) for slide in slides]
    programs = {"dies at once": "raise SystemExit(1)", "talks nonsense": "print('hello\\n' * 9)"}
    monkeypatch.setattr(ahead, "_PROGRAM", programs.get(fault, ahead._PROGRAM))
    if fault == "no python":
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
    started = children(monkeypatch)
    with fingerprints_ahead(slides) as next_fingerprint:
        found = [next_fingerprint(slides[0])]
        if fault == "dies halfway":
            os.kill(started[0].pid, signal.SIGKILL)
            started[0].wait()
        found += [next_fingerprint(slide) for slide in slides[1:]]
    assert found == expected


def test_a_child_that_nobody_listens_to_is_ended(slides: list[Slide], monkeypatch: pytest.MonkeyPatch) -> None:
    started = children(monkeypatch)
    with pytest.raises(KeyboardInterrupt), fingerprints_ahead(slides * 500):
        raise KeyboardInterrupt
    assert started[0].poll() is not None


@pytest.mark.usefixtures("slides")
def test_a_night_with_a_child_that_looks_ahead_classifies_what_changed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    started = children(monkeypatch)

    def classified() -> str:
        """The summary's line of what was not classified again."""
        shown = command("classify", "in", "--out", "run")
        assert shown.code == 3  # for the picture that may not be opened
        return next((line for line in shown.err.splitlines() if "not classified again" in line), "")

    assert classified() == ""
    cells = Path("run/cells.csv").read_bytes()
    assert classified().endswith("4 slides")
    assert Path("run/cells.csv").read_bytes() == cells
    write_cells(tmp_path / "in" / "26-0001", 2, first_seed=90)
    assert classified().endswith("3 slides")
    assert Path("run/cells.csv").read_bytes() != cells
    assert sum("files.folder_fingerprint" in str(child.args) for child in started) == 3
