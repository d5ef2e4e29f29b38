"""What a training can be told. The defaults of the first block are the reference study's recipe."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from slidescreen import cells
from slidescreen.errors import InputError
from slidescreen.images import Preprocessing
from slidescreen.networks import BACKBONES

CHOICES: dict[str, tuple[str, ...]] = {
    "backbone": tuple(BACKBONES),
    "optimizer": ("adam", "adamw"),
    "schedule": ("plateau", "onecycle"),
    "balance": ("sampler", "loss", "none"),
    "precision": ("auto", "fp32", "bf16"),
}


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
class TrainingOptions:
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
                raise InputError(f"--{name.replace('_', '-')} must be one of {', '.join(allowed)}, not {value}")
        if sum(stage.epochs for stage in self.stages) > self.epochs:
            raise InputError("the epochs of --progressive are more than --epochs")

    def size_at(self, epoch: int) -> int:
        """The image size, pixels, at which epoch `epoch` (from 0) trains."""
        for stage in self.stages:
            if epoch < stage.epochs:
                return stage.image_size
            epoch -= stage.epochs
        return self.preprocessing.image_size

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def study_recipe(options: TrainingOptions) -> TrainingOptions:
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
