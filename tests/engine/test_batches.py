"""Batches that give way where memory runs out."""

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from slidescreen.engine.batches import BatchRunner


class Cramped:
    """Takes so many items at once, and counts those that it computed, failed attempts apart."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error = room, error
        self.sizes: list[int] = []

    def __call__(self, items: Sequence[int]) -> NDArray[np.float64]:
        self.sizes.append(len(items))
        if len(items) > self.room:
            raise self.error
        return np.asarray(items, dtype=np.float64)[:, None]


@given(st.integers(1, 50), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_every_row_is_there_once_and_in_order(room: int, batches: list[int]) -> None:
    halving = BatchRunner(Cramped(room, MemoryError()))
    for size in batches:
        assert halving(range(size)).ravel().tolist() == list(range(size))
    assert halving.largest is None or halving.largest <= room


def test_what_was_too_much_once_is_not_tried_again() -> None:
    cramped, notes = Cramped(3, torch.cuda.OutOfMemoryError("CUDA out of memory.")), list[str]()
    halving = BatchRunner(cramped, notes.append)
    halving(range(9))
    halving(range(9))
    assert cramped.sizes == [9, 4, 2, 2, 2, 2, 1, 2, 2, 2, 2, 1]
    assert notes[-1] == "memory ran out: going on with batches of 2 images at once"


def test_where_one_is_too_many_it_ends() -> None:
    with pytest.raises(MemoryError, match="not even one image"):
        BatchRunner(Cramped(0, RuntimeError("std::bad_alloc")))(range(5))
    with pytest.raises(ValueError, match="a defect"):
        BatchRunner(Cramped(0, ValueError("a defect")))(range(5))


def test_after_memory_ran_out_threads_take_turns() -> None:
    inside, most = 0, [0]

    def compute(items: Sequence[int]) -> NDArray[np.float64]:
        nonlocal inside
        if len(items) > 2:
            raise MemoryError
        inside += 1
        most[0] = max(most[0], inside)
        time.sleep(0.01)
        inside -= 1
        return np.zeros((len(items), 1))

    halving = BatchRunner(compute)
    halving(range(4))
    threads = [threading.Thread(target=halving, args=(range(6),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


LIMITED = """
import resource, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_pipeline import ensemble, slide_of
from slidescreen.engine.interface import MemberEngines
from slidescreen.ensembles.pipeline import Pipeline
from slidescreen.data.slides import discover

def classify(pixels):  # as much as a network's activations may take
    claimed = np.ones((len(pixels), 8 << 20))
    return np.full((len(pixels), 16), 1 / 16) * claimed[:, :1]

for name in ("A", "B", "C"):
    slide_of(Path(name), [1] * 21)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (900 << 20), used + (900 << 20)))
engines = MemberEngines([SimpleNamespace(probabilities=classify)], "")
pipeline = Pipeline(ensemble(members=1), engines, 16, 1, note=print)
for slide, calls in pipeline.run(discover(Path("."))):
    print(slide.name, len(calls), {call.status.value for call in calls})
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_a_run_that_lacks_memory_halfway_goes_on(tmp_path: Path) -> None:
    """A real limit: 64 MB an image, of which sixteen do not fit."""
    arguments = [sys.executable, "-c", LIMITED, str(Path(__file__).parents[1] / "ensembles")]
    ended = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "memory ran out: going on with batches of 8 images at once",
        *(f"{name} 21 {{'classified'}}" for name in "ABC"),
    ]
