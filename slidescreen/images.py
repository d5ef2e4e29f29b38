"""One image file to one array, by the preprocessing that a checkpoint was trained with."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from slidescreen.errors import UnreadableImageError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"}
)
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_MAX_PIXELS = 32_000_000  # a single-cell image has some 130,000; far above is a mistake or a bomb
_MAX_BYTES = 256 * 1024**2
_MIN_SIDE = 16
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}

_BACKGROUND_PERCENTILE = 90
_BACKGROUND_VALUE = 240.0
_MAX_GAIN = 2.5

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Preprocessing:
    """How an image is prepared for a network.

    The whole image is resized to a square of `image_size` pixels a side (no crop); with `white_balance` its
    background is brought to one bright neutral; then it is scaled to 0–1, and normalised with `mean` and `std`
    per channel (red, green, blue).
    """

    image_size: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
    white_balance: bool = True

    def __post_init__(self) -> None:
        if not 32 <= self.image_size <= 2048:
            raise ValueError(f"image_size must be between 32 and 2048 pixels, not {self.image_size}")
        if self.interpolation not in INTERPOLATIONS:
            allowed = ", ".join(INTERPOLATIONS)
            raise ValueError(f"interpolation must be one of {allowed}, not {self.interpolation!r}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(np.isfinite(v) for v in values):
                raise ValueError(f"{name} must be three finite numbers, not {values}")
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, not {self.std}")


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        UnreadableImageError: it is missing, forbidden, empty, no regular file, or too large for a cell image.
    """
    try:
        if not path.is_file():
            raise UnreadableImageError("the file has gone or is no regular file")
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise UnreadableImageError(f"{size / 1e6:.0f} MB: too large for a cell image")
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {error.strerror or error}") from error
    if not content:
        raise UnreadableImageError("the file is empty")
    return content


def decode(content: bytes) -> Image.Image:
    """The first frame of an encoded image, as 8-bit RGB; transparency is shown on white.

    Raises:
        UnreadableImageError: not an image of a known format, truncated, or of a size no cell image has.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; the pixels are what counts
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                _check_size(image.size)
                image.load()
                return _to_rgb(image)
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImageError("too many pixels for a cell image") from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not an image, or of a format other than JPEG, PNG, BMP, TIFF, WebP") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged data
        raise UnreadableImageError(f"damaged: {str(error) or type(error).__name__}") from error


def prepare(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """The whole image as an array (image_size, image_size, 3), resized with anti-aliasing."""
    side = preprocessing.image_size
    if image.size != (side, side):
        image = image.resize((side, side), INTERPOLATIONS[preprocessing.interpolation])
    if preprocessing.white_balance:
        image = _white_balanced(image)
    return np.asarray(image)


def _white_balanced(image: Image.Image) -> Image.Image:
    """Scale each channel so that the background, its 90th percentile, becomes one bright neutral grey.

    Cameras and lamps differ most in their background; a network that sees it can tell laboratories apart
    instead of cells. The gain is bounded: an image filled by a cell has no background to go by.
    """
    counts = np.asarray(image.histogram(), dtype=np.int64).reshape(3, 256).cumsum(axis=1)
    background = (counts < counts[:, -1:] * (_BACKGROUND_PERCENTILE / 100)).sum(axis=1)
    gains = np.minimum(_BACKGROUND_VALUE / np.maximum(background, 1), _MAX_GAIN)
    tables = np.clip(np.rint(np.arange(256) * gains[:, None]), 0, 255).astype(np.uint8)
    return image.point(tables.ravel().tolist())


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > _MAX_PIXELS:
        raise UnreadableImageError(f"{width} × {height} pixels: too large for a cell image")
    if min(width, height) < _MIN_SIDE:
        raise UnreadableImageError(f"{width} × {height} pixels: too small for a cell image")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_grey(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """16-bit and wider grey values, scaled to 8 bits (Pillow itself would clip them to white)."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    top = 65535.0 if values.max(initial=0.0) > 255 else 255.0
    grey = np.clip(np.rint(values * (255.0 / top)), 0, 255).astype(np.uint8)
    return Image.fromarray(grey, mode="L").convert("RGB")
