"""Batches that become smaller if memory runs out."""

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from slidescreen.errors import memory_ran_out

T = TypeVar("T")


class BatchRunner(Generic[T]):
    """Computes batches. After memory has run out, it computes smaller batches, one at a time.

    Attributes:
        largest: the most items computed at once; None while memory has never run out.
    """

    def __init__(
        self, compute: Callable[[Sequence[T]], NDArray[np.float64]], note: Callable[[str], None] = lambda _: None
    ) -> None:
        """Set up.

        Args:
            compute: turns N items into N rows. Several threads may call it at once until memory has run out.
            note: receives a message at each halving.
        """
        self._compute = compute
        self._note = note
        self._alone = threading.Lock()
        self.largest: int | None = None

    def __call__(self, items: Sequence[T]) -> NDArray[np.float64]:
        """Compute a batch: N rows, in order.

        Raises:
            MemoryError: memory does not suffice for a single item.
        """
        parts: list[NDArray[np.float64]] = []
        start = 0
        while start < len(items):
            size = min(len(items) - start, self.largest or len(items))
            part = self._tried(items[start : start + size])
            if part is None:
                self._halve(size)
            else:
                parts.append(part)
                start += size
        return np.concatenate(parts)

    def _tried(self, items: Sequence[T]) -> NDArray[np.float64] | None:
        try:
            with self._alone if self.largest else nullcontext():
                return self._compute(items)
        except Exception as error:
            if not memory_ran_out(error):
                raise
            if len(items) == 1 and self.largest:
                raise MemoryError("not even one image fits into memory") from error
        return None  # outside the handler, because a handled error's traceback keeps the memory in use

    def _halve(self, size: int) -> None:
        largest = max(1, size // 2)
        if self.largest is None or largest < self.largest:
            self.largest = largest
            self._note(f"memory ran out: going on with batches of {largest} image{'s'[: largest > 1]} at once")
