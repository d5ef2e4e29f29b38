"""Threads that read ahead. Each has its own decoder, and none can delay the others for long."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from slidescreen.engine.loading import DecodedImage


class ImageLoader(Protocol):
    """Loads one image after the other. Another thread calls `stop` to make it give up the current image.

    The thread that uses a loader calls `close` at its end, to release the loader's resources.
    """

    def __call__(self, path: Path, /) -> DecodedImage: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


class Task:
    """One image: waiting, under way or done."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.loader: ImageLoader | None = None
        self.started: float | None = None
        self.given_up = False
        self.result = DecodedImage()
        self.error: BaseException | None = None


class Readers:
    """A pool of threads. A thread that takes too long for an image is replaced, and its loader stopped.

    The threads are daemons. If a loader cannot be stopped, for instance on a dead network share, the process can still
    end.
    """

    def __init__(self, hire: Callable[[], ImageLoader], threads: int, limit: float) -> None:
        """Start the threads.

        Args:
            hire: makes a loader. Each thread calls it at its start, and if that fails, again for its first image.
            threads: number of threads.
            limit: seconds that one image may take.
        """
        self._hire = hire
        self._limit = limit
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Path, Task] | None] = queue.SimpleQueue()
        self._loaders: set[ImageLoader] = set()
        self._threads = threads
        self._closed = False
        for _ in range(threads):
            self._add_thread()

    def submit(self, path: Path) -> Task:
        """Queue an image."""
        task = Task()
        self._queue.put((path, task))
        return task

    def wait(self, task: Task) -> DecodedImage:
        """Wait for an image and return it.

        Raises:
            TimeoutError: the image took longer than the limit. Its result is discarded.
            BaseException: the loader's own exception.
        """
        while not task.done.wait(self._left(task)):
            with self._lock:
                if self._left(task) <= 0 and not task.done.is_set():
                    self._give_up(task)
                    raise TimeoutError
        if task.error is not None:
            raise task.error
        return task.result

    def drop(self, task: Task) -> bool:
        """Give up an image that nobody will wait for, begun or not. False if it is already done."""
        with self._lock:
            if task.done.is_set():
                return False
            self._give_up(task)
            return True

    def close(self) -> None:
        """End the threads, stop their loaders, and drop the queued images."""
        with self._lock:
            self._closed = True
            for loader in self._loaders:
                loader.stop()
        for _ in range(self._threads):
            self._queue.put(None)

    def _give_up(self, task: Task) -> None:
        task.given_up = True
        if task.loader is not None:  # the thread that loads it may never return
            task.loader.stop()
            self._loaders.discard(task.loader)
            self._add_thread()

    def _left(self, task: Task) -> float:
        if task.started is None:  # images ahead in the queue may take up to the limit each
            return self._limit
        return max(0.0, task.started + self._limit - time.monotonic())

    def _add_thread(self) -> None:
        threading.Thread(target=self._run, name="reading", daemon=True).start()

    def _run(self) -> None:
        with contextlib.ExitStack() as held:
            self._load(held)

    def _load(self, held: contextlib.ExitStack) -> None:
        loader = None
        with contextlib.suppress(Exception):  # the first image will tell
            loader = self._hired(held)
        while (entry := self._queue.get()) is not None and not self._closed:
            path, task = entry
            try:
                loader = loader or self._hired(held)
                with self._lock:
                    if task.given_up:
                        continue
                    task.loader, task.started = loader, time.monotonic()
                task.result = loader(path)
            except BaseException as error:
                task.error = error
            with self._lock:
                task.done.set()
                if task.given_up:  # another thread has replaced this one
                    return

    def _hired(self, held: contextlib.ExitStack) -> ImageLoader:
        loader = self._hire()
        held.callback(loader.close)
        with self._lock:
            self._loaders.add(loader)
            if self._closed:
                loader.stop()
        return loader
