"""A process of its own for decoding: an image that crashes or hangs the decoder costs that image and nothing else.

The parent writes a path as a line of JSON; the child answers with a line of JSON, and the pixels after it.
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

from slidescreen.data.images import Pixels
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.allocator import keep_memory
from slidescreen.engine.loading import OUT_OF_MEMORY, DecodedImage, load

# Found where the parent found it; the working folder, which may be anybody's, is no place to import from.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from slidescreen.engine.decoder import serve; serve()"
_TRIES = 2  # a decoder killed from outside, by a system short of memory say, says nothing of the image
_GRACE = 30  # seconds after which a child left alone with an image that hangs ends itself


class Decoder:
    """The parent's side: asks a child process, and starts another when it has died."""

    def __init__(self, preprocessings: Sequence[Preprocessing], limit: float) -> None:
        """Start the child.

        Args:
            preprocessings: that each image is prepared by.
            limit: seconds after which the parent will call `stop`; a child whose parent is gone ends itself later.
        """
        self._order = {"preprocessings": [asdict(p) for p in preprocessings], "limit": limit}
        self._lock = threading.Lock()
        self._stopped = False
        self._child = self._start()

    def __call__(self, path: Path) -> DecodedImage:
        """Load an image. One that the decoder does not survive is unreadable.

        Raises:
            RuntimeError: no child can be started.
        """
        for _ in range(_TRIES):
            try:
                return self._ask(path)
            except (EOFError, BrokenPipeError):
                reason = f"the image decoder {_cause(self._child.wait())} while reading it"
            except MemoryError:  # on this side: the rest of the answer, which nobody reads, goes with the child
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
        """End the child, whatever it is doing; may be called from another thread."""
        with self._lock:
            self._stopped = True
            self._child.kill()

    def close(self) -> None:
        """End the child, and keep nothing of it: no process to be waited for, no open pipe."""
        self.stop()
        self._close_child()

    def _close_child(self) -> None:
        with contextlib.suppress(OSError):  # it cannot be told any more what waits in the pipe
            self._child.__exit__(None, None, None)

    def _start(self) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", _PROGRAM, *(str(Path(place).absolute()) for place in sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("SLIDESCREEN_DEBUG") else subprocess.DEVNULL,  # decoders grumble
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            process_group=0,  # a Ctrl-C is the parent's to answer
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # so it is on Windows, where groups are others
        )
        try:
            _send(_pipe(child.stdin), self._order)
            _receive(_pipe(child.stdout))
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError(f"the image decoder cannot be started: it {_cause(child.wait())}") from error
        return child

    def _ask(self, path: Path) -> DecodedImage:
        _send(_pipe(self._child.stdin), os.fspath(path))
        answers = _pipe(self._child.stdout)
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
    keep_memory()  # an image is as large a block as one that the system would have to give anew each time
    orders = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a decoder prints is no answer
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
            os._exit(0)  # the parent was killed: nobody is left to answer, nor to read a traceback


def _end_after(seconds: int | None) -> None:
    """End this process after so many seconds, whatever it hangs in; or after all not."""
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


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _cause(status: int) -> str:
    """How a child ended, in words."""
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed ({name})" if name == "SIGKILL" else f"crashed ({name})"
