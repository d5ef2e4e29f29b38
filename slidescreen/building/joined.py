"""Join a laboratory's measured errors with the known ones, for types with too few cells of the laboratory."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult
from slidescreen.ensembles.false_calls import FalseCalls
from slidescreen.ensembles.sufficiency import MeasuredOn

LEAST = 20
"""With so many signed cells of a type, its error rates are the laboratory's own."""

Counts = NDArray[np.int64]


def join(adapted: Ensemble, known: ValidationResult, unsigned: Collection[str]) -> Ensemble:
    """Give the adapted ensemble the known errors for types with few signed cells.

    The correlations of calls and of false calls on a slide stay at least as high as before. A few signed slides cannot
    show that they are lower.

    Args:
        adapted: the ensemble calibrated on the laboratory's cells.
        known: the measurement of the ensemble before.
        unsigned: types without a signed cell.
    """
    own = adapted.validation
    types = adapted.cell_types
    found = adapted.measured_on
    few = np.asarray([found.cells.get(name, 0) < LEAST for name in types])
    borrowed = frozenset(name for name, lent in zip(types, few.tolist(), strict=True) if lent)
    before = Ensemble(adapted.members, adapted.rule, known).measured_on
    counts = {name: found.cells.get(name, 0) + (before.cells.get(name, 0) if name in borrowed else 0) for name in types}
    sure = None
    if known.sure_matrix is not None:
        sure = _joined(own.sure_matrix, known.sure_matrix, few)
    validation = replace(
        own,
        confusion_matrix=_joined(own.confusion_matrix, known.confusion_matrix, few),
        sure_matrix=sure,
        call_correlation=max(own.call_correlation, known.call_correlation),
        false_calls=_false_calls(own.false_calls, known, types, few),
        measured_on=MeasuredOn({name: count for name, count in counts.items() if count}, found.slides),
        unsigned=frozenset(unsigned),
        borrowed=borrowed - frozenset(unsigned),
    )
    return replace(adapted, validation=validation)


def _joined(own: Counts | None, known: Counts | None, few: NDArray[np.bool_]) -> Counts | None:
    """The laboratory's counts by type (first axis). For types with few cells, the known counts are added."""
    if own is None or known is None:
        return own
    return np.asarray(own + np.where(few.reshape(-1, *[1] * (known.ndim - 1)), known, 0))


def _false_calls(
    own: Mapping[str, FalseCalls], known: ValidationResult, types: tuple[str, ...], few: NDArray[np.bool_]
) -> dict[str, FalseCalls]:
    """False calls of each group. If the known certainty differs, known calls of every certainty are counted."""
    joined = {}
    for group, found in own.items():
        before = known.false_calls.get(group)
        counted, called, correlation = None, None, 0.0
        if before is not None:
            correlation = before.correlation
        if before is not None and before.certainty == found.certainty:
            counted, called = before.counted, before.called
        elif known.confusion_matrix is not None:
            inside = cells.indices(types, cells.TESTED_GROUPS[group])
            leukocytes = cells.indices(types, cells.LEUKOCYTES)
            counted = known.confusion_matrix[:, inside].sum(axis=1)
            called = known.confusion_matrix[:, leukocytes].sum(axis=1)
        joined[group] = found
        own_counted, own_called = _joined(found.counted, counted, few), _joined(found.called, called, few)
        if own_counted is not None and own_called is not None:
            joined[group] = FalseCalls(found.certainty, own_counted, own_called, max(found.correlation, correlation))
    return joined
