"""The results of a run and of its slides."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from slidescreen.data.calls import Call, Contradiction, Status, reported_twice
from slidescreen.data.shown_paths import ShownPaths
from slidescreen.data.slides import Slide
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError
from slidescreen.files.writing import printable
from slidescreen.screening.differential import Differential, count_slide
from slidescreen.screening.finding import Finding, Flag, Verdict
from slidescreen.screening.slide_record import FinishedSlide
from slidescreen.screening.slide_review import SlideReview
from slidescreen.screening.thresholds import Thresholds
from slidescreen.screening.verdict import screen, urgency

UNLISTED = "its record is damaged: its cells are not listed"
UNREAD = "its record cannot be read at present: its cells are not listed"
"""The reasons of a slide whose verdict alone is known."""


@dataclass(frozen=True)
class SlideResult:
    """The result of one slide.

    `folder` is the folder of its images at that time. `calls` are in the order of `cells.csv`; calls of an earlier run
    are read from the slide's record on each use. A slide is `new` if the last complete run into the same folder did not
    have it, or had it with other images. `kept` is the slide's record, if it has one. `review` is a person's review.
    `verdict_before` is the verdict in the last run, if that was another though the images are the same.
    """

    differential: Differential
    finding: Finding
    calls: Sequence[Call]
    folder: Path
    new: bool = True
    kept: FinishedSlide | None = None
    review: SlideReview | None = None
    verdict_before: Verdict | None = None

    @property
    def news(self) -> bool:
        """Whether the last run showed nothing of the slide, or another verdict."""
        return self.new or self.verdict_before is not None

    @property
    def name(self) -> str:
        return self.differential.slide

    def path_of(self, image: str) -> Path:
        """The path of an image, by its name."""
        return self._paths.path_of(image)

    @cached_property
    def _paths(self) -> ShownPaths:
        return ShownPaths(self.folder)

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """Its unreadable images, and why."""
        if self.kept is not None:
            return self.kept.failures
        return tuple((call.image, call.reason) for call in self.calls if call.status is Status.UNREADABLE)

    @property
    def not_cells(self) -> tuple[tuple[str, str], ...]:
        """Its images that show no single cell, and why."""
        if self.kept is not None:
            return self.kept.not_cells
        return tuple((c.image, c.reason) for c in self.calls if c.status is Status.UNIDENTIFIED and c.reason)

    @property
    def remarks(self) -> tuple[tuple[str, int], ...]:
        """Remarks on how its files were read, each with the number of files."""
        if self.kept is not None:
            return self.kept.remarks
        return tuple(sorted(Counter(remark for call in self.calls for remark in call.remarks).items()))

    @property
    def reported_twice(self) -> tuple[Contradiction, ...]:
        """Its pictures that lie in folders of two cell types."""
        return self.kept.reported_twice if self.kept is not None else reported_twice(self.calls)


@dataclass(frozen=True)
class Run:
    """A whole run: its slides, the ensemble's cell types in order, and what `run.json` says."""

    slides: tuple[SlideResult, ...]
    cell_types: tuple[str, ...]
    info: Mapping[str, Any]

    def worklist(self) -> list[SlideResult]:
        """The slides in the order in which to see them: first new ones and those whose verdict has changed, then by
        urgency. A patient's stay together."""
        found = sorted(self.slides, key=lambda s: (not s.news, *urgency(s.differential, s.finding)))
        groups = {name: number for number, names in enumerate(self.info.get("same_patient", ())) for name in names}
        first: dict[int | str, int] = {}
        for position, slide in enumerate(found):
            first.setdefault(groups.get(slide.name, slide.name), position)
        return sorted(found, key=lambda slide: first[groups.get(slide.name, slide.name)])

    def named(self, name: str) -> list[SlideResult]:
        """The slides of a name, as it stands or as it is shown.

        Raises:
            InputError: there is none.
        """
        found = [slide for slide in self.slides if name in (slide.name, printable(slide.name))]
        if not found:
            raise InputError(f"the run has no slide named {printable(name)}: see its differential.csv for the names")
        return found

    def mixed(self) -> bool:
        """Whether the run holds both new and earlier slides."""
        return len({slide.new for slide in self.slides}) > 1

    def has_failures(self) -> bool:
        """Whether an image, a folder or a file of the run could not be read or written, a slide had no images, a share
        seemed not to be mounted, or an earlier result was lost."""
        unread = any(
            slide.failures or Flag.NO_IMAGES in slide.finding.flags or UNREAD in slide.finding.reasons
            for slide in self.slides
        )
        return unread or any(self.info.get(name) for name in ("unwritten_files", "lost_slides", "absent_shares"))


def judge(slide: Slide, calls: tuple[Call, ...], ensemble: Ensemble, thresholds: Thresholds) -> SlideResult:
    """Count one slide's calls and screen it. A slide without images is insufficient, and the reason says why."""
    differential = count_slide(slide.name, calls, ensemble)
    if not calls:
        missing = Finding(
            Verdict.INSUFFICIENT, (Flag.NO_IMAGES,), (f"no images: {slide.absence or 'the folder is empty'}",)
        )
        return SlideResult(differential, missing, calls, slide.folder)
    finding = screen(differential, ensemble, thresholds)
    kept = replace(differential, composition=None)  # only judging needs its draws, a third of a megabyte a slide
    return SlideResult(kept, finding, calls, slide.folder)


def count_images(slides: Sequence[SlideResult]) -> dict[Status, int]:
    """The number of images with each status, over all slides."""
    found = [slide.differential for slide in slides]
    return {
        Status.CLASSIFIED: sum(each.classified for each in found),
        Status.UNIDENTIFIED: sum(each.unidentified for each in found),
        Status.DUPLICATE: sum(each.duplicates for each in found),
        Status.UNREADABLE: sum(each.unreadable for each in found),
    }


def reported_twice_in(slides: Sequence[SlideResult]) -> Iterator[dict[str, Any]]:
    """All slides' images that lie in folders of two cell types, in the form for `run.json`."""
    for slide in slides:
        for image, cell_type, copy, other_type in slide.reported_twice:
            yield {"slide": slide.name, "images": [image, copy], "types": [cell_type, other_type]}


def is_reviewed(slides: Iterable[SlideResult]) -> bool:
    """Whether a person has reviewed a slide or a cell."""
    return any(slide.review is not None and slide.review.counts for slide in slides)


def reviews_in(slides: Sequence[SlideResult]) -> dict[str, Any]:
    """The reviewed slides and their reviewers, in the form for `run.json`; empty without reviews."""
    found = [
        {
            "slide": slide.name,
            "reviewed_by": list(slide.review.reviewers),
            "reviewed_at": slide.review.time,
            "signed": slide.review.signed,
            "changed_cells": len(slide.review.changed),
        }
        for slide in slides
        if slide.review is not None and slide.review.counts
    ]
    return {"reviewed_slides": found} if found else {}


def reasons_in(slides: Sequence[SlideResult]) -> dict[str, Any]:
    """Reasons and remarks on images and files of all slides, in the form for `run.json`.

    `failures` are unreadable images. `not_cells` are images that show no single cell. `remarks` counts the files for
    each remark.
    """
    remarks: Counter[str] = Counter()
    for slide in slides:
        remarks.update(dict(slide.remarks))
    return {
        "failures": list(_named((slide.name, slide.failures) for slide in slides)),
        "not_cells": list(_named((slide.name, slide.not_cells) for slide in slides)),
        "remarks": dict(sorted(remarks.items())),
    }


def _named(found: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> Iterator[dict[str, str]]:
    for slide, images in found:
        for image, reason in images:
            yield {"slide": slide, "image": image, "reason": reason}


def renamed(result: SlideResult, name: str) -> SlideResult:
    """The result under another name. Its record keeps the old name."""
    if result.name == name:
        return result
    return replace(result, differential=replace(result.differential, slide=name))
