"""`slidescreen train`: a laboratory's labelled cells become a checkpoint."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slidescreen import cells
from slidescreen.cli.shared import DeviceOption, DropDuplicatesOption, LeaveOutOption, UnspecifiedBlastsOption
from slidescreen.engine.options import Device
from slidescreen.errors import InputError

if TYPE_CHECKING:
    from slidescreen.training.options import Stage

_RECIPE, _BEYOND, _FILES = "The study's recipe", "Beyond the study", "Files"


def train(
    data: Annotated[
        Path,
        typer.Argument(
            help="CSV with columns file,label[,slide,split,source], or a folder with one subfolder per cell type."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the checkpoint, history.csv and curves.png. \\[default: slidescreen-training/BACKBONE]",
            rich_help_panel=_FILES,
        ),
    ] = None,
    backbone: Annotated[
        str,
        typer.Option(
            "--backbone", "-b", help="efficientnet_b1 (EfficientNet-V1 B1) or efficientnetv2_b2 (EfficientNet-V2 B2)."
        ),
    ] = "efficientnet_b1",
    init: Annotated[
        Path | None,
        typer.Option(
            "--init",
            help="Start from the weights in this safetensors file instead of random ones; the last layer is taken cell "
            "type by cell type.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    init_partial: Annotated[
        bool,
        typer.Option(
            "--init-partial",
            help="Of --init take those tensors that fit, as where it is of another network, instead of refusing.",
            rich_help_panel=_FILES,
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the interrupted training in --out.", rich_help_panel=_FILES)
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier training in --out.", rich_help_panel=_FILES)
    ] = False,
    leave_out: LeaveOutOption = None,
    unspecified_blasts: UnspecifiedBlastsOption = None,
    drop_duplicates: DropDuplicatesOption = False,
    image_size: Annotated[
        int,
        typer.Option(
            help="Side of the square the whole image is resized to, pixels.", min=32, max=2048, rich_help_panel=_RECIPE
        ),
    ] = 256,
    epochs: Annotated[int, typer.Option(help="At most so many.", min=1, rich_help_panel=_RECIPE)] = 50,
    batch_size: Annotated[int, typer.Option(min=2, rich_help_panel=_RECIPE)] = 32,
    optimizer: Annotated[str, typer.Option(help="adam or adamw.", rich_help_panel=_RECIPE)] = "adam",
    learning_rate: Annotated[
        float, typer.Option(help="Initial rate.", min=1e-8, max=1.0, rich_help_panel=_RECIPE)
    ] = 0.0005,
    schedule: Annotated[
        str,
        typer.Option(
            help="plateau (lower the rate when validation stands still) or onecycle.", rich_help_panel=_RECIPE
        ),
    ] = "plateau",
    plateau_factor: Annotated[float, typer.Option(min=0.01, max=0.99, rich_help_panel=_RECIPE)] = 0.5,
    plateau_patience: Annotated[
        int, typer.Option(help="Epochs without gain before the rate falls.", min=0, rich_help_panel=_RECIPE)
    ] = 3,
    patience: Annotated[
        int, typer.Option(help="Epochs without gain before training stops.", min=1, rich_help_panel=_RECIPE)
    ] = 10,
    rotation: Annotated[
        float, typer.Option(help="Largest random turn, degrees.", min=0, max=180, rich_help_panel=_RECIPE)
    ] = 180.0,
    flips: Annotated[
        bool, typer.Option("--flips/--no-flips", help="Random horizontal and vertical flips.", rich_help_panel=_RECIPE)
    ] = True,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, rich_help_panel=_RECIPE)] = 0,
    study: Annotated[
        bool,
        typer.Option(
            "--study-recipe",
            help="The reference study's recipe alone: 12 types, everything below off.",
            rich_help_panel=_BEYOND,
        ),
    ] = False,
    types: Annotated[
        str, typer.Option("--types", help="all (16) or leukocytes (12).", rich_help_panel=_BEYOND)
    ] = "all",
    balance: Annotated[
        str, typer.Option(help="Against rare types: sampler, loss (weighted) or none.", rich_help_panel=_BEYOND)
    ] = "sampler",
    balance_power: Annotated[
        float,
        typer.Option(
            help="0 leaves the counts as they are, 1 makes all types equal.", min=0, max=1, rich_help_panel=_BEYOND
        ),
    ] = 0.5,
    label_smoothing: Annotated[float, typer.Option(min=0, max=0.5, rich_help_panel=_BEYOND)] = 0.1,
    scale: Annotated[
        float, typer.Option(help="Largest random enlargement.", min=1, max=2, rich_help_panel=_BEYOND)
    ] = 1.25,
    colour: Annotated[
        float, typer.Option(help="Strength of random stain and light.", min=0, max=4, rich_help_panel=_BEYOND)
    ] = 1.0,
    focus: Annotated[
        float, typer.Option(help="Largest random loss of focus, or sharpening.", min=0, max=4, rich_help_panel=_BEYOND)
    ] = 1.0,
    white_balance: Annotated[
        bool,
        typer.Option(
            "--white-balance/--no-white-balance",
            help="Bring every image's background to one neutral.",
            rich_help_panel=_BEYOND,
        ),
    ] = True,
    weight_average: Annotated[
        float,
        typer.Option(
            help="Decay of the moving average of the weights; 0 for none.", min=0, max=0.99999, rich_help_panel=_BEYOND
        ),
    ] = 0.999,
    weight_decay: Annotated[float, typer.Option(min=0, max=1, rich_help_panel=_BEYOND)] = 0.0,
    drop_rate: Annotated[
        float, typer.Option(help="Dropout before the last layer.", min=0, max=0.9, rich_help_panel=_BEYOND)
    ] = 0.2,
    drop_path: Annotated[float, typer.Option(help="Stochastic depth.", min=0, max=0.9, rich_help_panel=_BEYOND)] = 0.1,
    progressive: Annotated[
        str | None,
        typer.Option(
            help="Smaller images first, as SIZE:EPOCHS[,SIZE:EPOCHS]; the remaining epochs run at --image-size.",
            rich_help_panel=_BEYOND,
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            "--teacher",
            help="Checkpoint of the same cell types whose opinion is learnt beside the labels (distillation).",
            rich_help_panel=_BEYOND,
        ),
    ] = None,
    teacher_weight: Annotated[
        float, typer.Option(help="Share of the teacher's opinion in the loss.", min=0, max=1, rich_help_panel=_BEYOND)
    ] = 0.5,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.", rich_help_panel=_BEYOND)] = "auto",
    device: DeviceOption = Device.AUTO,
    threads: Annotated[int | None, typer.Option(help="Processor threads.", min=1, max=1024)] = None,
    memory: Annotated[float, typer.Option(help="Keep decoded images in memory up to so many GB.", min=0)] = 6.0,
) -> None:
    """Train one backbone on labelled cell images.

    The best checkpoint by validation macro F1 is kept.
    A CSV's split column is obeyed; without one a split is drawn by slide.
    """
    from slidescreen.data.preprocessing import Preprocessing
    from slidescreen.training.options import Augmentation, Recipe, study_recipe

    if types not in ("all", "leukocytes"):
        raise InputError(f"--types must be all or leukocytes, not {types}")
    if not math.isfinite(memory):
        raise InputError(f"--memory must be a number of GB, not {memory}")
    options = Recipe(
        backbone=backbone,
        preprocessing=Preprocessing(image_size, white_balance=white_balance),
        cell_types=cells.CELL_TYPES if types == "all" else cells.LEUKOCYTES,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        schedule=schedule,
        plateau_factor=plateau_factor,
        plateau_patience=plateau_patience,
        patience=patience,
        augmentation=Augmentation(rotation, flips, scale, colour, focus),
        balance=balance,
        balance_power=balance_power,
        label_smoothing=label_smoothing,
        weight_average=weight_average,
        weight_decay=weight_decay,
        drop_rate=drop_rate,
        drop_path_rate=drop_path,
        stages=_stages(progressive),
        precision=precision,
        teacher_weight=teacher_weight,
        seed=seed,
    )
    options = study_recipe(options) if study else options
    from slidescreen.reporting.training_display import (
        TrainingDisplay,  # with torch: after what it takes no network to refuse
    )
    from slidescreen.training.session import TrainingOptions, run_training

    request = TrainingOptions(
        data=data,
        out=out or Path("slidescreen-training") / backbone,
        options=options,
        init=init,
        init_partial=init_partial,
        teacher=None if study else teacher,
        resume=resume,
        overwrite=overwrite,
        left_out=frozenset(leave_out or ()),
        unspecified_blasts=unspecified_blasts,
        drop_duplicates=drop_duplicates,
        device=device,
        threads=threads,
        memory=int(memory * 1e9),
    )
    with TrainingDisplay() as display:
        run_training(request, display)


def _stages(text: str | None) -> "tuple[Stage, ...]":
    from slidescreen.training.options import Stage

    if not text:
        return ()
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return tuple(Stage(int(size), int(count)) for size, count in pairs)
    except ValueError:
        raise InputError(f"--progressive must look like 96:4,160:2, not {text!r}") from None
