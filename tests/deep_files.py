"""Files of more than 8 bits a sample, written byte by byte: no library at hand writes most of them."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.generic]
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def png(samples: Samples, transparent: tuple[int, ...] = (), frames: int = 1, orientation: int = 1) -> bytes:
    """A 16-bit PNG of samples (H, W, C): grey, grey and opacity, colour, or colour and opacity."""
    height, width, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    if transparent:
        chunks.append((b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)))
    if orientation != 1:
        chunks.append((b"eXIf", b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)))
    if frames > 1:
        chunks.append((b"acTL", struct.pack(">II", frames, 0)))
        control = struct.pack(">IIIIHHBB", width, height, 0, 0, 1, 10, 0, 0)
        chunks.append((b"fcTL", struct.pack(">I", 0) + control))
    chunks.append((b"IDAT", zlib.compress(rows)))
    for number in range(1, frames):
        chunks.append((b"fcTL", struct.pack(">I", 2 * number - 1) + control))
        chunks.append((b"fdAT", struct.pack(">I", 2 * number) + zlib.compress(rows)))
    parts = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in [*chunks, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(
    samples: Samples,
    order: str = "<",
    planar: bool = False,
    compression: int = 1,
    predictor: int = 1,
    photometric: int | None = None,
    extra: int | None = None,
    bits: int | None = None,
    tile: int = 0,
    strip: int = 0,
    pages: int = 1,
    orientation: int = 1,
    bits_reversed: bool = False,
) -> bytes:
    """A TIFF of samples (H, W, C).

    Args:
        order: of the bytes, as `struct` writes it.
        compression: 1 none, 8 Deflate, 32773 PackBits.
        bits: of a sample, packed without gaps; None for those of the array.
        tile: side of a tile; 0 for strips.
        strip: rows of a strip; 0 for all.
    """
    height, width, channels = samples.shape
    size = 8 * samples.dtype.itemsize
    deep = tile or strip or height
    wide = tile or width
    planes = [samples[..., c : c + 1] for c in range(channels)] if planar else [samples]
    blocks = []
    for plane in planes:
        for top in range(0, height, deep):
            for left in range(0, width, wide):
                block = plane[top : top + deep, left : left + wide]
                if tile:
                    missing = ((0, tile - block.shape[0]), (0, tile - block.shape[1]), (0, 0))
                    block = np.pad(block, missing)
                blocks.append(_block(block, order, compression, predictor, bits))
    if bits_reversed:
        blocks = [block.translate(REVERSED) for block in blocks]
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    photometric = (2 if channels >= 3 else 1) if photometric is None else photometric
    result = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 0))
    link = 4
    for _ in range(pages):
        offsets = [_add(result, block) for block in blocks]
        tags = {
            256: ("I", [width]), 257: ("I", [height]), 258: ("H", [bits or size] * channels), 259: ("H", [compression]),
            262: ("H", [photometric]), 266: ("H", [2 if bits_reversed else 1]), 274: ("H", [orientation]),
            277: ("H", [channels]), 284: ("H", [2 if planar else 1]), 317: ("H", [predictor]),
            339: ("H", [kind] * channels),
        }  # fmt: skip
        if tile:
            tags |= {322: ("I", [tile]), 323: ("I", [tile])}
        else:
            tags |= {278: ("I", [deep])}
        tags |= {324 if tile else 273: ("I", offsets), 325 if tile else 279: ("I", [len(block) for block in blocks])}
        if extra is not None:
            tags[338] = ("H", [extra])
        directory = struct.pack(f"{order}H", len(tags))
        for tag, (code, values) in sorted(tags.items()):
            value = struct.pack(f"{order}{len(values)}{code}", *values)
            if len(value) > 4:
                value = struct.pack(f"{order}I", _add(result, value))
            directory += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[code], len(values)) + value.ljust(4, b"\0")
        here = _add(result, directory + bytes(4))
        struct.pack_into(f"{order}I", result, link, here)
        link = here + len(directory)
    return bytes(result)


def _block(block: Samples, order: str, compression: int, predictor: int, bits: int | None) -> bytes:
    if predictor == 2:
        block = np.concatenate([block[:, :1], np.diff(block, axis=1)], axis=1)
    data = block.astype(block.dtype.newbyteorder(order)).tobytes()
    if predictor == 3:
        rows, columns, channels = block.shape
        size = block.dtype.itemsize
        parts = np.frombuffer(block.astype(block.dtype.newbyteorder(">")).tobytes(), np.uint8)
        sorted_by_significance = parts.reshape(rows, columns * channels, size).transpose(0, 2, 1).reshape(rows, -1)
        apart = sorted_by_significance.reshape(rows, -1, channels)
        data = np.concatenate([apart[:, :1], np.diff(apart, axis=1)], axis=1).tobytes()
    if bits:
        shifts = np.arange(bits - 1, -1, -1)
        each = (block.reshape(len(block), -1, 1).astype(np.int64) >> shifts) & 1
        data = np.packbits(each.reshape(len(block), -1).astype(np.uint8), axis=1).tobytes()
    if compression == 8:
        return zlib.compress(data)
    if compression == 32773:
        return b"".join(bytes([len(part) - 1]) + part for part in (data[i : i + 128] for i in range(0, len(data), 128)))
    return data


def _add(result: bytearray, block: bytes) -> int:
    here = len(result)
    result += block + bytes(len(block) % 2)
    return here
