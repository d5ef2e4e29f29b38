"""Several checkpoints that vote: the ensemble folder, and how members' probabilities become one."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidescreen.errors import InputError
from slidescreen.exactness import Agreement
from slidescreen.false_calls import FalseCalls
from slidescreen.files import make_folder, printable, sha256_of, write_text, write_whole
from slidescreen.networks import Checkpoint, read_checkpoint
from slidescreen.statistics.scaling import apply_offsets, apply_temperature

FORMAT_VERSION = 2
RULES = ("soft", "hard")
DEFAULT_WEIGHTS = {"efficientnet_b1": 0.4, "efficientnetv2_b2": 0.6}

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """One checkpoint of an ensemble, its share of the vote and its content hash."""

    path: Path
    weight: float
    sha256: str
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Calibration:
    """What was measured on the validation split; an ensemble works without it, and then screens with less.

    Attributes:
        temperature: divides the logarithms of the probabilities; 1 leaves them.
        offsets: one for each cell type, added to these logarithms: what training drew too often is called less.
        rejection_threshold: a call less probable than this is `unidentified`.
        confusion_matrix: validation cells, rows true, columns called, in the order of the cell types; None if
            it was not measured.
        sure_matrix: of these, the cells whose calls were sure (`correction.SURE`); None if it was not measured.
        call_correlation: how the calls of one true type vary between slides: the intra-slide correlation of a
            Dirichlet-multinomial distribution, 0–1.
        false_calls: how often cells of other types are called into a tested group (`blasts`, …), and how that
            clusters on slides; a group that is absent is judged by the confusion matrix.
        corrected: types and groups whose percentage the correction improves on validation slides, or leaves as near to
            the truth; None if it was not measured: then each is corrected whose errors are known.
        usual: for figures of a night (see `drift.FIGURES`), between which values they lay on the validation images.
        precisions: how the calls in other arithmetic than float32 agree with those in it.
        measured: further figures, for people.
    """

    temperature: float = 1.0
    offsets: tuple[float, ...] = ()
    rejection_threshold: float = 0.0
    confusion_matrix: NDArray[np.int64] | None = None
    sure_matrix: NDArray[np.int64] | None = None
    call_correlation: float = 0.0
    corrected: frozenset[str] | None = None
    false_calls: Mapping[str, FalseCalls] = field(default_factory=dict)
    usual: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    precisions: Mapping[str, Agreement] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def graded_matrix(self) -> NDArray[np.int64] | None:
        """Validation cells (K, 2K), rows true, columns called: surely, then not; (K, K) where it was not measured."""
        if self.confusion_matrix is None or self.sure_matrix is None:
            return self.confusion_matrix
        return np.hstack([self.sure_matrix, self.confusion_matrix - self.sure_matrix])


@dataclass(frozen=True)
class Ensemble:
    """Members that share one ordered list of cell types."""

    members: tuple[Member, ...]
    rule: str = "soft"
    calibration: Calibration = field(default_factory=Calibration)

    def __post_init__(self) -> None:
        if not self.members:
            raise InputError("an ensemble needs at least one checkpoint")
        if self.rule not in RULES:
            raise InputError(f"the voting rule must be one of {', '.join(RULES)}, not {self.rule}")
        first = self.members[0]
        for member in self.members[1:]:
            if member.checkpoint.cell_types != first.checkpoint.cell_types:
                raise InputError(
                    f"{printable(member.path)} and {printable(first.path)} list other cell types, or in another order: "
                    "members of an ensemble must agree"
                )
        weights = [member.weight for member in self.members]
        if not all(math.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
            raise InputError(f"weights must be numbers of 0 or more, one above 0, not {weights}")

    @property
    def cell_types(self) -> tuple[str, ...]:
        """The types it can call, in the order of its probabilities."""
        return self.members[0].checkpoint.cell_types

    @property
    def weights(self) -> tuple[float, ...]:
        """The members' shares of the vote; they add up to 1."""
        total = sum(member.weight for member in self.members)
        return tuple(member.weight / total for member in self.members)

    def combine(self, probabilities: Sequence[Probabilities]) -> Probabilities:
        """The vote of the members, calibrated.

        Args:
            probabilities: for each member (N, K), rows adding up to 1.

        Returns:
            (N, K), rows adding up to 1.
        """
        voted = vote(probabilities, self.weights, self.rule)
        honest = apply_temperature(voted, self.calibration.temperature)
        return apply_offsets(honest, self.calibration.offsets) if self.calibration.offsets else honest

    def called(self, probabilities: Probabilities) -> NDArray[np.int64]:
        """(N,) indices of the types called, by probabilities (N, K) from `combine`; -1 where a cell is unidentified."""
        sure = probabilities.max(axis=1) >= self.calibration.rejection_threshold
        return np.where(sure, probabilities.argmax(axis=1), -1)


def vote(probabilities: Sequence[Probabilities], weights: Sequence[float], rule: str) -> Probabilities:
    """Combine members' probabilities (N, K each): their weighted mean, or with `hard` that of their calls."""
    total = np.zeros(probabilities[0].shape, np.float64)
    for member, weight in zip(probabilities, weights, strict=True):
        votes = np.eye(member.shape[1])[member.argmax(1)] if rule == "hard" else member
        total += weight * votes
    return total / sum(weights)


def member_of(path: Path, weight: float) -> Member:
    """Read one checkpoint as a member.

    Raises:
        InputError: no such file, or no checkpoint.
    """
    return Member(path, weight, "" if not path.is_file() else sha256_of(path), read_checkpoint(path))


def default_weights(checkpoints: Sequence[Checkpoint]) -> list[float]:
    """The study's 0.4 and 0.6 for its two backbones; equal weights for any other set."""
    if sorted(c.backbone for c in checkpoints) == sorted(DEFAULT_WEIGHTS):
        return [DEFAULT_WEIGHTS[c.backbone] for c in checkpoints]
    return [1 / len(checkpoints)] * len(checkpoints)


def save(folder: Path, ensemble: Ensemble) -> Ensemble:
    """Write an ensemble folder: the members' files, then `ensemble.json`.

    Returns:
        The ensemble with its members' new places.
    """
    make_folder(folder)
    members: list[Member] = []
    for number, member in enumerate(ensemble.members, start=1):
        taken = {m.path.name for m in members}
        name = member.path.name if member.path.name not in taken else f"{number}-{member.path.name}"
        target = folder / name
        if member.path.resolve() != target.resolve():
            content = member.path.read_bytes()
            write_whole(target, lambda temporary, content=content: temporary.write_bytes(content))  # type: ignore[misc]
        members.append(Member(target, member.weight, member.sha256, member.checkpoint))
    saved = Ensemble(tuple(members), ensemble.rule, ensemble.calibration)
    write_text(folder / "ensemble.json", json.dumps(_to_dict(saved), indent=2) + "\n")
    return saved


def load(folder: Path) -> Ensemble:
    """Read an ensemble folder; each member's content must be the one that was measured.

    Raises:
        InputError: no such folder, a damaged or foreign file, a hash that does not match.
    """
    path = folder / "ensemble.json"
    if not path.is_file():
        raise InputError(
            f"{printable(folder)} is no ensemble folder (it holds no ensemble.json); make one with slidescreen ensemble"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format version {content['format_version']}, this release reads {FORMAT_VERSION}")
        members = tuple(_read_member(folder, entry) for entry in content["members"])
        ensemble = Ensemble(members, content["rule"])
        if tuple(content["cell_types"]) != ensemble.cell_types:
            raise InputError(f"{printable(path)} lists other cell types than its checkpoints, or in another order")
        return replace(ensemble, calibration=_calibration(content["validation"], len(ensemble.cell_types)))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{printable(path)} is damaged: {reason}") from error


def _to_dict(ensemble: Ensemble) -> dict[str, Any]:
    calibration = ensemble.calibration
    return {
        "format_version": FORMAT_VERSION,
        "rule": ensemble.rule,
        "cell_types": list(ensemble.cell_types),
        "members": [
            {"file": m.path.name, "backbone": m.checkpoint.backbone, "weight": m.weight, "sha256": m.sha256}
            for m in ensemble.members
        ],
        "validation": {
            "temperature": calibration.temperature,
            "offsets": list(calibration.offsets),
            "rejection_threshold": calibration.rejection_threshold,
            "confusion_matrix": _rows(calibration.confusion_matrix),
            "sure_matrix": _rows(calibration.sure_matrix),
            "call_correlation": calibration.call_correlation,
            "corrected": None if calibration.corrected is None else sorted(calibration.corrected),
            "false_calls": {group: _false_calls_dict(found) for group, found in calibration.false_calls.items()},
            "usual": {name: list(limits) for name, limits in calibration.usual.items()},
            "precisions": {name: asdict(found) for name, found in calibration.precisions.items()},
            "measured": dict(calibration.measured),
        },
    }


def _read_member(folder: Path, entry: dict[str, Any]) -> Member:
    name = str(entry["file"])
    if Path(name).name != name:
        raise ValueError(f"{name!r} is no plain file name")
    path = folder / name
    if not path.is_file():
        raise InputError(f"{printable(path)} is missing from the ensemble")
    found = sha256_of(path)
    if found != entry["sha256"]:
        raise InputError(
            f"{printable(path)} is not the file that this ensemble was measured with (its SHA-256 differs)"
        )
    return Member(path, float(entry["weight"]), found, read_checkpoint(path))


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


def _calibration(content: dict[str, Any], types: int) -> Calibration:
    matrix, sure = (_matrix(rows, types) for rows in (content["confusion_matrix"], content.get("sure_matrix")))
    if matrix is not None and sure is not None and (sure > matrix).any():
        raise ValueError("more of its calls are sure than were made")
    temperature, threshold = float(content["temperature"]), float(content["rejection_threshold"])
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be above 0, not {temperature}")
    if not 0 <= threshold < 1:
        raise ValueError(f"rejection_threshold must be from 0 to 1, not {threshold}")
    offsets = tuple(float(offset) for offset in content.get("offsets", ()))
    if offsets and (len(offsets) != types or not all(map(math.isfinite, offsets))):
        raise ValueError(f"offsets must be a number for each of {types} types")
    return Calibration(
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
        content["measured"],
    )


def _false_calls(entry: dict[str, Any], types: int) -> FalseCalls:
    counted, called = (np.asarray(entry[name], dtype=np.int64) for name in ("counted", "called"))
    if counted.shape != (types,) or called.shape != (types,):
        raise ValueError(f"its false calls are not of {types} types")
    return FalseCalls(float(entry["certainty"]), counted, called, float(entry["correlation"]))


def _agreement(entry: dict[str, Any]) -> Agreement:
    return Agreement(
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
