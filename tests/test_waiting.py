"""Waits for what may never come back."""

import signal
import threading
import time
from types import FrameType

import pytest

from slidescreen.waiting import apart


def test_what_the_function_returns_or_raises_comes_out() -> None:
    assert apart(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 / 0)


def test_a_wait_ends_at_its_limit() -> None:
    release = threading.Event()
    with pytest.raises(TimeoutError):
        apart(lambda: release.wait(20), 0.1)
    release.set()


def test_a_signal_ends_a_wait_for_what_never_comes() -> None:
    release = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        apart(lambda: release.wait(20))
    assert time.monotonic() - started < 5
    signal.signal(signal.SIGALRM, before)
    release.set()
