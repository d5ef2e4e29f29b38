"""The night's work: every slide of a folder classified, judged and written down."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from slidescreen.drift import add_to_history, compare, figures_of, read_history
from slidescreen.engine.devices import usable_threads
from slidescreen.engine.interface import NO_ENGINES, for_each
from slidescreen.engine.pipeline import Pipeline
from slidescreen.engine.selection import choose, load_engines
from slidescreen.ensemble import Ensemble
from slidescreen.errors import InputError, NothingClassifiedError
from slidescreen.files import make_folder, printable, sweep
from slidescreen.ledger import Ledger
from slidescreen.locking import locked
from slidescreen.record import Night, Request, describe, earlier_slides, write
from slidescreen.recording import Display, Recorder, recording
from slidescreen.runs import Run, SlideResult, judge
from slidescreen.shares import in_words, lacking
from slidescreen.slides import Slide, discover
from slidescreen.waiting import apart


def classify_folder(request: Request, ensemble: Ensemble, display: Display) -> Run:
    """Classify the slides in a folder and write the run's files.

    An interrupted run keeps its finished slides: its files are written with them before the interrupt goes on, and
    the same command continues.

    Raises:
        InputError: the folder or the options do not allow it, or another process is at work in `out`.
        OutputError: the disk is full, say; files that were there are as they were, finished slides are kept.
        NothingClassifiedError: not one image could be classified.
        KeyboardInterrupt: as it came, after the files were written.
    """
    started = datetime.now(UTC)
    slides = apart(lambda: discover(request.path, request.slide_depth))
    _check_out(request)
    choice = choose(request.engine, ensemble.calibration)
    for_each(choice.precision, len(ensemble.members))  # one for other members is refused before anything is written
    make_folder(request.out)
    with locked(request.out, display.note) as locks, recording(display, request.log_file) as recorder:
        sweep(request.out)
        lacks = lacking(request.out, locks)
        if lacks:
            recorder.note(in_words(printable(request.out), lacks))
        recorder.follow(request.out / "status.json")
        ledger = Ledger(request.out, ensemble, choice, request.thresholds)
        results = apart(lambda: _finished(request, ledger, slides, recorder))
        unknown = [slide for slide in slides if slide.name not in results]
        waiting = apart(lambda: [slide for slide in unknown if _unsettled(slide, request.settle)])
        waiting_names = [slide.name for slide in waiting]
        remaining = [slide for slide in unknown if slide.name not in waiting_names]
        _tell(recorder, results, waiting_names)
        results |= _outdated(ledger, waiting)
        threads = request.engine.threads
        engines = load_engines(ensemble.members, choice, threads, recorder.note) if remaining else NO_ENGINES
        names = [slide.name for slide in slides]
        night = Night(request, ensemble, choice, engines.description, started, names, waiting_names, lacks)
        recorder.start(len(remaining), sum(len(slide.images) for slide in remaining))
        workers = request.workers or min(8, usable_threads())
        pipeline = Pipeline(
            ensemble, engines, request.batch_size, workers, recorder.cells, request.time_limit, recorder.note
        )
        try:
            for slide, calls in pipeline.run(remaining):
                results[slide.name] = ledger.keep(slide, judge(slide, calls, ensemble, request.thresholds))
                recorder.slide(results[slide.name])
        except KeyboardInterrupt:
            write(describe(replace(night, speed=recorder.speed()), results), request.out, in_haste=True)
            raise
        night = replace(night, speed=recorder.speed())
        drift = _look_back(request, ensemble, started, [results[slide.name] for slide in remaining], recorder)
        run = describe(replace(night, drift=drift), results)
        write(run, request.out)
        if not waiting and not any(s.differential.classified + s.differential.unidentified for s in run.slides):
            raise NothingClassifiedError(f"none of the images in {printable(request.path)} could be read; see run.json")
    return run


def unreadable(run: Run) -> int:
    """How many images of a run could not be read."""
    return sum(slide.differential.unreadable for slide in run.slides)


def _check_out(request: Request) -> None:
    path, out = request.path.resolve(), request.out.resolve()
    for option, place in (("out", out), ("log-file", request.log_file), ("history", request.history)):
        if place is not None and place.resolve().is_relative_to(path):
            raise InputError(f"--{option} must not lie inside {printable(request.path)}: the input is never written to")
    if out.exists() and not out.is_dir():
        raise InputError(f"{printable(request.out)} is a file; --out must be a folder")
    read_history(request.history or out / "history.csv")  # refuses what is none before hours of work
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


def _finished(request: Request, ledger: Ledger, slides: Sequence[Slide], recorder: Recorder) -> dict[str, SlideResult]:
    """The results of slides that an earlier run finished, those that have vanished since among them."""
    results: dict[str, SlideResult] = {}
    earlier = earlier_slides(request.out)
    for slide in slides:
        recalled = None if request.force else ledger.recall(slide)
        if recalled is not None:
            results[slide.name] = replace(recalled, new=slide.name not in earlier)
    root = request.path.resolve()
    for finished in ledger.others({slide.name for slide in slides}):
        if finished.folder.is_relative_to(root) and not finished.folder.is_dir():
            marked = _marked(ledger.result(finished), "vanished", "its folder is no longer there")
            results[marked.name] = replace(marked, new=marked.name not in earlier)
            recorder.event("vanished", slide=marked.name)
    return results


def _outdated(ledger: Ledger, waiting: Sequence[Slide]) -> dict[str, SlideResult]:
    """What an earlier run found on slides that are being exported once more: they stay in the worklist meanwhile."""
    found = filter(None, map(ledger.earlier, waiting))
    reason = "it has changed and may still be being exported"
    return {result.name: replace(_marked(result, "changing", reason), new=False) for result in found}


def _marked(judged: SlideResult, flag: str, reason: str) -> SlideResult:
    """A result that is not of this night, and says so."""
    flags = (*judged.finding.flags, flag)
    reasons = (*judged.finding.reasons, f"{reason}: this is what an earlier run found")
    return replace(judged, finding=replace(judged.finding, flags=flags, reasons=reasons))


def _look_back(
    request: Request, ensemble: Ensemble, started: datetime, slides: Sequence[SlideResult], recorder: Recorder
) -> list[str]:
    """Compare what this run classified with the runs before it, and add it to their history."""
    night = figures_of(slides)
    if not night:
        return []
    history = request.history or request.out / "history.csv"
    drift = compare(night, read_history(history), ensemble.calibration.usual)
    for remark in drift:
        recorder.event("drift", remark=remark)
    add_to_history(history, started.isoformat(timespec="seconds"), slides, night)
    return drift


def _unsettled(slide: Slide, settle: float) -> bool:
    """Whether an image of the slide has changed within so many seconds: it may still be being exported.

    A time of change further ahead is an analyser's wrong clock: its slides are not to wait for ever.
    """
    if settle <= 0:
        return False
    now = time.time()
    for image in slide.images:
        try:
            if abs(now - image.path.stat().st_mtime) < settle:
                return True
        except OSError:
            continue
    return False


def _tell(recorder: Recorder, results: dict[str, SlideResult], waiting: Sequence[str]) -> None:
    if results:
        recorder.note(f"finished by an earlier run and unchanged: {len(results)}")
    if waiting:
        recorder.note(f"still being exported, left to the next run: {', '.join(waiting)}")
