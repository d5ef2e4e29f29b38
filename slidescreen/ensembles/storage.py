"""The ensemble folder: its checkpoints and `ensemble.json`, written and read."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.ensembles import familiarity_file
from slidescreen.ensembles.cascade import Cascade
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult
from slidescreen.ensembles.false_calls import FalseCalls
from slidescreen.ensembles.familiarity import Familiarity
from slidescreen.ensembles.replacement import DESCRIPTION, REPLAY, Replacement, int8_path
from slidescreen.ensembles.sufficiency import MeasuredOn
from slidescreen.errors import InputError
from slidescreen.files.existence import is_file
from slidescreen.files.writing import make_folder, printable, sha256_of, write_text
from slidescreen.models.checkpoints import read_checkpoint
from slidescreen.models.member import Member, Quantised

FORMAT_VERSION = 2


def save(folder: Path, ensemble: Ensemble, replay: bytes | None = None) -> Ensemble:
    """Write an ensemble folder: the members' files, then `ensemble.json`.

    An ensemble that is already there is replaced by the last step, `ensemble.json`. Until then it stays as it is, and
    so do other files in the folder.

    Args:
        folder: the ensemble's folder.
        ensemble: the ensemble, wherever its files lie.
        replay: the file with what the networks saw in training cells; None if there is none.

    Returns:
        The ensemble with the new paths of its files.
    """
    make_folder(folder)
    files = [file for member in ensemble.members for file in (member.path, member.int8 and member.int8.path) if file]
    replacement = Replacement(folder, files)
    try:
        saved = replace(ensemble, members=tuple(_put(replacement, member) for member in ensemble.members))
        if ensemble.familiarity is not None:
            content = familiarity_file.content(ensemble.familiarity)
            path = replacement.put(Path(familiarity_file.NAME), content)
            saved = replace(saved, familiarity=replace(ensemble.familiarity, path=path, sha256=sha256_of(path)))
        beside = {} if replay is None else {"replay": replacement.put(Path(REPLAY), replay).name}
        described = {**_to_dict(saved), **beside, "written": replacement.written()}
        write_text(folder / DESCRIPTION, json.dumps(described, indent=2) + "\n")
    except BaseException:
        replacement.take_back()
        raise
    replacement.finish()
    return saved


def _put(replacement: Replacement, member: Member) -> Member:
    if member.int8 is None:
        return replace(member, path=replacement.put(member.path, member.path.read_bytes()))
    path = replacement.put(member.path, member.path.read_bytes(), member.int8.path.read_bytes())
    return replace(member, path=path, int8=Quantised(int8_path(path), member.int8.sha256))


def load(folder: Path) -> Ensemble:
    """Read an ensemble folder. The hash of each member's file must be the recorded one.

    Raises:
        InputError: no such folder, a damaged or foreign file, a hash that does not match.
    """
    path = folder / DESCRIPTION
    try:
        if not is_file(path):
            raise InputError(
                f"{printable(folder)} is not an ensemble (it has no ensemble.json): make one with slidescreen ensemble"
            )
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format version {content['format_version']}, this release reads {FORMAT_VERSION}")
        members = tuple(_read_member(folder, entry) for entry in content["members"])
        ensemble = Ensemble(members, content["rule"])
        if tuple(content["cell_types"]) != ensemble.cell_types:
            raise InputError(
                f"{printable(path)} and its checkpoints list different cell types, or in a different order"
            )
        validation = _validation(content["validation"], len(ensemble.cell_types), len(members))
        return replace(ensemble, validation=validation, familiarity=_familiarity(folder, content, len(members)))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{printable(path)} is damaged: {reason}") from error


def replay_path(folder: Path) -> Path:
    """The place of the replay in an ensemble's folder. There may be none."""
    try:
        name = str(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["replay"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        name = REPLAY  # earlier releases did not note its name
    return folder / Path(name).name


def _familiarity(folder: Path, content: dict[str, Any], members: int) -> Familiarity | None:
    entry = content.get("familiarity")  # absent in ensembles of earlier releases
    return None if entry is None else familiarity_file.read(*_measured_file(folder, entry), entry, members)


def _to_dict(ensemble: Ensemble) -> dict[str, Any]:
    validation = ensemble.validation
    return {
        "format_version": FORMAT_VERSION,
        "rule": ensemble.rule,
        "cell_types": list(ensemble.cell_types),
        "members": [_member_dict(member) for member in ensemble.members],
        "validation": {
            "temperature": validation.temperature,
            "offsets": list(validation.offsets),
            "rejection_threshold": validation.rejection_threshold,
            "confusion_matrix": _rows(validation.confusion_matrix),
            "sure_matrix": _rows(validation.sure_matrix),
            "call_correlation": validation.call_correlation,
            "corrected": None if validation.corrected is None else sorted(validation.corrected),
            "false_calls": {group: _false_calls_dict(found) for group, found in validation.false_calls.items()},
            "usual": {name: list(limits) for name, limits in validation.usual.items()},
            "precisions": {name: asdict(found) for name, found in validation.precisions.items()},
            "cascade": None if validation.cascade is None else asdict(validation.cascade),
            "measured_on": _measured_on_dict(ensemble),
            "measured": dict(validation.measured),
            **{name: sorted(found) for name, found in _adapted_types(validation).items() if found},
        },
        **_familiarity_dict(ensemble.familiarity),
    }


def _familiarity_dict(found: Familiarity | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {
        "familiarity": {"file": found.path.name, "sha256": found.sha256, **familiarity_file.figures(found)},
    }


def _member_dict(member: Member) -> dict[str, Any]:
    found = {
        "file": member.path.name,
        "backbone": member.checkpoint.backbone,
        "weight": member.weight,
        "sha256": member.sha256,
    }
    if member.int8 is not None:
        found["int8"] = {"file": member.int8.path.name, "sha256": member.int8.sha256}
    return found


def _read_member(folder: Path, entry: dict[str, Any]) -> Member:
    path, found = _measured_file(folder, entry)
    int8 = Quantised(*_measured_file(folder, entry["int8"])) if "int8" in entry else None
    return Member(path, float(entry["weight"]), found, read_checkpoint(path), int8)


def _measured_file(folder: Path, entry: dict[str, Any]) -> tuple[Path, str]:
    """A file of the ensemble and its content hash, which must equal the one in `entry`."""
    name = str(entry["file"])
    if Path(name).name != name:
        raise ValueError(f"{name!r} is not a plain file name")
    path = folder / name
    if not is_file(path):
        raise InputError(f"{printable(path)} is missing from the ensemble")
    found = sha256_of(path)
    if found != entry["sha256"]:
        raise InputError(
            f"{printable(path)} is not the file that this ensemble was measured with (its SHA-256 differs)"
        )
    return path, found


def _rows(matrix: NDArray[np.int64] | None) -> list[list[int]] | None:
    rows: list[list[int]] | None = None if matrix is None else matrix.tolist()
    return rows


def _matrix(rows: list[list[int]] | None, types: int) -> NDArray[np.int64] | None:
    if rows is None:
        return None
    matrix = np.asarray(rows, dtype=np.int64)
    if matrix.shape != (types, types) or (matrix < 0).any():
        raise ValueError(f"its confusion matrix is not of {types} types")
    return matrix


def _validation(content: dict[str, Any], types: int, members: int) -> ValidationResult:
    matrix, sure = (_matrix(rows, types) for rows in (content["confusion_matrix"], content.get("sure_matrix")))
    if matrix is not None and sure is not None and (sure > matrix).any():
        raise ValueError("it counts more certain calls than calls")
    temperature, threshold = float(content["temperature"]), float(content["rejection_threshold"])
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be above 0, not {temperature}")
    if not 0 <= threshold < 1:
        raise ValueError(f"rejection_threshold must be from 0 to 1, not {threshold}")
    offsets = tuple(float(offset) for offset in content.get("offsets", ()))
    if offsets and (len(offsets) != types or not all(map(math.isfinite, offsets))):
        raise ValueError(f"offsets must be a number for each of {types} types")
    return ValidationResult(
        temperature,
        offsets,
        threshold,
        matrix,
        sure,
        float(content["call_correlation"]),
        None if content.get("corrected") is None else frozenset(map(str, content["corrected"])),
        {str(group): _false_calls(entry, types) for group, entry in content["false_calls"].items()},
        {str(name): (float(low), float(high)) for name, (low, high) in content["usual"].items()},
        {str(name): _agreement(entry) for name, entry in content.get("precisions", {}).items()},
        _cascade(content.get("cascade"), members),
        _measured_on(content.get("measured_on")),
        content["measured"],
        frozenset(map(str, content.get("unsigned", ()))),
        frozenset(map(str, content.get("borrowed", ()))),
    )


def _adapted_types(validation: ValidationResult) -> dict[str, frozenset[str]]:
    """Types without any, or with too few, of a laboratory's cells. Only adapted ensembles have such types."""
    return {"unsigned": validation.unsigned, "borrowed": validation.borrowed}


def _measured_on(entry: dict[str, Any] | None) -> MeasuredOn | None:
    """The validation images. Stored shortfalls are not read; they are computed again."""
    if entry is None:
        return None
    slides = entry["slides"]
    counts = {str(name): int(count) for name, count in entry["cells"].items()}
    return MeasuredOn(counts, None if slides is None else int(slides))


def _measured_on_dict(ensemble: Ensemble) -> dict[str, Any]:
    found = ensemble.measured_on
    return {"cells": dict(sorted(found.cells.items())), "slides": found.slides, "shortfalls": list(found.shortfalls())}


def _false_calls(entry: dict[str, Any], types: int) -> FalseCalls:
    counted, called = (np.asarray(entry[name], dtype=np.int64) for name in ("counted", "called"))
    if counted.shape != (types,) or called.shape != (types,):
        raise ValueError(f"its false calls are not of {types} types")
    return FalseCalls(float(entry["certainty"]), counted, called, float(entry["correlation"]))


def _cascade(entry: dict[str, Any] | None, members: int) -> Cascade | None:
    if entry is None:
        return None
    first, gate, decided = int(entry["first"]), float(entry["gate"]), float(entry["decided"])
    if not 0 <= first < members or not (0 < gate <= 1 and 0 <= decided <= 1):
        raise ValueError("its cascade has an impossible member, gate or share")
    return Cascade(first, gate, decided, _agreement(entry["agreement"]))


def _agreement(entry: dict[str, Any]) -> PrecisionAgreement:
    return PrecisionAgreement(
        images=int(entry["images"]),
        largest_difference=float(entry["largest_difference"]),
        calls_changed=float(entry["calls_changed"]),
        macro_f1_change=float(entry["macro_f1_change"]),
        blasts_change=float(entry["blasts_change"]),
    )


def _false_calls_dict(found: FalseCalls) -> dict[str, Any]:
    return {
        "certainty": found.certainty,
        "counted": found.counted.tolist(),
        "called": found.called.tolist(),
        "correlation": found.correlation,
    }
