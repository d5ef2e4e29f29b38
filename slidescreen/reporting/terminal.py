"""The progress of a run on the terminal, and its result as JSON."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from slidescreen import output
from slidescreen.errors import OutputError
from slidescreen.files.writing import printable
from slidescreen.reporting.progress import ProgressDisplay
from slidescreen.screening.results import Run, SlideResult
from slidescreen.screening.slide_review import SlideReview, void_signatures


class RunDisplay(ProgressDisplay):
    """Shows a run: cells per second, slides done, time left."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} cells"),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            quiet=quiet,
        )
        self._quiet, self._verbose = quiet, verbose
        self._unsaid: list[str] = []
        self._slides_done = self._slides = 0
        self._started = time.monotonic()
        self._task = self._bar.add_task("classifying", total=0, detail="")

    def note(self, text: str) -> None:
        self.console.print(escape(text))

    def warn(self, text: str) -> None:
        """Warn during a run: at once, or at the end of a quiet run."""
        if self._quiet:
            self._unsaid.append(text)
        else:
            self.console.print(f"[bold yellow]warning:[/] {escape(text)}", soft_wrap=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if not isinstance(error, OutputError):  # it says itself why nothing could be written
            for text in self._unsaid:
                output.say("warning", text)

    def start(self, slides: int, cells: int) -> None:
        """Begin a run with this many slides and cell images."""
        self._slides, self._started = slides, time.monotonic()
        self._bar.update(self._task, total=cells)
        if cells:
            self.show()

    def cells(self, count: int) -> None:
        """Count this many more finished cells."""
        self._bar.advance(self._task, count)
        done = self._bar.tasks[0].completed
        rate = done / max(time.monotonic() - self._started, 1e-9)
        self._bar.update(self._task, detail=f"{rate:.0f} cells/s · slide {self._slides_done}/{self._slides}")

    def slide(self, result: SlideResult) -> None:
        """Count one more finished slide."""
        self._slides_done += 1
        if self._verbose:
            self.console.print(f"{escape(result.name)}: {result.finding.verdict}")
            for image, reason in (*result.failures, *result.not_cells):
                self.console.print(escape(f"  {image}: {reason}"), soft_wrap=True)


def show_files(title: str, paths: Sequence[Path]) -> None:
    """Print the paths of further files, if there are any."""
    console = output.console()
    for path in paths:
        console.print(f"{title}: {escape(printable(path))}", soft_wrap=True)


def run_to_dict(run: Run) -> dict[str, Any]:
    """The result for scripts: a run's record, and each slide's row of the differential, worklist first."""
    return {**run.info, "worklist": [_slide_to_dict(slide) for slide in run.worklist()]}


def _slide_to_dict(slide: SlideResult) -> dict[str, Any]:
    found, finding = slide.differential, slide.finding
    return {
        "slide": slide.name,
        "new": slide.new,
        "verdict": finding.verdict,
        **({"verdict_before": slide.verdict_before} if slide.verdict_before else {}),
        "flags": list(finding.flags),
        "reasons": list(finding.reasons),
        "images": found.images,
        "classified": found.classified,
        "unidentified": found.unidentified,
        "unreadable": found.unreadable,
        "duplicates": found.duplicates,
        "leukocytes": found.leukocytes,
        "differential": {name: asdict(share) for name, share in found.shares.items()},
        "per_100_leukocytes": dict(found.per_100),
        "unfamiliar": found.unfamiliar,
        "unfamiliar_percent": found.unfamiliar_percent,
        **_review_to_dict(slide.review),
    }


def _review_to_dict(review: SlideReview | None) -> dict[str, Any]:
    void = {"void_signatures": void_signatures(review)} if void_signatures(review) else {}
    if review is None or not review.counts:
        return void
    return {
        "reviewed_by": list(review.reviewers),
        "reviewed_at": review.time,
        "signed": review.signed,
        "reviewed_differential": {name: asdict(share) for name, share in review.shares.items()},
        **void,
    }
