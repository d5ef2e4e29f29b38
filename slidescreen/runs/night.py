"""The night's work: every slide of a folder classified, judged and written down."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from slidescreen.data.slides import no_slides, survey
from slidescreen.engine.configuration import configure, load_engines
from slidescreen.engine.devices import usable_threads
from slidescreen.engine.interface import NO_ENGINES
from slidescreen.engine.options import for_each
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.pipeline import Pipeline
from slidescreen.errors import InputError, NothingClassifiedError
from slidescreen.files.damaged import set_aside
from slidescreen.files.file_system import in_words, missing_features
from slidescreen.files.locking import locked
from slidescreen.files.run_files import FALLBACK_NAMES, FINISHED, RECORD, STATUS, fallback_names_of, remove_unused
from slidescreen.files.writing import make_folder, printable, sweep
from slidescreen.interruptible import interruptibly
from slidescreen.runs.earlier_run import earlier_slides, had_slides_of, in_the_way
from slidescreen.runs.export_watch import ExportWatch
from slidescreen.runs.ledger import Ledger
from slidescreen.runs.monitoring import Monitor, RunObserver, monitored
from slidescreen.runs.options import ClassifyOptions
from slidescreen.runs.planning import Plan, outdated
from slidescreen.runs.planning import plan as plan_night
from slidescreen.runs.quality_control import QualityControl
from slidescreen.runs.record import Night, describe, write_record, write_worklist
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import Run, judge


def classify_folder(request: ClassifyOptions, ensemble: Ensemble, display: RunObserver) -> Run:
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
    found = interruptibly(lambda: survey(request.path, request.slide_depth))
    slides = found.slides
    _check_out(request)
    if not slides and not had_slides_of(request.out, request.path):
        raise no_slides(request.path, found)
    configuration = configure(request.engine, ensemble.validation)
    for_each(
        configuration.precision, len(ensemble.members)
    )  # one for other members is refused before anything is written
    make_folder(request.out)
    with locked(request.out, display.note) as locks, monitored(display, request.log_file) as monitor:
        sweep(request.out)
        lacks = missing_features(request.out, locks)
        if lacks:
            monitor.note(in_words(printable(request.out), lacks))
        _clear_way(request, monitor)
        monitor.follow(request.out / STATUS)
        ledger = Ledger(request.out, ensemble, configuration, request.thresholds)
        exports = ExportWatch(request.settle, request.out, slides)
        plan = interruptibly(lambda: plan_night(request, ledger, slides, exports, monitor.note))
        results, remaining, waiting = dict(plan.known), plan.remaining, [slide.name for slide in plan.waiting]
        _tell(monitor, plan)
        if ledger.damaged:
            monitor.warn(f"damaged records of finished slides are set aside: {', '.join(ledger.damaged)}")
        threads, images = request.engine.threads, sum(len(slide.images) for slide in remaining)
        engines = load_engines(ensemble.members, configuration, threads, monitor.note) if images else NO_ENGINES
        found = found.without(plan.archived)
        names = [slide.name for slide in found.slides]
        night = Night(request, ensemble, configuration, engines.description, started, names, waiting, lacks)
        night, earlier = replace(night, found=found.to_record()), earlier_slides(request.out)
        monitor.start(len(remaining), images)
        workers = request.workers or min(8, usable_threads())
        pipeline = Pipeline(
            ensemble, engines, request.batch_size, workers, monitor.cells, request.time_limit, monitor.note
        )
        quality_control = QualityControl(request, monitor)
        try:
            for slide, calls in pipeline.run(remaining):
                if interruptibly(partial(exports.has_changed, slide)):
                    waiting.append(slide.name)
                    results |= outdated(ledger, [slide])
                    monitor.note(f"being exported while it was classified, left to the next run: {slide.name}")
                    continue
                judged = judge(slide, calls, ensemble, request.thresholds)
                if slide.images:
                    results[slide.name] = judged
                    with monitor.side_file(request.out / FINISHED):
                        results[slide.name] = ledger.keep(slide, judged)
                else:  # nothing to keep, and what an earlier run found there is not to be lost
                    results[slide.name] = replace(judged, new=slide.name not in earlier)
                monitor.slide(results[slide.name])
            drift = quality_control.remarks(results, ensemble.validation.usual)
            run = describe(replace(night, speed=monitor.speed(), drift=drift), results)
            run = _with_worklist(run, request, monitor)
        except KeyboardInterrupt:
            run = describe(replace(night, speed=monitor.speed()), results)
            run = _with_worklist(run, request, monitor, in_haste=True)
            _record(run, request, monitor)
            raise
        quality_control.remember(started, results)
        _record(run, request, monitor)
        if not waiting and not any(s.differential.classified + s.differential.unidentified for s in run.slides):
            where = printable(request.path)
            if not any(slide.differential.images for slide in run.slides):
                raise NothingClassifiedError(f"no slide in {where} holds an image; see run.json")
            raise NothingClassifiedError(f"none of the images in {where} could be read; see run.json")
    return _with_troubles(run, monitor)


def _with_worklist(run: Run, request: ClassifyOptions, monitor: Monitor, in_haste: bool = False) -> Run:
    """Write the worklist of a run, and tell in its record what another program held."""
    written = write_worklist(run, request.out, in_haste)
    for name, other in written.items():
        path = request.out / name
        monitor.not_written(path, f"{printable(path)} is as it was, for another program holds it: see {other}")
    return replace(run, info={**run.info, FALLBACK_NAMES: written})


def _record(run: Run, request: ClassifyOptions, monitor: Monitor) -> None:
    before = fallback_names_of(request.out)
    with monitor.side_file(request.out / RECORD):
        write_record(_with_troubles(run, monitor), request.out)
        remove_unused(request.out, before, run.info[FALLBACK_NAMES])


def _with_troubles(run: Run, monitor: Monitor) -> Run:
    return replace(run, info={**run.info, **monitor.troubles()})


def incomplete(run: Run) -> bool:
    """Whether an image or a folder of a run could not be read, or a slide had no images."""
    return any(slide.failures or Flag.NO_IMAGES in slide.finding.flags for slide in run.slides)


def _check_out(request: ClassifyOptions) -> None:
    path, out = request.path.resolve(), request.out.resolve()
    for option, place in (("out", out), ("log-file", request.log_file), ("history", request.history)):
        if place is not None and place.resolve().is_relative_to(path):
            raise InputError(f"--{option} must not lie inside {printable(request.path)}: the input is never written to")
    if out.exists() and not out.is_dir():
        raise InputError(f"{printable(request.out)} is a file; --out must be a folder")
    in_the_way(request.out, request.path, request.overwrite)


def _clear_way(request: ClassifyOptions, monitor: Monitor) -> None:
    """Set aside what the run would replace though it is damaged or nobody knows whose it is."""
    for path in in_the_way(request.out, request.path, request.overwrite):
        with monitor.side_file(path):
            kept = set_aside(path)
            monitor.warn(f"{printable(path)} is damaged, or of no run that is known here: kept as {kept.name}")


def _tell(monitor: Monitor, plan: Plan) -> None:
    if plan.unchanged:
        monitor.note(f"finished by an earlier run and unchanged: {plan.unchanged}")
    if plan.vanished:
        monitor.note(f"finished by an earlier run and gone since: {len(plan.vanished)}")
    for each in plan.vanished:
        monitor.event("vanished", slide=each.name, reason=each.reason)
    if plan.waiting:
        names = ", ".join(slide.name for slide in plan.waiting)
        monitor.note(f"still being exported, left to the next run: {names}")
