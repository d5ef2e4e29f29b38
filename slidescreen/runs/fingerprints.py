"""Recognise unchanged slides by the names and states of their images, and by the content if a state has changed."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from slidescreen.data.calls import Call
from slidescreen.data.images import read_bytes
from slidescreen.data.slides import CellImage, Part, Slide
from slidescreen.errors import UnreadableImageError

_TO_LOOK_FILES_UP = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


def fingerprint_of(slide: Slide) -> str:
    """A hash of the slide's images: their names, the laboratory's own calls, refusals and states."""
    told: list[str] = []
    for part, names in slide.named_parts():
        images = zip(names, part.names, _states_in(part), strict=True)
        refusal = part.refusals.get
        told += [f"{name}\n{part.reported_type}\n{refusal(file, '')}\n{state}" for name, file, state in images]
    return hashlib.sha256("\n\n".join(sorted(told)).encode()).hexdigest()


def states_of(slide: Slide) -> tuple[str, ...]:
    """The states of a slide's images."""
    return tuple(state_of(image.path) for image in slide.images)


def state_of(path: str | Path) -> str:
    """Size and time of change of a file; empty if there is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - faster for hundreds of thousands of files
    except OSError:
        return ""
    return f"{status.st_size},{status.st_mtime_ns}"


def _states_in(part: Part) -> list[str]:
    """The states of a part's files.

    The system finds a file faster in an opened folder than by its path.
    """
    with contextlib.suppress(OSError, NotImplementedError), _opened(part.start) as folder:
        found = [os.stat(name, dir_fd=folder) for name in part.names]
        return [f"{status.st_size},{status.st_mtime_ns}" for status in found]  # a call each would take time
    return [state_of(f"{part.start}{name}") for name in part.names]  # a file is missing, or the system cannot do this


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[int]:
    """A folder in which to look files up.

    Raises:
        OSError: it cannot be opened. Windows opens no folder.
    """
    descriptor = os.open(folder, _TO_LOOK_FILES_UP)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def unread_of(slide: Slide, calls: Sequence[Call]) -> tuple[tuple[int, str], ...]:
    """The unreadable images by position, and why. Images that must not be opened do not count."""
    pairs = enumerate(zip(slide.images, calls, strict=True))
    return tuple((place, call.reason) for place, (image, call) in pairs if not call.digest and not image.refusal)


def is_same(image: CellImage, call: Call, before: str, now: str) -> bool:
    """Whether an image is unchanged, by its state before and now. It would then get the same call again."""
    if (image.name, image.reported_type) != (call.image, call.reported_type):
        return False
    if image.refusal:
        return image.refusal == call.reason
    if call.digest and now and now == before:
        return True
    try:
        return hashlib.sha256(read_bytes(image.path)).hexdigest() == call.digest
    except UnreadableImageError as error:  # unchanged, if it was unreadable before
        return not call.digest and str(error) == call.reason


def is_still_unreadable(image: CellImage, reason: str) -> bool:
    try:
        read_bytes(image.path)
    except UnreadableImageError as error:
        return str(error) == reason
    return False
