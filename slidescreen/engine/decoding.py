"""Threads that read and decode ahead, none of which can hold up the others for long."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Task(Generic[Result]):
    """One item's work: waiting, under way or done."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.started: float | None = None
        self.given_up = False
        self.result: Result | None = None
        self.error: BaseException | None = None


class Readers(Generic[Item, Result]):
    """A pool of threads that do one kind of work. A thread that takes too long is given up and replaced.

    The threads are daemons: one that hangs in a decoder or on a dead network share does not keep the process alive.
    """

    def __init__(self, work: Callable[[Item], Result], threads: int, limit: float) -> None:
        """Start the threads.

        Args:
            work: what is done with each item; may raise.
            threads: how many at once.
            limit: seconds that one item may take.
        """
        self._work = work
        self._limit = limit
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Item, Task[Result]] | None] = queue.SimpleQueue()
        self._threads = threads
        for _ in range(threads):
            self._add_thread()

    def submit(self, item: Item) -> Task[Result]:
        """Queue an item."""
        task: Task[Result] = Task()
        self._queue.put((item, task))
        return task

    def wait(self, task: Task[Result]) -> Result:
        """The result of a task.

        Raises:
            TimeoutError: it took longer than the limit; nobody will see its result.
            BaseException: what the work raised.
        """
        while not task.done.wait(self._left(task)):
            with self._lock:
                if self._left(task) <= 0 and not task.done.is_set():
                    task.given_up = True
                    self._add_thread()
                    raise TimeoutError
        if task.error is not None:
            raise task.error
        return task.result  # type: ignore[return-value]

    def close(self) -> None:
        """Let the threads end, those that hang excepted; what is still queued is dropped."""
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        for _ in range(self._threads):
            self._queue.put(None)

    def _left(self, task: Task[Result]) -> float:
        if task.started is None:  # those before it may take their time, but no longer than they may
            return self._limit
        return max(0.0, task.started + self._limit - time.monotonic())

    def _add_thread(self) -> None:
        threading.Thread(target=self._run, name="reading", daemon=True).start()

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None:
            item, task = entry
            task.started = time.monotonic()
            try:
                task.result = self._work(item)
            except BaseException as error:
                task.error = error
            with self._lock:
                task.done.set()
                if task.given_up:  # another thread has this one's place
                    return
