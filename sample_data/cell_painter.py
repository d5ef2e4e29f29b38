"""Paints one cell on its smear: body, cytoplasm, nucleus, granules, by the recipe of its type."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from nuclei import around
from numpy.typing import NDArray
from shapes import Field, X, Y, blob, cover, cut, disc, grains, granules, noise, smooth_step, tube
from smear import (
    Colour,
    Picture,
    RedCell,
    Stain,
    background,
    blend,
    paint_debris,
    paint_red_cells,
    photograph,
    red_cell_outline,
    scatter_red_cells,
    vary,
)


@dataclass(frozen=True)
class Granules:
    """One kind of granule: how many per 100 pixels, their radius in pixels, and how much lies on the nucleus."""

    colour: Colour
    share: float
    size: float
    strength: float = 0.8
    on_nucleus: float = 0.0


@dataclass(frozen=True)
class Cytoplasm:
    """Colours from pale to deep; `base` is where the middle lies between, `edge` what the border adds."""

    pale: Colour
    deep: Colour
    base: float = 0.25
    edge: float = 0.3
    edge_width: float = 4.0
    mottle: float = 0.12
    granules: tuple[Granules, ...] = ()
    vacuoles: float = 0.0


@dataclass(frozen=True)
class Chromatin:
    """Tone 0 (dark) to 1 (light), and the textures over it: each a contrast in tone, its grain in pixels."""

    tone: float
    grain: float = 1.2
    mottle: float = 0.15
    clumps: float = 0.05
    specks: float = 0.0
    speck_size: float = 1.6
    rim: float = 0.15
    nucleoli: float = 0.0
    folds: float = 0.0
    tint: Colour = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Recipe:
    """How a cell type looks.

    Radii in pixels; `dent` is how deep red cells press in, `ruffle` how frayed the border is.
    """

    radius: float
    cytoplasm: Cytoplasm | None = None
    nucleus: Callable[[np.random.Generator, float], Field] | None = None
    chromatin: Chromatin = Chromatin(0.3)
    spread: float = 0.06
    aspect: float = 1.08
    wobble: float = 0.025
    dent: float = 6.0
    ruffle: float = 0.4
    margin: float = 2.0


def draw_cell(rng: np.random.Generator, recipe: Recipe, slide_stain: Stain) -> NDArray[np.uint8]:
    """One image, (HEIGHT, WIDTH, 3) bytes: a cell of the recipe in the middle of a smear of that stain."""
    stain = vary(rng, slide_stain, 0.6)
    radius = recipe.radius * float(np.exp(rng.normal(0.0, recipe.spread)))
    picture = background(rng, stain)
    red_cells = scatter_red_cells(rng, stain, radius, recipe.dent)
    if recipe.cytoplasm is None and recipe.nucleus is None:  # what the analyser took for a cell is a red cell
        red_cells.append(RedCell((0.0, 0.0), radius, red_cell_outline(rng, (0.0, 0.0), radius, crenated=False)))
    paint_debris(rng, picture, stain, radius)
    paint_red_cells(rng, picture, stain, red_cells)
    body = body_outline(rng, recipe, radius, red_cells)
    nucleus = None
    if recipe.nucleus is not None:
        nucleus = cut(recipe.nucleus(rng, radius), -(body + recipe.margin), 3.0)
    if recipe.cytoplasm is not None:
        paint_cytoplasm(rng, picture, stain, recipe.cytoplasm, body, nucleus)
    if nucleus is not None:
        paint_nucleus(rng, picture, stain, recipe.chromatin, nucleus)
    if recipe.cytoplasm is not None and nucleus is not None:
        over = cover(body + 2.0) * cover(nucleus)
        for kind in recipe.cytoplasm.granules:
            paint_granules(rng, picture, stain, kind, over, kind.share * kind.on_nucleus)
    return photograph(rng, picture, stain)


def body_outline(rng: np.random.Generator, recipe: Recipe, radius: float, red_cells: list[RedCell]) -> Field:
    """The cell's outline, pressed in where red cells lie against it."""
    body = blob(rng, (0.0, 0.0), radius, 1.0 + (recipe.aspect - 1.0) * rng.uniform(0.2, 1.8), recipe.wobble)
    body = body + recipe.ruffle * (noise(rng, 2.4) + 1.5 * noise(rng, 6.0))
    for red_cell in red_cells:
        if np.hypot(*red_cell.centre) < radius + red_cell.radius + 8.0:
            body = cut(body, red_cell.shape - rng.uniform(-1.5, 0.5), 7.0)
    return body


def paint_cytoplasm(
    rng: np.random.Generator,
    picture: Picture,
    stain: Stain,
    recipe: Cytoplasm,
    body: Field,
    nucleus: Field | None,
) -> None:
    """The cell's body without its nucleus."""
    inside = cover(body, 1.9)
    depth = np.clip(-body, 0.0, None)
    mix = recipe.base + rng.normal(0.0, 0.08) + recipe.edge * np.exp(-depth / recipe.edge_width)
    mix = mix + stain.texture * recipe.mottle * (0.7 * noise(rng, 1.2) + 0.7 * noise(rng, 5.0))
    mix = mix + 0.14 * np.exp(-(((depth - 1.4) / 1.3) ** 2))
    mix = np.clip(mix, 0.0, 1.15)[..., None]
    pale, deep = np.asarray(recipe.pale), np.asarray(recipe.deep)
    blend(picture, inside, pale + mix * (deep - pale) + rng.normal(0.0, 2.5, 3))
    for kind in recipe.granules:
        paint_granules(rng, picture, stain, kind, cover(body + 2.0), kind.share)
    paint_vacuoles(rng, picture, recipe.vacuoles, body, nucleus)


def paint_granules(
    rng: np.random.Generator, picture: Picture, stain: Stain, kind: Granules, where: Field, share: float
) -> None:
    """Granules of one kind where `where` is, about `share` per 100 pixels, unevenly spread."""
    if share <= 0.0:
        return
    share *= float(np.exp(rng.normal(0.0, 0.25)))
    patches = np.clip(1.0 + 0.4 * noise(rng, 12.0), 0.2, 2.0)
    spots = granules(rng, where * patches, share, kind.size)
    blend(picture, where * np.clip(kind.strength * stain.texture, 0.0, 1.0) * spots, kind.colour)


def paint_vacuoles(rng: np.random.Generator, picture: Picture, mean: float, body: Field, nucleus: Field | None) -> None:
    """Clear bubbles in the cytoplasm, mostly in one corner of it."""
    if mean <= 0.0:
        return
    room = np.argwhere((body < -5.0) & ((nucleus > 2.0) if nucleus is not None else True))
    if len(room) == 0:
        return
    home = room[rng.integers(len(room))]
    for _ in range(rng.poisson(mean)):
        if rng.random() < 0.7:
            row, column = home + rng.normal(0.0, 11.0, 2)
        else:
            row, column = room[rng.integers(len(room))]
        bubble = disc((float(X[0, 0] + column), float(Y[0, 0] + row)), float(rng.uniform(1.2, 4.2)))
        clear = cover(bubble, 1.6) * cover(body + 4.0)
        blend(picture, rng.uniform(0.4, 0.9) * clear, (240, 224, 216))


def paint_nucleus(rng: np.random.Generator, picture: Picture, stain: Stain, recipe: Chromatin, nucleus: Field) -> None:
    """A nucleus with its chromatin, nucleoli, folds and the dark line of its membrane."""
    tone = recipe.tone + rng.normal(0.0, 0.035) + 0.05 * noise(rng, 14.0)
    grain = recipe.grain * float(np.exp(rng.normal(0.0, 0.1)))
    fine = grains(rng, grain)
    if rng.random() < 0.4:  # threads rather than grains
        fine = 0.5 * fine + 0.75 * noise(rng, grain, 1.7)
    texture = recipe.mottle * fine + recipe.clumps * grains(rng, 2.4 * grain)
    texture = texture + recipe.specks * smooth_step(grains(rng, recipe.speck_size), 0.3, 1.9)
    tone = tone + stain.texture * texture
    for _ in range(rng.poisson(recipe.folds)):
        tone = tone + _fold(rng, nucleus)
    spots = np.zeros_like(tone)
    for _ in range(min(rng.poisson(recipe.nucleoli), 4)):
        spots = np.maximum(spots, _nucleolus(rng, nucleus))
    tone = tone + spots * (0.72 - tone) * 0.6
    tone = tone - recipe.rim * (np.exp(-(((nucleus + 1.8) / 1.8) ** 2)) + 0.5 * np.exp(nucleus / 7.0))
    colour = ramp(stain.chromatin, tone) + spots[..., None] * np.array([-6.0, 3.0, 7.0])
    blend(picture, cover(nucleus, 1.5), colour + np.asarray(recipe.tint))


def ramp(colours: tuple[Colour, Colour, Colour], tone: Field) -> Picture:
    """Colours dark, middle, light at tones 0, 0.5 and 1, and between them."""
    tone = np.clip(tone, -0.03, 1.15)
    dark, middle, light = (np.asarray(colour) for colour in colours)
    low, high = np.clip(tone, None, 0.5)[..., None] * 2.0, np.clip(tone - 0.5, 0.0, None)[..., None] * 2.0
    picture: Picture = dark + low * (middle - dark) + high * (light - middle)
    return picture


def _fold(rng: np.random.Generator, nucleus: Field) -> Field:
    """A crease: a light line beside a dark one, across part of the nucleus."""
    size = float(np.sqrt((nucleus < 0).sum() / np.pi))
    start, middle = np.asarray(around(rng, 0.85 * size)), np.asarray(around(rng, 0.2 * size))
    end = -start * rng.uniform(-0.1, 0.9)
    points = [(float(x), float(y)) for x, y in (start, middle, end)]
    line = tube(points, [0.0, 0.0, 0.0]) + 0.8 * noise(rng, 6.0)
    strength = rng.uniform(0.12, 0.3)
    return strength * (0.6 * np.exp(-(((line - 4.0) / 1.6) ** 2)) - np.exp(-((line / 1.8) ** 2)))


def _nucleolus(rng: np.random.Generator, nucleus: Field) -> Field:
    """A paler, bluish, even patch with soft borders, inside the nucleus; 0 to 1."""
    room = np.argwhere(nucleus < -12.0)
    if len(room) == 0:
        return np.zeros_like(nucleus)
    row, column = room[rng.integers(len(room))]
    centre = float(X[0, 0] + column), float(Y[0, 0] + row)
    return cover(blob(rng, centre, rng.uniform(6.0, 10.5), 1.2, 0.06), 2.5)
