"""The code of each result: LOINC's if it has a suitable one, else our own. A laboratory may replace any code.

Our own codes are the column names of `differential.csv`. Every result also has its own code.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from slidescreen import cells
from slidescreen.errors import InputError
from slidescreen.files.toml_file import read_toml
from slidescreen.files.writing import printable
from slidescreen.screening.differential import NAMES

PANEL = "differential"
PERCENT, FRACTION = "%", "1"
PER_100, NUMBER = "/100{WBCs}", "{#}"
"""Units in UCUM."""

OWN = "slidescreen"
DETAILS = {
    "count": "cells counted",
    "low": "lower 95% limit",
    "high": "upper 95% limit",
    "corrected_percent": "corrected for classifier error",
    "corrected_low": "corrected, lower 95% limit",
    "corrected_high": "corrected, upper 95% limit",
}
"""The details of each percentage, in words."""
TALLIES = {
    "images": "Images",
    "unidentified": "Images unidentified",
    "unreadable": "Images unreadable",
    "duplicates": "Images that are copies",
}
"""The other counts of a slide, in words."""
_LONGEST_CODE, _LONGEST_SYSTEM = 199, 20  # characters; limits of the types ST and ID in HL7 v2.5.1


@dataclass(frozen=True)
class System:
    """A system of codes: its address in FHIR, and its name in HL7 v2 (table 0396)."""

    url: str
    hl7: str


@dataclass(frozen=True)
class Code:
    """A code of a system. `unit` is the laboratory's choice, `%` or `1`; None without a choice."""

    system: System
    code: str
    unit: str | None = None


@dataclass(frozen=True)
class CodeTable:
    """The code of each result, by the result's name. `own` is the system of our own codes."""

    own: System
    by_name: Mapping[str, Code]

    def unit(self, name: str) -> str:
        """The unit of a cell type's or group's percentages: `%`, or `1` if the laboratory wants fractions."""
        code = self.by_name.get(f"{name}_percent")
        return (code and code.unit) or PERCENT


def names() -> Iterator[str]:
    """The name of every result, which is also our own code."""
    yield PANEL
    for name in NAMES:
        yield f"{name}_percent"
        yield from (f"{name}_{part}" for part in DETAILS)
    yield from (f"{name}_per_100" for name in cells.OTHER_OBJECTS)
    yield from ("leukocytes", *TALLIES, "verdict", "flags")


@cache
def default_codes() -> CodeTable:
    """The codes of `codes.toml`."""
    return _codes(_shipped())


def read_codes(path: Path) -> CodeTable:
    """A laboratory's own codes, with defaults for those that its file leaves out.

    Raises:
        InputError: the file cannot be read or is not TOML, or an entry cannot be used.
    """
    content, shipped = read_toml(path), _shipped()
    try:
        for table in content:
            if table not in shipped:
                raise InputError(f"[{table}] is not known: a file of codes has [systems] and [codes]")
            if not isinstance(content[table], Mapping):
                raise InputError(f"{table} is no table")
            shipped[table] |= content[table]
        return _codes(shipped)
    except InputError as error:
        raise InputError(f"{printable(path)}: {error}") from error


def _shipped() -> dict[str, Any]:
    return tomllib.loads(files("slidescreen.exchange").joinpath("codes.toml").read_text(encoding="utf-8"))


def _codes(content: Mapping[str, Mapping[str, Any]]) -> CodeTable:
    systems = {name: _system(name, entry) for name, entry in content["systems"].items()}
    known = frozenset(names())
    for name in content["codes"]:
        if name not in known:
            raise InputError(f"codes.{name} is no result: results are called as the columns of differential.csv are")
    return CodeTable(systems[OWN], {name: _code(name, entry, systems) for name, entry in content["codes"].items()})


def _system(name: str, entry: Any) -> System:
    url, hl7 = (_text(f"systems.{name}", entry, key, ("url", "hl7")) for key in ("url", "hl7"))
    if ":" not in url or any(c.isspace() for c in url):
        raise InputError(f"systems.{name}.url must be an address such as urn:oid:1.2.208.176.2.1, not {url!r}")
    if len(hl7) > _LONGEST_SYSTEM:
        raise InputError(f"systems.{name}.hl7 must have {_LONGEST_SYSTEM} characters at most")
    return System(url, hl7)


def _code(name: str, entry: Any, systems: Mapping[str, System]) -> Code:
    place = f"codes.{name}"
    keys = ("system", "code", "unit")
    system, code = _text(place, entry, "system", keys), _text(place, entry, "code", keys)
    if system not in systems:
        raise InputError(f"{place}: {system} is no system: known are {', '.join(systems)}")
    if len(code) > _LONGEST_CODE:
        raise InputError(f"{place}.code must have {_LONGEST_CODE} characters at most")
    unit = entry.get("unit")
    if unit is not None and not (name.removesuffix("_percent") in NAMES and unit in (PERCENT, FRACTION)):
        raise InputError(f'{place}.unit can be "{PERCENT}" or "{FRACTION}", and of a percentage alone')
    return Code(systems[system], code, unit)


def _text(place: str, entry: Any, key: str, known: tuple[str, ...]) -> str:
    """The text of a key. The entry must have no unknown keys."""
    if not isinstance(entry, Mapping):
        raise InputError(f"{place} must be a table with {' and '.join(known[:2])}")
    for found in entry:
        if found not in known:
            raise InputError(f"{place}.{found} is not known: known are {', '.join(known)}")
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise InputError(f"{place}.{key} must be a text")
    return value.strip()
