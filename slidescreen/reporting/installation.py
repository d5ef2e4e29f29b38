"""What is installed here: ensembles and their measurements, engines, the processor, the words in the files.

This module imports nothing slow: no torch, no OpenVINO, no pandas.
"""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from slidescreen import __version__, cells, output
from slidescreen.engine import devices
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.engine.options import Precision, parts_of
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import VARIABLE, shipped_ensemble
from slidescreen.errors import InputError
from slidescreen.files.writing import printable
from slidescreen.footprint import cache_folder
from slidescreen.models.backbones import BACKBONES
from slidescreen.packages import installed_version
from slidescreen.reporting.flag_words import MEANINGS
from slidescreen.screening.finding import Flag, Verdict

_MEASURED = ("accuracy", "macro_f1")


def describe_installation(named: Path | None, exit_codes: Mapping[int, str]) -> dict[str, Any]:
    """What is installed, for `slidescreen info --json`. docs/reference/info.md describes each key.

    Args:
        named: the ensemble's folder that the user named.
        exit_codes: the commands' exit codes, with their meanings.
    """
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cache": _cache(),
        "ensembles": list(_ensembles(named)),
        "engines": {"openvino": installed_version("openvino"), "pytorch": installed_version("torch")},
        "processor": {
            "threads": devices.usable_threads(),
            "bf16": devices.has_bfloat16_products(),
            "int8": devices.has_8_bit_products(),
            "held_back_by": devices.held_back(),
        },
        "nvidia_gpu": devices.gpu_present(),
        "cell_types": list(cells.CELL_TYPES),
        "groups": {
            "leukocytes": list(cells.LEUKOCYTES),
            **{name: list(members) for name, members in cells.GROUPS.items()},
            "other_objects": list(cells.OTHER_OBJECTS),
        },
        "verdicts": list(Verdict),
        "flags": {flag: MEANINGS[flag] for flag in Flag},
        "exit_codes": {str(code): meaning for code, meaning in exit_codes.items()},
    }


def _cache() -> str | None:
    try:
        return printable(cache_folder())
    except RuntimeError:  # there is no home folder
        return None


def _ensembles(named: Path | None) -> Iterator[dict[str, Any]]:
    """The ensembles found. `classify` uses the first. If there are none, one entry states the problem."""
    from_environment = os.environ.get(VARIABLE)
    places = {
        "--ensemble": named,
        f"${VARIABLE}": Path(from_environment) if from_environment else None,
        "shipped": shipped_ensemble(),
    }
    found = [(by, place) for by, place in places.items() if place is not None]
    for number, (by, place) in enumerate(found):
        entry = {"found_by": by, "used": number == 0, "folder": printable(place), "problem": None}
        try:
            yield {**entry, **_of_ensemble(storage.load(place))}
        except InputError as error:
            yield {**entry, "problem": str(error)}


def _of_ensemble(ensemble: Ensemble) -> dict[str, Any]:
    validation = ensemble.validation
    return {
        "rule": ensemble.rule,
        "members": [
            {
                "file": member.path.name,
                "backbone": member.checkpoint.backbone,
                "image_size": member.checkpoint.preprocessing.image_size,
                "weight": member.weight,
                "sha256": member.sha256,
                "int8_sha256": member.int8 and member.int8.sha256,
            }
            for member in ensemble.members
        ],
        "cell_types": list(ensemble.cell_types),
        "rejection_threshold": validation.rejection_threshold,
        "temperature": validation.temperature,
        "validation": _of_validation(validation.measured),
        "too_little_measured_on": list(ensemble.measured_on.shortfalls()),
        "precisions": {str(Precision.FP32): "exact"}
        | {name: _allowance(name, found) for name, found in validation.precisions.items()},
        "fast": validation.cascade is not None,
    }


def _of_validation(measured: Mapping[str, Any]) -> dict[str, Any] | None:
    """Images, accuracy and macro F1 of the whole ensemble with every cell called; None if not recorded."""
    try:
        ensemble = next(model for model in measured["models"] if model["model"] == "ensemble")
        return {"images": int(measured["images"]), **{name: float(ensemble[name]) for name in _MEASURED}}
    except (KeyError, TypeError, ValueError, StopIteration):
        return None


def _allowance(precision: str, found: PrecisionAgreement) -> str:
    """When an arithmetic is used: automatically, on request, or never. 8-bit integers are never automatic."""
    integers = Precision.INT8 in parts_of(precision)
    if found.harmless and not integers:
        return "automatic"
    return "refused" if integers and not found.tolerable else "on request"


def show_installation(found: Mapping[str, Any]) -> None:
    """Print the installation for people: headings, each with lines of two parts."""
    console = output.console()
    for number, (heading, lines) in enumerate(_sections(found)):
        table = Table.grid(padding=(0, 2, 0, 0))
        for what, text in lines:
            table.add_row(f"  {escape(what)}", escape(text))
        if number:
            console.print()
        console.print(f"[bold]{escape(heading)}[/]")
        console.print(table)


def _sections(found: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[tuple[str, str]]]]:
    system = [("Python", found["python"]), ("system", found["system"]), ("cache", found["cache"] or "none: no home")]
    yield f"slidescreen {found['version']}", system
    for ensemble in found["ensembles"]:
        used = ", used" if ensemble["used"] else ""
        yield f"ensemble ({ensemble['found_by']}{used})", list(_lines_of(ensemble))
    if not found["ensembles"]:
        yield "ensemble", [("problem", f"none was found: name one with --ensemble, or in {VARIABLE}")]
    processor = found["processor"]
    able = [name for name in ("bf16", "int8") if processor[name]]
    instructions = f"{' and '.join(able) or 'neither bf16 nor int8'} at full speed"
    if processor["held_back_by"]:
        instructions += f" (held back by {processor['held_back_by']})"
    engines = [
        ("OpenVINO", found["engines"]["openvino"] or "not installed"),
        ("PyTorch", found["engines"]["pytorch"] or "not installed"),
        ("processor", f"{devices.threads_in_words(processor['threads'])}; {instructions}"),
        ("NVIDIA GPU", "found by its driver" if found["nvidia_gpu"] else "none"),
    ]
    yield "engines", engines
    yield "cell types", [(name.replace("_", " "), ", ".join(types)) for name, types in found["groups"].items()]
    yield "verdicts", [("most urgent first", ", ".join(found["verdicts"]))]
    yield "flags", list(found["flags"].items())
    yield "exit codes", list(found["exit_codes"].items())


def _lines_of(ensemble: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "folder", ensemble["folder"]
    if ensemble["problem"]:
        yield "problem", ensemble["problem"]
        return
    for member in ensemble["members"]:
        name, side = BACKBONES[member["backbone"]], member["image_size"]
        hashes = f"SHA-256 {member['sha256'][:16]}…"
        if member["int8_sha256"]:
            hashes += f", int8 {member['int8_sha256'][:16]}…"
        yield "member", f"{name}, {side} pixels, weight {member['weight']:.2f}; {hashes}"
    yield "vote", f"{ensemble['rule']}; {len(ensemble['cell_types'])} cell types"
    measured = ensemble["validation"]
    if measured is None:
        yield "validation", "no figures"
    else:
        figures = f"accuracy {measured['accuracy']:.4f}, macro F1 {measured['macro_f1']:.4f}"
        yield "validation", f"{figures} on {measured['images']} images, every cell called"
    if ensemble["too_little_measured_on"]:
        yield "too little", ", ".join(ensemble["too_little_measured_on"])
    yield "unidentified", f"calls with a probability below {ensemble['rejection_threshold']:.3f}"
    yield "precisions", ", ".join(f"{name} ({when})" for name, when in ensemble["precisions"].items())
    yield "--fast", "allowed" if ensemble["fast"] else "not allowed"
