"""The leukocyte differential of one slide: counts, percentages, exact limits, corrected percentages."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.screening.correction import Composition, graded, unmix
from slidescreen.statistics.intervals import clopper_pearson

NAMES: tuple[str, ...] = (*cells.LEUKOCYTES, *cells.GROUPS)
_ONE_SIDED = 2 / 3  # the share of draws on one side of an estimate from which on they are biased, not merely skewed


@dataclass(frozen=True)
class Share:
    """A cell type's or group's share of the leukocytes. Percentages are 0–100; None if undefined.

    `low` and `high` are exact 95% limits (Clopper and Pearson) of the counted percentage. The corrected figures allow
    for the ensemble's errors.
    """

    count: int
    percent: float | None
    low: float | None
    high: float | None
    corrected_percent: float | None = None
    corrected_low: float | None = None
    corrected_high: float | None = None


@dataclass(frozen=True)
class Differential:
    """The counts of one slide.

    Attributes:
        shares: for each of `NAMES`: the twelve leukocyte types, blasts, immature granulocytes.
        per_100: each other object's number per 100 leukocytes; None without leukocytes, or if it has no class.
        certain: for each of `cells.TESTED_GROUPS`, the number of calls certain enough for the test; empty if read from
            a file.
        look_like: the number of unidentified cells by their most probable type; empty if read from a file.
        composition: the estimate behind the corrected figures; None if there is none, or if read from a file.
        compared: number of images with a known unfamiliarity, without those that show no cell.
        unfamiliar: number of these images above the cut; None if the ensemble cannot tell.
        strange: number of these images unlike every type; None if the ensemble cannot tell, or if read from a table.
    """

    slide: str
    images: int
    classified: int
    unidentified: int
    unreadable: int
    duplicates: int
    leukocytes: int
    shares: Mapping[str, Share]
    per_100: Mapping[str, float | None]
    certain: Mapping[str, int] = field(default_factory=dict)
    look_like: Mapping[str, int] = field(default_factory=dict)
    composition: Composition | None = None
    compared: int = 0
    unfamiliar: int | None = None
    strange: int | None = None

    @property
    def unfamiliar_percent(self) -> float | None:
        """The percentage of unfamiliar images among the compared ones, 0–100; None without compared images."""
        return None if self.unfamiliar is None or not self.compared else 100 * self.unfamiliar / self.compared


def count_slide(slide: str, calls: Sequence[Call], ensemble: Ensemble) -> Differential:
    """Count one slide's calls.

    Args:
        slide: the slide's name.
        calls: one for each image that was found.
        ensemble: the ensemble that made the calls. Its validation confusion matrix gives the correction.
    """
    status = Counter(call.status for call in calls)
    called = Counter(call.cell_type for call in calls if call.status is Status.CLASSIFIED)
    types = ensemble.cell_types
    leukocytes = sum(called[name] for name in cells.LEUKOCYTES)
    matrix = ensemble.validation.graded_matrix
    composition: Composition | None = None
    if matrix is not None and leukocytes:
        composition = unmix(_counts(calls, types, matrix.shape[1]), matrix, ensemble.validation.call_correlation)
    return Differential(
        slide=slide,
        images=len(calls),
        classified=status[Status.CLASSIFIED],
        unidentified=status[Status.UNIDENTIFIED],
        unreadable=status[Status.UNREADABLE],
        duplicates=status[Status.DUPLICATE],
        leukocytes=leukocytes,
        shares={
            name: _share(name, called, leukocytes, composition if _is_corrected(name, ensemble) else None, types)
            for name in NAMES
        },
        per_100={
            name: 100 * called[name] / leukocytes if leukocytes and name in types else None
            for name in cells.OTHER_OBJECTS
        },
        certain={group: _certain(calls, group, ensemble) for group in cells.TESTED_GROUPS},
        look_like=_looks(calls, types),
        composition=composition,
        **_familiarity(calls),
    )


def _familiarity(calls: Sequence[Call]) -> dict[str, int]:
    """The numbers of compared, unfamiliar and strange images; empty if no image was compared."""
    known = [call for call in calls if call.unfamiliarity is not None and not call.reason]  # pictures of a cell
    if not known:
        return {}
    strange = sum((call.strangeness or 0.0) >= 1 for call in known)
    return {"compared": len(known), "unfamiliar": sum(call.unfamiliar for call in known), "strange": strange}


def _looks(calls: Sequence[Call], types: Sequence[str]) -> Mapping[str, int]:
    """The number of cells, by most probable type, that are unidentified only because no type is certain."""
    unsure = [call for call in calls if call.status is Status.UNIDENTIFIED and call.probabilities and not call.reason]
    return Counter(types[int(np.argmax(call.probabilities))] for call in unsure)


def _counts(calls: Sequence[Call], types: Sequence[str], columns: int) -> NDArray[np.int64]:
    """The number of calls of each type: (K,), or (2K,) for twice as many `columns`, sure calls before others."""
    classified = [call for call in calls if call.status is Status.CLASSIFIED]
    called = np.asarray([types.index(call.cell_type) for call in classified], dtype=np.int64)
    if columns > len(types):
        called = graded(called, np.asarray([call.probability or 0.0 for call in classified]), len(types))
    return np.bincount(called, minlength=columns)


def _is_corrected(name: str, ensemble: Ensemble) -> bool:
    """Whether to correct `name`. Error rates from too few cells are unreliable and not used."""
    corrected = ensemble.validation.corrected
    return (corrected is None or name in corrected) and not ensemble.measured_on.shortfalls()


def _certain(calls: Sequence[Call], group: str, ensemble: Ensemble) -> int:
    """The number of calls into a group that reach the certainty at which false calls were measured."""
    members = cells.TESTED_GROUPS[group]
    inside = [call for call in calls if call.status is Status.CLASSIFIED and call.cell_type in members]
    measured = ensemble.validation.false_calls.get(group)
    if measured is None or measured.certainty == 0:
        return len(inside)
    positions = cells.indices(ensemble.cell_types, members)
    certainties = (sum(call.probabilities[p] for p in positions) for call in inside if call.probabilities)
    return sum(certainty >= measured.certainty for certainty in certainties)


def members_of(name: str) -> tuple[str, ...]:
    """The cell types behind a name of the differential: a group's members, or the type itself."""
    return cells.GROUPS.get(name, (name,))


def corrected_share(composition: Composition | None, members: Sequence[str], types: Sequence[str]) -> float | None:
    """The most likely share of `members` among the leukocytes, 0–1; None if error rates are not known well enough."""
    positions = cells.indices(types, members)
    if composition is None or not composition.identifies(positions):
        return None
    return float(_among_leukocytes(composition.shares[None], members, types)[0])


def corrected_draws(composition: Composition, members: Sequence[str], types: Sequence[str]) -> NDArray[np.float64]:
    """Draws (D,) of the true share of `members` among the leukocytes, 0–1."""
    return _among_leukocytes(composition.draws, members, types)


def _share(
    name: str, called: Mapping[str, int], leukocytes: int, composition: Composition | None, types: Sequence[str]
) -> Share:
    members = members_of(name)
    count = sum(called[member] for member in members)
    if leukocytes == 0:
        return Share(count, None, None, None)
    limits = clopper_pearson(count, leukocytes)
    raw = Share(count, 100 * count / leukocytes, 100 * limits.low, 100 * limits.high)
    estimate = corrected_share(composition, members, types)
    if composition is None or estimate is None:
        return raw
    draws = corrected_draws(composition, members, types)
    low, high = np.quantile(draws, (0.025, 0.975))
    # Where a type fills the slide, error rates that fit less well only take away from it: nearly all draws lie on one
    # side of the estimate. Then the limits reach as far on its other side.
    below, above = (draws < estimate).mean(), (draws > estimate).mean()
    low, high = (
        min(low, 2 * estimate - high if above > _ONE_SIDED else estimate),
        max(high, 2 * estimate - low if below > _ONE_SIDED else estimate),
    )
    # Where all cells are called it, or none, resampling has no spread: the exact limits of the count have.
    if count == 0:
        high = max(high, limits.high)
    if count == leukocytes:
        low = min(low, limits.low)
    low, high = np.clip((low, high), 0, 1)
    return Share(count, raw.percent, raw.low, raw.high, 100 * estimate, 100 * float(low), 100 * float(high))


def _among_leukocytes(shares: NDArray[np.float64], members: Sequence[str], types: Sequence[str]) -> NDArray[np.float64]:
    part = shares[:, cells.indices(types, members)].sum(axis=1)
    whole = shares[:, cells.indices(types, cells.LEUKOCYTES)].sum(axis=1)
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))
