"""The night's work: every slide of a folder classified, judged and written down."""

import json
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from slidescreen import __version__
from slidescreen.calls import Status
from slidescreen.engine.devices import usable_threads
from slidescreen.engine.interface import NO_ENGINES, EngineOptions, Engines
from slidescreen.engine.pipeline import Pipeline
from slidescreen.engine.selection import choose, load_engines
from slidescreen.ensemble import Ensemble
from slidescreen.errors import InputError, NothingClassifiedError
from slidescreen.files import make_folder, printable, write_text
from slidescreen.reporting.page import render_run
from slidescreen.reporting.tables import write_cells, write_differentials
from slidescreen.runs import Ledger, Run, SlideResult, judge
from slidescreen.slides import Slide, discover
from slidescreen.thresholds import Thresholds, default_thresholds


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    path: Path
    out: Path
    ensemble: Path
    engine: EngineOptions = field(default_factory=EngineOptions)
    batch_size: int | None = None
    workers: int | None = None
    slide_depth: int | None = None
    overwrite: bool = False
    thresholds: Thresholds = field(default_factory=default_thresholds)


class Display(Protocol):
    """Shows a person how a run goes."""

    def note(self, text: str) -> None: ...

    def start(self, slides: int, cells: int) -> None: ...

    def cells(self, count: int) -> None: ...

    def slide(self) -> None: ...


def classify_folder(request: Request, ensemble: Ensemble, display: Display) -> Run:
    """Classify the slides in a folder and write the run's files.

    An interrupted run keeps its finished slides: its files are written with them before the interrupt goes on, and
    the same command continues.

    Raises:
        InputError: the folder or the options do not allow it; nothing was written then.
        OutputError: the disk is full, say; files that were there are as they were, finished slides are kept.
        NothingClassifiedError: not one image could be classified.
        KeyboardInterrupt: as it came, after the files were written.
    """
    started = datetime.now(UTC)
    slides = discover(request.path, request.slide_depth)
    _check_out(request)
    results: dict[str, SlideResult] = {}
    choice = choose(request.engine)
    ledger = Ledger(request.out, ensemble, choice)
    for slide in slides:
        recalled = ledger.recall(slide)
        if recalled is not None:
            results[slide.name] = judge(slide, recalled, ensemble, request.thresholds)
    remaining = [slide for slide in slides if slide.name not in results]
    if results:
        display.note(f"{len(results)} slides were finished by an earlier run and are unchanged")
    engines = load_engines(ensemble.members, choice, request.engine.threads, display.note) if remaining else NO_ENGINES
    make_folder(request.out)
    display.start(len(remaining), sum(len(slide.images) for slide in remaining))
    workers = request.workers or min(8, usable_threads())
    try:
        pipeline = Pipeline(ensemble, engines, request.batch_size, workers, display.cells)
        for slide, calls in pipeline.run(remaining):
            ledger.keep(slide, calls)
            results[slide.name] = judge(slide, calls, ensemble, request.thresholds)
            display.slide()
    except KeyboardInterrupt:
        _write(_run(request, ensemble, results, started, slides, engines, complete=False), request.out)
        raise
    run = _run(request, ensemble, results, started, slides, engines, complete=True)
    _write(run, request.out)
    if not any(slide.differential.classified + slide.differential.unidentified for slide in run.slides):
        raise NothingClassifiedError(f"none of the images in {printable(request.path)} could be read; see run.json")
    return run


def unreadable(run: Run) -> int:
    """How many images of a run could not be read."""
    return sum(slide.differential.unreadable for slide in run.slides)


def _check_out(request: Request) -> None:
    path, out = request.path.resolve(), request.out.resolve()
    if out.is_relative_to(path):
        raise InputError(f"--out must not lie inside {printable(request.path)}: the input is never written to")
    if out.exists() and not out.is_dir():
        raise InputError(f"{printable(request.out)} is a file; --out must be a folder")
    record = out / "run.json"
    if record.is_file() and not request.overwrite:
        try:
            other = json.loads(record.read_text(encoding="utf-8"))["input"]
        except (OSError, ValueError, KeyError, TypeError):
            other = "an unknown folder"
        if other != printable(path):
            raise InputError(
                f"{printable(request.out)} holds the run of {other}: choose another --out, or say --overwrite"
            )


def _run(
    request: Request,
    ensemble: Ensemble,
    results: dict[str, SlideResult],
    started: datetime,
    slides: Sequence[Slide],
    engines: Engines,
    complete: bool,
) -> Run:
    ordered = tuple(results[slide.name] for slide in slides if slide.name in results)
    status = Counter(call.status for slide in ordered for call in slide.calls)
    finished = datetime.now(UTC)
    info: dict[str, Any] = {
        "complete": complete,
        "started": started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "seconds": round((finished - started).total_seconds(), 3),
        "input": printable(request.path.resolve()),
        "options": {
            **asdict(request.engine),
            "batch_size": request.batch_size,
            "slide_depth": request.slide_depth,
            "thresholds": asdict(request.thresholds),
        },
        "engine": engines.description,
        "versions": {"slidescreen": __version__, **_versions()},
        "ensemble": {
            "folder": printable(request.ensemble),
            "rule": ensemble.rule,
            "temperature": ensemble.calibration.temperature,
            "rejection_threshold": ensemble.calibration.rejection_threshold,
            "members": [
                {"file": m.path.name, "backbone": m.checkpoint.backbone, "weight": w, "sha256": m.sha256}
                for m, w in zip(ensemble.members, ensemble.weights, strict=True)
            ],
        },
        "counts": {"slides": len(ordered), **{state: status[state] for state in Status}},
        "unfinished_slides": [slide.name for slide in slides if slide.name not in results],
        "failures": list(_failures(ordered)),
        "slides": [
            {"slide": slide.name, "folder": os.fsencode(slide.folder).decode("utf-8", "replace")} for slide in ordered
        ],
    }
    return Run(ordered, ensemble.cell_types, info)


def _failures(slides: Sequence[SlideResult]) -> Iterator[dict[str, str]]:
    for slide in slides:
        for call in slide.calls:
            if call.status is Status.UNREADABLE:
                yield {"slide": slide.name, "image": call.image, "reason": call.reason}


def _write(run: Run, out: Path) -> None:
    """Each file appears whole; `run.json`, the last, says that the others are of one run."""
    write_cells(out / "cells.csv", run.slides, run.cell_types)
    write_differentials(out / "differential.csv", run.slides)
    write_text(out / "report.html", render_run(run))
    write_text(out / "run.json", json.dumps(run.info, indent=2) + "\n")


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    packages = ("torch", "timm", "openvino", "numpy", "pillow")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
