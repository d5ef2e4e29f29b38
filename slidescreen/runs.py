"""A run: what a batch of slides came to, kept slide by slide so that a killed night resumes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slidescreen.calls import Call
from slidescreen.differential import Differential
from slidescreen.screening import Finding, urgency


@dataclass(frozen=True)
class SlideResult:
    """All that is known of one slide. `folder` is where its images lay; `calls` stand in the order of `cells.csv`."""

    differential: Differential
    finding: Finding
    calls: tuple[Call, ...]
    folder: Path

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
        """The slides, those to be seen first first."""
        return sorted(self.slides, key=lambda s: urgency(s.differential, s.finding))
