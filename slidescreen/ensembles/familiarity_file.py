"""The file of an ensemble's `Familiarity`: arrays in one safetensors file, figures in `ensemble.json`."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from slidescreen.ensembles.familiarity import Familiarity, HomeFeatures, UsualShare
from slidescreen.errors import InputError
from slidescreen.files.writing import printable

NAME = "familiarity.safetensors"
_ARRAYS = tuple(field.name for field in dataclasses.fields(HomeFeatures) if not field.name.endswith("_cut"))
_OF_SHOWN = ("shown", "shown_offsets")  # absent if no cells without a class were shown
_HALF = frozenset({"components"})  # by far the largest arrays; half precision changes distances by less than 1%


def content(found: Familiarity) -> bytes:
    """The file with the arrays of all networks."""
    arrays = {
        f"{member}.{arithmetic}.{name}": np.ascontiguousarray(
            getattr(home, name), np.float16 if name in _HALF else np.float32
        )
        for (member, arithmetic), home in found.networks.items()
        for name in _ARRAYS
        if found.shown or name not in _OF_SHOWN
    }
    return save(arrays)


def figures(found: Familiarity) -> dict[str, Any]:
    """The figures for `ensemble.json`, without the file's name and hash."""
    return {
        "optics_cut": found.optics_cut,
        "kind_cut": found.kind_cut,
        "most_unfamiliar": found.most_unfamiliar,
        "unknown": dataclasses.asdict(found.unknown),
        "networks": [
            {"member": member, "arithmetic": arithmetic, "optics_cut": home.optics_cut, "kind_cut": home.kind_cut}
            for (member, arithmetic), home in found.networks.items()
        ],
        "measured_on": dict(zip(("training_cells", "validation_cells"), found.measured_on, strict=True)),
        **({"shown": list(found.shown)} if found.shown else {}),
    }


def read(path: Path, sha256: str, entry: dict[str, Any], members: int) -> Familiarity:
    """Read the arrays that `content` holds, and the figures in `entry`.

    Raises:
        InputError: the file is no such file.
        ValueError, KeyError, TypeError: `figures` did not make the figures.
    """
    try:
        arrays = load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{printable(path)} is damaged: {error}") from error
    networks, shown = {}, tuple(map(str, entry.get("shown", ())))
    for each in entry["networks"]:
        member, arithmetic = int(each["member"]), str(each["arithmetic"])
        parts = {
            name: arrays[f"{member}.{arithmetic}.{name}"].astype(np.float64)
            for name in _ARRAYS
            if shown or name not in _OF_SHOWN
        }
        none = {} if shown else dict(zip(_OF_SHOWN, (np.empty((0, len(parts["spread"]))), np.empty(0)), strict=True))
        networks[member, arithmetic] = HomeFeatures(
            **parts, **none, optics_cut=_positive(each["optics_cut"]), kind_cut=_positive(each["kind_cut"])
        )
    if {member for member, _ in networks} != set(range(members)):
        raise ValueError("it knows the features of other members")
    unknown, counts = entry["unknown"], entry["measured_on"]
    return Familiarity(
        networks,
        _positive(entry["optics_cut"]),
        _positive(entry["kind_cut"]),
        _positive(entry["most_unfamiliar"]),
        UsualShare(_positive(unknown["rate"]), _positive(unknown["correlation"])),
        (int(counts["training_cells"]), int(counts["validation_cells"])),
        shown,
        path,
        sha256,
    )


def _positive(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{value} is no cut and no share")
    return number
