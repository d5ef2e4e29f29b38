"""Delay signals while a block of work must not be interrupted."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class UninterruptedBlock:
    """A context that delays Ctrl-C and SIGTERM until its end: `with whole: …`.

    `torn` is true from the start of the context until its end. After an error `torn` stays true: the data may be
    changed in part and must not be saved.

    A `patient` block also delays signals after its end, until `heed` is called. Processes that work together need
    this, because none of them may stop alone.
    """

    def __init__(self, patient: bool = False) -> None:
        self.torn = False
        self._patient = patient
        self._holding = False
        self._waiting: tuple[int, FrameType | None] | None = None
        self._handlers: dict[int, Any] = {}

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Handle the process's signals within the context. Outside the main thread, do nothing."""
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
        """Handle the waiting signal, if there is one."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._handlers[waiting[0]](*waiting)

    def __enter__(self) -> None:
        self._holding = True  # set first: an interrupt before this line tears nothing
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
