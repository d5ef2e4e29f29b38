"""`slidescreen train`: train a checkpoint from a laboratory's labelled cells."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.cli.exit_codes import ExitCode
from slidescreen.cli.recipe_options import with_recipe_options
from slidescreen.cli.shared import (
    MACHINE,
    DeviceOption,
    DropDuplicatesOption,
    LeaveOutOption,
    UnspecifiedBlastsOption,
    label_rules,
)
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.errors import InputError
from slidescreen.models.backbones import Backbone
from slidescreen.training.options import (
    BEYOND,
    CellTypeSet,
    Recipe,
    Stage,
    TrainingOptions,
    study_recipe,
)

_IMAGES, _START = "Image preparation", "Initial weights"
_DEFAULT = Recipe()


DataArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Labelled images: a CSV with columns file,label (and slide,split,source if known), or a folder with "
        "one subfolder per cell type.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="Write checkpoint, history and curves here. \\[default: slidescreen-training/BACKBONE]",
    ),
]
BackboneOption = Annotated[
    Backbone,
    typer.Option("--backbone", "-b", metavar="NAME", help=f"The network to train: {' or '.join(Backbone)}."),
]
TypesOption = Annotated[CellTypeSet, typer.Option(help="Learn all 16 cell types, or the 12 leukocytes.")]
StudyOption = Annotated[
    bool,
    typer.Option(
        "--study-recipe",
        help=f'Train as the reference study did: 12 types, no white balance, all under "{BEYOND}" off.',
    ),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Continue the interrupted training in --out.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier training in --out.")]
InitOption = Annotated[
    Path | None,
    typer.Option(
        "--init",
        metavar="FILE",
        help="Start from the weights in this safetensors file. \\[default: random weights]",
        rich_help_panel=_START,
    ),
]
InitPartialOption = Annotated[
    bool,
    typer.Option(
        "--init-partial",
        help="Take only those weights of --init that fit, as from another network.",
        rich_help_panel=_START,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Processor threads. \\[default: all]", min=1, max=1024, rich_help_panel=MACHINE),
]
MemoryOption = Annotated[
    float,
    typer.Option(
        metavar="GB", help="Keep up to this much of decoded images in memory.", min=0, rich_help_panel=MACHINE
    ),
]
ImageSizeOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Resize each image to a square of this side, in pixels.",
        min=32,
        max=2048,
        rich_help_panel=_IMAGES,
    ),
]
WhiteBalanceOption = Annotated[
    bool, typer.Option(help="Bring each image's background to one neutral.", rich_help_panel=_IMAGES)
]
ProgressiveOption = Annotated[
    str | None,
    typer.Option(
        metavar="STAGES",
        help="Train on smaller images first: 96:4,160:2 is 4 epochs at 96 pixels, then 2 at 160, the rest at "
        "--image-size.",
        rich_help_panel=BEYOND,
    ),
]
TeacherOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Learn from this checkpoint's opinion too (distillation). It must know the same cell types.",
        rich_help_panel=BEYOND,
    ),
]


@with_recipe_options
def train(
    data: DataArgument,
    *,
    out: OutOption = None,
    backbone: BackboneOption = _DEFAULT.backbone,
    types: TypesOption = CellTypeSet.ALL,
    study: StudyOption = False,
    resume: ResumeOption = TrainingOptions.resume,
    overwrite: OverwriteOption = TrainingOptions.overwrite,
    leave_out: LeaveOutOption = None,
    unspecified_blasts: UnspecifiedBlastsOption = None,
    drop_duplicates: DropDuplicatesOption = TrainingOptions.drop_duplicates,
    init: InitOption = TrainingOptions.init,
    init_partial: InitPartialOption = TrainingOptions.init_partial,
    device: DeviceOption = TrainingOptions.device,
    threads: ThreadsOption = TrainingOptions.threads,
    memory: MemoryOption = TrainingOptions.memory,
    image_size: ImageSizeOption = _DEFAULT.preprocessing.image_size,
    white_balance: WhiteBalanceOption = _DEFAULT.preprocessing.white_balance,
    recipe: Recipe,
    progressive: ProgressiveOption = None,
    teacher: TeacherOption = TrainingOptions.teacher,
) -> None:
    """Train one network on labelled cell images.

    The checkpoint of the epoch with the best macro F1 on the validation split is kept.
    Without a column split in DATA, a fifth of the slides is drawn for validation.
    """
    recipe = replace(
        recipe,
        backbone=backbone,
        preprocessing=Preprocessing(image_size, white_balance=white_balance),
        cell_types=types.cell_types,
        stages=_stages(progressive),
    )
    request = TrainingOptions(
        data=data,
        out=out or Path("slidescreen-training") / backbone,
        recipe=study_recipe(recipe) if study else recipe,
        init=init,
        init_partial=init_partial,
        teacher=None if study else teacher,
        resume=resume,
        overwrite=overwrite,
        label_rules=label_rules(leave_out, unspecified_blasts),
        drop_duplicates=drop_duplicates,
        device=device,
        threads=threads,
        memory=memory,
    )
    from slidescreen.reporting.training_display import TrainingDisplay  # imports torch: refuse bad options first
    from slidescreen.training.session import run_training

    with TrainingDisplay() as display:
        run_training(request, display)
    if display.unreadable:
        raise typer.Exit(ExitCode.SOME_UNREADABLE)


def _stages(text: str | None) -> tuple[Stage, ...]:
    if not text:
        return ()
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return tuple(Stage(int(size), int(count)) for size, count in pairs)
    except ValueError:
        raise InputError(f"--progressive must look like 96:4,160:2, not {text!r}") from None
