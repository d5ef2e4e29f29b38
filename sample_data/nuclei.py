"""Shapes of nuclei, each as a signed distance around the middle of the frame.

Every function takes a random generator and the radius of the cell in pixels, then its own measures as
shares of that radius.
"""

from itertools import pairwise

import numpy as np
from shapes import Field, Point, arc, blob, cut, disc, join, noise, tube


def around(rng: np.random.Generator, distance: float) -> Point:
    """A point at that distance from the middle, in any direction."""
    turn = rng.uniform(0.0, 2.0 * np.pi)
    return distance * float(np.cos(turn)), distance * float(np.sin(turn))


def rounded(
    rng: np.random.Generator,
    cell_radius: float,
    size: float,
    off_centre: float = 0.1,
    aspect: float = 1.1,
    wobble: float = 0.03,
) -> Field:
    """A round or oval nucleus of radius `size`, lying `off_centre` from the middle."""
    centre = around(rng, off_centre * cell_radius * rng.uniform(0.3, 1.2))
    size *= cell_radius * float(np.exp(rng.normal(0.0, 0.04)))
    oval = 1.0 + (aspect - 1.0) * rng.uniform(0.2, 1.8)
    return blob(rng, centre, size, oval, wobble) + 0.5 * noise(rng, 3.0)


def kidney(rng: np.random.Generator, cell_radius: float, size: float, depth: float, off_centre: float = 0.2) -> Field:
    """A bean: an oval pressed in on one side by `depth` of its own radius, hollow towards the middle."""
    away = around(rng, off_centre * cell_radius)
    turn = np.arctan2(away[1], away[0]) + rng.normal(0.0, 0.3)
    size *= cell_radius * float(np.exp(rng.normal(0.0, 0.05)))
    depth *= rng.uniform(0.7, 1.3)
    span = rng.uniform(1.5, 2.0)
    bend = size * 0.62
    middle = away[0] - bend * 0.8 * np.cos(turn), away[1] - bend * 0.8 * np.sin(turn)
    path = arc((float(middle[0]), float(middle[1])), bend, turn - span / 2, span, 5)
    ends = size * 0.62 * rng.uniform(0.9, 1.12, 2)
    shape = tube(path, [ends[0], size * 0.66, size * 0.66, size * 0.66, ends[1]])
    hollow_at = size * (1.05 - depth)
    hollow = disc((float(away[0] - hollow_at * np.cos(turn)), float(away[1] - hollow_at * np.sin(turn))), size * 0.45)
    return cut(shape, hollow, 7.0) + 1.0 * noise(rng, 7.0) + 0.5 * noise(rng, 3.0)


def folded(rng: np.random.Generator, cell_radius: float, size: float) -> Field:
    """A monocyte's nucleus: large, with one deep cleft or two, its outline uneven."""
    if rng.random() < 0.4:
        return kidney(rng, cell_radius, size, 0.3, 0.12) + 1.2 * noise(rng, 8.0)
    size *= cell_radius * float(np.exp(rng.normal(0.0, 0.05)))
    centre = around(rng, 0.08 * cell_radius)
    shape = blob(rng, centre, size, rng.uniform(1.05, 1.35), 0.07)
    turn = rng.uniform(0.0, 2.0 * np.pi)
    for cleft in range(rng.integers(1, 3)):
        way = turn + cleft * rng.uniform(1.8, 3.6)
        outer, inner = 1.35 * size, size * rng.uniform(0.35, 0.65)
        points = [
            (centre[0] + far * float(np.cos(way)), centre[1] + far * float(np.sin(way))) for far in (outer, inner)
        ]
        shape = cut(shape, tube(points, [size * rng.uniform(0.25, 0.45), rng.uniform(2.0, 7.0)]), 9.0)
    return shape + 1.6 * noise(rng, 8.0) + 0.6 * noise(rng, 3.0)


def primitive(rng: np.random.Generator, cell_radius: float, size: float) -> Field:
    """A blast's nucleus: large, round to oval, now and then uneven or dented."""
    shape = rounded(rng, cell_radius, size, 0.14, 1.14, rng.choice([0.03, 0.05, 0.08])) + 0.8 * noise(rng, 7.0)
    if rng.random() < 0.3:
        way, far = rng.uniform(0.0, 2.0 * np.pi), cell_radius * size * rng.uniform(1.15, 1.35)
        shape = cut(shape, disc((far * float(np.cos(way)), far * float(np.sin(way))), cell_radius * 0.42), 8.0)
    return shape


def band(rng: np.random.Generator, cell_radius: float) -> Field:
    """A horseshoe of even width, without bridges."""
    bend = cell_radius * rng.uniform(0.38, 0.48)
    span = rng.uniform(2.9, 4.2)
    thick = cell_radius * rng.uniform(0.235, 0.28)
    centre = around(rng, 0.1 * cell_radius)
    path = arc(centre, bend, rng.uniform(0.0, 2.0 * np.pi), span, 7)
    path = [(x * rng.uniform(0.94, 1.06), y * rng.uniform(0.94, 1.06)) for x, y in path]
    radii = thick * np.array([1.1, 1.1, 0.97, 0.9, 0.97, 1.1, 1.1]) * rng.uniform(0.93, 1.07, 7)
    return tube(path, radii.tolist()) + 1.0 * noise(rng, 6.0) + 0.5 * noise(rng, 2.5)


def lobed(
    rng: np.random.Generator, cell_radius: float, counts: dict[int, float], area: float, bridge: float = 0.05
) -> Field:
    """Lobes in a chain, joined by thin bridges.

    `counts`: how likely each number of lobes; `area`: their share of the cell's.
    """
    lobes = int(rng.choice(list(counts), p=list(counts.values())))
    size = cell_radius * float(np.sqrt(area / lobes)) * 0.98
    centres = _chain(rng, cell_radius, lobes, size)
    shape: Field | None = None
    for x, y in centres:
        lobe = blob(rng, (x, y), size * rng.uniform(0.85, 1.12), rng.uniform(1.05, 1.6), 0.07)
        shape = lobe if shape is None else join(shape, lobe, 1.5)
    assert shape is not None
    for start, end in pairwise(centres):
        width = cell_radius * bridge * rng.uniform(0.7, 1.8)
        shape = join(shape, tube([start, end], [1.4 * width, 1.4 * width]), 5.0)
    return shape + 0.9 * noise(rng, 5.0) + 0.5 * noise(rng, 2.5)


def _chain(rng: np.random.Generator, cell_radius: float, lobes: int, size: float) -> list[Point]:
    """Centres of lobes one after another, curling within the cell and lying off one another."""
    best: list[Point] = []
    least = np.inf
    for _ in range(60):
        heading = rng.uniform(0.0, 2.0 * np.pi)
        curl = rng.choice([-1.0, 1.0]) * rng.uniform(0.7, 1.9)
        points = np.zeros((lobes, 2))
        for k in range(1, lobes):
            step = size * rng.uniform(2.0, 2.55)
            points[k] = points[k - 1] + step * np.array([np.cos(heading), np.sin(heading)])
            heading += curl * rng.uniform(0.6, 1.4)
        points -= points.mean(axis=0)
        out = np.maximum(np.hypot(*points.T) + size - 0.93 * cell_radius, 0.0).sum()
        apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) + 1e3 * np.eye(lobes)
        crowd = np.maximum(1.7 * size - apart, 0.0).sum()
        if out + crowd < least:
            best, least = [(float(x), float(y)) for x, y in points], out + crowd
    return best
