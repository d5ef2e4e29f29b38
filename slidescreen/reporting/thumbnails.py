"""Small pictures of cells, inside the page itself."""

import base64
import io
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slidescreen.data.images import decode, read_bytes
from slidescreen.errors import UnreadableImageError
from slidescreen.interruptible import interruptibly

SIDE = 128  # pixels: the least that shows nuclei, nucleoli and granules well enough


def thumbnail(path: Path) -> str | None:
    """A cell image as a data URI, at most `SIDE` pixels a side; None if the file can no longer be read."""
    try:
        image = decode(read_bytes(path), SIDE)
    except UnreadableImageError:
        return None
    return _encoded(image)


def in_time(each: float = 10.0, in_all: float = math.inf) -> Callable[[Path], str | None]:
    """`thumbnail` with time limits. After one picture or all together took too long, the rest get none.

    Args:
        each: seconds for one picture. A longer wait suggests a share that no longer answers, which must not delay the
            page.
        in_all: seconds for all pictures, from the start of the first.
    """
    deadline: float | None = None

    def picture(path: Path) -> str | None:
        nonlocal deadline
        now = time.monotonic()
        deadline = now + in_all if deadline is None else deadline
        if now >= deadline:
            return None
        try:
            return interruptibly(lambda: thumbnail(path), each)
        except TimeoutError:
            deadline = -math.inf
            return None

    return picture


def heat_thumbnail(image: Image.Image, heat: NDArray[np.float32]) -> str:
    """A grey cell image under its heat map (h, w), 0–1. Brighter places counted more."""
    from matplotlib import colormaps

    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)[..., None] / 255
    shown = np.asarray(Image.fromarray(heat).resize((SIDE, SIDE), Image.Resampling.BICUBIC)).clip(0, 1)
    colours = colormaps["inferno"](shown)[..., :3]
    mixed = 0.45 * grey + 0.55 * colours
    return _encoded(Image.fromarray((255 * mixed).round().astype(np.uint8)))


def _encoded(image: Image.Image) -> str:
    image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=70, method=2)  # half the size of a JPEG that looks the same
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
