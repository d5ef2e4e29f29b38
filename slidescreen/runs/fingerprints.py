"""Recognise unchanged slides by the names and states of their images, and by the content if a state has changed."""

import hashlib
from collections.abc import Iterator, Sequence

from slidescreen.data.calls import Call
from slidescreen.data.images import read_bytes
from slidescreen.data.slides import CellImage, Slide
from slidescreen.errors import UnreadableImageError
from slidescreen.files.folder_fingerprint import FolderFiles, fingerprint, state_of


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
