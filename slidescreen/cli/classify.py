"""`slidescreen classify`: the main job."""

import json
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.cli.exit_codes import ExitCode
from slidescreen.cli.shared import DeviceOption, EnsembleOption, Format, FormatOption
from slidescreen.engine.options import Device, EngineKind, EngineOptions

_NIGHT = "Unattended runs"


def classify(
    path: Annotated[Path, typer.Argument(help="A slide's folder of cell images, or a folder of slide folders.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the results. \\[default: slidescreen-out/NAME]")
    ] = None,
    ensemble: EnsembleOption = None,
    device: DeviceOption = Device.AUTO,
    engine: Annotated[
        EngineKind, typer.Option(help="auto is PyTorch on a GPU, else OpenVINO on the processor.")
    ] = EngineKind.AUTO,
    precision: Annotated[
        str,
        typer.Option(
            help="auto (fp32, or bf16 for the members that were measured to call the same, where the processor has "
            "it; half precision on a GPU), fp32, bf16, fp16 (GPU), int8 (8-bit integers, where the ensemble has such "
            "networks), or one for each member: fp32+bf16."
        ),
    ] = "auto",
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Let one network alone decide the cells it is certain of, in 8-bit integers; what might be a blast or "
            "immature goes to all. Where the ensemble was measured to allow it.",
        ),
    ] = False,
    threads: Annotated[
        int | None, typer.Option(help="Processor threads that classify. \\[default: all]", min=1)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Images per pass, halved where memory runs out. \\[default: what suits the engine]", min=1),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that decode images.", min=1)] = None,
    slide_depth: Annotated[
        int | None,
        typer.Option(
            help="Slide folders lie exactly so many levels below PATH (0: PATH is one slide). "
            "\\[default: told by the layout]",
            min=0,
        ),
    ] = None,
    list_only: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Only show which slides are recognised, by which layout, how many images, and what is passed over. "
            "Nothing is classified or written.",
        ),
    ] = False,
    thresholds: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with the laboratory's own limits. \\[default: slidescreen/screening/thresholds.toml]"
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run of another folder in --out.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Classify finished slides again.", rich_help_panel=_NIGHT)
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            help="Slides in which something arrived or changed within so many seconds wait for the next run.",
            min=0,
            rich_help_panel=_NIGHT,
        ),
    ] = 0.0,
    keep: Annotated[
        float,
        typer.Option(
            help="Days after which a slide whose images have gone moves from the worklist into archive/ in --out.",
            min=0,
            rich_help_panel=_NIGHT,
        ),
    ] = 30.0,
    image_timeout: Annotated[
        float, typer.Option(help="Seconds that reading one image may take.", min=0.1, rich_help_panel=_NIGHT)
    ] = 60.0,
    log_file: Annotated[
        Path | None,
        typer.Option(
            help="Append what happens to this file, as lines of JSON.",
            readable=False,  # a log that cannot be written, or not be read, costs no night
            rich_help_panel=_NIGHT,
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            help="File with the figures of each run, by which a change of stain or camera is told. "
            "\\[default: history.csv in --out]",
            readable=False,
            rich_help_panel=_NIGHT,
        ),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Give each verdict's reasons; name slides when finished, and bad images.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Classify every cell image of every slide, and say which slides must be seen first.

    Writes cells.csv, differential.csv, report.html and run.json.
    The same command continues an interrupted run.
    A screening aid for research use only.
    """
    if list_only:
        _list(path, slide_depth, output)
        return
    from slidescreen.ensembles import storage
    from slidescreen.ensembles.location import default_ensemble
    from slidescreen.output import echo
    from slidescreen.reporting.terminal import RunDisplay, run_to_dict
    from slidescreen.reporting.worklist import show_run
    from slidescreen.runs import night
    from slidescreen.runs.options import ClassifyOptions, default_out
    from slidescreen.screening.thresholds import default_thresholds, read_thresholds

    folder = ensemble or default_ensemble()
    request = ClassifyOptions(
        path=path,
        out=out or default_out(path),
        ensemble=folder,
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
    )
    with RunDisplay(quiet, verbose) as display:
        run = night.classify_folder(request, storage.load(folder), display)
    if output is Format.JSON:
        echo(json.dumps(run_to_dict(run)))
    elif not quiet:
        show_run(run, request.out, reasons=verbose)
    if night.incomplete(run) or run.info["unwritten_files"]:
        raise typer.Exit(ExitCode.SOME_UNREADABLE)


def _list(path: Path, slide_depth: int | None, output: Format) -> None:
    """Show what is there. What classifies is not even imported."""
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
