"""The options of a training: its recipe, and the user's other choices. Imports nothing heavy.

Each field of the recipe carries its description. The command line takes help, default and limits from this module.
"""

import math
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from slidescreen import cells
from slidescreen.choices import check_choice
from slidescreen.data.label_options import LabelRules
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.options import Device
from slidescreen.errors import InputError
from slidescreen.models.backbones import Backbone

STUDY, BEYOND = "The study's recipe", "Beyond the study"
_ENDLESS = 2**31 - 1


class CellTypeSet(StrEnum):
    """Which cell types a network learns."""

    ALL = "all"
    LEUKOCYTES = "leukocytes"

    @property
    def cell_types(self) -> tuple[str, ...]:
        """The types, in order."""
        return cells.CELL_TYPES if self is CellTypeSet.ALL else cells.LEUKOCYTES


class Optimizer(StrEnum):
    """Which rule changes the weights."""

    ADAM = "adam"
    ADAMW = "adamw"


class Schedule(StrEnum):
    """How the learning rate changes."""

    PLATEAU = "plateau"
    ONECYCLE = "onecycle"


class Balance(StrEnum):
    """How the training compensates for rare types."""

    SAMPLER = "sampler"
    LOSS = "loss"
    NONE = "none"


class TrainingPrecision(StrEnum):
    """The arithmetic in which a network is trained."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


@dataclass(frozen=True)
class Setting:
    """The description of a field of the recipe.

    Attributes:
        help: the effect of the field, for the reader of `--help`.
        panel: the field's heading in `--help`.
        low, high: the limits of a number.
        flag: the command line's option, if it differs from the field's name.
    """

    help: str
    panel: str = STUDY
    low: float = 0
    high: float = _ENDLESS
    flag: str = ""

    def limits(self, between: str = "{low} to {high}") -> str:
        """The limits in words."""
        low, high = f"{self.low:.10g}", f"{self.high:.10g}"
        return f"{low} or more" if self.high == _ENDLESS else between.format(low=low, high=high)


@dataclass(frozen=True)
class Stage:
    """Epochs at one image size."""

    image_size: int
    epochs: int


@dataclass(frozen=True)
class Augmentation:
    """Random changes to training images. A strength of 0 switches a change off."""

    rotation: Annotated[float, Setting("Turn images at random by up to this many degrees.", high=180)] = 180.0
    """Largest turn in degrees, in either direction."""
    flips: Annotated[bool, Setting("Mirror images at random.")] = True
    scale: Annotated[float, Setting("Enlarge images at random by up to this factor.", BEYOND, 1, 2)] = 1.25
    """Largest factor. The smallest is its inverse. Factors near 1 are the most frequent."""
    colour: Annotated[float, Setting("Vary stain and light at random, this strongly.", BEYOND, 0, 4)] = 1.0
    """Strength of the change of stain and light (1: standard deviations of 0.08 in optical density)."""
    focus: Annotated[float, Setting("Blur or sharpen images at random, up to this strongly.", BEYOND, 0, 4)] = 1.0
    """Largest loss of focus, or sharpening by as much: standard deviation in pixels at 128 pixels a side."""
    stain_exchange: Annotated[
        float, Setting("Give this share of the images the stain of another image of the batch.", BEYOND, 0, 1)
    ] = 0.0
    """Share of images that take on the stain of another one, wholly or in part."""
    surroundings: Annotated[
        float, Setting("Give this share of the images the surroundings of another image's cell.", BEYOND, 0, 1)
    ] = 0.0
    """Share of images whose central cell is put into another image."""

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a training, besides the images."""

    backbone: Backbone = Backbone.EFFICIENTNET_B1
    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(256))
    cell_types: tuple[str, ...] = CellTypeSet.ALL.cell_types
    epochs: Annotated[int, Setting("Train for at most this many epochs.", low=1)] = 50
    batch_size: Annotated[int, Setting("Images per step.", low=2)] = 32  # normalisation needs the spread of two images
    optimizer: Annotated[Optimizer, Setting("The optimizer.")] = Optimizer.ADAM
    learning_rate: Annotated[float, Setting("Initial learning rate.", low=1e-8, high=1)] = 0.0005
    schedule: Annotated[Schedule, Setting("plateau lowers the learning rate when validation stops improving.")] = (
        Schedule.PLATEAU
    )
    plateau_factor: Annotated[
        float, Setting("Multiply the learning rate by this on a plateau.", low=0.01, high=0.99)
    ] = 0.5
    plateau_patience: Annotated[int, Setting("Epochs without improvement before the rate falls.")] = 3
    patience: Annotated[int, Setting("Epochs without improvement before training stops.", low=1)] = 10

    augmentation: Augmentation = field(default_factory=Augmentation)
    balance: Annotated[
        Balance, Setting("Make up for rare types: draw them more often (sampler) or weight their loss.", BEYOND)
    ] = Balance.SAMPLER
    balance_power: Annotated[float, Setting("How far to balance; 1 makes all types equal.", BEYOND, 0, 1)] = 0.5
    label_smoothing: Annotated[float, Setting("Label smoothing.", BEYOND, 0, 0.5)] = 0.1
    weight_average: Annotated[
        float, Setting("Decay of the moving average of the weights; 0 keeps none.", BEYOND, 0, 0.99999)
    ] = 0.999
    weight_decay: Annotated[float, Setting("Weight decay.", BEYOND, 0, 1)] = 0.0
    drop_rate: Annotated[float, Setting("Dropout before the last layer.", BEYOND, 0, 0.9)] = 0.2
    drop_path_rate: Annotated[float, Setting("Stochastic depth.", BEYOND, 0, 0.9, flag="--drop-path")] = 0.1
    stages: tuple[Stage, ...] = ()
    precision: Annotated[TrainingPrecision, Setting("auto is bf16 where the processor is fast at it.", BEYOND)] = (
        TrainingPrecision.AUTO
    )
    teacher: str | None = None
    """SHA-256 of the teacher's checkpoint. Its probabilities for each training image are learnt beside the label."""
    teacher_weight: Annotated[
        float, Setting("Share of the teacher's opinion in the loss; the label has the rest.", BEYOND, 0, 1)
    ] = 0.5
    seed: Annotated[int, Setting("Seed of all random numbers.", high=2**32 - 1)] = 0

    def __post_init__(self) -> None:
        check_choice("--backbone", self.backbone, Backbone)
        _check(self)
        if sum(stage.epochs for stage in self.stages) > self.epochs:
            raise InputError("--progressive has more epochs than --epochs")
        sizes = [stage.image_size for stage in self.stages]
        if any(not 32 <= size <= 2048 for size in sizes) or any(stage.epochs < 1 for stage in self.stages):
            raise InputError("--progressive needs sizes between 32 and 2048 pixels, and at least one epoch each")

    def plan(self) -> tuple[Stage, ...]:
        """The image sizes in order, and their epochs. Consecutive stages of the same size are merged."""
        rest = self.epochs - sum(stage.epochs for stage in self.stages)
        plan: list[Stage] = []
        for stage in (*self.stages, Stage(self.preprocessing.image_size, rest)):
            if plan and plan[-1].image_size == stage.image_size:
                plan[-1] = replace(plan[-1], epochs=plan[-1].epochs + stage.epochs)
            elif stage.epochs:
                plan.append(stage)
        return tuple(plan)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class TrainingOptions:
    """What the user asked for.

    `init`: initial weights. `init_partial`: use only those that fit. `teacher`: a checkpoint to learn from.
    `memory`: GB of decoded images to keep.
    """

    data: Path
    out: Path
    recipe: Recipe = field(default_factory=Recipe)
    init: Path | None = None
    init_partial: bool = False
    teacher: Path | None = None
    resume: bool = False
    overwrite: bool = False
    label_rules: LabelRules = field(default_factory=LabelRules)
    drop_duplicates: bool = False
    device: Device = Device.AUTO
    threads: int | None = None
    memory: float = 6.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.memory):
            raise InputError(f"--memory must be a number of GB, not {self.memory}")


def settings_of(options: type) -> dict[str, tuple[type, Setting]]:
    """The described fields of a class of options: the type of each, and its description."""
    hints = get_type_hints(options, include_extras=True)
    described = {name: get_args(hint) for name, hint in hints.items()}
    return {name: found for name, found in described.items() if found and isinstance(found[-1], Setting)}


def flag_of(name: str, setting: Setting) -> str:
    """The command line's word for a field."""
    return setting.flag or f"--{name.replace('_', '-')}"


def _check(options: object) -> None:
    """Refuse values that a field's description does not allow. NaN is outside all limits."""
    for name, (kind, setting) in settings_of(type(options)).items():
        value, flag = getattr(options, name), flag_of(name, setting)
        if issubclass(kind, StrEnum):
            check_choice(flag, value, kind)
        elif not setting.low <= value <= setting.high:
            raise InputError(f"{flag} must be {setting.limits('between {low} and {high}')}, not {value}")


def study_recipe(options: Recipe) -> Recipe:
    """`options` with every addition to the reference study's recipe switched off."""
    return replace(
        options,
        preprocessing=replace(options.preprocessing, white_balance=False),
        cell_types=cells.LEUKOCYTES,
        augmentation=replace(
            options.augmentation, scale=1.0, colour=0.0, focus=0.0, stain_exchange=0.0, surroundings=0.0
        ),
        balance=Balance.NONE,
        label_smoothing=0.0,
        weight_average=0.0,
        drop_path_rate=0.0,
        stages=(),
        precision=TrainingPrecision.FP32,
        teacher=None,
    )
