"""Waits for what may never come back."""

import signal
import subprocess
import sys
import threading

import pytest

from slidescreen.interruptible import alongside, interruptibly, two_at_once


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
from slidescreen.interruptible import alongside, interruptibly, two_at_once
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


def test_work_goes_on_alongside_the_caller() -> None:
    caller_went_on = threading.Event()
    done = alongside(lambda: caller_went_on.wait(60))
    caller_went_on.set()
    assert done.result()
    assert isinstance(alongside(lambda: [][0]).exception(), IndexError)


def test_without_memory_for_a_thread_the_work_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert alongside(threading.current_thread).result() is threading.main_thread()
    assert two_at_once(lambda number: (number, threading.current_thread()), [1, 2]) == [
        (number, threading.main_thread()) for number in (1, 2)
    ]
    assert isinstance(alongside(lambda: [][0]).exception(), IndexError)


def test_two_items_are_worked_on_at_the_same_time_and_keep_their_order() -> None:
    both = threading.Barrier(2)

    def meet(number: int) -> int:
        both.wait(60)
        return 2 * number

    assert two_at_once(meet, range(6)) == [0, 2, 4, 6, 8, 10]
    with pytest.raises(ZeroDivisionError):
        two_at_once(lambda number: 1 / number, [1, 0, 2])
