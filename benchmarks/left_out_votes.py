"""Shared by other benchmarks: what two networks say of cells of a laboratory that they never saw, and at home."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.left_out_laboratories import LABORATORIES, SHARES, read
from slidescreen import cells
from slidescreen.data.images import Pixels, decode, prepare, read_bytes
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind, Precision
from slidescreen.models.member import Member, member_of

_VIEWS: tuple[Callable[[Pixels], Pixels], ...] = (
    lambda pixels: pixels,
    lambda pixels: pixels[:, ::-1, ::-1],
    lambda pixels: pixels[:, :, ::-1],
    lambda pixels: pixels[:, ::-1],
)
_BATCH = 64
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Labelled cells, and both networks' probabilities for each view: (2, V, N, K).

    The views are the image as it is, turned by 180°, and both mirrored.
    """

    table: pd.DataFrame
    found: Floats

    @cached_property
    def truth(self) -> NDArray[np.int64]:
        """The place of each label among the cell types; -1 if it names no type."""
        names = [cells.resolve(label) for label in self.table.label]
        return np.asarray([cells.CELL_TYPES.index(n) if n in cells.CELL_TYPES else -1 for n in names])

    @property
    def slides(self) -> NDArray[np.str_]:
        """The patient of each cell of `deepapl`; the laboratory of all others."""
        return np.where(self.table.source == "deepapl", self.table.slide, self.table.source).astype(str)


@dataclass(frozen=True)
class Place:
    """A laboratory left out: its cells, the validation cells at home, and the cells of the others left out."""

    here: Cells
    home: Cells
    others: Sequence[Cells]


def places(data: Path, others: Path, networks: Path, kept: Path, views: int) -> list[Place]:
    """Each laboratory, seen by the networks that were trained without it.

    Args:
        data: CSV of the home laboratories' labelled images, with their split.
        others: CSV of the other laboratories' labelled images, with their source.
        networks: folder of `benchmarks.left_out_laboratories`, with both backbones.
        kept: folder for the networks' probabilities. What lies there is not computed again.
        views: how many views of each cell.
    """
    kept.mkdir(parents=True, exist_ok=True)
    home, abroad = read(data), read(others)
    known = np.asarray([cells.resolve(label) in cells.CELL_TYPES for label in home.label])
    home = home[(home.split == "validation") & known].reset_index(drop=True)
    tables = {name: abroad[abroad.source == name].reset_index(drop=True) for name in LABORATORIES}
    seen = {name: _called(networks / name, table, kept, views) for name, table in tables.items()}
    at_home = {name: _called(networks / name, home, kept, views) for name in seen}
    return [Place(seen[name], at_home[name], [seen[other] for other in seen if other != name]) for name in seen]


def _called(folder: Path, table: pd.DataFrame, kept: Path, views: int) -> Cells:
    members = [member_of(folder / name / f"{name}.safetensors", share) for name, share in SHARES.items()]
    key = hashlib.sha256("".join([*(m.sha256 for m in members), *table.file]).encode()).hexdigest()[:16]
    paths = [kept / f"{key}-{number}.npy" for number in range(views)]
    for path, view in zip(paths, _VIEWS, strict=False):
        if not path.exists():
            np.save(path, _computed(members, table.file.tolist(), view))
    return Cells(table, np.stack([np.load(path) for path in paths], axis=1))


def _computed(members: Sequence[Member], files: list[str], view: Callable[[Pixels], Pixels]) -> Floats:
    """Both networks' probabilities for images: (2, N, K)."""
    engines = load_engines(members, EngineConfiguration(EngineKind.OPENVINO, Device.CPU, Precision.BF16)).members
    prepared = members[0].checkpoint.preprocessing
    parts = []
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(files), _BATCH):
            some = map(Path, files[start : start + _BATCH])
            pixels = np.stack(list(pool.map(lambda file: prepare(decode(read_bytes(file)), prepared), some)))
            parts.append([engine.probabilities(np.ascontiguousarray(view(pixels))) for engine in engines])
    return np.concatenate(parts, axis=1)
