"""`slidescreen ensemble`: checkpoints become an ensemble that knows its own errors."""

from pathlib import Path
from typing import Annotated

import typer

from slidescreen.cli.shared import DeviceOption, DropDuplicatesOption, LeaveOutOption, UnspecifiedBlastsOption
from slidescreen.engine.options import Device
from slidescreen.errors import InputError


def ensemble(
    checkpoints: Annotated[list[Path], typer.Argument(help="The members' checkpoints (.safetensors).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to make.")],
    data: Annotated[
        Path,
        typer.Option("--data", help="Labelled images, as for train; the validation split is measured on, never test."),
    ],
    weight: Annotated[
        list[float] | None,
        typer.Option(
            "--weight",
            "-w",
            help="A member's share of the vote, once for each, in order. "
            "\\[default: 0.4 for EfficientNet-V1 B1 and 0.6 for V2 B2, as in the study; else equal]",
        ),
    ] = None,
    rule: Annotated[str, typer.Option(help="soft (mean of probabilities) or hard (votes).")] = "soft",
    search: Annotated[
        bool, typer.Option("--search", help="Find the weights of the best macro F1 on the validation split.")
    ] = False,
    target_accuracy: Annotated[
        float, typer.Option(help="Cells are left unidentified until the others reach this accuracy …", min=0, max=1)
    ] = 0.95,
    most_unidentified: Annotated[
        float, typer.Option(help="… but never more than this share of cells.", min=0, max=0.5)
    ] = 0.05,
    leave_out: LeaveOutOption = None,
    unspecified_blasts: UnspecifiedBlastsOption = None,
    drop_duplicates: DropDuplicatesOption = False,
    device: DeviceOption = Device.AUTO,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Make the networks in 8-bit integers too, for classify --fast and --precision int8, and measure them. "
            "Needs the package nncf.",
        ),
    ] = False,
    allow_few_cells: Annotated[
        bool,
        typer.Option(
            "--allow-few-cells",
            help="Measure even where the validation split holds too little for that; each verdict will say so.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an ensemble in --out.")] = False,
) -> None:
    """Combine checkpoints into an ensemble, measure it and its members on the validation split, and store it."""
    from slidescreen.building import build
    from slidescreen.building.validation import RejectionTargets
    from slidescreen.reporting.ensemble_display import EnsembleDisplay, show_comparison

    if weight is not None and len(weight) != len(checkpoints):
        raise InputError(f"{len(weight)} weights were given for {len(checkpoints)} checkpoints: give one for each")
    if weight is not None and search:
        raise InputError("--weight and --search exclude each other")
    request = build.EnsembleOptions(
        checkpoints=tuple(checkpoints),
        out=out,
        data=data,
        weights=None if weight is None else tuple(weight),
        rule=rule,
        search=search,
        targets=RejectionTargets(target_accuracy, most_unidentified),
        left_out=frozenset(leave_out or ()),
        unspecified_blasts=unspecified_blasts,
        drop_duplicates=drop_duplicates,
        device=device,
        overwrite=overwrite,
        int8=int8,
        allow_few_cells=allow_few_cells,
    )
    with EnsembleDisplay() as display:
        built = build.build_ensemble(request, display.progress, display.note)
    show_comparison(built, out)
