"""Threads that read ahead: in order, and never held up for long."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slidescreen.engine.loading import DecodedImage
from slidescreen.engine.readers import Readers


class Scripted:
    """A loader that does what a function says; stopped, it gives up waiting."""

    def __init__(self, work: Callable[["Scripted", int], object]) -> None:
        self.work = work
        self.stopped = threading.Event()
        self.closed = threading.Event()

    def __call__(self, path: Path) -> DecodedImage:
        self.work(self, int(path.name))
        return DecodedImage(digest=path.name)

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed.set()


def readers_that(work: Callable[[Scripted, int], object], threads: int, limit: float) -> Readers:
    return Readers(lambda: Scripted(work), threads, limit)


def digests(readers: Readers, count: int) -> list[str]:
    tasks = [readers.submit(Path(str(number))) for number in range(count)]
    return [readers.wait(task).digest for task in tasks]


def test_every_image_has_its_own_result() -> None:
    readers = readers_that(lambda _, number: time.sleep(0.001 * (number % 3)), 3, 5.0)
    assert digests(readers, 50) == [str(number) for number in range(50)]
    readers.close()


def test_what_the_loader_raises_comes_out() -> None:
    readers = readers_that(lambda _, number: 1 / number, 1, 5.0)
    with pytest.raises(ZeroDivisionError):
        readers.wait(readers.submit(Path("0")))
    readers.close()


def test_loaders_start_before_the_first_image_comes() -> None:
    """While the networks are loaded, their processes can start."""
    hired = threading.Semaphore(0)

    def hire() -> Scripted:
        hired.release()
        return Scripted(lambda _loader, _number: None)

    readers = Readers(hire, 2, 5.0)
    assert all(hired.acquire(timeout=5) for _ in range(2))
    assert digests(readers, 4) == ["0", "1", "2", "3"]
    assert not hired.acquire(blocking=False)
    readers.close()


def test_a_loader_that_cannot_be_had_at_first_is_hired_for_the_first_image() -> None:
    tries: list[int] = []

    def hire() -> Scripted:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("no more processes")
        return Scripted(lambda _loader, _number: None)

    readers = Readers(hire, 1, 5.0)
    assert digests(readers, 2) == ["0", "1"]
    assert len(tries) == 2
    readers.close()


def test_a_loader_that_cannot_be_had_is_no_silent_wait() -> None:
    def refuse() -> Scripted:
        raise RuntimeError("no more processes")

    readers = Readers(refuse, 1, 5.0)
    with pytest.raises(RuntimeError, match="no more processes"):
        readers.wait(readers.submit(Path("0")))
    readers.close()


@pytest.mark.parametrize("deaf", [False, True])
def test_threads_that_hang_are_replaced_and_those_that_come_back_late_leave(deaf: bool) -> None:
    release = threading.Event()

    def work(loader: Scripted, number: int) -> None:
        if number < 4:
            (release if deaf else loader.stopped).wait(20)

    before = set(threading.enumerate())
    readers = readers_that(work, 2, 0.2)
    tasks = [readers.submit(Path(str(number))) for number in range(10)]
    for task in tasks[:4]:
        with pytest.raises(TimeoutError):
            readers.wait(task)
    assert [readers.wait(task).digest for task in tasks[4:]] == ["4", "5", "6", "7", "8", "9"]
    if deaf:
        assert len(set(threading.enumerate()) - before) == 6  # four that hang, two that took their place
    release.set()
    readers.close()
    _wait_until(lambda: not set(threading.enumerate()) - before)


def test_an_image_may_take_its_time_while_it_waits_for_others() -> None:
    readers = readers_that(lambda *_: time.sleep(0.4), 1, 1.0)
    assert digests(readers, 4) == ["0", "1", "2", "3"]  # the last waits longer than the limit before it begins
    readers.close()


def test_what_is_dropped_holds_up_nobody() -> None:
    begun, work_done = threading.Event(), list[int]()

    def work(loader: Scripted, number: int) -> None:
        work_done.append(number)
        if number == 0:
            begun.set()
            loader.stopped.wait(20)

    readers = readers_that(work, 1, 30.0)
    hanging, queued, wanted = (readers.submit(Path(str(number))) for number in range(3))
    assert begun.wait(5)
    assert readers.drop(queued)
    assert readers.drop(hanging)
    assert readers.wait(wanted).digest == "2"
    assert not readers.drop(wanted)
    assert work_done == [0, 2]
    readers.close()


def test_closing_stops_a_loader_at_work() -> None:
    begun = threading.Event()

    def work(loader: Scripted, _: int) -> None:
        begun.set()
        loader.stopped.wait(20)

    before = set(threading.enumerate())
    readers = readers_that(work, 1, 30.0)
    readers.submit(Path("0"))
    assert begun.wait(5)
    readers.close()
    _wait_until(lambda: not set(threading.enumerate()) - before)


def test_a_loader_is_closed_by_the_thread_that_used_it_at_its_end() -> None:
    used: list[Scripted] = []
    readers = readers_that(lambda loader, _: used.append(loader), 1, 30.0)
    digests(readers, 2)
    assert not used[0].closed.is_set()
    readers.close()
    assert used[0].closed.wait(5)


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert true()
