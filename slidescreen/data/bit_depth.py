"""Scale samples of any bit depth to 8 bits, by the range that the file really uses.

A 12-bit camera writes 16-bit files, and most files do not give the true depth. The upper 8 bits alone give a black
image; clipping at 255 gives a white one. So the full scale is inferred from the image:

- Integers: the smallest of 8, 10, 12, 14, 16, 18, … bits that holds the largest sample of all colours together. A
  bright field always reaches the upper three quarters of its camera's range.
- Floating-point numbers: 1 if no sample is above 1; otherwise 255 or the next such scale.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Samples = NDArray[np.generic]
_MIDDLE = 16  # a camera with a signed range reaches below 0 by more than a sixteenth of its reach above 0
_BARELY_ABOVE = 2.0  # filters raise samples of 0–1 to a little above 1


@dataclass(frozen=True)
class DeepImage:
    """The unscaled content of a file with more than 8 bits a sample.

    Attributes:
        samples: (H, W, C); unsigned or signed integers or floating-point numbers. C is 1 for grey and 3 for colour.
        alpha: (H, W), the opacity of each pixel; None if all pixels are opaque.
        premultiplied: whether `samples` have been multiplied by the opacity.
        inverted: whether 0 is white.
        bits: the bits of a sample in the file.
        orientation: 1 to 8, as in EXIF and TIFF; 1 is upright.
    """

    samples: Samples
    alpha: Samples | None = None
    premultiplied: bool = False
    inverted: bool = False
    bits: int = 16
    orientation: int = 1


def to_8_bits(deep: DeepImage) -> tuple[Image.Image, str]:
    """An 8-bit RGB image with transparency shown on white, not yet rotated, and in words the range that was used."""
    samples, black = _from_zero(deep.samples)
    full = full_scale(samples)
    shown = samples.astype(np.float32) / np.float32(full)
    if deep.inverted:
        shown = 1 - shown
    if deep.alpha is not None:
        opacity = np.clip(deep.alpha.astype(np.float32) / np.float32(full_scale(deep.alpha)), 0, 1)[..., None]
        shown = shown + (1 - opacity) if deep.premultiplied else shown * opacity + (1 - opacity)
    pixels = np.clip(np.rint(255 * shown), 0, 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))))
    return image, _in_words(deep, full, black)


def full_scale(samples: Samples) -> float:
    """The value that is shown white: the largest that a camera with this many bits can write.

    >>> full_scale(np.array([17, 3900])), full_scale(np.array([255])), full_scale(np.array([0.25, 0.75]))
    (4095.0, 255.0, 1.0)
    """
    largest = float(samples.max(initial=0))
    if samples.dtype.kind == "f" and largest <= _BARELY_ABOVE:
        return max(1.0, largest)
    bits = int(np.ceil(largest)).bit_length()
    return float((1 << max(8, bits + bits % 2)) - 1)


def _from_zero(samples: Samples) -> tuple[Samples, float]:
    """The samples, shifted so that none is below 0, and the original value of the new 0. NaN and infinity become 0.

    Large negative samples mean a signed range that is symmetric about 0. Small ones mean that a background was
    subtracted; they are shown as black as 0.
    """
    if samples.dtype.kind == "f":
        finite: NDArray[np.float64] = np.where(np.isfinite(samples), samples, 0).astype(np.float64)
        samples = finite
    lowest = float(samples.min(initial=0))
    if lowest >= 0:
        return samples, 0.0
    reach = max(-lowest, float(samples.max()))
    if -lowest * _MIDDLE <= reach:
        return np.maximum(samples, 0), 0.0
    black = -(2.0 ** float(np.ceil(np.log2(reach))))
    return samples.astype(np.float64) - black, black


def _in_words(deep: DeepImage, full: float, black: float) -> str:
    if deep.samples.dtype.kind == "f":
        return f"floating-point samples, {full:g} shown white"
    below = f", {black:g} shown black" if black < 0 else ""
    return f"{(round(full) + 1).bit_length() - 1} of {deep.bits} bits used{below}"
