"""The smear around the cell, and the camera: stain, background, red cells, platelets, focus, noise."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from shapes import HEIGHT, WIDTH, Field, Point, X, Y, blob, cover, granules, noise, smooth_step, window

Colour: TypeAlias = tuple[float, float, float]
Picture: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Stain:
    """How one laboratory's smears look. Colours are RGB, 0 to 255."""

    background: Colour
    red_cell: Colour
    red_cell_radius: float
    pallor: float  # how much of the red cell's colour its middle loses, 0 to 1
    pallor_width: tuple[float, float]  # how wide that middle is, least and most, as a share of the radius
    chromatin: tuple[Colour, Colour, Colour]  # dark, middle, light
    texture: float  # contrast of chromatin and granules, 1 as in the recipes
    focus: float  # blur of the optics, pixels
    crowding: float  # red cells in a frame
    touching: float  # of them, those that lie against the cell


@dataclass(frozen=True)
class RedCell:
    """One red cell, where and how large."""

    centre: Point
    radius: float
    shape: Field


# Barcelona-like: pale red cells, crisp dark nuclei. Baltimore-like: mauve red cells, softer chromatin.
CRISP = Stain(
    background=(254, 228, 202),
    red_cell=(205, 168, 167),
    red_cell_radius=38.0,
    pallor=0.72,
    pallor_width=(0.36, 0.62),
    chromatin=((62, 22, 124), (94, 47, 140), (150, 112, 163)),
    texture=0.96,
    focus=0.75,
    crowding=17.0,
    touching=1.2,
)
SOFT = Stain(
    background=(254, 229, 202),
    red_cell=(178, 128, 146),
    red_cell_radius=39.0,
    pallor=0.62,
    pallor_width=(0.2, 0.55),
    chromatin=((77, 27, 124), (114, 58, 144), (152, 106, 164)),
    texture=0.72,
    focus=1.0,
    crowding=13.0,
    touching=3.0,
)


def vary(rng: np.random.Generator, stain: Stain, amount: float) -> Stain:
    """The stain as it comes out on one slide (amount 1) or on one cell of it (less)."""

    def shift(colour: Colour, spread: float) -> Colour:
        tint = rng.normal(0.0, spread * amount, 3) + rng.normal(0.0, spread * amount)
        r, g, b = np.clip(np.asarray(colour) + tint, 0.0, 255.0)
        return float(r), float(g), float(b)

    dark, middle, light = stain.chromatin
    return replace(
        stain,
        background=shift(stain.background, 0.8),
        red_cell=shift(stain.red_cell, 2.4),
        pallor=float(np.clip(stain.pallor + rng.normal(0.0, 0.12 * amount), 0.2, 0.95)),
        chromatin=(shift(dark, 2.5), shift(middle, 4.0), shift(light, 4.0)),
        focus=stain.focus * float(np.exp(rng.normal(0.0, 0.12 * amount))),
        crowding=stain.crowding * float(np.exp(rng.normal(0.0, 0.25 * amount))),
    )


def blend(picture: Picture, mask: Field, colour: Colour | Picture) -> None:
    """Lay a colour (or a picture) over the picture where the mask is."""
    picture += mask[..., None] * (np.asarray(colour) - picture)


def background(rng: np.random.Generator, stain: Stain) -> Picture:
    """An empty frame: the colour of the glass with very faint shading."""
    picture = np.tile(np.asarray(stain.background), (HEIGHT, WIDTH, 1))
    picture += 0.7 * noise(rng, 25.0)[..., None]
    return picture


def scatter_red_cells(rng: np.random.Generator, stain: Stain, free: float, dent: float) -> list[RedCell]:
    """Red cells strewn over the frame, touching or overlapping now and then.

    `free` is the radius around the middle that they leave to the cell, `dent` how far one may press into it.
    """
    cells: list[RedCell] = []
    wanted, against = rng.poisson(stain.crowding), rng.poisson(stain.touching)
    looseness = rng.uniform(0.85, 1.1)
    crenated = rng.random() < 0.05
    for _ in range(400):
        if len(cells) >= wanted:
            break
        radius = stain.red_cell_radius * float(np.exp(rng.normal(0.0, 0.08)))
        nearest = free + radius - dent * rng.random()
        if len(cells) < against:
            turn = rng.uniform(0.0, 2.0 * np.pi)
            x, y = nearest * float(np.cos(turn)), nearest * float(np.sin(turn))
        else:
            x, y = (
                rng.uniform(-WIDTH / 2 - 35, WIDTH / 2 + 35),
                rng.uniform(-HEIGHT / 2 - 35, HEIGHT / 2 + 35),
            )
        if np.hypot(x, y) < nearest - 1e-6:
            continue
        nearness = looseness if rng.random() < 0.85 else 0.65
        gaps = [np.hypot(x - c.centre[0], y - c.centre[1]) - nearness * (radius + c.radius) for c in cells]
        if gaps and min(gaps) < 0:
            continue
        cells.append(RedCell((x, y), radius, red_cell_outline(rng, (x, y), radius, crenated)))
    return cells


def red_cell_outline(rng: np.random.Generator, centre: Point, radius: float, crenated: bool) -> Field:
    """A red cell's outline: nearly round; scalloped where crenated."""
    shape = blob(rng, centre, radius, 1.0 + abs(rng.normal(0.0, 0.12)), 0.018, highest=4)
    if crenated and rng.random() < 0.6:
        turn = np.arctan2(Y - centre[1], X - centre[0])
        shape -= 2.2 * np.cos(rng.integers(11, 16) * turn) + 1.2 * np.cos(rng.integers(6, 9) * turn)
    return shape


def paint_red_cells(rng: np.random.Generator, picture: Picture, stain: Stain, cells: list[RedCell]) -> None:
    """Biconcave discs that filter light: thin in the middle, a little darker where two overlap."""
    thickest, rest = np.zeros((HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH))
    for cell in cells:
        near = window(cell.centre, 1.5 * cell.radius)
        layer = _thickness(rng, stain, cell, near)
        rest[near] += np.minimum(thickest[near], layer)
        thickest[near] = np.maximum(thickest[near], layer)
    layers = (thickest + 0.3 * np.clip(rest, 0.0, 1.5)) * (1.0 + 0.012 * noise(rng, 3.0))
    filtered = np.log(np.asarray(stain.background) / np.asarray(stain.red_cell))
    picture *= np.exp(-layers[..., None] * filtered)


def _thickness(rng: np.random.Generator, stain: Stain, cell: RedCell, near: tuple[slice, slice]) -> Field:
    shape = cell.shape[near]
    depth = np.clip(-shape / cell.radius, -0.2, 1.0)
    pallor = float(np.clip(stain.pallor + rng.normal(0.0, 0.16), 0.0, 1.0))
    width = rng.uniform(*stain.pallor_width)
    off = rng.normal(0.0, 2.0, 2)
    away = np.hypot(X[near] - cell.centre[0] - off[0], Y[near] - cell.centre[1] - off[1]) / cell.radius
    thickness = 1.0 - pallor * np.exp(-((away / width) ** 3.4))
    thickness = thickness + 0.13 * np.exp(-((depth - 0.12) ** 2) / 0.02) - 0.06 * smooth_step(depth, 0.1, 0.7)
    layer: Field = thickness * cover(shape, 2.4) * float(np.exp(rng.normal(0.0, 0.08)))
    return layer


def paint_platelet(rng: np.random.Generator, picture: Picture, stain: Stain, centre: Point, radius: float) -> None:
    """A platelet: a frayed pale body full of purple granules."""
    body = blob(rng, centre, radius, 1.0 + abs(rng.normal(0.0, 0.15)), 0.04, highest=9)
    body = body + 0.9 * noise(rng, 1.8)
    dark, middle, light = (np.asarray(colour) for colour in stain.chromatin)
    blend(picture, 0.75 * cover(body, 2.2), (190, 162, 192))
    inside = cover(body + 0.12 * radius, 2.0)
    blend(picture, 0.8 * inside * smooth_step(noise(rng, 1.5), -1.6, 0.9), tuple(light))
    blend(picture, 0.85 * inside * smooth_step(noise(rng, 1.3), -0.5, 1.6), tuple((dark + middle) / 2.0))


def paint_debris(rng: np.random.Generator, picture: Picture, stain: Stain, free: float) -> None:
    """What else lies about: a platelet or two, a grain of stain."""
    for _ in range(rng.poisson(0.8)):
        turn, far = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(free + 15.0, 240.0)
        paint_platelet(rng, picture, stain, (far * np.cos(turn), far * np.sin(turn)), rng.uniform(6.0, 12.0))
    if rng.random() < 0.2:
        spot = granules(rng, (np.hypot(X, Y) > free + 10.0).astype(float), 0.004, 1.5)
        blend(picture, spot, (70, 40, 110))


def photograph(rng: np.random.Generator, picture: Picture, stain: Stain) -> NDArray[np.uint8]:
    """What the camera makes of it: a little blur, the analyser's sharpening, a little noise, bytes."""
    blurred = np.stack([ndimage.gaussian_filter(picture[..., c], stain.focus) for c in range(3)], axis=-1)
    wide = np.stack([ndimage.gaussian_filter(blurred[..., c], 1.6) for c in range(3)], axis=-1)
    sharp = blurred + 0.22 * (blurred - wide)
    sharp += rng.normal(0.0, 0.9, sharp.shape[:2])[..., None] + rng.normal(0.0, 0.5, sharp.shape)
    image: NDArray[np.uint8] = np.clip(np.rint(sharp), 0, 255).astype(np.uint8)
    return image
