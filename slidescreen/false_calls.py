"""How often an ensemble calls a cell of another type a blast (or immature), and how that clusters on slides."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from slidescreen import cells

LEAST_CORRELATION = 1e-4
_GREATEST_CORRELATION = 0.3
_LEAST_CELLS = 20  # on a slide, to say anything of its own rate
_LEAST_FALSE = 2  # in all: whether they cluster cannot be seen of fewer


def others(cell_types: Sequence[str], members: Sequence[str]) -> list[int]:
    """Positions of the leukocyte types that are not `members`."""
    return [i for i in cells.indices(cell_types, cells.LEUKOCYTES) if cell_types[i] not in members]


def false_call_rates(
    confusion: NDArray[np.int64], cell_types: Sequence[str], members: Sequence[str]
) -> NDArray[np.float64]:
    """For each leukocyte type outside of a group: the share of its called leukocytes that are called into the group.

    Half a cell is added to the false calls and one to all (Jeffreys), so that an error not seen on validation does
    not count as impossible.

    Args:
        confusion: (K, K) validation cells, rows true, columns called.
        cell_types: the K types.
        members: of the group.

    Returns:
        (M,) in the order of `others`.
    """
    rows = others(cell_types, members)
    inside = cells.indices(cell_types, members)
    leukocytes = cells.indices(cell_types, cells.LEUKOCYTES)
    false = confusion[np.ix_(rows, inside)].sum(axis=1)
    called = confusion[np.ix_(rows, leukocytes)].sum(axis=1)
    return np.asarray((false + 0.5) / (called + 1.0))


def slide_correlation(
    true: NDArray[np.int64],
    called: NDArray[np.int64],
    slides: Sequence[str],
    rates: NDArray[np.float64],
    cell_types: Sequence[str],
    members: Sequence[str],
) -> float:
    """How strongly false calls cluster on slides, by maximum likelihood of a beta-binomial distribution.

    Args:
        true, called: (N,) type indices of validation cells that were called.
        slides: (N,) names, empty where unknown; such cells say nothing here.
        rates: (M,) by `false_call_rates`; a slide's mean is that of its own cells.
        cell_types, members: as there.

    Returns:
        The intra-slide correlation, from 0.0001 to 0.3; the least where no slide has enough cells, or hardly
        any call is false.
    """
    rows = others(cell_types, members)
    rate_of = dict(zip(rows, rates.tolist(), strict=True))
    inside = set(cells.indices(cell_types, members))
    leukocytes = set(cells.indices(cell_types, cells.LEUKOCYTES))
    found: dict[str, list[tuple[float, bool]]] = {}
    for t, c, slide in zip(true.tolist(), called.tolist(), slides, strict=True):
        if slide and t in rate_of and c in leukocytes:
            found.setdefault(slide, []).append((rate_of[t], c in inside))
    usable = [values for values in found.values() if len(values) >= _LEAST_CELLS]
    if not usable:
        return LEAST_CORRELATION
    totals = np.asarray([len(values) for values in usable])
    false = np.asarray([sum(wrong for _, wrong in values) for values in usable])
    if false.sum() < _LEAST_FALSE:
        return LEAST_CORRELATION
    means = np.asarray([np.mean([rate for rate, _ in values]) for values in usable])

    def loss(log_correlation: float) -> float:
        scale = 1 / np.exp(log_correlation) - 1
        return -float(stats.betabinom.logpmf(false, totals, means * scale, (1 - means) * scale).sum())

    bounds = (np.log(LEAST_CORRELATION), np.log(_GREATEST_CORRELATION))
    best = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(best.x))


def tail_probability(count: int, total: int, rate: float, correlation: float) -> float:
    """The probability of `count` or more false calls among `total` cells at a mean rate that varies by slide."""
    scale = 1 / max(correlation, LEAST_CORRELATION) - 1
    return float(stats.betabinom.sf(count - 1, total, rate * scale, (1 - rate) * scale))
