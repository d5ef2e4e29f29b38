"""Calls in threads of their own: waits that can be interrupted even if the call hangs, and work beside other work."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
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


def alongside(function: Callable[[], T]) -> Future[T]:
    """Call a function while the caller goes on. At its end the process waits for it.

    If memory is too short for a thread, the function is called at once.
    """
    pool = ThreadPoolExecutor(1, "alongside")
    try:
        return pool.submit(function)
    except RuntimeError:
        future: Future[T] = Future()
        try:
            future.set_result(function())
        except Exception as error:
            future.set_exception(error)
        return future
    finally:
        pool.shutdown(wait=False)


def two_at_once(function: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """The function's results for the items, in order. It is called for two at the same time.

    If the wait is interrupted, calls under way go on, and no others begin. If memory is too short for two threads, the
    function is called for one item after the other.
    """
    pool = ThreadPoolExecutor(2, "one of two")
    try:
        try:
            results = pool.map(function, items)
        except RuntimeError:
            results = map(function, items)
        return list(results)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
