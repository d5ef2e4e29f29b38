"""How a checkpoint's images are prepared for the network. Imports nothing heavy."""

import math
from dataclasses import dataclass
from enum import StrEnum


class Interpolation(StrEnum):
    """How pixels are resampled."""

    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


@dataclass(frozen=True)
class Preprocessing:
    """How an image is prepared for a network.

    The whole image is resized, without a crop, to a square of `image_size` pixels a side. `white_balance` makes its
    background one bright neutral grey. The pixels are then scaled to 0–1, and normalised with `mean` and `std` per
    channel (red, green, blue).
    """

    image_size: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = Interpolation.BILINEAR
    white_balance: bool = True

    def __post_init__(self) -> None:
        if not 32 <= self.image_size <= 2048:
            raise ValueError(f"image_size must be between 32 and 2048 pixels, not {self.image_size}")
        if self.interpolation not in tuple(Interpolation):
            allowed = ", ".join(Interpolation)
            raise ValueError(f"interpolation must be one of {allowed}, not {self.interpolation!r}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(-math.inf < v < math.inf for v in values):
                raise ValueError(f"{name} must be three finite numbers, not {values}")
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, not {self.std}")
