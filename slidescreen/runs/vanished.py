"""Find finished slides whose images are gone. They stay in the worklist, marked as vanished.

A slide counts as vanished if its folder was removed, with or without its parents, emptied, or can no longer be read. A
slide that has only some of its images left, and no new ones, keeps its earlier result. So does a slide whose remaining
images belong to other slides now. If other slides hold all of its images, it has not vanished.
"""

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from slidescreen.data.slides import Slide
from slidescreen.data.unique_names import NamesInUse, unique_names
from slidescreen.errors import InputError
from slidescreen.files.existence import sees_folder
from slidescreen.files.writing import printable
from slidescreen.runs.ledger import Ledger, missing_from
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult, renamed
from slidescreen.screening.slide_record import FinishedSlide


@dataclass(frozen=True)
class VanishedSlide:
    """A finished slide, its present name, and what happened to its images, in words.

    `unread` is the reason why a folder of it cannot be read, if so. `left` is the number of its remaining images. Those
    that other slides hold now do not count.
    """

    finished: FinishedSlide
    name: str
    reason: str
    unread: str = ""
    left: int = 0

    @property
    def all_gone(self) -> bool:
        """Whether all of its images are certainly gone."""
        return not (self.unread or self.left)

    def result(self, ledger: Ledger) -> SlideResult:
        """The slide's earlier result, marked. An unreadable folder is among its failures."""
        found = marked(ledger.result(self.finished), Flag.VANISHED, self.reason)
        if found.kept is not None and self.unread:
            found = replace(found, kept=replace(found.kept, failures=(*found.kept.failures, (".", self.unread))))
        return renamed(found, self.name)


def marked(found: SlideResult, flag: str, reason: str) -> SlideResult:
    """An earlier result, marked with a flag and a reason."""
    flags = (*found.finding.flags, flag)
    reasons = (*found.finding.reasons, f"{reason}: the result is from an earlier run")
    return replace(found, finding=replace(found.finding, flags=flags, reasons=reasons))


def without_images(ledger: Ledger, slides: Sequence[Slide]) -> Iterator[VanishedSlide]:
    """The slides without readable images that had images when they were finished."""
    for slide in slides:
        if not _left(slide):
            finished = ledger.remainder(slide)
            if finished is not None:
                yield _described(slide, finished)


def with_fewer_images(ledger: Ledger, slides: Sequence[Slide]) -> Iterator[VanishedSlide]:
    """The slides that hold only some of the images that they had when they were finished."""
    for slide in slides:
        finished = ledger.remainder(slide)
        if finished is not None:
            yield _described(slide, finished)


def no_longer_found(ledger: Ledger, slides: Sequence[Slide], root: Path) -> Iterator[VanishedSlide]:
    """Finished slides below `root` that are no slides now, unless present slides hold all of their images.

    If the name looks like that of a present slide, the vanished one gets another.
    """
    names = NamesInUse(slide.name for slide in slides)
    present = _PresentSlides(slides)
    for finished in ledger.others({slide.place for slide in slides}):
        if finished.folder.is_relative_to(root):
            absence = _absence(finished, present)
            if absence is not None:
                name = names.added(finished.slide, str(finished.folder))
                yield VanishedSlide(finished, name, *absence)


def _left(slide: Slide) -> int:
    """The number of a slide's images that may be opened."""
    return sum(not image.refusal for image in slide.images)


def _described(slide: Slide, finished: FinishedSlide) -> VanishedSlide:
    unread = next((image.refusal for image in slide.images if image.refusal), "")
    left, had = _left(slide), finished.differential.images
    reason = _fewer(had - left, finished) if left else unread or _empty(slide.folder)
    return VanishedSlide(finished, slide.name, reason, unread, left)


class _PresentSlides:
    """The files of the present slides, looked up by a folder above or below them."""

    def __init__(self, slides: Sequence[Slide]) -> None:
        self._slides = {str(slide.folder): slide for slide in slides}
        self._places = sorted(self._slides)
        self._files: dict[str, tuple[list[str], dict[str, str]]] = {}

    def near(self, folder: Path) -> tuple[list[str], dict[str, str]]:
        """The images below a folder, by their paths from there, and why files below or above it must not be opened."""
        start, above = f"{folder}{os.sep}", [str(folder), *_up_from(folder.parent)]
        images: list[str] = []
        refused: dict[str, str] = {}
        for place in (*_starting(self._places, start), *filter(self._slides.__contains__, above)):
            readable, others = self._files_of(place)
            images += (path.removeprefix(start).replace(os.sep, "/") for path in _starting(readable, start))
            refused |= {path: why for path, why in others.items() if path in above or path.startswith(start)}
        return images, refused

    def _files_of(self, place: str) -> tuple[list[str], dict[str, str]]:
        if place not in self._files:
            images = self._slides[place].images
            readable = sorted(str(image.path) for image in images if not image.refusal)
            refused = {str(image.path): image.refusal for image in images if image.refusal}
            self._files[place] = readable, refused
        return self._files[place]


@lru_cache(maxsize=16)
def _up_from(folder: Path) -> list[str]:
    """A folder, and those that hold it. Many slides lie in one folder."""
    return [str(each) for each in (folder, *folder.parents)]


def _starting(texts: Sequence[str], start: str) -> Iterator[str]:
    """Of sorted texts, those that begin so."""
    for position in range(bisect_left(texts, start), len(texts)):
        if not texts[position].startswith(start):
            break
        yield texts[position]


def _absence(finished: FinishedSlide, present: _PresentSlides) -> tuple[str, str] | None:
    """What happened to a slide that is none now, and why a folder of it cannot be read, if so.

    None if present slides hold all of its images. Files that must not be opened are ignored on both sides.
    """
    folder = finished.folder
    held, refused = present.near(folder)
    if not (held or refused):
        return _empty(folder), ""
    try:
        calls = tuple(finished.calls())
    except InputError:
        return "its record cannot be read, and other slides may hold its images now", ""
    names = set(unique_names(held))
    missing = missing_from(calls, names)
    if not missing and names.intersection(call.image for call in calls):
        return None
    above = {printable(place) for call in calls if call.image not in names for place in (folder / call.image).parents}
    unread = next((reason for path, reason in refused.items() if printable(path) in above), "")
    left = len(missing) < sum(bool(call.digest) for call in calls)
    return _fewer(len(missing), finished) if left else unread or _empty(folder), unread


def _fewer(missing: int, finished: FinishedSlide) -> str:
    return f"{missing} of the slide's {finished.differential.images} images are no longer there"


def _empty(folder: Path) -> str:
    return "the folder no longer holds images" if sees_folder(folder) else "the folder is no longer there"
