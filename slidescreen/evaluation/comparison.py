"""Whether a model is better than another on the same cells, or only seems so."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidescreen.evaluation.predictions import Predictions, clusters
from slidescreen.statistics import bootstrap, classification, paired, roc
from slidescreen.statistics.intervals import Interval


@dataclass(frozen=True)
class TypeDifference:
    """The first model against the other on one cell type. `p_holm` is corrected over all types and models.

    `only_first_right` and `only_other_right` count the type's cells; AUROC is of the type against the rest, None
    where probabilities are not known.
    """

    name: str
    only_first_right: int
    only_other_right: int
    mcnemar_p: float
    mcnemar_p_holm: float
    auroc_difference: float | None
    auroc_p: float | None
    auroc_p_holm: float | None


@dataclass(frozen=True)
class Comparison:
    """The first model against another on the same cells, each cell called by both.

    `p` values are raw, `p_holm` corrected over all comparisons of that kind. McNemar's test compares paired
    correctness; Stuart and Maxwell's asks whether both call every type equally often, Bowker's whether each pair of
    types is exchanged equally often in both directions.
    """

    model: str
    other: str
    only_first_right: int
    only_other_right: int
    mcnemar_p: float
    mcnemar_p_holm: float
    macro_f1_difference: float
    macro_f1_limits: Interval[float]
    macro_f1_p: float
    macro_f1_p_holm: float
    stuart_maxwell_p: float
    stuart_maxwell_p_holm: float
    bowker_p: float
    bowker_p_holm: float
    types: tuple[TypeDifference, ...]


@dataclass(frozen=True)
class _TypeTests:
    """One type's tests before correction; AUROC's is None without probabilities."""

    name: str
    mcnemar: paired.McNemar
    auroc: roc.DelongTest | None


def compare(first: Predictions, others: Sequence[Predictions], resamples: int, seed: int) -> tuple[Comparison, ...]:
    """The first model against each of the others."""
    if not others:
        return ()
    n_types = len(first.cell_types)
    drawn, _ = clusters(first.slides)
    overall = [paired.mcnemar(_right(first), _right(other)) for other in others]
    gaps = [
        bootstrap.paired_difference(
            first.truth, first.forced(), other.forced(), n_types, "macro_f1", drawn, resamples, seed
        )
        for other in others
    ]
    tables = [classification.confusion_matrix(first.forced(), other.forced(), n_types) for other in others]
    margins = [paired.stuart_maxwell(table).p for table in tables]
    symmetry = [paired.bowker(table).p for table in tables]
    corrected = [paired.holm(p).tolist() for p in ([t.p for t in overall], [g.p for g in gaps], margins, symmetry)]
    by_type = _corrected([_type_tests(first, other) for other in others])
    return tuple(
        Comparison(
            model=first.model,
            other=other.model,
            only_first_right=overall[i].only_a,
            only_other_right=overall[i].only_b,
            mcnemar_p=overall[i].p,
            mcnemar_p_holm=corrected[0][i],
            macro_f1_difference=gaps[i].difference,
            macro_f1_limits=gaps[i].interval,
            macro_f1_p=gaps[i].p,
            macro_f1_p_holm=corrected[1][i],
            stuart_maxwell_p=margins[i],
            stuart_maxwell_p_holm=corrected[2][i],
            bowker_p=symmetry[i],
            bowker_p_holm=corrected[3][i],
            types=by_type[i],
        )
        for i, other in enumerate(others)
    )


def _right(predictions: Predictions) -> NDArray[np.bool_]:
    return np.asarray(predictions.forced() == predictions.truth)


def _type_tests(first: Predictions, other: Predictions) -> list[_TypeTests]:
    """For each type that has cells: McNemar's test on them, and DeLong's on the type against the rest."""
    tests = []
    first_right, other_right = _right(first), _right(other)
    for position, name in enumerate(first.cell_types):
        positive = first.truth == position
        if not positive.any():
            continue
        area = None
        if first.probabilities is not None and other.probabilities is not None and not positive.all():
            area = roc.delong_test(positive, first.probabilities[:, position], other.probabilities[:, position])
        tests.append(_TypeTests(name, paired.mcnemar(first_right[positive], other_right[positive]), area))
    return tests


def _corrected(families: Sequence[Sequence[_TypeTests]]) -> list[tuple[TypeDifference, ...]]:
    """Holm's correction over the types of all models together, for each of the two tests apart."""
    flat = [test for tests in families for test in tests]
    counted = iter(paired.holm([test.mcnemar.p for test in flat]).tolist())
    areas = [test.auroc.p for test in flat if test.auroc is not None]
    ranked = iter(paired.holm(areas).tolist() if areas else [])
    return [
        tuple(
            TypeDifference(
                name=test.name,
                only_first_right=test.mcnemar.only_a,
                only_other_right=test.mcnemar.only_b,
                mcnemar_p=test.mcnemar.p,
                mcnemar_p_holm=next(counted),
                auroc_difference=None if test.auroc is None else test.auroc.difference,
                auroc_p=None if test.auroc is None else test.auroc.p,
                auroc_p_holm=None if test.auroc is None else next(ranked),
            )
            for test in tests
        )
        for tests in families
    ]
