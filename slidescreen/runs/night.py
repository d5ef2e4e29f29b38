"""A night's work, from top to bottom: every slide of a folder is classified, judged and recorded."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from slidescreen.data.slides import Slide
from slidescreen.engine.options import Device
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import NothingClassifiedError, StoppedError
from slidescreen.files.writing import printable
from slidescreen.interruptible import interruptibly
from slidescreen.runs.classification import classify
from slidescreen.runs.export_watch import ExportWatch
from slidescreen.runs.found_slides import FoundSlides
from slidescreen.runs.known_orders import earlier_contexts
from slidescreen.runs.ledger import Ledger
from slidescreen.runs.loading import Loading
from slidescreen.runs.monitoring import Monitor, RunObserver
from slidescreen.runs.night_orders import read_night_orders
from slidescreen.runs.options import ClassifyOptions
from slidescreen.runs.planning import Plan, outdated, recall
from slidescreen.runs.preparation import choose_engine, prepared_folder
from slidescreen.runs.quality_control import add_to_history, compare_with_history, new_slides
from slidescreen.runs.ray_cluster import joined_cluster
from slidescreen.runs.record import RunSetup, describe, with_troubles, write_record, write_worklist
from slidescreen.runs.verdict_changes import verdicts_before
from slidescreen.screening.results import Run, SlideResult, judge


def classify_folder(
    options: ClassifyOptions, ensemble: Ensemble, display: RunObserver, found_slides: FoundSlides
) -> Run:
    """Classify the slides that `find_slides` found, and write the run's files.

    An interrupted run keeps its finished slides: its files are written with them before the interrupt is raised, and
    the same command continues the run.

    Raises:
        InputError: the folder or an option cannot be used, or another process is at work in `out`.
        OutputError: a file cannot be written, for instance because the disk is full. Earlier files are unchanged, and
            finished slides are kept.
        NothingClassifiedError: no image could be classified.
        StoppedError: no machine of the cluster can classify. The run's files have been written.
        KeyboardInterrupt: the run was interrupted. Its files have been written.
    """
    started, out = datetime.now(UTC), options.out
    orders = read_night_orders(options)
    found = found_slides.take()
    configuration = choose_engine(options, ensemble)
    uses_gpu = configuration.device is Device.CUDA
    with (
        joined_cluster(options.ray, options.engine.threads, uses_gpu) as cluster,
        prepared_folder(options, display) as folder,
        Loading(ensemble, configuration, options, folder.monitor.note) as loading,
    ):
        monitor = folder.monitor
        orders.tell(monitor)
        ledger = Ledger(out, ensemble, configuration, options.thresholds, options.time_limit)
        exports = ExportWatch(options.settle, out, found.slides)
        if cluster is None and _is_any_new(found.slides, ledger, exports):
            loading.begin()  # recalling thousands of slides takes as long
        plan = recall(options, found, ledger, exports, monitor, found_slides.next_fingerprint)
        del found  # hundreds of thousands of names
        classification = classify(plan.remaining, ensemble, configuration, options, monitor, loading, cluster)
        setup = RunSetup(
            options,
            ensemble,
            configuration,
            classification.record,
            started,
            plan.found,
            folder.identity,
            folder.reviews,
            orders.contexts,
            earlier_contexts(options.out, options.path),
            folder.missing_features,
            plan.lost,
            plan.earlier,
            [slide.name for slide in plan.remaining if ledger.has_record(slide.place)],
            plan.shares,
            verdicts_before(options.out, options.path),
        )
        results, waiting, same = dict(plan.known), [slide.name for slide in plan.waiting], {*plan.known}

        def described(drift: Sequence[str] = ()) -> Run:
            return describe(setup, results, waiting, {*same, *ledger.same}, monitor.speed(), drift)

        try:
            for slide, calls in classification.calls:
                if exports.has_changed(slide):
                    waiting.append(slide.name)
                    earlier = outdated(ledger, [slide])
                    results |= earlier
                    same |= {*earlier}
                    monitor.note(f"changed while it was classified, left for the next run: {slide.name}")
                    continue
                results[slide.name] = judge(slide, calls, ensemble, options.thresholds)
                results[slide.name] = _kept(slide, results[slide.name], plan, ledger, monitor)
                monitor.slide(results[slide.name])
            night = new_slides(started, results)
            control = compare_with_history(options, night, ensemble.validation.usual, monitor)
            run = write_worklist(
                described(control.drift),
                out,
                monitor,
                page_cells=options.page_cells,
                charts=control.charts,
            )
        except (KeyboardInterrupt, StoppedError):
            run = write_worklist(described(), out, monitor, True, options.page_cells)
            write_record(run, out, monitor)
            raise
        add_to_history(options, night, monitor)
        write_record(run, out, monitor)
        if orders.exporter:
            from slidescreen.runs.result_export import export_night

            export_night(run, orders.exporter, out, monitor)
            write_record(run, out, monitor)  # again, with the files that could not be exported
        if not waiting:
            _require_classified(run, options)
    return with_troubles(run, monitor)


def _is_any_new(slides: Sequence[Slide], ledger: Ledger, exports: ExportWatch) -> bool:
    """Whether a slide was never classified, and seems to wait for nothing."""
    new = (slide for slide in slides if slide.images and not ledger.has_record(slide.place))
    return interruptibly(lambda: any(not exports.is_fresh(slide) for slide in new))


def _kept(slide: Slide, judged: SlideResult, plan: Plan, ledger: Ledger, monitor: Monitor) -> SlideResult:
    """A slide's result, after it is stored in the ledger; a failure to store does not lose it."""
    if not slide.images:  # nothing to keep, and an earlier run's record must not be lost
        return replace(judged, new=slide.name not in plan.earlier)
    with monitor.side_file(ledger.folder):
        return ledger.keep(slide, judged)
    return judged


def _require_classified(run: Run, options: ClassifyOptions) -> None:
    if any(slide.differential.classified + slide.differential.unidentified for slide in run.slides):
        return
    where = printable(options.path)
    if not any(slide.differential.images for slide in run.slides):
        raise NothingClassifiedError(f"no slide in {where} holds an image; see run.json")
    raise NothingClassifiedError(f"none of the images in {where} could be read; see run.json")
