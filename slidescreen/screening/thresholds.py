"""The limits that decide a verdict: the commented defaults of `thresholds.toml`, and a laboratory's own."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from slidescreen.errors import InputError
from slidescreen.files.toml_file import read_toml
from slidescreen.files.writing import printable


@dataclass(frozen=True)
class Thresholds:
    """The limits of a verdict. `thresholds.toml` explains each under the table and key noted here, with its source.

    Percentages are 0–100, shares 0–1.
    """

    error_rate: float  # test.error_rate
    least_leukocytes: int  # cells.least_leukocytes
    usual_leukocytes: int  # cells.usual_leukocytes
    most_unusable: float  # cells.most_unusable
    blasts_workup: float  # blasts.workup
    blasts_acute: float  # blasts.acute
    blasts_always_seen: float  # blasts.always_seen
    lineage_ratio: float  # blasts.lineage_ratio
    ig_raised: float  # immature_granulocytes.raised
    ig_high: float  # immature_granulocytes.high
    left_shift: float  # immature_granulocytes.left_shift
    ig_always_seen: float  # immature_granulocytes.always_seen
    apl_promyelocytes: float  # suspicions.apl_promyelocytes
    cml_basophils: float  # suspicions.cml_basophils
    monocytes: float  # suspicions.monocytes


@dataclass(frozen=True)
class _Key:
    """A threshold's place in the file, and its allowed values."""

    field: str
    low: float
    high: float
    whole: bool = False


_KEYS: Mapping[str, Mapping[str, _Key]] = {
    "test": {"error_rate": _Key("error_rate", 1e-6, 0.5)},
    "cells": {
        "least_leukocytes": _Key("least_leukocytes", 0, 100_000, whole=True),
        "usual_leukocytes": _Key("usual_leukocytes", 0, 100_000, whole=True),
        "most_unusable": _Key("most_unusable", 0, 1),
    },
    "blasts": {
        "workup": _Key("blasts_workup", 0, 100),
        "acute": _Key("blasts_acute", 0, 100),
        "always_seen": _Key("blasts_always_seen", 0, 20),
        "lineage_ratio": _Key("lineage_ratio", 1, 1000),
    },
    "immature_granulocytes": {
        "raised": _Key("ig_raised", 0, 100),
        "high": _Key("ig_high", 0, 100),
        "left_shift": _Key("left_shift", 0, 100),
        "always_seen": _Key("ig_always_seen", 0, 20),
    },
    "suspicions": {
        "apl_promyelocytes": _Key("apl_promyelocytes", 0, 100),
        "cml_basophils": _Key("cml_basophils", 0, 100),
        "monocytes": _Key("monocytes", 0, 100),
    },
}
_ASCENDING = (("blasts_workup", "blasts_acute"), ("ig_raised", "ig_high"), ("least_leukocytes", "usual_leukocytes"))


@cache
def default_thresholds() -> Thresholds:
    """The thresholds of `thresholds.toml`."""
    text = files("slidescreen.screening").joinpath("thresholds.toml").read_text(encoding="utf-8")
    return Thresholds(**dict(_values(tomllib.loads(text))))


def read_thresholds(path: Path) -> Thresholds:
    """A laboratory's own thresholds, with defaults for those that its file leaves out.

    Raises:
        InputError: the file cannot be read or is not TOML, or a key is unknown or has no usable value.
    """
    content = read_toml(path)
    try:
        found = Thresholds(**{**vars(default_thresholds()), **dict(_values(content))})
        for lower, upper in _ASCENDING:
            if getattr(found, lower) > getattr(found, upper):
                raise InputError(f"{_place(lower)} must not be above {_place(upper)}")
    except InputError as error:
        raise InputError(f"{printable(path)}: {error}") from error
    return found


def _values(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Field names and checked values of a file's content."""
    for table, entries in content.items():
        if table not in _KEYS or not isinstance(entries, Mapping):
            raise InputError(f"{table} is not a table of thresholds: use {', '.join(f'[{name}]' for name in _KEYS)}")
        for key, value in entries.items():
            if key not in _KEYS[table]:
                raise InputError(f"{table}.{key} is not a threshold: [{table}] knows {', '.join(_KEYS[table])}")
            _check(f"{table}.{key}", value, _KEYS[table][key])
            yield _KEYS[table][key].field, value


def _check(place: str, value: object, key: _Key) -> None:
    kind = "a whole number" if key.whole else "a number"
    fits = isinstance(value, int if key.whole else (int, float)) and not isinstance(value, bool)
    if not fits or not key.low <= value <= key.high:  # type: ignore[operator]
        raise InputError(f"{place} must be {kind} from {key.low:g} to {key.high:g}, not {value!r}")


def _place(field: str) -> str:
    return next(f"{table}.{name}" for table, keys in _KEYS.items() for name, key in keys.items() if key.field == field)
