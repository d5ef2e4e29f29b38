"""A run: what a batch of slides came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slidescreen.calls import Call
from slidescreen.differential import Differential, count_slide
from slidescreen.ensemble import Ensemble
from slidescreen.screening import Finding, screen, urgency
from slidescreen.slides import Slide
from slidescreen.thresholds import Thresholds


@dataclass(frozen=True)
class SlideResult:
    """All that is known of one slide.

    `folder` is where its images lay; `calls` stand in the order of `cells.csv`; `new` slides are those that the last
    complete run into the same folder did not have, or not as they are.
    """

    differential: Differential
    finding: Finding
    calls: tuple[Call, ...]
    folder: Path
    new: bool = True

    @property
    def name(self) -> str:
        return self.differential.slide


@dataclass(frozen=True)
class Run:
    """A whole run: its slides, the ensemble's cell types in order, and what `run.json` says."""

    slides: tuple[SlideResult, ...]
    cell_types: tuple[str, ...]
    info: Mapping[str, Any]

    def worklist(self) -> list[SlideResult]:
        """The slides, those to be seen first first: what is new before what earlier runs had."""
        return sorted(self.slides, key=lambda s: (not s.new, *urgency(s.differential, s.finding)))

    def mixed(self) -> bool:
        """Whether it holds new slides and earlier ones."""
        return len({slide.new for slide in self.slides}) > 1


def judge(slide: Slide, calls: tuple[Call, ...], ensemble: Ensemble, thresholds: Thresholds) -> SlideResult:
    """Count one slide's calls and screen it."""
    differential = count_slide(slide.name, calls, ensemble)
    return SlideResult(differential, screen(differential, ensemble, thresholds), calls, slide.folder)
