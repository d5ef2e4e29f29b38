"""Write a run's tables, its page and its record."""

import contextlib
import json
import math
import os
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slidescreen import __version__
from slidescreen.data.correction_table import Correction
from slidescreen.data.line_names import lines_by_slide
from slidescreen.data.slides import Survey
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity_file import figures
from slidescreen.errors import UnavailableError
from slidescreen.files.run_files import FALLBACK_NAMES, RECORD, fallback_names_of, remove_unused
from slidescreen.files.writing import printable, write_text
from slidescreen.interruptible import alongside
from slidescreen.packages import installed_version
from slidescreen.reporting.page import render_run
from slidescreen.reporting.page_cells import PageCells
from slidescreen.reporting.tables import write_cells, write_differentials
from slidescreen.reporting.thumbnails import in_time
from slidescreen.runs.absent_shares import NetworkShares
from slidescreen.runs.known_orders import joined, orders_record
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.options import ClassifyOptions
from slidescreen.runs.reviewed_slides import with_reviews
from slidescreen.runs.verdict_changes import changes_record, tell_changes, with_changes
from slidescreen.screening.blood_context import BloodContext, in_context
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import Run, SlideResult, count_images, reasons_in, reported_twice_in, reviews_in
from slidescreen.statistics.control_charts import ControlChart

_HASTE = 3.0  # seconds
_LEAST_FOR_PICTURES = 0.25  # seconds
_SHARE_FOR_PICTURES = 0.04  # of the run's time: the pictures of all cells must not hold up a night


@dataclass(frozen=True)
class RunSetup:
    """The options, ensemble and slides with which a run started.

    Attributes:
        options: the user's options.
        ensemble, configuration: the ensemble that calls the cells, and its engine here.
        called_by: gives the classification's part of the record: the engine in words, and a cluster's account.
        started: the start time (UTC).
        found: the slides found, and the entries passed over.
        identity: the run's identity, by `identity_of`.
        reviews: stored reviews of cells of earlier runs into the same folder.
        contexts: patient and leukocyte count of each slide, from this run's orders.
        earlier_contexts: the same from earlier runs' orders. Patients are told apart, but not named.
        missing_features: features that the run folder's file system lacks.
        lost: slides of the last run of which neither images nor a record are left.
        earlier: names of the slides in the last complete run.
        recorded: names of the slides to classify that an earlier run finished, perhaps with other images.
        shares: the mount points of the input, and those that seem not to be mounted.
        verdicts: the verdicts in the last run's table, by slide name.
    """

    options: ClassifyOptions
    ensemble: Ensemble
    configuration: EngineConfiguration
    called_by: Callable[[], Mapping[str, Any]]
    started: datetime
    found: Survey
    identity: str
    reviews: Sequence[Correction] = ()
    contexts: Mapping[str, BloodContext] = field(default_factory=dict)
    earlier_contexts: Mapping[str, BloodContext] = field(default_factory=dict)
    missing_features: Sequence[str] = ()
    lost: Sequence[str] = ()
    earlier: Collection[str] = ()
    recorded: Collection[str] = ()
    shares: NetworkShares | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)


def describe(
    setup: RunSetup,
    results: Mapping[str, SlideResult],
    waiting: Sequence[str],
    same: Collection[str],
    speed: float | None,
    drift: Sequence[str] = (),
) -> Run:
    """A run of the finished slides, with its record.

    Args:
        setup: the run's setup.
        results: the results by slide name.
        waiting: names of the slides that are left to the next run.
        same: names of the slides with the images that they had in an earlier run.
        speed: images per second; None without images.
        drift: differences from earlier runs, in words.
    """
    found = with_changes([results[name] for name in sorted(results)], setup.verdicts)
    slides = with_reviews(found, setup.reviews)
    left = sorted(name for name in setup.recorded if name not in results)
    names = [*(slide.name for slide in slides), *left]
    contexts = joined(lines_by_slide(setup.contexts, names), setup.earlier_contexts, {*same, *left})
    slides = in_context(slides, contexts) if contexts else slides
    missing = [slide.name for slide in setup.found.slides if slide.name not in results and slide.name not in waiting]
    finished = datetime.now(UTC)
    info: dict[str, Any] = {
        "run": setup.identity,
        "complete": not missing,
        "started": setup.started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "seconds": round((finished - setup.started).total_seconds(), 3),
        "input": printable(setup.options.path.resolve()),
        "options": _options_record(setup.options),
        **_engine_record(setup),
        "images_per_second": speed,
        "versions": {"slidescreen": __version__, **_versions()},
        "ensemble": _ensemble_record(setup.ensemble, setup.options.ensemble),
        "counts": {"slides": len(slides), **count_images(slides)},
        "unfinished_slides": missing,
        "waiting_slides": list(waiting),
        "lost_slides": list(setup.lost),
        **(setup.shares.to_record() if setup.shares else {}),
        **changes_record(slides),
        "drift": list(drift),
        "share_lacks": list(setup.missing_features),
        **setup.found.to_record(),
        **_slides_record(slides, finished, [name for name in left if name in setup.earlier]),
        **orders_record(names, contexts),
    }
    return Run(slides, setup.ensemble.cell_types, info)


def _options_record(options: ClassifyOptions) -> dict[str, Any]:
    return {
        "device": options.engine.device,
        "engine": options.engine.kind,
        "precision": options.engine.precision,
        "threads": options.engine.threads,
        "fast": options.engine.fast,
        "batch_size": options.batch_size,
        "slide_depth": options.slide_depth,
        "settle": options.settle,
        "keep": options.keep,
        "image_timeout": options.time_limit,
        "export": list(options.export.formats) if options.export else [],
        "page_cells": options.page_cells,
        "ray": options.ray,
        "history": options.history and os.fsencode(options.history.absolute()).decode("utf-8", "replace"),
        "thresholds": asdict(options.thresholds),
    }


def _engine_record(setup: RunSetup) -> dict[str, Any]:
    ensemble = setup.ensemble
    cascade = ensemble.validation.cascade if setup.configuration.cascade else None
    return {
        **setup.called_by(),
        "precision": {
            "chosen": setup.configuration.precision,
            "measured": {name: asdict(found) for name, found in ensemble.validation.precisions.items()},
        },
        "cascade": cascade and {"file": ensemble.members[cascade.first].path.name, **asdict(cascade)},
    }


def _ensemble_record(ensemble: Ensemble, folder: Path) -> dict[str, Any]:
    known = ensemble.familiarity
    return {
        "folder": printable(folder),
        "rule": ensemble.rule,
        "temperature": ensemble.validation.temperature,
        "offsets": list(ensemble.validation.offsets),
        "rejection_threshold": ensemble.validation.rejection_threshold,
        "too_little_measured_on": list(ensemble.measured_on.shortfalls()),
        "familiarity": known and {"sha256": known.sha256, **figures(known)},
        "members": [
            {"file": m.path.name, "backbone": m.checkpoint.backbone, "weight": w, "sha256": m.sha256}
            for m, w in zip(ensemble.members, ensemble.weights, strict=True)
        ],
    }


def _slides_record(slides: Sequence[SlideResult], finished: datetime, left: Sequence[str]) -> dict[str, Any]:
    """The part of a record about the slides. Slides without an own record get the time of the run.

    `left` are earlier slides that this run did not finish. The next run must not take them for new.
    """
    now = finished.isoformat(timespec="seconds")
    return {
        "earlier_slides": [*(slide.name for slide in slides if not slide.new), *left],
        "unfamiliar_slides": [slide.name for slide in slides if Flag.UNFAMILIAR in slide.finding.flags],
        "vanished_slides": [slide.name for slide in slides if Flag.VANISHED in slide.finding.flags],
        **reasons_in(slides),
        **reviews_in(slides),
        "reported_twice": list(reported_twice_in(slides)),
        "slides": [
            {
                "slide": slide.name,
                "folder": os.fsencode(slide.folder).decode("utf-8", "replace"),
                "finished": slide.kept.time if slide.kept else now,
            }
            for slide in slides
        ],
    }


def _versions() -> dict[str, str | None]:
    packages = ("torch", "timm", "openvino", "numpy", "pillow")
    return {"python": platform.python_version(), **{name: installed_version(name) for name in packages}}


def write_worklist(
    run: Run,
    out: Path,
    monitor: Monitor,
    in_haste: bool = False,
    page_cells: PageCells | None = None,
    charts: Sequence[ControlChart] = (),
) -> Run:
    """Write a run's tables and its page, each whole, and name the slides whose verdict has changed.

    A file that another program holds gets a fallback name.

    Args:
        run: a run by `describe`.
        out: the run's folder.
        monitor: receives the names of files that another program holds.
        in_haste: limit the time for the page's pictures to a few seconds, because the user waits for an interrupted
            run to end.
        page_cells: the cells shown as pictures. None for the suspicious ones, and others as the run's time allows.
        charts: charts of the laboratory's nights.

    Returns:
        The run, with the fallback names in its record.

    Raises:
        OutputError: a file cannot be written.
    """
    tell_changes(run.slides, monitor)
    picture = in_time(in_all=_HASTE if in_haste else math.inf)
    others = (
        None if page_cells is PageCells.SUSPICIOUS else in_time(in_all=_time_for_pictures(run, in_haste, page_cells))
    )
    tables = alongside(  # most of the time a picture is drawn without Python's lock
        lambda: {
            "cells.csv": write_cells(out / "cells.csv", run.slides, run.cell_types, or_beside=True),
            "differential.csv": write_differentials(out / "differential.csv", run.slides, or_beside=True),
        }
    )
    try:
        page = render_run(run, picture=picture, others=others, charts=charts, of_a_night=True)
    finally:
        wait([tables])
    written = {**tables.result(), "report.html": write_text(out / "report.html", page, or_beside=True)}
    other_names = {name: place.name for name, place in written.items() if place.name != name}
    for name, other in other_names.items():
        path = out / name
        monitor.not_written(path, f"{printable(path)} was not replaced: another program has it open; see {other}")
    return replace(run, info={**run.info, FALLBACK_NAMES: other_names})


def _time_for_pictures(run: Run, in_haste: bool, page_cells: PageCells | None) -> float:
    """Seconds for drawing the cells that are not suspicious. Those drawn in an earlier run take none."""
    if in_haste:
        return 0.0
    if page_cells is PageCells.ALL:
        return math.inf
    return max(_LEAST_FOR_PICTURES, _SHARE_FOR_PICTURES * float(run.info["seconds"]))


def write_record(run: Run, out: Path, monitor: Monitor) -> None:
    """Write `run.json`, the last of a run's files. It marks the others as complete.

    Files that an earlier run wrote under fallback names are then removed. A record that cannot be written does not
    stop the run.
    """
    before: dict[str, str] = {}
    with contextlib.suppress(UnavailableError):
        before = fallback_names_of(out)
    with monitor.side_file(out / RECORD):
        write_text(out / RECORD, json.dumps(with_troubles(run, monitor).info, indent=2) + "\n")
        remove_unused(out, before, run.info[FALLBACK_NAMES])


def with_troubles(run: Run, monitor: Monitor) -> Run:
    """The run with its warnings and unwritten files in its record."""
    return replace(run, info={**run.info, **monitor.troubles()})
