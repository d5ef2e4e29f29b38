"""Shapes and textures of the drawn cells, as fields over the frame.

A shape is a signed distance: a (HEIGHT, WIDTH) array of pixels, negative inside, zero on the outline,
positive outside. Shapes are joined by their minimum, cut by their maximum, and turned into soft-edged masks
by `cover`. Coordinates are pixels from the middle of the frame, x to the right, y down.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Field: TypeAlias = NDArray[np.float64]
Point: TypeAlias = tuple[float, float]

WIDTH, HEIGHT = 360, 363
FAR = 99.0  # the distance given to pixels that are nowhere near a shape
X, Y = np.meshgrid(np.arange(WIDTH) - WIDTH / 2 + 0.5, np.arange(HEIGHT) - HEIGHT / 2 + 0.5)


def window(centre: Point, reach: float) -> tuple[slice, slice]:
    """The rows and columns of the frame within `reach` of a point: work done there alone is work saved."""
    column, row = centre[0] + WIDTH / 2, centre[1] + HEIGHT / 2
    rows = slice(max(0, int(row - reach)), max(0, int(row + reach) + 1))
    return rows, slice(max(0, int(column - reach)), max(0, int(column + reach) + 1))


def cover(shape: Field, softness: float = 1.1) -> Field:
    """The share of each pixel that the shape covers, 0 to 1: a step softened over `softness` pixels each way."""
    return smooth_step(-shape, -softness, softness)


def smooth_step(values: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, a smooth cubic between."""
    share: Field = np.clip((values - low) / (high - low), 0.0, 1.0)
    return share**2 * (3.0 - 2.0 * share)


def join(first: Field, second: Field, melt: float = 6.0) -> Field:
    """The union of two shapes, its inner corners filled over about `melt` pixels."""
    blend = np.clip(0.5 + 0.5 * (second - first) / melt, 0.0, 1.0)
    return second + (first - second) * blend - melt * blend * (1.0 - blend)


def cut(shape: Field, hole: Field, melt: float = 6.0) -> Field:
    """The shape without the hole, the corners rounded over about `melt` pixels."""
    return -join(-shape, hole, melt)


def disc(centre: Point, radius: float) -> Field:
    """A circle."""
    shape: Field = np.hypot(X - centre[0], Y - centre[1]) - radius
    return shape


def blob(
    rng: np.random.Generator,
    centre: Point,
    radius: float,
    aspect: float = 1.0,
    wobble: float = 0.03,
    lowest: int = 2,
    highest: int = 6,
) -> Field:
    """A closed outline: an ellipse at a random angle, its radius modulated by low harmonics."""
    angle = rng.uniform(0.0, np.pi)
    turns = np.linspace(-np.pi, np.pi, 721)
    modulation = np.ones_like(turns)
    for harmonic in range(lowest, highest + 1):
        size = wobble * rng.normal() / np.sqrt(harmonic - lowest + 1)
        modulation += size * np.cos(harmonic * turns + rng.uniform(0.0, 2.0 * np.pi))
    near = window(centre, 1.5 * radius * np.sqrt(aspect) + 12.0)
    dx, dy = X[near] - centre[0], Y[near] - centre[1]
    along = (dx * np.cos(angle) + dy * np.sin(angle)) / np.sqrt(aspect)
    across = (dy * np.cos(angle) - dx * np.sin(angle)) * np.sqrt(aspect)
    reach = radius * np.interp(np.arctan2(across, along), turns, np.clip(modulation, 0.4, 1.4))
    shape: Field = np.full(X.shape, FAR)
    shape[near] = np.hypot(along, across) - reach
    return shape


def tube(points: Sequence[Point], radii: Sequence[float]) -> Field:
    """A thick curved line: discs along the smooth curve through the points, their radii interpolated."""
    knots = np.linspace(0.0, 1.0, len(points))
    steps = np.linspace(0.0, 1.0, 10 * len(points))
    xs = np.interp(steps, knots, [x for x, _ in points])
    ys = np.interp(steps, knots, [y for _, y in points])
    widths = np.interp(steps, knots, radii)
    middle = float(xs.mean()), float(ys.mean())
    near = window(middle, float(np.hypot(xs - middle[0], ys - middle[1]).max() + widths.max()) + 15.0)
    inside = np.full(X[near].shape, FAR)
    for x, y, width in zip(xs, ys, widths, strict=True):
        inside = np.minimum(inside, np.hypot(X[near] - x, Y[near] - y) - width)
    shape: Field = np.full(X.shape, FAR)
    shape[near] = inside
    return shape


def arc(centre: Point, radius: float, start: float, span: float, count: int) -> list[Point]:
    """Points on an arc, for `tube`. Angles in radians."""
    angles = start + np.linspace(0.0, span, count)
    return [(centre[0] + radius * float(np.cos(a)), centre[1] + radius * float(np.sin(a))) for a in angles]


def noise(rng: np.random.Generator, size: float, stretch: float = 1.0) -> Field:
    """Smooth noise, mean 0, deviation 1. `size`: its grain in pixels; `stretch` > 1 draws it out one way."""
    sizes = (size * stretch, size) if rng.random() < 0.5 else (size, size * stretch)
    coarse = max(1, int(size / 2.5))  # broad noise is made on a coarser grid
    white = rng.standard_normal((HEIGHT // coarse + 1, WIDTH // coarse + 1))
    smooth = ndimage.gaussian_filter(white, (sizes[0] / coarse, sizes[1] / coarse), mode="wrap")
    image = Image.fromarray(smooth.astype(np.float32)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    field: Field = np.array(image, dtype=np.float64)
    spread = field.std()
    field -= field.mean()
    field /= spread
    return field


def grains(rng: np.random.Generator, size: float) -> Field:
    """Noise of one grain size only (a difference of two blurs), mean 0, deviation 1."""
    white = rng.standard_normal((HEIGHT, WIDTH))
    field: Field = ndimage.gaussian_filter(white, size, mode="wrap") - ndimage.gaussian_filter(
        white, 1.8 * size, mode="wrap"
    )
    field /= field.std()
    return field


def granules(rng: np.random.Generator, where: Field, share: float, size: float) -> Field:
    """Round granules, 0 to 1: `share` of them per 100 pixels where `where` is 1, `size` their radius."""
    seeds = (rng.random((HEIGHT, WIDTH)) < share / 100.0 * where) * rng.uniform(0.4, 1.0, (HEIGHT, WIDTH))
    width = size / 1.5
    piled = ndimage.gaussian_filter(seeds, width) * 2.0 * np.pi * width**2
    return smooth_step(piled, 0.15, 0.75)
