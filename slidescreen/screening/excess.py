"""Test of a group's calls on a slide against the number expected from classifier error."""

from dataclasses import dataclass

import numpy as np

from slidescreen import cells
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.false_calls import from_matrix, others, tail_probability
from slidescreen.screening.differential import Differential


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

    Only calls above the certainty chosen on validation cells are tested. The expected rate of false calls is the mean
    of the validation rates of the other leukocyte types, weighted by the slide's own composition. The number of false
    calls is beta-binomial, with the correlation measured on validation slides.

    Args:
        differential: the slide's differential.
        ensemble: the ensemble that called its cells.
        group: one of `cells.TESTED_GROUPS`.
        however_certain: test all calls, against all false calls on the validation split. Uncertain calls vary between
            slides as calls of any type do.
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
    if however_certain:
        rates_of, correlation = all_calls, max(correlation, ensemble.validation.call_correlation)
    positions = others(types, members)
    weights = composition.shares[positions]
    rate = float(np.average(rates_of.rates(positions), weights=weights if weights.sum() > 0 else None))
    tail = tail_probability(certain, differential.leukocytes, rate, correlation)
    return ExcessTest(count, certain, rate * differential.leukocytes, tail)
