"""A run's worklist on the terminal: a line for each slide, and reasons on request."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from slidescreen import output
from slidescreen.data.calls import Status
from slidescreen.data.skipped_files import sentences
from slidescreen.files.run_files import fallback_names
from slidescreen.files.writing import printable
from slidescreen.reporting.flag_words import short_flags
from slidescreen.reporting.remarks import (
    contradictory_reports,
    patients_remark,
    reading_remarks,
    review_remark,
    reviewed_by,
)
from slidescreen.reporting.symbols import SYMBOLS
from slidescreen.research_use import FOR_RESEARCH
from slidescreen.screening.differential import Share
from slidescreen.screening.finding import Verdict
from slidescreen.screening.results import Run, SlideResult
from slidescreen.screening.sentences import number_of

_STYLES = {
    Verdict.URGENT: "bold red",
    Verdict.REVIEW: "yellow",
    Verdict.INSUFFICIENT: "magenta",
    Verdict.CLEAR: "green",
}

_MOST_ROWS = 100
_MOST_NAMES = 3  # listed of each kind of passed-over item
_LEAST_FLAGS = 12  # columns of the terminal that the flags keep if names are long: "blasts ≥20%" fits


def show_run(run: Run, out: Path, reasons: bool = False) -> None:
    """Print a run's counts and remarks, its worklist, and the path of its page.

    Args:
        run: the run to show.
        out: the run's folder.
        reasons: whether each slide's reasons follow its line.
    """
    console = output.console()
    _show_counts(console, run)
    _show_remarks(console, run)
    worklist = run.worklist()
    shown = worklist[:_MOST_ROWS]
    if shown:
        console.print()
    if reasons:
        for slide in shown:
            console.print(_table([slide], run.mixed(), console))
            _show_reasons(console, slide)
    elif shown:
        console.print(_table(shown, run.mixed(), console))
    if len(worklist) > _MOST_ROWS:
        console.print(f"{len(worklist) - _MOST_ROWS} more slides: see the report")
    page = out / fallback_names(run.info).get("report.html", "report.html")
    console.print(f"\nreport: {escape(printable(page))}", soft_wrap=True)
    console.print(f"{FOR_RESEARCH} Brackets: 95% limits. Reasons: see report or --verbose.")


def show_slide(run: Run, name: str) -> None:
    """Print one slide's line and its reasons.

    Raises:
        InputError: the run has no slide of that name.
    """
    found = run.named(name)
    console = output.console()
    for slide in found:
        console.print(_table([slide], False, console))
        _show_reasons(console, slide)


def _show_counts(console: Console, run: Run) -> None:
    """The number of slides with each verdict, and of images with each status."""
    counts = run.info["counts"]
    verdicts = [slide.finding.verdict for slide in run.slides]
    of_each = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts)
    images = sum(counts[state] for state in Status)
    states = ", ".join(f"{counts[state]} {state}" for state in Status if counts[state])
    slides = number_of(counts["slides"], "slide")
    console.print(f"[bold]{slides}: {of_each}[/]" if of_each else slides)
    console.print(f"{number_of(images, 'image')}: {states}" if states else number_of(images, "image"))


def _show_remarks(console: Console, run: Run) -> None:
    """Remarks to read before the list."""
    if review_remark(run.slides):
        console.print(f"reviewed: {review_remark(run.slides)}")
    if patients_remark(run.info):
        console.print(f"of one patient: {escape(patients_remark(run.info))}", soft_wrap=True)
    for remark in reading_remarks(run.info):
        console.print(escape(remark))
    for remark in run.info["drift"]:
        console.print(f"[bold yellow]check stain and camera before you trust this run:[/] {escape(remark)}")
    for remark in run.info.get("layout", ()):
        console.print(f"layout: {escape(remark)}")
    passed_over = sentences(run.info.get("passed_over", {}), _MOST_NAMES)
    if passed_over:
        console.print(f"passed over: {escape(', '.join(passed_over))}")
    if contradictory_reports(run.info):
        console.print(f"[yellow]reported as two types:[/] {escape(contradictory_reports(run.info))}", soft_wrap=True)


def _table(slides: list[SlideResult], mixed: bool, console: Console) -> Table:
    """The worklist, one line a slide if the terminal has 80 columns or more."""
    rows = [[output.spelled(text, console.encoding) for text in _row(slide)] for slide in slides]
    titles = ("verdict", "slide", "cells", "blasts %", "IG %", "flags")
    widths = [max(len(title), *(len(row[place]) for row in rows)) for place, title in enumerate(titles)]
    states = [_state(slide, mixed) for slide in slides]
    state = max(map(len, states))
    others = widths[0] + sum(widths[2:5]) + 10 + (state + 2 if state else 0)  # two spaces between columns
    widths[1] = min(widths[1], max(8, console.width - others - _LEAST_FLAGS))
    widths[5] = max(_LEAST_FLAGS, console.width - others - widths[1])
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=False)
    table.add_column(titles[0], no_wrap=True, width=widths[0])
    table.add_column(titles[1], overflow="fold", width=widths[1])
    if state:
        table.add_column("", no_wrap=True, width=state)
    for place in (2, 3, 4):
        table.add_column(titles[place], justify="right", no_wrap=True, width=widths[place])
    table.add_column(titles[5], no_wrap=True, overflow="ellipsis", max_width=widths[5])
    for slide, shown, (verdict, name, cells, blasts, immature, flags) in zip(slides, states, rows, strict=True):
        style = _STYLES[slide.finding.verdict]
        table.add_row(
            f"[{style}]{verdict}[/]", escape(name), *([shown] if state else []), cells, blasts, immature, escape(flags)
        )
    return table


def _row(slide: SlideResult) -> tuple[str, str, str, str, str, str]:
    shares, finding = slide.differential.shares, slide.finding
    return (
        f"{SYMBOLS[finding.verdict]} {finding.verdict}",
        printable(slide.name),
        str(slide.differential.leukocytes),
        _percent(shares["blasts"]),
        _percent(shares["immature_granulocytes"]),
        short_flags(finding.flags),
    )


def _state(slide: SlideResult, mixed: bool) -> str:
    """Whether a slide's verdict has changed, its review is signed or begun, or the slide is new among earlier ones."""
    if slide.verdict_before:
        return f"{slide.verdict_before} before"
    if slide.review is not None and slide.review.counts:
        return "signed" if slide.review.signed else "begun"
    return "new" if mixed and slide.new else ""


def _show_reasons(console: Console, slide: SlideResult) -> None:
    reasons = Table.grid(padding=(0, 1, 0, 0))
    for reason in (*reviewed_by(slide.review), *slide.finding.reasons):
        reasons.add_row("  -", escape(reason))
    console.print(reasons)


def _percent(share: Share) -> str:
    """The counted percentage and its exact limits."""
    if share.percent is None or share.low is None or share.high is None:
        return "–"
    return f"{share.percent:.1f} ({share.low:.0f}–{share.high:.0f})"
