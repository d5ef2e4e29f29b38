"""Fingerprints of many slides by a child process, which looks at the images while this process does other work."""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from slidescreen.child_process import pipe_of, program_of, start_child
from slidescreen.data.slides import Slide
from slidescreen.files.folder_fingerprint import order_of
from slidescreen.runs.fingerprints import files_of, fingerprint_of

LEAST_IMAGES = 50_000
"""With fewer images a child process saves less time than it takes."""

NextFingerprint = Callable[[Slide], str]
"""Gives the fingerprint of a slide. To be called once for each slide, in their order."""

_PROGRAM = program_of("slidescreen.files.folder_fingerprint", "serve")
_LENGTH = 64  # characters of a fingerprint
# Bytes of orders on their way. With fewer the child waits while this process is busy.
_IN_PIPE, _IN_BUFFER = 1 << 20, 1 << 18


@contextlib.contextmanager
def fingerprints_ahead(slides: Sequence[Slide]) -> Iterator[NextFingerprint]:
    """A function that gives the slides' fingerprints. If the child process fails, this process makes them."""
    child = None
    if sum(len(slide.images) for slide in slides) >= LEAST_IMAGES:
        with contextlib.suppress(OSError):
            child = _started(slides)
    del slides  # their names would take memory to the end
    if child is None:
        yield fingerprint_of
        return
    answers = pipe_of(child.stdout)
    try:
        yield lambda slide: _next(answers) or fingerprint_of(slide)
        answers.close()
    finally:
        child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # on a dead network share it may not end
            child.wait(1)


def _started(slides: Sequence[Slide]) -> "subprocess.Popen[bytes]":
    child = start_child(_PROGRAM, buffer=_IN_BUFFER, pipe=_IN_PIPE)
    threading.Thread(target=_order, args=(pipe_of(child.stdin), slides), name="looking ahead", daemon=True).start()
    return child


def _order(orders: IO[bytes], slides: Sequence[Slide]) -> None:
    with contextlib.suppress(OSError, ValueError), orders:  # the child may have ended
        for slide in slides:
            orders.write(order_of(files_of(slide)))


def _next(answers: IO[bytes]) -> str:
    """The next fingerprint from the child; empty if the child has ended."""
    try:
        line = answers.readline().decode("ascii", "replace").removesuffix("\n")
    except OSError:
        return ""
    return line if len(line) == _LENGTH else ""
