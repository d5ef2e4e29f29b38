"""Waits that can be interrupted, even if the awaited call hangs, as on a network share that no longer answers."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def interruptibly(function: Callable[[], T], limit: float | None = None) -> T:
    """Call a function on a thread of its own, so that a signal ends the wait for it.

    The thread is a daemon: if it never comes back it does not keep the process alive.

    Args:
        function: what to call; what it raises comes out here.
        limit: seconds to wait at most; None for as long as it takes.

    Raises:
        TimeoutError: it took longer.
    """
    future: Future[T] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, name="interruptible", daemon=True).start()
    return future.result(limit)
