"""Threads that read ahead: in order, and never held up for long."""

import threading
import time

import pytest

from slidescreen.engine.decoding import Readers


def test_every_item_has_its_result() -> None:
    readers = Readers(lambda n: n * n, 3, 5.0)
    tasks = [readers.submit(n) for n in range(50)]
    assert [readers.wait(task) for task in tasks] == [n * n for n in range(50)]
    readers.close()


def test_what_the_work_raises_comes_out() -> None:
    readers = Readers(int, 1, 5.0)
    with pytest.raises(ValueError, match="x"):
        readers.wait(readers.submit("x"))
    readers.close()


def test_threads_that_hang_are_replaced_and_those_that_come_back_late_leave() -> None:
    release = threading.Event()

    def work(n: int) -> int:
        if n < 4:
            release.wait(20)
        return n

    before = set(threading.enumerate())
    readers = Readers(work, 2, 0.2)
    tasks = [readers.submit(n) for n in range(10)]
    for task in tasks[:4]:
        with pytest.raises(TimeoutError):
            readers.wait(task)
    assert [readers.wait(task) for task in tasks[4:]] == [4, 5, 6, 7, 8, 9]
    assert len(set(threading.enumerate()) - before) == 6  # four that hang, two that took their place
    release.set()
    readers.close()
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


def test_an_item_may_take_its_time_while_it_waits_for_others() -> None:
    readers = Readers(lambda seconds: time.sleep(seconds) or seconds, 1, 1.0)
    tasks = [readers.submit(0.4) for _ in range(4)]  # the last waits longer than the limit before it begins
    assert [readers.wait(task) for task in tasks] == [0.4] * 4
    readers.close()
