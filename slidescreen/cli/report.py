"""`slidescreen report`: write the page of a run, or measure predictions against the truth."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slidescreen.cli.exit_codes import ExitCode
from slidescreen.cli.export_options import (
    CodesOption,
    ExportOption,
    OrderPatternOption,
    OrdersOption,
    SumAccessionsOption,
)
from slidescreen.cli.shared import (
    DeviceOption,
    DropDuplicatesOption,
    EnsembleOption,
    LeaveOutOption,
    UnspecifiedBlastsOption,
    label_rules,
    refuse,
)
from slidescreen.data.label_options import LabelOptions, Split
from slidescreen.engine.options import Device
from slidescreen.errors import InputError
from slidescreen.exchange.options import ExportOptions, export_options
from slidescreen.reporting.page_cells import PageCells
from slidescreen.runs.options import ReportOptions

if TYPE_CHECKING:
    from slidescreen.screening.results import Run

_PAGE, _TRUTH = "For a run", "Against the truth"


SourcesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="SOURCE",
        help="A run's folder. Or predictions: one CSV or several of the same cells, with columns truth,cell_type "
        "(and slide,image,source,p_TYPE if known). Or labelled images, which are classified first: a CSV with "
        "columns file,label, or a folder with one subfolder per cell type.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="Write the evaluation or the exported files here. "
        "\\[default: RUN/evaluation, slidescreen-out/NAME-evaluation, or RUN/export]",
    ),
]
SlideOption = Annotated[
    str | None,
    typer.Option(
        "--slide",
        metavar="NAME",
        help="Show this slide alone, with the reasons of its verdict.",
        rich_help_panel=_PAGE,
    ),
]
ExplainOption = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Show in the page where the networks looked in each suspicious cell.",
        rich_help_panel=_PAGE,
    ),
]
PageCellsOption = Annotated[
    PageCells,
    typer.Option(help="Show these cells as pictures in the page.", rich_help_panel=_PAGE),
]
SpreadsheetOption = Annotated[
    bool,
    typer.Option(
        "--spreadsheet",
        help="Only copy the tables for spreadsheets that expect semicolons and decimal commas.",
        rich_help_panel=_PAGE,
    ),
]
UncertainOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Only write a page of the N cells that are most worth a person's look, to label them. "
        "\\[default --out: RUN/uncertain]",
        rich_help_panel=_PAGE,
    ),
]
CorrectionsOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="A run's page: recount with these corrections, and keep them with the run. An evaluation: show the "
        "figures with the labels so corrected, too. May be given more than once.",
        rich_help_panel=_PAGE,
    ),
]
TruthOption = Annotated[
    str | None,
    typer.Option(
        "--truth",
        "-t",
        metavar="DATA|reported|reviewed",
        help="Compare a run with labelled images or corrections, with the laboratory's own class folders (reported), "
        "or with the cells that were reviewed (reviewed).",
        rich_help_panel=_TRUTH,
    ),
]
SplitOption = Annotated[
    Split | None, typer.Option(help="Take only this split of the labelled images.", rich_help_panel=_TRUTH)
]


def report(
    sources: SourcesArgument,
    out: OutOption = ReportOptions.out,
    ensemble: EnsembleOption = ReportOptions.ensemble,
    slide: SlideOption = None,
    explain: ExplainOption = False,
    page_cells: PageCellsOption = ReportOptions.page_cells,
    spreadsheet: SpreadsheetOption = False,
    uncertain: UncertainOption = None,
    corrections: CorrectionsOption = None,
    export: ExportOption = None,
    orders: OrdersOption = ExportOptions.orders,
    order_pattern: OrderPatternOption = ExportOptions.order_pattern,
    sum_accessions: SumAccessionsOption = ExportOptions.sum_accessions,
    codes: CodesOption = ExportOptions.codes,
    truth: TruthOption = ReportOptions.truth,
    split: SplitOption = LabelOptions.split,
    leave_out: LeaveOutOption = None,
    unspecified_blasts: UnspecifiedBlastsOption = None,
    drop_duplicates: DropDuplicatesOption = LabelOptions.drop_duplicates,
    device: DeviceOption = ReportOptions.device,
) -> None:
    """Renew the page of a run, or measure predictions against the truth.

    An evaluation writes evaluation.html, metrics.json, per_type.csv, confusion_matrix.csv and plots.
    """
    request = ReportOptions(
        sources=tuple(sources),
        truth=truth,
        corrections=tuple(corrections or ()),
        label_options=LabelOptions(label_rules(leave_out, unspecified_blasts), split, drop_duplicates),
        out=out,
        ensemble=ensemble,
        device=device,
        export=export_options(export, orders, order_pattern, sum_accessions, codes),
        page_cells=page_cells,
    )
    of_page = {
        "--explain": explain,
        "--spreadsheet": spreadsheet,
        "--slide": slide,
        "--uncertain": uncertain,
        "--corrections": corrections,
        "--orders": orders,
        "--page-cells": page_cells is PageCells.SUSPICIOUS,
    }
    of_labels = {
        "--split": split,
        "--leave-out": leave_out,
        "--unspecified-blasts": unspecified_blasts,
        "--drop-duplicates": drop_duplicates,
    }
    of_networks = {"--ensemble": ensemble, "--device": device is not Device.AUTO}
    if request.export:
        others = [name for name, wanted in (of_page | of_labels | of_networks).items() if wanted and name != "--orders"]
        _export(request, request.export, others)
        return
    if explain and spreadsheet:
        raise InputError("--explain renews the page of a run and --spreadsheet copies its tables: say one of them")
    from slidescreen.runs import assessment

    if assessment.is_plain_run(request):
        if out is not None and uncertain is None:
            raise InputError(
                "--out is for evaluations, --export and --uncertain: a run's page and copies lie in the run's folder"
            )
        refuse(of_labels, "is for labels: give --truth with the run, or labelled images")
        if not explain:
            refuse(of_networks, "is for --explain and for labelled images: the run is classified already")
        if uncertain is not None:
            _label(request, uncertain, [name for name, wanted in of_page.items() if wanted and name != "--uncertain"])
        elif corrections or orders:
            if explain or spreadsheet:
                raise InputError(
                    "--corrections and --orders write tables anew: give --explain or --spreadsheet afterwards"
                )
            _correct(request, orders, slide)
        elif spreadsheet:
            only_page = {name: of_page[name] for name in ("--slide", "--page-cells")}
            refuse(only_page, "does nothing with --spreadsheet, which only copies the tables: leave it out")
            _copy_tables(request)
        else:
            _renew(request, explain, slide)
        return
    del of_page["--corrections"]
    refuse(of_page, "goes with the page of a run: give a run's folder, without --truth")
    _evaluate(request)


def _evaluate(request: ReportOptions) -> None:
    """Measure predictions against the truth."""
    from slidescreen.ensembles.location import default_ensemble
    from slidescreen.output import say
    from slidescreen.reporting.ensemble_display import EnsembleDisplay
    from slidescreen.reporting.evaluation_page import show_evaluation
    from slidescreen.runs import assessment

    with EnsembleDisplay() as display:
        evaluation, folder = assessment.run_evaluation(
            request, default_ensemble, partial(display.progress, "classifying"), partial(say, "warning")
        )
    show_evaluation(evaluation, folder)


def _renew(request: ReportOptions, explain: bool, slide: str | None) -> None:
    """Write a run's page anew, and show the worklist or one slide."""
    from slidescreen.reporting.ensemble_display import EnsembleDisplay
    from slidescreen.runs import renewal
    from slidescreen.runs.heat_maps import explain_run

    folder = request.sources[0]
    with EnsembleDisplay() as display:
        progress = partial(display.progress, "explaining")
        maps = partial(explain_run, ensemble_folder=request.ensemble, device=request.device, progress=progress)
        run = renewal.renew_page(folder, maps if explain else None, request.page_cells, slide)
    _show(run, folder, slide)


def _correct(request: ReportOptions, orders: Path | None, slide: str | None) -> None:
    """Store corrections and the data of orders with a run, and show the run."""
    from slidescreen.output import say
    from slidescreen.runs import renewal

    folder = request.sources[0]
    run = renewal.correct(folder, request.corrections, partial(say, "warning"), orders, request.page_cells, slide)
    _show(run, folder, slide)


def _show(run: "Run", folder: Path, slide: str | None) -> None:
    from slidescreen.reporting.worklist import show_run, show_slide

    if slide is None:
        show_run(run, folder)
    else:
        show_slide(run, slide)


def _copy_tables(request: ReportOptions) -> None:
    """Copy a run's tables for spreadsheets."""
    from slidescreen.reporting.terminal import show_files
    from slidescreen.runs import renewal

    show_files("for spreadsheets", renewal.copy_for_spreadsheets(request.sources[0]))


def _label(request: ReportOptions, count: int, others: list[str]) -> None:
    """Write only a page of the run's cells that are most useful to label."""
    from slidescreen.reporting.terminal import show_files
    from slidescreen.runs.uncertain_cells import write_uncertain
    from slidescreen.screening.sentences import number_of

    if others:
        raise InputError(f"--uncertain writes a page of cells alone: leave out {others[0]}")
    path, found = write_uncertain(request.sources[0], count, request.out)
    show_files(f"{number_of(found, 'cell')} to look at", [path])


def _export(request: ReportOptions, options: ExportOptions, others: list[str]) -> None:
    """Write only a run's results for the laboratory's system."""
    from slidescreen.reporting.terminal import RunDisplay, show_files
    from slidescreen.runs import assessment, result_export
    from slidescreen.runs.monitoring import Monitor
    from slidescreen.screening.sentences import number_of

    if others:
        raise InputError(f"--export writes files for the laboratory's system alone: leave out {others[0]}")
    if not assessment.is_plain_run(request):
        raise InputError("--export goes with a run: give a run's folder, without --truth")
    with RunDisplay() as display:
        monitor = Monitor(display)
        folder, count = result_export.export_run(request.sources[0], options, request.out, monitor)
    show_files(f"exported {number_of(count, 'file')} to", [folder])
    if monitor.unwritten:
        raise typer.Exit(ExitCode.SOME_UNREADABLE)
