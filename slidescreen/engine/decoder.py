"""Decode images in a child process. If an image crashes or hangs the decoder, only that image is lost.

The parent writes a path as a line of JSON. The child answers with a line of JSON, followed by the pixels.
"""

import contextlib
import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from slidescreen.child_process import pipe_of, program_of, start_child
from slidescreen.data.images import Pixels
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.allocator import keep_memory
from slidescreen.engine.loading import OUT_OF_MEMORY, DecodedImage, load

_PROGRAM = program_of(__name__, "serve")
_TRIES = 2  # the system may have killed the decoder for lack of memory, which is not the image's fault
_GRACE = 30  # extra seconds after which a child without a parent ends itself while an image hangs


class Decoder:
    """The parent's side. It sends paths to a child process, and starts a new child if the old one died."""

    def __init__(self, preprocessings: Sequence[Preprocessing], limit: float) -> None:
        """Start the child.

        Args:
            preprocessings: the preprocessings for each image.
            limit: seconds after which the parent calls `stop`. A child without a parent ends itself later.
        """
        self._order = {"preprocessings": [asdict(p) for p in preprocessings], "limit": limit}
        self._lock = threading.Lock()
        self._stopped = False
        self._child = self._start()

    def __call__(self, path: Path) -> DecodedImage:
        """Load an image. An image that kills the decoder is unreadable.

        Raises:
            RuntimeError: no child can be started.
        """
        for _ in range(_TRIES):
            try:
                return self._ask(path)
            except (EOFError, BrokenPipeError):
                reason = f"the image decoder {_cause(self._child.wait())} while reading it"
            except MemoryError:  # in the parent; ending the child discards the unread rest of its answer
                reason = OUT_OF_MEMORY
                self._child.kill()
                self._child.wait()
            with self._lock:
                if self._stopped:
                    break
                self._close_child()
                self._child = self._start()
        return DecodedImage(reason=reason)

    def stop(self) -> None:
        """End the child at once. Another thread may call this."""
        with self._lock:
            self._stopped = True
            self._child.kill()

    def close(self) -> None:
        """End the child and release its process and pipes."""
        self.stop()
        self._close_child()

    def _close_child(self) -> None:
        with contextlib.suppress(OSError):  # data left in the pipe can no longer be sent
            self._child.__exit__(None, None, None)

    def _start(self) -> "subprocess.Popen[bytes]":
        child = start_child(_PROGRAM)
        try:
            _send(pipe_of(child.stdin), self._order)
            _receive(pipe_of(child.stdout))
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError(f"the image decoder cannot be started: it {_cause(child.wait())}") from error
        return child

    def _ask(self, path: Path) -> DecodedImage:
        _send(pipe_of(self._child.stdin), os.fspath(path))
        answers = pipe_of(self._child.stdout)
        found = _receive(answers)
        pixels = []
        for shape in found["shapes"]:
            array: Pixels = np.empty(shape, np.uint8)
            _fill(answers, memoryview(array.data).cast("B"))
            pixels.append(array)
        appearance, remarks = tuple(found["appearance"]), tuple(found["remarks"])
        return DecodedImage(found["digest"], tuple(pixels), appearance, found["reason"], found["no_cell"], remarks)


def serve() -> None:
    """The child's side: answer until the parent closes the pipe."""
    keep_memory()  # otherwise the system maps new memory for every image
    orders = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a decoder's own output must not mix with the answers
    order = json.loads(orders.readline())
    preprocessings = [_preprocessing(**fields) for fields in order["preprocessings"]]
    _send(answers, "ready")
    for line in orders:
        _end_after(int(order["limit"]) + _GRACE)
        loaded = load(Path(json.loads(line)), preprocessings)
        _end_after(None)
        header = {
            "digest": loaded.digest,
            "appearance": loaded.appearance,
            "reason": loaded.reason,
            "no_cell": loaded.no_cell,
            "remarks": loaded.remarks,
            "shapes": [p.shape for p in loaded.pixels],
        }
        try:
            _send(answers, header, *(np.ascontiguousarray(p).data for p in loaded.pixels))
        except BrokenPipeError:
            os._exit(0)  # the parent was killed, so nobody reads answers or a traceback


def _end_after(seconds: int | None) -> None:
    """End this process after some seconds, even if it hangs. None cancels that."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds or 0)
    elif seconds:  # on Windows
        faulthandler.dump_traceback_later(seconds, exit=True)
    else:
        faulthandler.cancel_dump_traceback_later()


def _preprocessing(mean: Sequence[float], std: Sequence[float], **others: Any) -> Preprocessing:
    return Preprocessing(mean=tuple(mean), std=tuple(std), **others)  # type: ignore[arg-type]


def _send(pipe: IO[bytes], message: Any, *arrays: memoryview) -> None:
    pipe.write(json.dumps(message).encode("ascii") + b"\n")
    for array in arrays:
        pipe.write(array.cast("B"))
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    line = pipe.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return json.loads(line)


def _fill(pipe: IO[bytes], room: memoryview) -> None:
    while room:
        count = pipe.readinto(room)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        room = room[count:]


def _cause(status: int) -> str:
    """How a child ended, in words."""
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed ({name})" if name == "SIGKILL" else f"crashed ({name})"
