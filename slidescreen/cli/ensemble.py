"""`slidescreen ensemble`: make an ensemble with measured errors from checkpoints."""

from pathlib import Path
from typing import Annotated

import typer

from slidescreen.building.options import EnsembleOptions, RejectionTargets
from slidescreen.cli.exit_codes import ExitCode
from slidescreen.cli.shared import (
    DeviceOption,
    DropDuplicatesOption,
    LeaveOutOption,
    UnspecifiedBlastsOption,
    label_rules,
)
from slidescreen.ensembles.voting_rule import VotingRule

_VOTE, _MEASURE = "Vote", "Measurement"


CheckpointsArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="CHECKPOINT", help="The members (.safetensors), as train writes them.")
]
AdaptOption = Annotated[
    str | None,
    typer.Option(
        "--adapt",
        metavar="default|FOLDER",
        help="Give no checkpoints, but adapt this ensemble to the signed cells in --data.",
    ),
]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Write the ensemble here.")]
DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DATA",
        help="Labelled images, as for train. The validation split is measured; the test split is not touched. "
        "With --adapt also a folder of slides with signed class folders.",
    ),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an ensemble in --out.")]
Int8Option = Annotated[
    bool,
    typer.Option(
        "--int8",
        help="Also make 8-bit networks, for classify --fast and --precision int8. Needs the package nncf.",
    ),
]
WeightOption = Annotated[
    list[float] | None,
    typer.Option(
        "--weight",
        "-w",
        metavar="X",
        help="A member's share of the vote. Give one for each, in order. "
        "\\[default: 0.4 for EfficientNet-V1 B1 and 0.6 for V2 B2, as in the study; else equal shares]",
        rich_help_panel=_VOTE,
    ),
]
SearchOption = Annotated[
    bool,
    typer.Option(
        "--search",
        help="Find the weights with the best macro F1 on the validation split, of at most 6 members.",
        rich_help_panel=_VOTE,
    ),
]
RuleOption = Annotated[
    VotingRule,
    typer.Option(help="soft averages the members' probabilities, hard their votes.", rich_help_panel=_VOTE),
]
TargetAccuracyOption = Annotated[
    float,
    typer.Option(
        metavar="X",
        help="Leave the least certain cells unidentified until the others reach this accuracy.",
        min=0,
        max=1,
        rich_help_panel=_MEASURE,
    ),
]
MostUnidentifiedOption = Annotated[
    float,
    typer.Option(
        metavar="X",
        help="Never leave more than this share of the cells unidentified.",
        min=0,
        max=0.5,
        rich_help_panel=_MEASURE,
    ),
]
AllowFewCellsOption = Annotated[
    bool,
    typer.Option(
        "--allow-few-cells",
        help="Accept a validation split with too few cells. Each verdict will say so.",
        rich_help_panel=_MEASURE,
    ),
]

UnknownOption = Annotated[
    list[str] | None,
    typer.Option(
        "--unknown",
        metavar="LABEL",
        help="Leave out cells with this label, for which there is no class (plasma cells, say), and learn from them to "
        "tell such cells. Repeatable.",
        rich_help_panel=_MEASURE,
    ),
]


def ensemble(
    out: OutOption,
    data: DataOption,
    checkpoints: CheckpointsArgument = None,
    adapt: AdaptOption = None,
    overwrite: OverwriteOption = EnsembleOptions.overwrite,
    int8: Int8Option = EnsembleOptions.int8,
    weight: WeightOption = None,
    search: SearchOption = EnsembleOptions.search,
    rule: RuleOption = EnsembleOptions.rule,
    target_accuracy: TargetAccuracyOption = RejectionTargets.accuracy,
    most_unidentified: MostUnidentifiedOption = RejectionTargets.most_unidentified,
    allow_few_cells: AllowFewCellsOption = EnsembleOptions.allow_few_cells,
    unknown: UnknownOption = None,
    leave_out: LeaveOutOption = None,
    unspecified_blasts: UnspecifiedBlastsOption = None,
    drop_duplicates: DropDuplicatesOption = EnsembleOptions.drop_duplicates,
    device: DeviceOption = EnsembleOptions.device,
) -> None:
    """Combine checkpoints into an ensemble and measure it, or adapt an ensemble to a laboratory's signed cells.

    The errors of the members and of their vote are measured on the validation split and stored with the ensemble.
    """
    request = EnsembleOptions(
        checkpoints=tuple(checkpoints or ()),
        out=out,
        data=data,
        weights=None if weight is None else tuple(weight),
        rule=rule,
        search=search,
        targets=RejectionTargets(target_accuracy, most_unidentified),
        label_rules=label_rules([*(leave_out or ()), *(unknown or ())], unspecified_blasts),
        drop_duplicates=drop_duplicates,
        device=device,
        overwrite=overwrite,
        int8=int8,
        allow_few_cells=allow_few_cells,
        unknown=frozenset(unknown or ()),
        adapt=adapt,
    )
    if adapt is not None:
        _adapt(request, adapt)
        return
    from slidescreen.building.build import build_ensemble
    from slidescreen.reporting.ensemble_display import EnsembleDisplay, show_comparison

    with EnsembleDisplay() as display:
        built = build_ensemble(request, display.progress, display.note)
    show_comparison(built, out)
    if display.unreadable:
        raise typer.Exit(ExitCode.SOME_UNREADABLE)


def _adapt(request: EnsembleOptions, adapt: str) -> None:
    from slidescreen.building.adaptation import adapt_ensemble
    from slidescreen.ensembles.location import default_ensemble
    from slidescreen.reporting.adaptation_display import show_adaptation, write_card
    from slidescreen.reporting.ensemble_display import EnsembleDisplay

    source = default_ensemble() if adapt == "default" else Path(adapt)
    with EnsembleDisplay() as display:
        ensemble, found = adapt_ensemble(request, source, display.progress, display.note)
    show_adaptation(ensemble, found, request.out, write_card(ensemble, found, request.out))
    if display.unreadable:
        raise typer.Exit(ExitCode.SOME_UNREADABLE)
