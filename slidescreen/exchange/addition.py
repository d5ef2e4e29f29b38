"""Add up the slides of one accession number to one differential."""

from collections.abc import Sequence

from slidescreen import cells
from slidescreen.screening.differential import NAMES, Differential, Share
from slidescreen.statistics.intervals import clopper_pearson


def added_up(found: Sequence[Differential]) -> Differential:
    """The sum of several differentials, without corrected figures. A single differential stays as it is."""
    if len(found) == 1:
        return found[0]
    leukocytes = sum(each.leukocytes for each in found)
    return Differential(
        slide=found[0].slide,
        images=sum(each.images for each in found),
        classified=sum(each.classified for each in found),
        unidentified=sum(each.unidentified for each in found),
        unreadable=sum(each.unreadable for each in found),
        duplicates=sum(each.duplicates for each in found),
        leukocytes=leukocytes,
        shares={name: _share(sum(each.shares[name].count for each in found), leukocytes) for name in NAMES},
        per_100={name: _per_100(name, found, leukocytes) for name in cells.OTHER_OBJECTS},
    )


def _share(count: int, leukocytes: int) -> Share:
    if not leukocytes:
        return Share(count, None, None, None)
    limits = clopper_pearson(count, leukocytes)
    return Share(count, 100 * count / leukocytes, 100 * limits.low, 100 * limits.high)


def _per_100(name: str, found: Sequence[Differential], leukocytes: int) -> float | None:
    """Add up a number per 100 leukocytes. Slides without leukocytes have none and are left out."""
    told = [(each.per_100[name], each.leukocytes) for each in found if each.leukocytes]
    if not leukocytes or any(per_100 is None for per_100, _ in told):
        return None
    return 100 * sum(round((per_100 or 0.0) * counted / 100) for per_100, counted in told) / leukocytes
