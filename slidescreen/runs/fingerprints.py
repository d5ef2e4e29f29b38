"""Whether a slide is unchanged: by the names and states of its images, and by their content if a state has changed."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from slidescreen.data.calls import Call
from slidescreen.data.images import read_bytes
from slidescreen.data.slides import CellImage, Slide
from slidescreen.errors import UnreadableImageError


def fingerprint_of(slide: Slide) -> str:
    """Of the slide's images: names, the laboratory's own calls, refusals, states."""
    told = [f"{name}\n{reported}\n{refusal}\n{state_of(file)}" for file, name, reported, refusal in slide.fields()]
    return hashlib.sha256("\n\n".join(sorted(told)).encode()).hexdigest()


def states_of(slide: Slide) -> tuple[str, ...]:
    """The states of a slide's images."""
    return tuple(state_of(image.path) for image in slide.images)


def state_of(path: str | Path) -> str:
    """Size and time of change of a file; empty where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of hundreds of thousands of files
    except OSError:
        return ""
    return f"{status.st_size},{status.st_mtime_ns}"


def unread_of(slide: Slide, calls: Sequence[Call]) -> tuple[tuple[int, str], ...]:
    """The images that could not be read, by their position, and why; those that must not be opened are none of them."""
    pairs = enumerate(zip(slide.images, calls, strict=True))
    return tuple((place, call.reason) for place, (image, call) in pairs if not call.digest and not image.refusal)


def is_same(image: CellImage, call: Call, before: str, now: str) -> bool:
    """Whether an image is unchanged, by its state before and now, and so would be called the same again."""
    if (image.name, image.reported_type) != (call.image, call.reported_type):
        return False
    if image.refusal:
        return image.refusal == call.reason
    if call.digest and now and now == before:
        return True
    try:
        return hashlib.sha256(read_bytes(image.path)).hexdigest() == call.digest
    except UnreadableImageError as error:  # still what it was, if it could not be read then
        return not call.digest and str(error) == call.reason


def is_still_unreadable(image: CellImage, reason: str) -> bool:
    try:
        read_bytes(image.path)
    except UnreadableImageError as error:
        return str(error) == reason
    return False
