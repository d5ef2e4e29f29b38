"""Delays signals while something must not be interrupted."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class UninterruptedBlock:
    """A context in which Ctrl-C and SIGTERM wait until its end: `with whole: …`.

    `torn` is true from the start of the context until its end. If an error leaves the context, it stays true: the data
    may have been changed in part, and must not be saved.

    In a `patient` block signals also wait after its end, until `heed` is called. This is for processes that work
    together, because none of them may stop alone.
    """

    def __init__(self, patient: bool = False) -> None:
        self.torn = False
        self._patient = patient
        self._holding = False
        self._waiting: tuple[int, FrameType | None] | None = None
        self._handlers: dict[int, Any] = {}

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Take over the process's signals meanwhile; elsewhere than in its main thread there are none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        heeded = [number for number, handler in self._handlers.items() if callable(handler)]
        try:
            for number in heeded:
                signal.signal(number, self._receive)
            yield
        finally:
            for number in heeded:
                signal.signal(number, self._handlers[number])
        self.heed()

    @property
    def asked(self) -> bool:
        """Whether a signal waits."""
        return self._waiting is not None

    def heed(self) -> None:
        """Answer the signal that waits, if one does."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._handlers[waiting[0]](*waiting)

    def __enter__(self) -> None:
        self._holding = True  # first: an interrupt before it leaves nothing torn
        self.torn = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.torn = error is not None
        self._holding = False
        if self._patient:
            return
        if error is None:
            self.heed()
        self._waiting = None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._holding or self._patient:
            self._waiting = number, frame
        else:
            self._handlers[number](number, frame)
