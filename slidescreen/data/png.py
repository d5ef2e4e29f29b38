"""The original samples of a 16-bit PNG. Pillow alone keeps only the upper 8 bits of colours."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slidescreen.data.bit_depth import DeepImage

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR, _GREY_AND_ALPHA, _COLOUR_AND_ALPHA = 0, 2, 4, 6


def deep_samples(content: bytes) -> DeepImage | None:
    """A PNG's samples if they have 16 bits; None for every other image.

    Raises:
        Exception: any error that a damaged file causes.
    """
    if content[:8] != _SIGNATURE or content[24:25] != b"\x10":
        return None
    kind = content[25]
    if kind == _GREY:
        samples, told = _decoded(content, None)
    elif kind == _GREY_AND_ALPHA:  # four bytes a pixel, which Pillow reads as 8-bit colour with opacity
        four, told = _decoded(content, "RGBA")
        samples = 256 * four[..., 0::2] + four[..., 1::2]
    else:
        # Pillow takes the first of two bytes as the upper one, unless it is told otherwise.
        mode = "RGB" if kind == _COLOUR else "RGBA"
        upper, told = _decoded(content, f"{mode};16B")
        samples = 256 * upper + _decoded(content, f"{mode};16L")[0]
    colours = 1 if kind in (_GREY, _GREY_AND_ALPHA) else 3
    samples = samples.reshape(*samples.shape[:2], -1)
    alpha = samples[..., colours] if samples.shape[2] > colours else None
    if alpha is None and "transparency" in told:  # one colour is transparent
        alpha = (samples != np.asarray(told["transparency"])).any(axis=-1).astype(np.uint16) * 255
    return DeepImage(samples[..., :colours], alpha)


def _decoded(content: bytes, layout: str | None) -> tuple[NDArray[np.uint16], dict[str | tuple[int, int], object]]:
    """The samples that Pillow decodes if it assumes this layout of bytes, and the file's metadata."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        if layout is not None:
            image.tile = [tile._replace(args=layout) for tile in image.tile]
        image.load()
        return np.asarray(image).astype(np.uint16), image.info
