"""Recognise unchanged slides by the names and states of their images, and by the content if a state has changed."""

import hashlib
from collections.abc import Iterator, Sequence

from slidescreen.data.calls import Call, was_late
from slidescreen.data.images import read_bytes
from slidescreen.data.slides import CellImage, Slide
from slidescreen.errors import UnreadableImageError
from slidescreen.files.folder_fingerprint import FolderFiles, fingerprint, state_of
from slidescreen.interruptible import interruptibly


def fingerprint_of(slide: Slide) -> str:
    """A hash of the slide's images: their names, the laboratory's own calls, refusals and states."""
    return fingerprint(files_of(slide))


def files_of(slide: Slide) -> Iterator[FolderFiles]:
    """A slide's image files, folder by folder."""
    for part, names in slide.named_parts():
        yield FolderFiles(part.start, part.names, names, part.reported_type, part.refusals)


def states_of(slide: Slide) -> tuple[str, ...]:
    """The states of a slide's images."""
    return tuple(state_of(image.path) for image in slide.images)


def unread_of(slide: Slide, calls: Sequence[Call]) -> tuple[tuple[int, str], ...]:
    """The unreadable images by position, and why. Images that must not be opened do not count."""
    pairs = enumerate(zip(slide.images, calls, strict=True))
    return tuple((place, call.reason) for place, (image, call) in pairs if not call.digest and not image.refusal)


def is_same(image: CellImage, call: Call, before: str, now: str, time_limit: float) -> bool:
    """Whether an image is unchanged, by its state before and now. It would then get the same call again.

    An image that could not be read in time, now or before, counts as changed. `time_limit` is in seconds.
    """
    if (image.name, image.reported_type) != (call.image, call.reported_type):
        return False
    if image.refusal:
        return image.refusal == call.reason
    if call.digest and now and now == before:
        return True
    if not call.digest:
        return is_still_unreadable(image, call.reason, time_limit)
    try:
        return hashlib.sha256(_read(image, time_limit)).hexdigest() == call.digest
    except (UnreadableImageError, TimeoutError):
        return False


def is_still_unreadable(image: CellImage, reason: str, time_limit: float) -> bool:
    """Whether an image cannot be read for the same reason as before.

    An image that could not be read in time is not tried here: classification tries it again.
    """
    if was_late(reason):
        return False
    try:
        _read(image, time_limit)
    except UnreadableImageError as error:
        return str(error) == reason
    except TimeoutError:
        pass
    return False


def _read(image: CellImage, time_limit: float) -> bytes:
    """An image's content. On a share that no longer answers, opening a file may never end: a thread waits for it."""
    return interruptibly(lambda: read_bytes(image.path), time_limit)
