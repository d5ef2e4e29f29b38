"""`slidescreen report`: a readable page of a run, or predictions measured against the truth."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.cli.shared import (
    DeviceOption,
    DropDuplicatesOption,
    EnsembleOption,
    LeaveOutOption,
    UnspecifiedBlastsOption,
)
from slidescreen.engine.options import Device
from slidescreen.errors import InputError


def report(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="A run's folder; a CSV with columns truth,cell_type[,slide,image,source,p_TYPE …], or several of the "
            "same cells to compare; or labelled images (CSV with file,label, or a folder with one subfolder per cell "
            "type), which are classified first.",
        ),
    ],
    truth: Annotated[
        str | None,
        typer.Option(
            "--truth", "-t", help="For a run: labelled images, or 'reported' for the laboratory's own class folders."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only this split of the labelled images.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for the evaluation. \\[default: RUN/evaluation, or slidescreen-out/…]"
        ),
    ] = None,
    ensemble: EnsembleOption = None,
    leave_out: LeaveOutOption = None,
    unspecified_blasts: UnspecifiedBlastsOption = None,
    drop_duplicates: DropDuplicatesOption = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="For a run's page: show where in each suspicious cell the networks looked."),
    ] = False,
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet",
            help="For a run: write copies of its tables with semicolons and decimal commas beside them "
            "(cells.spreadsheet.csv, differential.spreadsheet.csv), and nothing else.",
        ),
    ] = False,
    slide: Annotated[
        str | None, typer.Option("--slide", help="For a run: show this slide alone, with the reasons of its verdict.")
    ] = None,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Make the readable report of a run, or evaluate predictions against the truth.

    An evaluation writes metrics.json, per_type.csv, confusion_matrix.csv, plots and evaluation.html.
    """
    from slidescreen.data.label_options import LabelOptions, LabelRules
    from slidescreen.ensembles.location import default_ensemble
    from slidescreen.reporting.ensemble_display import EnsembleDisplay
    from slidescreen.runs import renewal, scoring

    request = scoring.ReportOptions(
        sources=tuple(sources),
        truth=truth,
        label_options=LabelOptions(LabelRules(frozenset(leave_out or ()), unspecified_blasts), split, drop_duplicates),
        out=out,
        ensemble=ensemble,
        device=device,
    )
    if explain and spreadsheet:
        raise InputError("--explain renews the page of a run and --spreadsheet copies its tables: say one of them")
    if scoring.is_plain_run(request):
        from slidescreen.reporting.terminal import show_files
        from slidescreen.reporting.worklist import show_run, show_slide

        if spreadsheet:
            show_files("for spreadsheets", renewal.copy_for_spreadsheets(sources[0]))
            return
        from slidescreen.runs.heat_maps import explain_run

        with EnsembleDisplay() as display:
            maps = partial(
                explain_run, ensemble_folder=ensemble, device=device, progress=partial(display.progress, "explaining")
            )
            run = renewal.renew_page(sources[0], maps if explain else None)
        if slide is None:
            show_run(run, sources[0])
        else:
            show_slide(run, slide)
        return
    for name, wanted in (("--explain", explain), ("--spreadsheet", spreadsheet), ("--slide", slide)):
        if wanted:
            raise InputError(f"{name} goes with the page of a run: give a run's folder, without --truth")
    from slidescreen.reporting.evaluation_page import show_evaluation

    with EnsembleDisplay() as display:
        evaluation, folder = scoring.run_evaluation(request, default_ensemble, partial(display.progress, "classifying"))
    show_evaluation(evaluation, folder)
