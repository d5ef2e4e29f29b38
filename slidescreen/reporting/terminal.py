"""A run on the terminal: progress while it goes, and the worklist at its end."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from slidescreen import output
from slidescreen.data.calls import Status
from slidescreen.data.passed_over import sentences
from slidescreen.errors import OutputError
from slidescreen.files.beside import second_names
from slidescreen.files.writing import printable
from slidescreen.reporting.progress import ProgressDisplay
from slidescreen.reporting.remarks import contradictory_reports, reading_remarks
from slidescreen.screening.differential import Share
from slidescreen.screening.results import Run, SlideResult
from slidescreen.screening.verdict import Verdict, number_of

_STYLES = {
    Verdict.URGENT: "bold red",
    Verdict.REVIEW: "yellow",
    Verdict.INSUFFICIENT: "magenta",
    Verdict.CLEAR: "green",
}

_MOST_ROWS = 100
_MOST_NAMES = 3  # of what is passed over, of each kind


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
        """Something is wrong, and the run goes on: told at once, or at the end of a quiet run."""
        if self._quiet:
            self._unsaid.append(text)
        else:
            self.console.print(f"[bold yellow]warning:[/] {escape(text)}", soft_wrap=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if not isinstance(error, OutputError):  # that says why nothing could be written
            for text in self._unsaid:
                output.say("warning", text)

    def start(self, slides: int, cells: int) -> None:
        """Begin: so many slides and cell images are to be classified."""
        self._slides, self._started = slides, time.monotonic()
        self._bar.update(self._task, total=cells)
        if cells:
            self.show()

    def cells(self, count: int) -> None:
        """So many more cells are done."""
        self._bar.advance(self._task, count)
        done = self._bar.tasks[0].completed
        rate = done / max(time.monotonic() - self._started, 1e-9)
        self._bar.update(self._task, detail=f"{rate:.0f} cells/s · slide {self._slides_done}/{self._slides}")

    def slide(self, result: SlideResult) -> None:
        """One more slide is done."""
        self._slides_done += 1
        if self._verbose:
            self.console.print(f"{escape(result.name)}: {result.finding.verdict}")
            for image, reason in (*result.failures, *result.not_cells):
                self.console.print(escape(f"  {image}: {reason}"), soft_wrap=True)


def show_run(run: Run, out: Path) -> None:
    """Print the worklist, a row for each slide, those to be seen first first; then where the files are."""
    console = output.console()
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("slide", overflow="fold", min_width=8)
    worklist, mixed = run.worklist(), run.mixed()
    if mixed:
        table.add_column("", no_wrap=True)
    for name in ("cells", "blasts %", "IG %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    for slide in worklist[:_MOST_ROWS]:
        shares, finding = slide.differential.shares, slide.finding
        table.add_row(
            escape(printable(slide.name)),
            *(["new" if slide.new else ""] if mixed else []),
            str(slide.differential.leukocytes),
            _percent(shares["blasts"]),
            _percent(shares["immature_granulocytes"]),
            f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]",
            escape("; ".join(finding.reasons)),
        )
    if worklist:
        console.print(table)
    if len(worklist) > _MOST_ROWS:
        console.print(f"and {len(worklist) - _MOST_ROWS} more slides: see the report")
    counts = run.info["counts"]
    images = sum(counts[state] for state in Status)
    states = ", ".join(f"{counts[state]} {state}" for state in Status if counts[state])
    total = f"{number_of(counts['slides'], 'slide')}, {number_of(images, 'image')}"
    console.print(f"\n{total}: {states}" if states else f"\n{total}")
    for remark in reading_remarks(run.info):
        console.print(escape(remark))
    for remark in run.info["drift"]:
        console.print(f"[bold yellow]stain or camera changed: check before trusting:[/] {escape(remark)}")
    for remark in run.info.get("layout", ()):
        console.print(f"layout: {escape(remark)}")
    passed_over = sentences(run.info.get("passed_over", {}), _MOST_NAMES)
    if passed_over:
        console.print(f"passed over: {escape(', '.join(passed_over))}")
    if contradictory_reports(run.info):
        console.print(f"[yellow]reported twice:[/] {escape(contradictory_reports(run.info))}", soft_wrap=True)
    page = out / second_names(run.info).get("report.html", "report.html")
    console.print(f"report: {escape(printable(page))}", soft_wrap=True)
    console.print("Screening aid for research use only; percentages in brackets allow for the model's errors.")


def show_files(title: str, paths: Sequence[Path]) -> None:
    """Print where further files are, if there are any."""
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
    }


def _percent(share: Share) -> str:
    """The counted percentage, and the corrected one in brackets."""
    if share.percent is None:
        return "–"
    corrected = "" if share.corrected_percent is None else f" ({share.corrected_percent:.1f})"
    return f"{share.percent:.1f}{corrected}"
