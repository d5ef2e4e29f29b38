"""The process that decodes: what it answers, and what becomes of an image that it does not survive."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from conftest import Sabotage, write_cells

from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine import decoder as module
from slidescreen.engine import loading
from slidescreen.engine.decoder import Decoder
from slidescreen.engine.loading import load

WANTED = (Preprocessing(40), Preprocessing(64, white_balance=False, interpolation="bicubic"))


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    started = Decoder(WANTED, 10.0)
    yield started
    started.stop()


def test_an_image_is_as_if_decoded_here(decoder: Decoder, tmp_path: Path) -> None:
    for path in write_cells(tmp_path, 8):
        there, here = decoder(path), load(path, WANTED)
        assert (there.digest, there.appearance, there.reason) == (here.digest, here.appearance, "")
        for one, other in zip(there.pixels, here.pixels, strict=True):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)


def test_what_cannot_be_read_says_why(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    assert decoder(tmp_path / "bad.jpg").reason == load(tmp_path / "bad.jpg", WANTED).reason != ""
    assert decoder(tmp_path / "none.jpg").reason == "the file is gone or is not a regular file"


def test_a_decoder_whose_parent_was_killed_ends_without_a_word(tmp_path: Path) -> None:
    (path,) = write_cells(tmp_path, 1)
    child = subprocess.Popen(
        [sys.executable, "-c", "from slidescreen.engine.decoder import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    module._send(child.stdin, {"preprocessings": [asdict(p) for p in WANTED], "limit": 10})
    assert child.stdout.readline() == b'"ready"\n'
    child.stdout.close()
    module._send(child.stdin, str(path))
    child.stdin.close()
    assert child.wait(30) == 0
    assert child.stderr.read() == b""


HANGING = """
import ctypes, signal
from slidescreen.engine import decoder
{without}
decoder._GRACE = 0
decoder.load = lambda *_: ctypes.PyDLL(None).sleep(60)
decoder.serve()
"""


@pytest.mark.parametrize("without", ["", "del signal.alarm"])  # as on Windows
def test_a_decoder_left_alone_with_an_image_that_hangs_ends_itself(without: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HANGING.format(without=without)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdin is not None
    module._send(child.stdin, {"preprocessings": [], "limit": 1})
    module._send(child.stdin, "any.jpg")
    assert child.wait(30) != 0


def test_any_name_reaches_the_decoder(decoder: Decoder, tmp_path: Path) -> None:
    (whole,) = write_cells(tmp_path, 1)
    for name in (b"a\nb.jpg", b'"quoted" \\.jpg', b"\xff\xfe.jpg", "Färbung ✓.jpg".encode()):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(whole.read_bytes())
        assert decoder(path).digest == decoder(whole).digest


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("ctypes.string_at(0)", "the image decoder crashed (SIGSEGV) while reading it"),
        ("os.abort()", "the image decoder crashed (SIGABRT) while reading it"),
        ("os._exit(7)", "the image decoder ended with exit code 7 while reading it"),
        ("os.kill(os.getpid(), 9)", "the image decoder was killed (SIGKILL) while reading it"),
    ],
)
def test_an_image_that_the_decoder_does_not_survive_costs_that_image(
    fault: str, reason: str, tmp_path: Path, sabotaged: Sabotage
) -> None:
    first, bad, last = write_cells(tmp_path, 3)
    sabotaged(bad.name, fault)
    decoder = Decoder(WANTED, 10.0)
    assert [decoder(path).reason for path in (first, bad, last)] == ["", reason, ""]
    decoder.stop()


@pytest.mark.parametrize("often", [1, 2])
def test_memory_that_runs_out_on_the_way_back_is_tried_again_and_then_costs_that_image(
    often: int, decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = write_cells(tmp_path, 2)
    fill, left = module._fill, [often]

    def cramped(pipe: IO[bytes], room: memoryview) -> None:
        if left[0]:
            left[0] -= 1
            raise MemoryError
        fill(pipe, room)

    monkeypatch.setattr(module, "_fill", cramped)
    assert decoder(first).reason == ("" if often == 1 else "memory ran out while it was being read")
    assert decoder(second).digest == load(second, WANTED).digest


def test_an_image_for_which_memory_runs_out_costs_that_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(_: bytes) -> None:
        raise MemoryError

    (path,) = write_cells(tmp_path, 1)
    monkeypatch.setattr(loading, "read_picture", run_out)
    assert load(path, WANTED).reason == "memory ran out while it was being read"


def test_a_decoder_killed_from_outside_costs_nothing(decoder: Decoder, tmp_path: Path) -> None:
    for path in write_cells(tmp_path, 5):
        os.kill(decoder._child.pid, signal.SIGKILL)
        assert decoder(path).reason == ""


def test_what_a_decoder_prints_is_no_answer(tmp_path: Path, sabotaged: Sabotage) -> None:
    (path,) = write_cells(tmp_path, 1)
    sabotaged(path.name, "os.write(1, b'{}' * 10 + b'\\n')")
    decoder = Decoder(WANTED, 10.0)
    assert decoder(path).digest == load(path, WANTED).digest
    decoder.stop()


def test_a_decoder_that_hangs_is_stopped(tmp_path: Path, sabotaged: Sabotage) -> None:
    (path,) = write_cells(tmp_path, 1)
    sabotaged(path.name, "ctypes.PyDLL(None).sleep(60)")  # as C code does that never comes back
    decoder = Decoder(WANTED, 10.0)
    started = time.monotonic()
    threading.Timer(0.5, decoder.stop).start()
    assert decoder(path).reason
    assert time.monotonic() - started < 10
    assert decoder._child.poll() == -signal.SIGKILL


def test_a_decoder_ends_with_its_parent(decoder: Decoder) -> None:
    child = decoder._child
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(10) == 0


def test_a_decoder_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROGRAM", "raise SystemExit(5)")
    with pytest.raises(RuntimeError, match="cannot be started: it ended with exit code 5"):
        Decoder(WANTED, 10.0)


def test_nothing_is_imported_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("numpy.py", "json.py", "PIL.py"):
        Path(name).write_text("raise SystemExit(9)")
    Decoder(WANTED, 10.0).stop()


def test_what_a_decoder_prints_reaches_nobody(
    tmp_path: Path, sabotaged: Sabotage, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLIDESCREEN_DEBUG", raising=False)
    bad, good = write_cells(tmp_path, 2)
    sabotaged(bad.name, 'os.write(1, b"out\\n"); os.write(2, b"err\\n"); raise RuntimeError("a traceback")')
    decoder = Decoder(WANTED, 10.0)
    assert decoder(bad).reason == "the image decoder ended with exit code 1 while reading it"
    assert decoder(good).reason == ""
    decoder.stop()
    assert capfd.readouterr() == ("", "")
