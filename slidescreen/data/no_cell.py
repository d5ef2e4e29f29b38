"""Images that do not show one cell, recognised by their pixels: blank images, pages, screenshots, overviews.

A network names a cell type for any image. The images found here differ from cells in brightness, so a few measures of
a small grey copy suffice. The bounds were set on 23,628 real cells of seven laboratories and lie well outside their
values. They refuse one of these cells, an artefact of many small objects. `benchmarks.no_cell` measures both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEAST_CONTRAST = 30.0
MOST_ROUGHNESS = 1.05
MOST_ROUGHNESS_OF_LARGE, LARGE = 0.75, 600  # pixels; analysers export no images above this size
MOST_STRAIGHT_EDGES = 7
MOST_PAPER, MOST_ROUGHNESS_ON_PAPER = 0.55, 0.6
LONGEST_SIDE = 2048  # pixels
MOST_ELONGATED = 2.0

_SIDE = 192  # pixels of the grey copy
_STEEP = 4.0  # a straight edge: the whole row changes this many times as much as the rows near it
_NEAR = 9  # rows
_LEAST_STEP = 2.0  # grey values
_ONE_SHADE = 5  # grey values
_LARGE_FIELDS = (8, 6, 4)  # along each side

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class GreyMeasures:
    """Measures that tell a cell from other pictures, whatever its size.

    Attributes:
        contrast: the difference between the darkest and the brightest of 24 × 24 fields, in grey values. Uneven
            lighting (a surface of the second degree) is subtracted before.
        roughness: the differences between neighbouring points of 96 × 96, divided by the differences between large
            fields (the geometric mean over 8 × 8, 6 × 6 and 4 × 4). It is small for one large object and large for
            many small ones.
        straight_edges: the number of rows and columns at which the whole picture changes.
        paper: the part of the pixels within two grey values of one shade, 0–1.
    """

    contrast: float
    roughness: float
    straight_edges: int
    paper: float


def why_no_cell(image: Image.Image) -> str:
    """Why an 8-bit RGB image cannot show a single cell; empty if it can."""
    width, height = image.size
    if max(width, height) > LONGEST_SIDE:
        return f"{width} × {height} pixels: an overview, not one cell"
    if max(width, height) > MOST_ELONGATED * min(width, height):
        return f"{width} × {height} pixels: too long for one cell"
    found = measure(image)
    if found.contrast < LEAST_CONTRAST:
        return "blank or nearly blank: nothing is stained"
    if found.straight_edges > MOST_STRAIGHT_EDGES:
        return "many straight edges: a screenshot, a drawing or several pictures, not one cell"
    if found.paper > MOST_PAPER and found.roughness > MOST_ROUGHNESS_ON_PAPER:
        return "fine lines on a plain ground: a page or a drawing, not one cell"
    if found.roughness > (MOST_ROUGHNESS_OF_LARGE if max(width, height) > LARGE else MOST_ROUGHNESS):
        return "many small objects and no large one: a page, an overview or noise, not one cell"
    return ""


def measure(image: Image.Image) -> GreyMeasures:
    """The measures of an 8-bit RGB image."""
    method = Image.Resampling.BOX if min(image.size) > _SIDE else Image.Resampling.BILINEAR
    small = image.convert("L").resize((_SIDE, _SIDE), method)
    grey = np.asarray(small).astype(np.float32)
    fine = _halved(grey)
    middling = _halved(_halved(fine))
    coarse = np.exp(np.mean([np.log(max(_scatter(middling, count), 1e-3)) for count in _LARGE_FIELDS]))
    steps = (np.abs(np.diff(fine, axis=0)).mean() + np.abs(np.diff(fine, axis=1)).mean()) / 2
    flat = middling.ravel() - _SURFACE @ (_FIT @ middling.ravel())
    return GreyMeasures(
        contrast=float(flat.max() - flat.min()),
        roughness=float(steps / coarse),
        straight_edges=_straight_edges(grey) + _straight_edges(grey.T),
        paper=float(np.convolve(small.histogram(), np.ones(_ONE_SHADE), mode="same").max() / grey.size),
    )


def _scatter(grey: Grey, count: int) -> float:
    """The standard deviation of the means of `count` × `count` fields."""
    size = len(grey) // count
    return float(grey.reshape(count, size, count, size).mean(axis=(1, 3)).std())


def _halved(grey: Grey) -> Grey:
    """The means of fields of 2 × 2 points."""
    rows = grey[::2] + grey[1::2]
    return np.asarray((rows[:, ::2] + rows[:, 1::2]) / 4)


def _straight_edges(grey: Grey) -> int:
    """The number of rows that differ from the next row far more than the rows near them do."""
    steps = np.abs(np.diff(grey, axis=0)).mean(axis=1)
    half = _NEAR // 2
    mirrored = np.concatenate([steps[half:0:-1], steps, steps[-2 : -half - 2 : -1]])
    around = np.lib.stride_tricks.sliding_window_view(mirrored, _NEAR)
    median = np.partition(around, half, axis=1)[:, half]  # `np.median` takes four times as long
    return int(np.count_nonzero(steps > _STEEP * median + _LEAST_STEP))


def _second_degree(count: int) -> Grey:
    """The terms of a surface of the second degree over a square of `count` × `count` fields: (count², 6)."""
    along = np.linspace(-1, 1, count, dtype=np.float32)
    x, y = (each.ravel() for each in np.meshgrid(along, along))
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


_SURFACE = _second_degree(24)
_FIT = np.linalg.pinv(_SURFACE)
