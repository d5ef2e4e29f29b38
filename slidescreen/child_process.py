"""Child processes that run a function of this package, and talk with their parent through pipes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO


def program_of(module: str, function: str) -> str:
    """A program for `start_child` that calls a function.

    It imports from the parent's path, never from the working folder, which may hold foreign modules.
    """
    return f"import sys; sys.path[:] = sys.argv[1:]; from {module} import {function}; {function}()"


def start_child(program: str, buffer: int = -1, pipe: int = -1) -> "subprocess.Popen[bytes]":
    """Start a child. Only the parent handles Ctrl-C. What the child prints is shown with `--debug` only.

    Args:
        program: from `program_of`.
        buffer: bytes that wait in this process; -1 for the usual number.
        pipe: bytes on their way in a pipe, where the system allows to choose; -1 for the usual number.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", program, *(str(Path(place).absolute()) for place in sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if os.environ.get("SLIDESCREEN_DEBUG") else subprocess.DEVNULL,  # image decoders print warnings
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        bufsize=buffer,
        pipesize=pipe,
        process_group=0,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # the same on Windows, which has other groups
    )


def pipe_of(stream: IO[bytes] | None) -> IO[bytes]:
    """A pipe of a child from `start_child`, which always has both."""
    assert stream is not None
    return stream
