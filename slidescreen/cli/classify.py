"""`slidescreen classify`: the main job."""

import json
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.cli.exit_codes import ExitCode
from slidescreen.cli.shared import DeviceOption, EnsembleOption, Format, FormatOption, default_ensemble


def classify(
    path: Annotated[Path, typer.Argument(help="A slide's folder of cell images, or a folder of slide folders.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the results. \\[default: slidescreen-out/NAME]")
    ] = None,
    ensemble: EnsembleOption = None,
    device: DeviceOption = "auto",
    engine: Annotated[
        str, typer.Option(help="auto (a GPU with PyTorch, else the processor with OpenVINO), openvino or pytorch.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto (what the processor multiplies fast), fp32, bf16, or fp16 (GPU).")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Processor threads that classify. \\[default: all]", min=1)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Images per pass, halved when a GPU's memory runs out. \\[default: what suits the engine]", min=1
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Threads that decode images.", min=1)] = None,
    slide_depth: Annotated[
        int | None,
        typer.Option(
            help="Slide folders lie exactly so many levels below PATH (0: PATH is one slide). "
            "\\[default: told by the layout]",
            min=0,
        ),
    ] = None,
    thresholds: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with the laboratory's own limits. \\[default: those of slidescreen/thresholds.toml]"
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run of another folder in --out.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Classify every cell image of every slide, and say which slides must be seen first.

    Writes cells.csv, differential.csv, report.html and run.json. The same command continues an interrupted run.
    A screening aid for research use only.
    """
    from slidescreen import batch
    from slidescreen import ensemble as ensembles
    from slidescreen.engine.interface import EngineOptions
    from slidescreen.reporting.terminal import RunDisplay, run_to_dict, show_run
    from slidescreen.thresholds import default_thresholds, read_thresholds

    folder = ensemble or default_ensemble()
    name = path.resolve().name or "root"
    request = batch.Request(
        path=path,
        out=out or Path("slidescreen-out") / name,
        ensemble=folder,
        engine=EngineOptions(device, engine, precision, threads),
        batch_size=batch_size,
        workers=workers,
        slide_depth=slide_depth,
        overwrite=overwrite,
        thresholds=read_thresholds(thresholds) if thresholds else default_thresholds(),
    )
    with RunDisplay(quiet) as display:
        run = batch.classify_folder(request, ensembles.load(folder), display)
    if output is Format.JSON:
        typer.echo(json.dumps(run_to_dict(run)))
    elif not quiet:
        show_run(run, request.out)
    if batch.unreadable(run):
        raise typer.Exit(ExitCode.SOME_UNREADABLE)
