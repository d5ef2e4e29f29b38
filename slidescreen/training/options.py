"""What a training can be told. The defaults of the first block are the reference study's recipe."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from slidescreen import cells
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.errors import InputError
from slidescreen.models.backbones import BACKBONES

CHOICES: dict[str, tuple[str, ...]] = {
    "backbone": tuple(BACKBONES),
    "optimizer": ("adam", "adamw"),
    "schedule": ("plateau", "onecycle"),
    "balance": ("sampler", "loss", "none"),
    "precision": ("auto", "fp32", "bf16"),
}

_ENDLESS = 2**31 - 1
LIMITS: dict[str, tuple[float, float]] = {
    "epochs": (1, _ENDLESS),
    "batch_size": (2, _ENDLESS),  # normalisation needs the spread of two images
    "learning_rate": (1e-8, 1.0),
    "plateau_factor": (0.01, 0.99),
    "plateau_patience": (0, _ENDLESS),
    "patience": (1, _ENDLESS),
    "rotation": (0, 180),
    "scale": (1, 2),
    "colour": (0, 4),
    "focus": (0, 4),
    "balance_power": (0, 1),
    "label_smoothing": (0, 0.5),
    "weight_average": (0, 0.99999),
    "weight_decay": (0, 1),
    "drop_rate": (0, 0.9),
    "drop_path_rate": (0, 0.9),
    "teacher_weight": (0, 1),
    "seed": (0, 2**32 - 1),
}
"""The least and the most of each number."""


@dataclass(frozen=True)
class Stage:
    """Epochs at one image size."""

    image_size: int
    epochs: int


@dataclass(frozen=True)
class Augmentation:
    """Random changes to training images. Strengths of 0 switch a change off."""

    rotation: float = 180.0
    """Largest turn, degrees, either way."""
    flips: bool = True
    scale: float = 1.25
    """Largest enlargement; the smallest is its inverse. Those near 1 are the most frequent."""
    colour: float = 1.0
    """Strength of the change of stain and light (1: standard deviations of 0.08 in optical density)."""
    focus: float = 1.0
    """Largest loss of focus, or sharpening by as much: standard deviation in pixels at 128 pixels a side."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a training, besides the images."""

    backbone: str = "efficientnet_b1"
    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(256))
    cell_types: tuple[str, ...] = cells.CELL_TYPES
    epochs: int = 50
    batch_size: int = 32
    optimizer: str = "adam"
    learning_rate: float = 0.0005
    schedule: str = "plateau"
    plateau_factor: float = 0.5
    plateau_patience: int = 3
    patience: int = 10

    augmentation: Augmentation = field(default_factory=Augmentation)
    balance: str = "sampler"
    balance_power: float = 0.5
    label_smoothing: float = 0.1
    weight_average: float = 0.999
    weight_decay: float = 0.0
    drop_rate: float = 0.2
    drop_path_rate: float = 0.1
    stages: tuple[Stage, ...] = ()
    precision: str = "auto"
    teacher: str | None = None
    """SHA-256 of the checkpoint whose opinion of each training image is learnt beside its label."""
    teacher_weight: float = 0.5
    """Share of the teacher's opinion in the loss, 0–1; the label has the rest."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f"{flag_of(name)} must be one of {', '.join(allowed)}, not {value}")
        for name, (low, high) in LIMITS.items():
            value = getattr(self.augmentation if hasattr(self.augmentation, name) else self, name)
            if not low <= value <= high:  # what is no number is in no range
                raise InputError(f"{flag_of(name)} must be between {low:g} and {high:g}, not {value}")
        if sum(stage.epochs for stage in self.stages) > self.epochs:
            raise InputError("the epochs of --progressive are more than --epochs")
        sizes = [stage.image_size for stage in self.stages]
        if any(not 32 <= size <= 2048 for size in sizes) or any(stage.epochs < 1 for stage in self.stages):
            raise InputError("--progressive needs sizes between 32 and 2048 pixels, and one epoch or more each")

    def plan(self) -> tuple[Stage, ...]:
        """The image sizes in their order, and their epochs; stages that follow each other at one size are one."""
        rest = self.epochs - sum(stage.epochs for stage in self.stages)
        plan: list[Stage] = []
        for stage in (*self.stages, Stage(self.preprocessing.image_size, rest)):
            if plan and plan[-1].image_size == stage.image_size:
                plan[-1] = replace(plan[-1], epochs=plan[-1].epochs + stage.epochs)
            elif stage.epochs:
                plan.append(stage)
        return tuple(plan)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def flag_of(name: str) -> str:
    """The command line's word for an option."""
    return "--" + name.removesuffix("_rate" if name == "drop_path_rate" else "").replace("_", "-")


def study_recipe(options: Recipe) -> Recipe:
    """`options` with every addition to the reference study's recipe switched off."""
    return replace(
        options,
        preprocessing=replace(options.preprocessing, white_balance=False),
        cell_types=cells.LEUKOCYTES,
        augmentation=Augmentation(scale=1.0, colour=0.0, focus=0.0),
        balance="none",
        label_smoothing=0.0,
        weight_average=0.0,
        drop_path_rate=0.0,
        stages=(),
        precision="fp32",
        teacher=None,
    )
