"""One image file to one array."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_cell
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.errors import UnreadableImageError

PLAIN = Preprocessing(64, white_balance=False)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_every_format_gives_the_same_picture(kind: str) -> None:
    image = draw_cell(1)
    got = np.asarray(decode(encoded(image, kind)), dtype=int)
    assert got.shape == (70, 72, 3)
    assert np.abs(got - np.asarray(image, dtype=int)).mean() < 12


def _with_exif(content: bytes, kind: str, block: bytes) -> bytes:
    """A file with a block of EXIF data, put in by hand or, for WebP, by Pillow."""
    if kind == "WEBP":
        with Image.open(io.BytesIO(content)) as image:
            return encoded(image, kind, lossless=True, exif=block)
    if kind == "JPEG":
        return content[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + content[2:]
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    return content[:33] + chunk + content[33:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "PNG of 16 bits", "WEBP"])
@pytest.mark.parametrize(
    "block", [b"garbage!", b"II*\0", b"Exif\0\0II*\0", b"Exif\0\0\0", b"Exif\0\0II*\0\xff\xff\xff\x7f"]
)
def test_a_damaged_exif_block_leaves_a_sound_picture_as_it_is(kind: str, block: bytes) -> None:
    drawn = draw_cell(1)
    if kind == "PNG of 16 bits":
        grey = np.asarray(drawn.convert("L"))
        plain = encoded(Image.fromarray(grey.astype(np.uint16) * 257))
    else:
        plain = encoded(drawn, kind, **({"lossless": True} if kind == "WEBP" else {}))
    damaged = _with_exif(plain, kind.split()[0], block)
    assert damaged != plain
    assert np.array_equal(np.asarray(decode(damaged)), np.asarray(decode(plain)))


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "YCbCr", "LAB"])
def test_other_colour_modes_become_rgb(mode: str) -> None:
    content = encoded(draw_cell(1).convert("RGB").convert(mode) if mode != "LAB" else _lab(), "TIFF")
    assert decode(content).mode == "RGB"


def _lab() -> Image.Image:
    return Image.merge("LAB", draw_cell(1).split())


def test_cmyk_jpeg_keeps_its_colours() -> None:
    got = np.asarray(decode(encoded(Image.new("RGB", (40, 40), (200, 60, 90)).convert("CMYK"), "JPEG")))
    assert np.abs(got.reshape(-1, 3).mean(0) - (200, 60, 90)).max() < 8


def test_transparency_is_shown_on_white() -> None:
    clear = Image.new("RGBA", (40, 40), (10, 20, 30, 0))
    assert np.asarray(decode(encoded(clear))).min() == 255


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    got = np.asarray(decode(encoded(Image.fromarray(ramp), "PNG")))[0, :, 0]
    assert np.abs(got.astype(int) - np.linspace(0, 255, 64)).max() <= 1


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert tuple(np.asarray(decode(content))[20, 20]) == (255, 0, 0)


def _png_bomb(width: int, height: int) -> bytes:
    """A few bytes that claim to be a huge picture."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(1000))))
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello, I am no image", "not an image"),
        (encoded(draw_cell(1), "JPEG")[:900], "damaged"),
        (encoded(draw_cell(1), "PNG")[:3000], "damaged"),
        (_png_bomb(60_000, 60_000), "too large|too many"),
        (_png_bomb(9_000, 9_000), "too large"),
        (encoded(Image.new("RGB", (3, 3))), "too small"),
        (encoded(draw_cell(1), "GIF"), "not an image in JPEG"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        decode(content)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_image_never_crashes(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "BMP", "TIFF", "WEBP"]))
    content = bytearray(encoded(draw_cell(2, (40, 40)), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadableImageError):
        assert decode(bytes(content)).mode == "RGB"


def test_empty_and_missing_files_say_why(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UnreadableImageError, match="empty"):
        read_bytes(tmp_path / "a.jpg")
    with pytest.raises(UnreadableImageError, match="gone"):
        read_bytes(tmp_path / "b.jpg")


def test_the_whole_image_is_kept() -> None:
    """No centre crop: a mark in each corner survives."""
    pixels = np.zeros((363, 360, 3), np.uint8)
    for rows in (slice(0, 40), slice(-40, None)):
        for columns in (slice(0, 40), slice(-40, None)):
            pixels[rows, columns] = 255
    small = prepare(Image.fromarray(pixels), PLAIN)
    assert small.shape == (64, 64, 3)
    assert [small[r, c].min() > 200 for r in (0, -1) for c in (0, -1)] == [True] * 4


def test_white_balance_brings_any_background_to_one_neutral() -> None:
    yellowish = np.asarray(draw_cell(3)).astype(float) * (0.9, 0.8, 0.55)
    got = prepare(Image.fromarray(yellowish.astype(np.uint8)), Preprocessing(64))
    background = np.percentile(got.reshape(-1, 3), 90, axis=0)
    assert np.abs(background - 240).max() <= 3


@pytest.mark.parametrize(
    "wrong", [{"image_size": 5}, {"image_size": 64, "interpolation": "x"}, {"image_size": 64, "std": (0, 1, 1)}]
)
def test_a_preprocessing_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Preprocessing(**wrong)  # type: ignore[arg-type]
