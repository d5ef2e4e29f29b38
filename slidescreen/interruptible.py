"""Waits that can be interrupted even if the awaited call hangs, for instance on a dead network share."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def interruptibly(function: Callable[[], T], limit: float | None = None) -> T:
    """Call a function in a thread of its own, so that a signal can end the wait.

    The thread is a daemon. If the function never returns, the process can still end.

    Args:
        function: the function to call. Its exceptions are raised here.
        limit: seconds to wait at most; None for no limit.

    Raises:
        TimeoutError: the function took longer than `limit`.
    """
    future: Future[T] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, name="interruptible", daemon=True).start()
    return future.result(limit)
