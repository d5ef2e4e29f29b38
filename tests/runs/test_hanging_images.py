"""An image that a share never gives does not stop a night: neither classification nor the look at earlier slides."""

import csv
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, Sabotage, write_cells

OUT, HUNG = Path("run"), "cell_001.jpg"
WAIT = 100.0  # seconds for which an image hangs; longer than a test may take


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch, sabotaged: Sabotage, tmp_path: Path) -> Iterator[Path]:
    """While this file exists, no process gets the content of an image."""
    there, ended = tmp_path / "hangs", threading.Event()
    sound = Path.read_bytes

    def read(path: Path) -> Any:
        if path.name == HUNG and there.exists():
            ended.wait(WAIT)
        return sound(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    sabotaged(HUNG, f"os.path.exists({os.fspath(there)!r}) and ctypes.PyDLL(None).sleep(int({WAIT}))")
    yield there
    ended.set()


def classify(command: Command) -> int:
    """The exit code of a night that ends long before the image is read."""
    begun = time.monotonic()
    code = command("classify", "in", "--out", OUT, "--quiet", "--image-timeout", "2").code
    assert time.monotonic() - begun < WAIT
    return code


def statuses() -> list[str]:
    with (OUT / "cells.csv").open(newline="", encoding="utf-8") as file:
        return [row["status"] for row in csv.DictReader(file)]


def test_an_image_that_hangs_costs_that_image_night_after_night(command: Command, hang: Path) -> None:
    write_cells(Path("in/S1"), 3)
    hang.touch()
    for _ in range(2):
        assert classify(command) == 3
        assert statuses() == ["classified", "unreadable", "classified"]
    hang.unlink()
    assert classify(command) == 0
    assert statuses() == ["classified"] * 3


def test_an_image_that_hangs_after_its_time_has_changed_costs_that_image(command: Command, hang: Path) -> None:
    write_cells(Path("in/S1"), 3)
    assert classify(command) == 0
    for path in Path("in/S1").iterdir():
        os.utime(path, (1, 1))
    hang.touch()
    assert classify(command) == 3
    assert statuses() == ["classified", "unreadable", "classified"]
