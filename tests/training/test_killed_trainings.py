"""Trainings in processes of their own, ended by true signals at random instants."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_training import labelled, results

TESTS = Path(__file__).parents[1]

# A process that has everything loaded, and trains in a copy of itself for each line that it reads.
NURSERY = """
import os, signal, sys
sys.path[:0] = sys.argv[1:2]
from dataclasses import replace
from pathlib import Path
from slidescreen.cli import app
from slidescreen.training import history, learner
from slidescreen.training.session import run_training
from small_training import SMALL, Silent, build_small, request
learner.build = build_small
history._draw_curves = lambda path, rows: history.write_text(path, repr(len(rows)))
signal.signal(signal.SIGTERM, app._interrupt)
signal.signal(signal.SIGINT, signal.default_int_handler)
while line := sys.stdin.readline():
    data, out = (Path(word) for word in line.split())
    child = os.fork()
    if not child:
        code = 70
        try:
            resume = any(out.glob("*.safetensors"))  # of one that goes on, or is finished
            run_training(request(data, out, replace(SMALL, epochs=5), resume=resume), Silent())
            code = 0
        except KeyboardInterrupt:
            code = 130
        finally:
            os._exit(code)
    print(child, flush=True)
    sys.stdin.readline()  # until then the child is not reaped, and its number is nobody else's
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def nursery() -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", NURSERY, str(TESTS)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def train(nursery: "subprocess.Popen[str]", data: Path, out: Path, end: signal.Signals | None, after: float) -> int:
    """The exit code of a training that is given a signal `after` seconds; negative where the signal killed it."""
    given, told = nursery.stdin, nursery.stdout
    assert given is not None
    assert told is not None
    print(data, out, file=given, flush=True)
    child = int(told.readline())
    if end is not None:
        time.sleep(after)
        os.kill(child, end)
    print("collect", file=given, flush=True)
    return int(told.readline())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_signals_at_random_instants_leave_no_trace(nursery: "subprocess.Popen[str]", tmp_path: Path) -> None:
    data = labelled(tmp_path / "cells")
    assert train(nursery, data, tmp_path / "first", None, 0) == 0  # the first is slower
    started = time.monotonic()
    assert train(nursery, data, tmp_path / "undisturbed", None, 0) == 0
    whole = time.monotonic() - started
    generator, codes = random.Random(20), []
    for turn in range(12):
        end = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[turn % 3]
        # Each training is met by several of them.
        codes.append(train(nursery, data, tmp_path / f"out{turn // 4}", end, generator.uniform(0, whole / 2)))
    assert set(codes) <= {0, 130, -signal.SIGKILL}
    assert len([code for code in codes if code]) >= 6
    for number in range(3):
        out = tmp_path / f"out{number}"
        if (out / "training-state.safetensors").exists() or not (out / "history.csv").exists():
            assert train(nursery, data, out, None, 0) == 0
        assert results(out) == results(tmp_path / "undisturbed")


class Command:
    """`slidescreen train` in a process of its own; what it says goes to a file."""

    def __init__(self, data: Path, out: Path, backbone: str) -> None:
        begun = any(out.glob("*.safetensors"))  # or finished, and killed on its way out
        resume = ["--resume"] if begun else []
        options = [
            "--image-size",
            "32",
            "--epochs",
            "4",
            "--batch-size",
            "8",
            "--threads",
            "1",
            "--progressive",
            "40:2",
        ]
        arguments = ["train", str(data), "--out", str(out), "-b", backbone, "--device", "cpu", *options, *resume]
        self.log = data.parent / "log.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "slidescreen", *arguments], stdout=log, stderr=log)

    def wait_for_training(self) -> bool:
        """Whether it comes to train."""
        while self.process.poll() is None:
            if "training EfficientNet" in self.log.read_text():
                return True
            time.sleep(0.05)
        return False

    def end(self, number: signal.Signals, after: float) -> int:
        """The exit code, with a signal so many seconds after the training began."""
        if self.wait_for_training():
            time.sleep(after)
            self.process.send_signal(number)
        return self.process.wait()


@pytest.mark.soak
@pytest.mark.parametrize("backbone", ["efficientnet_b1", "efficientnetv2_b2"])
def test_the_command_killed_twenty_times_leaves_no_trace(tmp_path: Path, backbone: str) -> None:
    data = labelled(tmp_path / "cells")
    undisturbed = Command(data, tmp_path / "undisturbed", backbone)
    assert undisturbed.wait_for_training()
    started = time.monotonic()
    assert undisturbed.process.wait() == 0
    whole = time.monotonic() - started
    generator, codes, number = random.Random(21), [], 0
    while len(codes) < 20:
        out = tmp_path / f"out{number}"
        end = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[len(codes) % 3]
        code = Command(data, out, backbone).end(end, generator.uniform(0, whole / 2))
        if code == 0:
            assert results(out) == results(tmp_path / "undisturbed")
            number += 1
        else:
            codes.append(code)
    assert set(codes) == {130, 143, -signal.SIGKILL}
    assert Command(data, out, backbone).process.wait() == 0
    assert results(out) == results(tmp_path / "undisturbed")
