"""Turn an image file into an array, by the preprocessing of a checkpoint."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from slidescreen.data import png, tiff
from slidescreen.data.bit_depth import to_8_bits
from slidescreen.data.preprocessing import Interpolation, Preprocessing
from slidescreen.errors import UnreadableImageError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"}
)
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_PLUGINS = TiffImagePlugin, WebPImagePlugin  # Pillow imports the others itself; without these it would import them all
_MAX_PIXELS = 32_000_000  # a single-cell image has some 130,000; far more is a mistake or a decompression bomb
_MAX_BYTES = 256 * 1024**2
_MIN_SIDE = 16
_ORIENTATION = 274  # EXIF, and TIFF 6.0: where the first row and column are
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_RESAMPLING: dict[str, Image.Resampling] = {
    Interpolation.BILINEAR: Image.Resampling.BILINEAR,
    Interpolation.BICUBIC: Image.Resampling.BICUBIC,
}

_BACKGROUND_PERCENTILE = 90
_BACKGROUND_VALUE = 240.0
_MAX_GAIN = 2.5

FIRST_OF = "the first of"
"""The beginning of the remark that only one of a file's images was used."""

Pixels = NDArray[np.uint8]


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        UnreadableImageError: the file is missing, forbidden, empty, not regular, or too large for a cell image.
    """
    try:
        if not path.is_file():
            raise UnreadableImageError("the file is gone or is not a regular file")
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise UnreadableImageError(f"{size / 1e6:.0f} MB: too large for a cell image")
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {error.strerror or error}") from error
    if not content:
        raise UnreadableImageError("the file is empty")
    return content


@dataclass(frozen=True)
class Picture:
    """A decoded file: an 8-bit RGB image, and remarks on how it was decoded."""

    image: Image.Image
    remarks: tuple[str, ...] = ()


def decode(content: bytes, least_side: int | None = None) -> Image.Image:
    """The image of `read_picture`, without its remarks."""
    return read_picture(content, least_side).image


def read_picture(content: bytes, least_side: int | None = None) -> Picture:
    """Decode the first page or frame of an image: 8-bit RGB, upright, with transparency shown on white.

    Samples of more than 8 bits are scaled by the range that the file uses (see `bit_depth`).

    Args:
        content: the file's content.
        least_side: pixels. A JPEG may be decoded at a half or a quarter of its size, which is faster, if no side
            becomes shorter than this. None decodes at full size.

    Raises:
        UnreadableImageError: the format is unknown, the file is truncated, or no cell image has this size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; only the pixels count
            deep = tiff.deep_samples(content, _check_size)
            if deep is not None:
                image, words = to_8_bits(deep)
                several = _of_several(tiff.pages(content), "pages")
                return Picture(_turned(image, deep.orientation), (words, *several))
            return _by_pillow(content, least_side)
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImageError("too many pixels for a cell image") from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not an image in JPEG, PNG, BMP, TIFF or WebP format") from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise almost anything on damaged data
        raise UnreadableImageError(f"damaged: {str(error) or type(error).__name__}") from error


def _by_pillow(content: bytes, least_side: int | None) -> Picture:
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        _check_size(image.size)
        if least_side is not None:
            image.draft(None, (least_side, least_side))
        if image.format == "TIFF":
            several = _of_several(tiff.pages(content), "pages")
        else:
            several = _of_several(getattr(image, "n_frames", 1), "frames")
        deep = png.deep_samples(content)
        if deep is not None:
            shown, words = to_8_bits(deep)
            return Picture(_turned(shown, _orientation(image)), (words, *several))
        image.load()
        orientation = None if image.format == "TIFF" else _orientation(image)  # Pillow has turned a TIFF
        return Picture(_turned(_to_rgb(image), orientation), several)


def _of_several(count: int, what: str) -> tuple[str, ...]:
    return (f"{FIRST_OF} {count} {what}",) if count > 1 else ()


def _orientation(image: Image.Image) -> object:
    """The orientation in a file's EXIF block, if there is one. A damaged block leaves the pixels sound."""
    try:
        return image.getexif().get(_ORIENTATION)
    except MemoryError:
        raise
    except Exception:  # the parser raises almost anything on damaged data
        return None


def _turned(image: Image.Image, orientation: object) -> Image.Image:
    """The image turned upright, by the orientation that the camera stored in the file."""
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def prepare(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """The whole image resized with anti-aliasing, as an array (image_size, image_size, 3)."""
    side = preprocessing.image_size
    if image.size != (side, side):
        image = image.resize((side, side), _RESAMPLING[preprocessing.interpolation])
    if preprocessing.white_balance:
        image = _white_balanced(image)
    return np.asarray(image)


def _white_balanced(image: Image.Image) -> Image.Image:
    """Scale each channel so that the background, its 90th percentile, becomes one bright neutral grey.

    Cameras and lamps differ most in their background. A network could learn to recognise the laboratory by it instead
    of the cell. The gain is bounded, because an image that a cell fills shows no background.
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
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")
