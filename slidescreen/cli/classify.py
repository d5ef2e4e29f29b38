"""`slidescreen classify`: the main job."""

import gc
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.cli.exit_codes import ExitCode
from slidescreen.cli.export_options import (
    CodesOption,
    ExportOption,
    OrderPatternOption,
    OrdersOption,
    SumAccessionsOption,
)
from slidescreen.cli.shared import MACHINE, DeviceOption, EnsembleOption, Format, FormatOption, given_options, refuse
from slidescreen.engine.options import EngineKind, EngineOptions, Precision
from slidescreen.ensembles.location import default_ensemble
from slidescreen.exchange.options import ExportOptions, export_options
from slidescreen.reporting.page_cells import PageCells
from slidescreen.runs.options import LONGEST_WAIT, MOST_THREADS, ClassifyOptions, default_out
from slidescreen.screening.thresholds import default_thresholds, read_thresholds

_OF_LIST = ("list_only", "slide_depth", "output")  # parameters that do something with --list
_NIGHT, _INPUT = "Unattended runs", "Slides and limits"
_OBJECTS_BETWEEN_COLLECTIONS = 10_000  # with Python's 700 a night beside thousands of slides takes 5% longer


def _precisions(incomplete: str) -> list[str]:
    """The completions of a precision. With one precision for each member, the last one is completed."""
    begun, joint, last = incomplete.rpartition("+")
    return [begun + joint + each for each in Precision if each.startswith(last) and not (joint and each == "auto")]


PathArgument = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="One slide's folder of cell images, or a folder of slide folders."),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Write the results here. \\[default: slidescreen-out/NAME]"),
]
ListOnlyOption = Annotated[
    bool,
    typer.Option("--list", help="Only list the slides and what is passed over. Nothing is classified or written."),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace the run of another folder in --out.")]
VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Show the reasons of each verdict, and bad images as they are found."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no table.")]
SlideDepthOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Slide folders lie this many levels below PATH; 0 means PATH is one slide. "
        "\\[default: found by the layout]",
        min=0,
        rich_help_panel=_INPUT,
    ),
]
ThresholdsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="TOML file with your laboratory's limits. \\[default: the limits that ship]",
        rich_help_panel=_INPUT,
    ),
]
ImageTimeoutOption = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        help="Give up on an image that takes longer to read.",
        min=0.1,
        max=LONGEST_WAIT,
        rich_help_panel=_INPUT,
    ),
]
SettleOption = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        help="Slides that changed within this time wait for the next run: they may still be exporting.",
        min=0,
        rich_help_panel=_NIGHT,
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Classify finished slides again.", rich_help_panel=_NIGHT)]
KeepOption = Annotated[
    float,
    typer.Option(
        metavar="DAYS",
        help="Move a slide to archive/ in --out this long after its images have gone.",
        min=0,
        rich_help_panel=_NIGHT,
    ),
]
LogFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Append events to this file, one JSON object a line.",
        readable=False,  # an unusable log must not stop a night
        rich_help_panel=_NIGHT,
    ),
]
HistoryOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Keep each run's figures here, to notice a change of stain or camera. \\[default: history.csv in --out]",
        readable=False,
        rich_help_panel=_NIGHT,
    ),
]
EngineOption = Annotated[
    EngineKind,
    typer.Option(help="auto is PyTorch on a GPU, else OpenVINO on the CPU.", rich_help_panel=MACHINE),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        metavar="|".join(Precision),
        help="auto takes bf16 where it was measured to give the same calls, else fp32. "
        "fp16 needs a GPU, int8 an ensemble with 8-bit networks. fp32+bf16 gives each member its own.",
        autocompletion=_precisions,
        rich_help_panel=MACHINE,
    ),
]
FastOption = Annotated[
    bool,
    typer.Option(
        "--fast",
        help="Let one 8-bit network decide the clear cells alone. All networks see what may be a blast or "
        "immature. The ensemble must have been measured for it.",
        rich_help_panel=MACHINE,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processor threads that classify. \\[default: all]",
        min=1,
        max=MOST_THREADS,
        rich_help_panel=MACHINE,
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Images per batch, halved where memory runs out. \\[default: what suits the engine]",
        min=1,
        rich_help_panel=MACHINE,
    ),
]
PageCellsOption = Annotated[
    PageCells | None,
    typer.Option(
        help="Show these cells as pictures in report.html. "
        "\\[default: as many as can be drawn in 4% of the run's time, or in a quarter of a second]",
        rich_help_panel=_NIGHT,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processes that decode images. \\[default: as many as threads, but at most 8 without a GPU]",
        min=1,
        max=MOST_THREADS,
        rich_help_panel=MACHINE,
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Classify on the machines of a Ray cluster: auto for the one that this machine belongs to, HOST:PORT, or "
        "local for a cluster of this machine alone. All machines must see PATH and the ensemble under the same names.",
        rich_help_panel=MACHINE,
    ),
]


def classify(
    context: typer.Context,
    path: PathArgument,
    out: OutOption = None,
    list_only: ListOnlyOption = False,
    ensemble: EnsembleOption = None,
    overwrite: OverwriteOption = ClassifyOptions.overwrite,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    output: FormatOption = Format.TEXT,
    slide_depth: SlideDepthOption = ClassifyOptions.slide_depth,
    thresholds: ThresholdsOption = None,
    image_timeout: ImageTimeoutOption = ClassifyOptions.time_limit,
    settle: SettleOption = ClassifyOptions.settle,
    force: ForceOption = ClassifyOptions.force,
    keep: KeepOption = ClassifyOptions.keep,
    log_file: LogFileOption = ClassifyOptions.log_file,
    history: HistoryOption = ClassifyOptions.history,
    export: ExportOption = None,
    orders: OrdersOption = ExportOptions.orders,
    order_pattern: OrderPatternOption = ExportOptions.order_pattern,
    sum_accessions: SumAccessionsOption = ExportOptions.sum_accessions,
    codes: CodesOption = ExportOptions.codes,
    device: DeviceOption = EngineOptions.device,
    engine: EngineOption = EngineOptions.kind,
    precision: PrecisionOption = EngineOptions.precision,
    fast: FastOption = EngineOptions.fast,
    threads: ThreadsOption = EngineOptions.threads,
    batch_size: BatchSizeOption = ClassifyOptions.batch_size,
    workers: WorkersOption = ClassifyOptions.workers,
    page_cells: PageCellsOption = ClassifyOptions.page_cells,
    ray: RayOption = ClassifyOptions.ray,
) -> None:
    """Classify every cell image of every slide, and say which slides must be seen first.

    Writes report.html, differential.csv, cells.csv and run.json.
    The same command continues an interrupted run.
    For research use only.
    """
    if list_only:
        others = {name: parameter not in _OF_LIST for parameter, name in given_options(context).items()}
        refuse(others, "does nothing with --list, which only lists the slides: leave it out")
        _list(path, slide_depth, output)
        return
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # Before NumPy is imported: if memory is short, a thread that OpenBLAS cannot start looks like a keyboard interrupt.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    options = ClassifyOptions(
        path=path,
        out=out or default_out(path),
        ensemble=ensemble or default_ensemble(),
        engine=EngineOptions(device, engine, precision, threads, fast),
        batch_size=batch_size,
        workers=workers,
        slide_depth=slide_depth,
        overwrite=overwrite,
        force=force,
        settle=settle,
        keep=keep,
        time_limit=image_timeout,
        log_file=log_file,
        history=history,
        thresholds=read_thresholds(thresholds) if thresholds else default_thresholds(),
        orders=orders,
        export=export_options(export, orders, order_pattern, sum_accessions, codes),
        page_cells=page_cells,
        ray=ray,
    )
    from slidescreen.runs.found_slides import find_slides

    with find_slides(options) as found:  # before the other modules are imported, which takes longer
        from slidescreen.ensembles import storage
        from slidescreen.output import echo
        from slidescreen.reporting.terminal import RunDisplay, run_to_dict
        from slidescreen.reporting.worklist import show_run
        from slidescreen.runs import night

        with RunDisplay(quiet, verbose) as display:
            run = night.classify_folder(options, storage.load(options.ensemble), display, found)
    if output is Format.JSON:
        echo(json.dumps(run_to_dict(run)))
    elif not quiet:
        show_run(run, options.out, reasons=verbose)
    if run.has_failures():
        raise typer.Exit(ExitCode.SOME_UNREADABLE)


def _list(path: Path, slide_depth: int | None, output: Format) -> None:
    """List the slides. The modules that classify are not imported."""
    from slidescreen.data.slides import no_slides, survey
    from slidescreen.interruptible import interruptibly
    from slidescreen.output import echo
    from slidescreen.reporting.listing import show_survey, survey_to_dict

    found = interruptibly(lambda: survey(path, slide_depth))
    if not found.slides:
        raise no_slides(path, found)
    if output is Format.JSON:
        echo(json.dumps(survey_to_dict(found)))
    else:
        show_survey(found)
