"""Earlier slides whose verdict has changed though their images have not: by other limits, by newly measured errors of
the ensemble, or by another version."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slidescreen.errors import UnavailableError
from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.run_files import RECORD, fallback_names_of
from slidescreen.files.writing import denature, printable
from slidescreen.runs.monitoring import Monitor
from slidescreen.screening.finding import Verdict
from slidescreen.screening.results import SlideResult

_CHANGED = "changed_verdicts"
_MOST_NAMED = 10


def verdicts_before(out: Path, source: Path) -> dict[str, str]:
    """The verdicts in the table of the last run of `source` into a folder; none if it cannot be read.

    What an interrupted run found changed counts as changed since the run before.
    """
    try:
        info = read_json(out / RECORD)
        if info["input"] != printable(source.resolve()):
            return {}
        changed = {str(each["slide"]): str(each["before"]) for each in info.get(_CHANGED, ()) if not info["complete"]}
        return {**_in_table(out / fallback_names_of(out).get("differential.csv", "differential.csv")), **changed}
    except (DamagedError, UnavailableError, OSError, KeyError, TypeError, AttributeError, ValueError, csv.Error):
        return {}


def _in_table(path: Path) -> dict[str, str]:
    """The verdicts by slide. Other columns are passed over, because a table may have thousands of rows."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        slide, verdict = header.index("slide"), header.index("verdict")
        return {denature(row[slide]): row[verdict] for row in rows if len(row) > max(slide, verdict)}


def with_changes(slides: Sequence[SlideResult], before: Mapping[str, str]) -> tuple[SlideResult, ...]:
    """The slides. Earlier ones whose verdict was another before are marked with it."""
    return tuple(
        replace(slide, verdict_before=Verdict(before[slide.name])) if _has_changed(slide, before) else slide
        for slide in slides
    )


def _has_changed(slide: SlideResult, before: Mapping[str, str]) -> bool:
    verdict = before.get(slide.name)
    return not slide.new and verdict in set(Verdict) and verdict != slide.finding.verdict


def changes_record(slides: Sequence[SlideResult]) -> dict[str, Any]:
    """The changed verdicts, in the form for `run.json`; empty if there are none."""
    changed = [
        {"slide": slide.name, "before": slide.verdict_before, "now": slide.finding.verdict}
        for slide in slides
        if slide.verdict_before
    ]
    return {_CHANGED: changed} if changed else {}


def changes_in(info: Mapping[str, Any]) -> dict[str, Verdict]:
    """The verdicts before of the slides whose verdict has changed, by a record.

    Raises:
        TypeError, KeyError, ValueError: the record holds something else.
    """
    return {str(each["slide"]): Verdict(each["before"]) for each in info.get(_CHANGED, ())}


def tell_changes(slides: Sequence[SlideResult], monitor: Monitor) -> None:
    """Name the slides whose verdict has changed, on the display and in the log."""
    changed = [slide for slide in slides if slide.verdict_before]
    for slide in changed:
        monitor.event("verdict", slide=slide.name, before=slide.verdict_before, now=slide.finding.verdict)
    if changed:
        monitor.note("verdict changed since the last run, with the same calls: " + ", ".join(_in_words(changed)))


def _in_words(changed: Sequence[SlideResult]) -> Iterator[str]:
    for slide in changed[:_MOST_NAMED]:
        yield f"{slide.name} ({slide.verdict_before} before, now {slide.finding.verdict})"
    if len(changed) > _MOST_NAMED:
        yield f"and {len(changed) - _MOST_NAMED} more"
