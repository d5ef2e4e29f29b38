"""Find finished slides whose images are gone. They stay in the worklist, marked as vanished.

A slide counts as vanished if its folder was removed, with or without its parents, emptied, or can no longer be read. A
slide that has only some of its images left, and no new ones, keeps its earlier result.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slidescreen.data.slides import Slide
from slidescreen.data.unique_names import unused_name
from slidescreen.errors import InputError
from slidescreen.files.writing import printable
from slidescreen.runs.ledger import Ledger
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult, renamed
from slidescreen.screening.slide_record import FinishedSlide


@dataclass(frozen=True)
class VanishedSlide:
    """A finished slide, its present name, and what happened to its images, in words.

    `unread` is the reason why a folder of it cannot be read, if so. `left` is the number of its remaining images.
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
    """Finished slides below `root` none of whose images belongs to a present slide.

    If a present slide has the same name, the vanished one gets another.
    """
    names = {slide.name for slide in slides}
    places = {str(slide.folder): slide for slide in slides}
    for finished in ledger.others({slide.place for slide in slides}):
        if finished.folder.is_relative_to(root):
            there = _is_folder(finished.folder)
            if not (there and _is_of_another(finished, places)):
                reason = "the folder no longer holds images" if there else "the folder is no longer there"
                name = finished.slide
                if name in names:
                    name = unused_name(name, str(finished.folder), names)
                names.add(name)
                yield VanishedSlide(finished, name, reason)


def _left(slide: Slide) -> int:
    """The number of a slide's images that may be opened."""
    return sum(not image.refusal for image in slide.images)


def _described(slide: Slide, finished: FinishedSlide) -> VanishedSlide:
    unread = next((image.refusal for image in slide.images if image.refusal), "")
    left, had = _left(slide), finished.differential.images
    if left:
        reason = f"{had - left} of the slide's {had} images are no longer there"
    elif unread:
        reason = unread
    elif _is_folder(slide.folder):
        reason = "the folder no longer holds images"
    else:
        reason = "the folder is no longer there"
    return VanishedSlide(finished, slide.name, reason, unread, left)


def _is_of_another(finished: FinishedSlide, slides: dict[str, Slide]) -> bool:
    """Whether an image of a finished slide belongs to one of the slides, by their folders."""
    folder = finished.folder
    near = [slide for place, slide in slides.items() if place.startswith(f"{folder}{os.sep}")]
    near += [slides[str(parent)] for parent in folder.parents if str(parent) in slides]
    now = {printable(image.path) for slide in near for image in slide.images if not image.refusal}
    try:
        return bool(now) and any(printable(folder / call.image) in now for call in finished.calls())
    except InputError:  # a damaged record is none
        return True


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a parent folder cannot be read
        return False
