"""More than 8 bits a sample: every pixel in its place, scaled by what the file really uses."""

import contextlib
import io
from itertools import product

import numpy as np
import pytest
from conftest import draw_cell
from deep_files import Samples, png, tiff
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from slidescreen.data.images import decode, read_picture
from slidescreen.errors import UnreadableImageError


def cell(bits: int, channels: int = 3) -> Samples:
    """A cell as a camera of so many bits sees it: its background bright, its nucleus dark."""
    pixels = np.asarray(draw_cell(3), dtype=np.float64)
    whole = np.round(pixels / 255 * (2**bits - 1)).astype(np.uint16)
    return whole[..., :channels]


def shown(content: bytes) -> np.ndarray:
    return np.asarray(decode(content), dtype=int)


def expected(channels: int = 3) -> np.ndarray:
    pixels = np.asarray(draw_cell(3), dtype=int)
    return pixels if channels == 3 else np.repeat(pixels[..., :1], 3, axis=2)


@pytest.mark.parametrize(("bits", "channels"), list(product((10, 12, 14, 16), (1, 3))))
@pytest.mark.parametrize("write", [png, tiff])
def test_a_camera_of_any_depth_shows_the_same_cell(write, bits: int, channels: int) -> None:
    got = shown(write(cell(bits, channels)))
    assert np.abs(got - expected(channels)).max() <= 1


@pytest.mark.parametrize(("bits", "words"), [(8, "8"), (9, "10"), (10, "10"), (12, "12"), (13, "14"), (16, "16")])
def test_how_much_of_the_samples_was_used_is_said(bits: int, words: str) -> None:
    for content in (png(cell(bits)), tiff(cell(bits))):
        assert read_picture(content).remarks == (f"{words} of 16 bits used",)


def test_twelve_bits_that_stand_in_the_upper_ones_are_no_brighter() -> None:
    assert np.abs(shown(png(cell(12) * 16)) - expected()).max() <= 1


LAYOUTS = {
    "big-endian": {"order": ">"},
    "in planes": {"planar": True},
    "in planes, big-endian": {"planar": True, "order": ">"},
    "Deflate": {"compression": 8},
    "Deflate, big-endian": {"compression": 8, "order": ">"},
    "Deflate of differences": {"compression": 8, "predictor": 2},
    "Deflate of differences, big-endian": {"compression": 8, "predictor": 2, "order": ">"},
    "Deflate in planes": {"compression": 8, "planar": True},
    "PackBits": {"compression": 32773},
    "strips": {"strip": 16},
    "strips in planes": {"strip": 16, "planar": True, "compression": 8},
    "tiles": {"tile": 32},
    "tiles in planes": {"tile": 32, "planar": True, "compression": 8, "predictor": 2},
    "bits reversed": {"bits_reversed": True},
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tiff_is_read_whatever_its_layout(layout: str, channels: int) -> None:
    assert np.abs(shown(tiff(cell(12, channels), **LAYOUTS[layout])) - expected(channels)).max() <= 1


@pytest.mark.parametrize(("bits", "channels"), list(product((10, 12, 14), (1, 3))))
def test_samples_packed_without_gaps_are_read(bits: int, channels: int) -> None:
    assert np.abs(shown(tiff(cell(bits, channels), bits=bits)) - expected(channels)).max() <= 1


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "raw"])
def test_grey_tiffs_that_pillow_writes_are_read(compression: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(cell(12, 1)[..., 0]).save(buffer, "TIFF", compression=compression)
    assert np.abs(shown(buffer.getvalue()) - expected(1)).max() <= 1


@pytest.mark.parametrize(
    ("kind", "scale"),
    [("f4", 1.0), ("f4", 255.0), ("f4", 4095.0), ("f8", 1.0), ("f2", 1.0), ("f4", 65535.0)],
)
@pytest.mark.parametrize("layout", [{}, {"order": ">"}, {"compression": 8, "order": ">"}, {"predictor": 3}])
@pytest.mark.parametrize("channels", [1, 3])
def test_floating_point_samples_are_read(kind: str, scale: float, layout: dict[str, object], channels: int) -> None:
    pixels = np.asarray(draw_cell(3), dtype=np.float64)[..., :channels] / 255 * scale
    assert np.abs(shown(tiff(pixels.astype(kind), **layout)) - expected(channels)).max() <= 1


def test_numbers_that_are_none_cost_their_pixel_alone() -> None:
    pixels = (np.asarray(draw_cell(3), dtype=np.float32) / 255)[..., :1]
    pixels[0, :3, 0] = np.nan, np.inf, -np.inf
    got = shown(tiff(pixels))
    assert got[0, :3].max() == 0
    assert np.abs(got[1:] - expected(1)[1:]).max() <= 1


def test_a_little_above_one_is_no_eight_bit_scale() -> None:
    pixels = (np.asarray(draw_cell(3), dtype=np.float32) / 255)[..., :1]
    assert shown(tiff(pixels * 1.1)).max() > 200


@pytest.mark.parametrize("kind", ["i2", "i4", "u4"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_other_integers_are_read(kind: str, order: str) -> None:
    samples = cell(12, 1).astype(kind)
    assert np.abs(shown(tiff(samples, order)) - expected(1)).max() <= 1
    if kind == "i2":  # of a camera that counts from the middle
        middle = (cell(16, 1).astype(np.int32) - 32768).astype(np.int16)
        assert np.abs(shown(tiff(middle, order)) - expected(1)).max() <= 2
        dark_subtracted = samples.copy()
        dark_subtracted[0, 0] = -5
        assert np.abs(shown(tiff(dark_subtracted, order)) - expected(1))[1:].max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_white_may_be_zero(order: str) -> None:
    negative = (2**12 - 1) - cell(12, 1)
    negative[0, 0] = 4095  # something black, as every such image has
    assert np.abs(shown(tiff(negative, order, photometric=0)) - expected(1))[1:].max() <= 1


def test_transparency_of_any_depth_is_shown_on_white() -> None:
    colour = cell(12)
    clear = np.zeros((*colour.shape[:2], 1), np.uint16)
    opaque = clear + 65535
    half = clear + 32768
    for write in (png, lambda samples: tiff(samples, extra=2), tiff):
        assert shown(write(np.concatenate([colour, clear], axis=2))).min() == 255
        assert np.abs(shown(write(np.concatenate([colour, opaque], axis=2))) - expected()).max() <= 1
        lighter = (expected() + 255) / 2
        assert np.abs(shown(write(np.concatenate([colour, half], axis=2))) - lighter).max() <= 2
    grey = np.concatenate([cell(12, 1), opaque], axis=2)
    assert np.abs(shown(png(grey)) - expected(1)).max() <= 1
    assert np.abs(shown(tiff(grey, extra=2)) - expected(1)).max() <= 1
    assert np.abs(shown(tiff(grey, extra=0)) - expected(1)).max() <= 1
    premultiplied = np.concatenate([colour // 2, half], axis=2)
    assert np.abs(shown(tiff(np.concatenate([colour, opaque], axis=2), extra=1)) - expected()).max() <= 1
    assert shown(tiff(premultiplied, extra=1)).min() >= 127


@pytest.mark.parametrize("channels", [1, 3])
def test_one_colour_may_be_seen_through(channels: int) -> None:
    samples = cell(16, channels)
    samples[5, 5] = 1234
    got = shown(png(samples, transparent=(1234,) * channels))
    assert got[5, 5].tolist() == [255] * 3
    assert np.abs(got - expected(channels))[6:].max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_stands_upright_whatever_its_depth(orientation: int) -> None:
    upright = expected()
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[:, ::-1],
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright.transpose(1, 0, 2)[::-1],
    }
    undone = {5: 5, 6: 8, 8: 6}.get(orientation, orientation)
    stored = np.ascontiguousarray(turned[undone]).astype(np.uint16) * 257
    for content in (tiff(stored, orientation=orientation), png(stored, orientation=orientation)):
        assert np.abs(shown(content) - upright).max() <= 1
    buffer = io.BytesIO()
    image = Image.fromarray(turned[undone].astype(np.uint8))
    image.getexif()[274] = orientation
    for kind in ("PNG", "TIFF", "WEBP"):
        buffer.seek(0)
        image.save(buffer, kind, exif=image.getexif(), lossless=True)
        assert np.array_equal(shown(buffer.getvalue()), upright), kind


@pytest.mark.parametrize("deep", [False, True])
def test_later_pages_and_frames_are_said(deep: bool) -> None:
    samples = cell(16) if deep else cell(8).astype(np.uint8)
    depth = ("16 of 16 bits used",) if deep else ()
    assert read_picture(tiff(samples, pages=3)).remarks == (*depth, "the first of 3 pages")
    assert read_picture(tiff(samples)).remarks == depth
    if deep:
        assert read_picture(png(samples, frames=2)).remarks == (*depth, "the first of 2 frames")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_frames_of_an_animation_are_said_and_the_first_is_shown(kind: str) -> None:
    frames = [draw_cell(seed) for seed in (1, 2, 3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], lossless=True)
    found = read_picture(buffer.getvalue())
    assert found.remarks == (f"the first of 3 {'pages' if kind == 'TIFF' else 'frames'}",)
    assert np.array_equal(np.asarray(found.image), np.asarray(frames[0]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(cell(12), compression=7), "compressed in a way"),
        (tiff(cell(12).astype("f4"), predictor=2), "compressed in a way"),
        (tiff(cell(12).astype("i8")), "of a kind that cannot be read"),
        (tiff(cell(12))[:9000], "not an image"),  # what says how it is laid out stands at its end
        (tiff(np.zeros((4, 4, 3), np.uint16)), "too small"),
        (png(cell(12))[:9000], "damaged"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        decode(content)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_deep_image_never_crashes(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([png(cell(12)), tiff(cell(12)), tiff(cell(12), ">", compression=8, tile=32)]))
    content = bytearray(whole)
    near = st.one_of(st.integers(0, 60), st.integers(len(content) - 400, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(near)] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadableImageError):
        assert decode(bytes(content)).mode == "RGB"
