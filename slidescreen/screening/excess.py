"""Test of a group's calls on a slide against the number expected from classifier error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.false_calls import FalseCalls, from_matrix, others, tail_probability
from slidescreen.screening.correction import Composition
from slidescreen.screening.differential import Differential

_HIGHEST_RATE = 0.99


@dataclass(frozen=True)
class ExcessTest:
    """A group's calls compared with the number expected from classifier error.

    `count` is the number of all calls, `certain` the number of calls certain enough for the test. `expected` is the
    number of certain calls expected from classifier error. `p_value` is the probability of at least `certain` calls.
    Both are None if the ensemble's error rates were not measured.
    """

    count: int
    certain: int
    expected: float | None
    p_value: float | None

    def significant(self, error_rate: float) -> bool:
        """Whether classifier error does not explain the calls. Without measured error rates, any call is
        significant."""
        return self.count > 0 and (self.p_value is None or self.p_value < error_rate)


def excess_test(
    differential: Differential, ensemble: Ensemble, group: str, however_certain: bool = False
) -> ExcessTest:
    """Test the null hypothesis that classifier error explains a group's calls.

    Only calls above the certainty chosen on validation cells are tested. The group's other calls are left out: as cells
    that could have been called so, each would make the certain calls less remarkable. The expected rate of false calls
    is the mean of the validation rates of the other leukocyte types, weighted by the slide's own composition. The
    number of false calls is beta-binomial, with the correlation measured on validation slides.

    Args:
        differential: the slide's differential.
        ensemble: the ensemble that called its cells.
        group: one of `cells.TESTED_GROUPS`.
        however_certain: test all calls, against all false calls on the validation split, those of smudge cells and
            other objects included. Uncertain calls vary between slides as calls of any type do.
    """
    members = cells.TESTED_GROUPS[group]
    count = sum(differential.shares[name].count for name in members)
    certain = count if however_certain else differential.certain[group]
    matrix = ensemble.validation.confusion_matrix
    composition = differential.composition
    if matrix is None or composition is None:
        return ExcessTest(count, certain, None, None)
    types = ensemble.cell_types
    all_calls = from_matrix(matrix, types, members)
    found = ensemble.validation.false_calls.get(group, all_calls)
    rates_of, correlation = found, found.correlation
    objects = 0.0
    if however_certain:
        rates_of, correlation = all_calls, max(correlation, ensemble.validation.call_correlation)
        objects = _among_other_objects(differential, composition, all_calls, matrix, types)
    positions = others(types, members)
    weights = composition.shares[positions]
    rate = float(np.average(rates_of.rates(positions), weights=weights if weights.sum() > 0 else None))
    trials = differential.leukocytes - (count - certain)
    if trials == 0:
        return ExcessTest(count, certain, 0.0, 1.0)
    expected = rate * trials + objects
    tail = tail_probability(certain, trials, min(expected / trials, _HIGHEST_RATE), correlation)
    return ExcessTest(count, certain, expected, tail)


def _among_other_objects(
    differential: Differential,
    composition: Composition,
    all_calls: FalseCalls,
    matrix: NDArray[np.int64],
    types: Sequence[str],
) -> float:
    """The number of false calls expected from the slide's objects that are no leukocytes, such as smudge cells."""
    objects = cells.indices(types, cells.OTHER_OBJECTS)
    cells_of = np.maximum(matrix[objects].sum(axis=1), 1)
    return float(composition.shares[objects] @ (all_calls.counted[objects] / cells_of)) * differential.classified
