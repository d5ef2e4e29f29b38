"""What a run writes down: its tables, its page, and the record of how it came about."""

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slidescreen import __version__
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.files.run_files import RECORD
from slidescreen.files.writing import printable, write_text
from slidescreen.reporting.page import render_run
from slidescreen.reporting.tables import write_cells, write_differentials
from slidescreen.reporting.thumbnails import in_time
from slidescreen.runs.options import ClassifyOptions
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import Run, SlideResult, count_images, reasons_in, reported_twice_in

_HASTE = 3.0  # seconds


@dataclass(frozen=True)
class Night:
    """What a run set out to do, and with what.

    `slides` and `waiting` are names. `share_lacks`: by `missing_features`. `found`: what is said of the layout
    and of what was passed over, by `Survey.to_record`. `speed`: in images per second.
    """

    request: ClassifyOptions
    ensemble: Ensemble
    configuration: EngineConfiguration
    engine: str
    started: datetime
    slides: Sequence[str]
    waiting: Sequence[str]
    share_lacks: Sequence[str] = ()
    found: Mapping[str, Any] = field(default_factory=dict)
    drift: Sequence[str] = ()
    speed: float | None = None


def describe(night: Night, results: Mapping[str, SlideResult]) -> Run:
    """A run with its record, of the slides that are finished."""
    request, ensemble = night.request, night.ensemble
    cascade = ensemble.validation.cascade if night.configuration.cascade else None
    ordered = tuple(results[name] for name in sorted(results))
    finished = datetime.now(UTC)
    info: dict[str, Any] = {
        "complete": all(name in results or name in night.waiting for name in night.slides),
        "started": night.started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "seconds": round((finished - night.started).total_seconds(), 3),
        "input": printable(request.path.resolve()),
        "options": {
            "device": request.engine.device,
            "engine": request.engine.kind,
            "precision": request.engine.precision,
            "threads": request.engine.threads,
            "fast": request.engine.fast,
            "batch_size": request.batch_size,
            "slide_depth": request.slide_depth,
            "settle": request.settle,
            "keep": request.keep,
            "image_timeout": request.time_limit,
            "thresholds": asdict(request.thresholds),
        },
        "engine": night.engine,
        "precision": {
            "chosen": night.configuration.precision,
            "measured": {name: asdict(found) for name, found in ensemble.validation.precisions.items()},
        },
        "cascade": cascade and {"file": ensemble.members[cascade.first].path.name, **asdict(cascade)},
        "images_per_second": night.speed,
        "versions": {"slidescreen": __version__, **_versions()},
        "ensemble": {
            "folder": printable(request.ensemble),
            "rule": ensemble.rule,
            "temperature": ensemble.validation.temperature,
            "offsets": list(ensemble.validation.offsets),
            "rejection_threshold": ensemble.validation.rejection_threshold,
            "too_little_measured_on": list(ensemble.measured_on.shortfalls()),
            "members": [
                {"file": m.path.name, "backbone": m.checkpoint.backbone, "weight": w, "sha256": m.sha256}
                for m, w in zip(ensemble.members, ensemble.weights, strict=True)
            ],
        },
        "counts": {"slides": len(ordered), **count_images(ordered)},
        "unfinished_slides": [name for name in night.slides if name not in results and name not in night.waiting],
        "waiting_slides": list(night.waiting),
        "drift": list(night.drift),
        "share_lacks": list(night.share_lacks),
        **night.found,
        "earlier_slides": [slide.name for slide in ordered if not slide.new],
        "vanished_slides": [slide.name for slide in ordered if Flag.VANISHED in slide.finding.flags],
        **reasons_in(ordered),
        "reported_twice": list(reported_twice_in(ordered)),
        "slides": [
            {"slide": slide.name, "folder": os.fsencode(slide.folder).decode("utf-8", "replace")} for slide in ordered
        ],
    }
    return Run(ordered, ensemble.cell_types, info)


def write_worklist(run: Run, out: Path, in_haste: bool = False) -> dict[str, str]:
    """Write a run's tables and its page, each whole; one that another program holds beside it.

    `in_haste`: the page's pictures may take a few seconds and no more, as when the user waits for an interrupted run.

    Returns:
        The second names of what was written beside, by their own names.

    Raises:
        OutputError: one of them cannot be written.
    """
    picture = in_time(in_all=_HASTE if in_haste else math.inf)
    written = {
        "cells.csv": write_cells(out / "cells.csv", run.slides, run.cell_types, or_beside=True),
        "differential.csv": write_differentials(out / "differential.csv", run.slides, or_beside=True),
        "report.html": write_text(out / "report.html", render_run(run, picture=picture), or_beside=True),
    }
    return {name: place.name for name, place in written.items() if place.name != name}


def write_record(run: Run, out: Path) -> None:
    """Write `run.json`: the last of a run's files, it says that the others are of one run.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(out / RECORD, json.dumps(run.info, indent=2) + "\n")


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    packages = ("torch", "timm", "openvino", "numpy", "pillow")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
