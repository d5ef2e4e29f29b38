"""The original samples of a TIFF with more than 8 bits a sample.

Pillow reads every other image here, but has no mode for these. It cuts them to 8 bits, knows few of their layouts, and
decodes some as noise. Source: TIFF, revision 6.0 (Aldus, 1992), and its supplements.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from slidescreen.data.bit_depth import DeepImage, Samples
from slidescreen.errors import UnreadableImageError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _ORIENTATION, _CHANNELS, _STRIP_HEIGHT, _STRIP_SIZES, _PLANAR = 273, 274, 277, 278, 279, 284
_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, _EXTRA, _FORMAT = 317, 322, 323, 324, 325, 338, 339
_UNSIGNED, _SIGNED, _FLOAT = "u", "i", "f"
_KINDS = {1: _UNSIGNED, 2: _SIGNED, 3: _FLOAT, 4: _UNSIGNED}
_PLAIN, _DEFLATE = (1,), (8, 32946)
_BY_PILLOW = {5: "LZW", 32773: "PackBits", 34925: "LZMA", 50000: "Zstandard"}
_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_HORIZONTAL, _FLOATING_POINT = 2, 3
_MOST_CHANNELS = 16
_MOST_SAMPLES = 128_000_000
_MOST_PAGES = 10_000


@dataclass(frozen=True)
class _Layout:
    """The layout of one image's samples in the file."""

    width: int
    height: int
    channels: int
    bits: int
    kind: str
    order: str
    planar: bool
    compression: int
    predictor: int
    bits_reversed: bool
    block: tuple[int, int]
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]


def deep_samples(content: bytes, check_size: Callable[[tuple[int, int]], None]) -> DeepImage | None:
    """The first page of a TIFF with more than 8 bits a sample, grey or RGB; None for every other image.

    Args:
        content: the file's content.
        check_size: takes width and height, and raises an error if the image is too small or too large.

    Raises:
        UnreadableImageError: the samples are deep, but their format is not supported.
        Exception: any error that a damaged file causes.
    """
    order = _order(content)
    if order is None:
        return None
    tags = _first_page(content)
    bits = _all(tags, _BITS) or (1,)
    photometric = tags.get(_PHOTOMETRIC)
    if max(bits) <= 8 or photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
        return None
    layout = _layout(tags, order)
    check_size((layout.width, layout.height))
    whole = _assembled(content, layout)
    colours = 3 if photometric == _RGB else 1
    if layout.channels < colours:
        raise UnreadableImageError(f"damaged: {layout.channels} channels, and {colours} of colour")
    extra = _all(tags, _EXTRA)[:1]
    has_alpha = layout.channels > colours and (extra in ((1,), (2,)) or (colours == 3 and not extra))
    return DeepImage(
        samples=whole[..., :colours],
        alpha=whole[..., colours] if has_alpha else None,
        premultiplied=extra == (1,),
        inverted=photometric == _WHITE_IS_ZERO,
        bits=layout.bits,
        orientation=int(tags.get(_ORIENTATION, 1)),
    )


def pages(content: bytes) -> int:
    """The number of images in a TIFF, as far as its directories can be read; 0 if the file is no TIFF."""
    order = _order(content)
    if order is None:
        return 0
    big = b"+" in content[2:4]
    count_code, count_size, entry, code, start = ("Q", 8, 20, "Q", 8) if big else ("H", 2, 12, "I", 4)
    seen: set[int] = set()
    try:
        (here,) = struct.unpack_from(order + code, content, start)
        while here and here not in seen and len(seen) < _MOST_PAGES:
            (entries,) = struct.unpack_from(order + count_code, content, here)
            (following,) = struct.unpack_from(order + code, content, here + count_size + entries * entry)
            seen.add(here)
            here = following
    except struct.error:
        pass
    return len(seen)


def _order(content: bytes) -> str | None:
    """The byte order of a TIFF's numbers; None if the file is no TIFF."""
    return {b"II*\0": "<", b"II+\0": "<", b"MM\0*": ">", b"MM\0+": ">"}.get(content[:4])


def _first_page(content: bytes) -> ImageFileDirectory_v2:
    file = io.BytesIO(content)
    header = file.read(16 if b"+" in content[2:4] else 8)
    tags = ImageFileDirectory_v2(header)
    file.seek(tags.next)
    tags.load(file)
    return tags


def _all(tags: ImageFileDirectory_v2, tag: int) -> tuple[int, ...]:
    value = tags.get(tag, ())
    return tuple(value) if isinstance(value, tuple) else (int(value),)


def _layout(tags: ImageFileDirectory_v2, order: str) -> _Layout:
    bits, formats = _all(tags, _BITS), _all(tags, _FORMAT) or (1,)
    width, height, channels = int(tags[_WIDTH]), int(tags[_HEIGHT]), int(tags.get(_CHANNELS, 1))
    compression, predictor = int(tags.get(_COMPRESSION, 1)), int(tags.get(_PREDICTOR, 1))
    kind = _KINDS.get(formats[0])
    alike = len(set(bits)) == len(set(formats)) == 1
    allowed = (16, 32, 64) if kind == _FLOAT else (*range(9, 17), 32)
    if not alike or kind is None or bits[0] not in allowed or not 1 <= channels <= _MOST_CHANNELS:
        raise UnreadableImageError(f"a TIFF of {'+'.join(map(str, bits))} bits a pixel: of a kind that cannot be read")
    if compression not in (*_PLAIN, *_DEFLATE, *_BY_PILLOW) or predictor not in _predictors(bits[0], kind):
        raise UnreadableImageError(f"a TIFF of {bits[0]}-bit samples compressed in a way that cannot be read")
    if width * height * channels > _MOST_SAMPLES:
        raise UnreadableImageError(f"{width} × {height} pixels of {channels} channels: too large for a cell image")
    tiled = _TILES in tags
    return _Layout(
        width=width,
        height=height,
        channels=channels,
        bits=bits[0],
        kind=kind,
        order=order,
        planar=tags.get(_PLANAR, 1) == 2 and channels > 1,
        compression=compression,
        predictor=predictor,
        bits_reversed=tags.get(_FILL_ORDER, 1) == 2,
        block=(int(tags[_TILE_HEIGHT]), int(tags[_TILE_WIDTH])) if tiled else (_strip_height(tags, height), width),
        offsets=_all(tags, _TILES if tiled else _STRIPS),
        sizes=_all(tags, _TILE_SIZES if tiled else _STRIP_SIZES),
    )


def _predictors(bits: int, kind: str) -> tuple[int, ...]:
    """The predictors that can be undone here; 1 means none."""
    if bits % 8:
        return (1,)
    return (1, _FLOATING_POINT) if kind == _FLOAT else (1, _HORIZONTAL)


def _strip_height(tags: ImageFileDirectory_v2, height: int) -> int:
    return min(int(tags.get(_STRIP_HEIGHT, height)), height)


def _assembled(content: bytes, layout: _Layout) -> Samples:
    """The whole image, put together from its blocks: (H, W, C)."""
    deep, wide = layout.block
    inside = 1 if layout.planar else layout.channels
    if min(deep, wide) < 1:
        raise UnreadableImageError("damaged: no pixels")
    whole = np.zeros((layout.height, layout.width, layout.channels), _dtype(layout).newbyteorder("="))
    for number, (plane, top, left) in enumerate(_places(layout)):
        # The last strip may be shorter; a tile never is.
        rows = min(deep, layout.height - top) if wide == layout.width else deep
        block = _block(content, layout, number, (rows, wide, inside))
        part = block[: layout.height - top, : layout.width - left]
        channels = slice(plane, plane + 1) if layout.planar else slice(None)
        whole[top : top + len(part), left : left + part.shape[1], channels] = part
    return whole


def _places(layout: _Layout) -> Iterator[tuple[int, int, int]]:
    """Each block's plane, first row and first column, in the file's order."""
    deep, wide = layout.block
    for plane in range(layout.channels if layout.planar else 1):
        for top in range(0, layout.height, deep):
            for left in range(0, layout.width, wide):
                yield plane, top, left


def _block(content: bytes, layout: _Layout, number: int, shape: tuple[int, int, int]) -> Samples:
    start, size = layout.offsets[number], layout.sizes[number] if layout.sizes else len(content)
    rows, columns, channels = shape
    length = (columns * channels * layout.bits + 7) // 8
    data = content[start : start + size]
    if layout.bits_reversed:
        data = data.translate(_BITS_REVERSED)
    data = _expanded(data, layout.compression, length, rows)
    if len(data) < rows * length:
        raise UnreadableImageError("damaged: the image is cut short")
    lines = np.frombuffer(data, np.uint8, rows * length).reshape(rows, length)
    if layout.predictor == _FLOATING_POINT:
        return _without_float_prediction(lines, layout, shape)
    samples = _unpacked(lines, layout).reshape(shape)
    if layout.predictor == _HORIZONTAL:
        samples = np.add.accumulate(samples, axis=1, dtype=samples.dtype)
    return samples


def _expanded(data: bytes, compression: int, length: int, rows: int) -> bytes:
    if compression in _PLAIN:
        return data
    if compression in _DEFLATE:
        return zlib.decompressobj().decompress(data, rows * length)
    return _by_pillow(data, compression, length, rows)


def _by_pillow(data: bytes, compression: int, length: int, rows: int) -> bytes:
    """Let Pillow decompress the bytes, by presenting them as an 8-bit grey image."""
    entries = [(_WIDTH, length), (_HEIGHT, rows), (_BITS, 8), (_COMPRESSION, compression), (_PHOTOMETRIC, 1)]
    start = 8 + 2 + 12 * (len(entries) + 4) + 4
    entries += [(_STRIPS, start), (_CHANNELS, 1), (_STRIP_HEIGHT, rows), (_STRIP_SIZES, len(data))]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    file = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(entries)) + directory + bytes(4) + data
    with Image.open(io.BytesIO(file), formats=("TIFF",)) as image:
        return image.tobytes()


def _dtype(layout: _Layout) -> np.dtype[np.generic]:
    size = 2 if layout.bits <= 16 else layout.bits // 8
    return np.dtype(f"{layout.order}{layout.kind}{size}")


def _unpacked(lines: NDArray[np.uint8], layout: _Layout) -> Samples:
    """Convert rows of bytes to rows of samples, in this machine's byte order."""
    dtype = _dtype(layout)
    if layout.bits % 8 == 0:
        return lines.view(dtype).astype(dtype.newbyteorder("="))
    bits = np.unpackbits(lines, axis=1)
    count = bits.shape[1] // layout.bits
    packed = bits[:, : count * layout.bits].reshape(len(lines), count, layout.bits)
    values = packed @ (1 << np.arange(layout.bits - 1, -1, -1))
    if layout.kind == _SIGNED:
        values = np.where(values >> (layout.bits - 1), values - (1 << layout.bits), values)
    return values.astype(dtype.newbyteorder("="))


def _without_float_prediction(lines: NDArray[np.uint8], layout: _Layout, shape: tuple[int, int, int]) -> Samples:
    """Undo the floating-point predictor: differences of bytes, with a row's bytes sorted by significance.

    Source: Adobe, TIFF Technical Note 3, 2005.
    """
    rows, columns, channels = shape
    summed = np.add.accumulate(lines.reshape(rows, -1, channels), axis=1, dtype=np.uint8)
    size = layout.bits // 8
    most_significant_first = summed.reshape(rows, size, columns * channels).transpose(0, 2, 1)
    numbers = np.ascontiguousarray(most_significant_first).view(f">f{size}")
    return numbers.reshape(shape).astype(f"f{size}")
