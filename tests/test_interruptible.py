"""Waits for what may never come back."""

import signal
import subprocess
import sys
import threading

import pytest

from slidescreen.interruptible import interruptibly


def test_what_the_function_returns_or_raises_comes_out() -> None:
    assert interruptibly(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        interruptibly(lambda: 1 / 0)


def test_a_wait_ends_at_its_limit() -> None:
    release = threading.Event()
    with pytest.raises(TimeoutError):
        interruptibly(lambda: release.wait(20), 0.1)
    release.set()


WAITING = """
import threading
from slidescreen.interruptible import interruptibly
never = threading.Event()
try:
    interruptibly(lambda: print("waiting", flush=True) or never.wait(60))
except KeyboardInterrupt:
    print("ended in order", flush=True)
"""


def test_a_signal_ends_a_wait_for_what_never_comes() -> None:
    child = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=10)
    assert (child.returncode, rest) == (0, "ended in order\n")
