"""Tests of whether one model is better than another on the same cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidescreen.evaluation.predictions import Predictions
from slidescreen.statistics import classification, clustered_tables, clusters, paired, roc, single_cells
from slidescreen.statistics.intervals import Interval
from slidescreen.statistics.paired import PairedDifference


@dataclass(frozen=True)
class TypeDifference:
    """The first model against another on one cell type. `p_holm` is corrected over all types and models.

    `only_first_right` and `only_other_right` count the type's cells. AUROC is for the type against the rest; None if
    probabilities are unknown. p is NaN if the type lies on too few slides.
    """

    name: str
    only_first_right: int
    only_other_right: int
    mcnemar_p: float
    mcnemar_p_holm: float
    recall_p: float
    recall_p_holm: float
    auroc_difference: float | None
    auroc_p: float | None
    auroc_p_holm: float | None


@dataclass(frozen=True)
class Comparison:
    """The first model against another on the same cells, with every cell called by both.

    A model without probabilities may abstain. Its abstentions count as calls of a type of their own, which no cell has.

    `p` values are raw; `p_holm` values are corrected over all comparisons of that kind. They are NaN if slides are too
    few to test. `tested_by` is the unit that the tests of accuracy, macro F1, recall and AUROC take as independent:
    `slides` if known, else `cells`. Three tests always take cells as independent. McNemar's test compares paired
    correctness. Stuart and Maxwell's tests whether both models call every type equally often. Bowker's tests whether
    both confuse each pair of types equally often in both directions.
    """

    model: str
    other: str
    only_first_right: int
    only_other_right: int
    mcnemar_p: float
    mcnemar_p_holm: float
    tested_by: str
    accuracy_difference: float
    accuracy_limits: Interval[float]
    accuracy_p: float
    accuracy_p_holm: float
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
    """One type's tests before correction. The test of the AUROC is None without probabilities."""

    name: str
    mcnemar: paired.McNemar
    recall_p: float
    auroc: PairedDifference | roc.DelongTest | None


def compare(first: Predictions, others: Sequence[Predictions]) -> tuple[Comparison, ...]:
    """The first model against each of the others."""
    if not others:
        return ()
    slides = first.independent_units()
    overall = [paired.mcnemar(_right(first), _right(other)) for other in others]
    accuracy = [_accuracy(first, other, slides) for other in others]
    gaps = [_macro_f1(first, other, slides) for other in others]
    tables = [classification.confusion_matrix(*_calls(first, other)) for other in others]
    margins = [paired.stuart_maxwell(table).p for table in tables]
    symmetry = [paired.bowker(table).p for table in tables]
    families = ([t.p for t in overall], [g.p for g in gaps], margins, symmetry, [a.p for a in accuracy])
    corrected = [paired.holm(family).tolist() for family in families]
    by_type = _corrected([_type_tests(first, other, slides) for other in others])
    return tuple(
        Comparison(
            model=first.model,
            other=other.model,
            only_first_right=overall[i].only_a,
            only_other_right=overall[i].only_b,
            mcnemar_p=overall[i].p,
            mcnemar_p_holm=corrected[0][i],
            tested_by="cells" if slides is None else "slides",
            accuracy_difference=accuracy[i].difference,
            accuracy_limits=accuracy[i].interval,
            accuracy_p=accuracy[i].p,
            accuracy_p_holm=corrected[4][i],
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


def _calls(first: Predictions, other: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Both models' calls of every cell, and the number of types. An abstention is a call of one type more."""
    n_types = len(first.cell_types)
    forced = [predictions.forced() for predictions in (first, other)]
    if min(calls.min() for calls in forced) >= 0:
        return forced[0], forced[1], n_types
    one, another = (np.where(calls < 0, n_types, calls) for calls in forced)
    return one, another, n_types + 1


def _right(predictions: Predictions) -> NDArray[np.bool_]:
    return np.asarray(predictions.forced() == predictions.truth)


def _accuracy(first: Predictions, other: Predictions, slides: Sequence[str] | None) -> PairedDifference:
    if slides is not None:
        return clusters.rate_difference(_right(first), _right(other), slides)
    return single_cells.paired_difference(first.truth, *_calls(first, other), "accuracy")


def _macro_f1(first: Predictions, other: Predictions, slides: Sequence[str] | None) -> PairedDifference:
    sides = first.truth, *_calls(first, other)
    if slides is not None:
        return clustered_tables.paired_difference(*sides, "macro_f1", slides)
    return single_cells.paired_difference(*sides, "macro_f1")


def _type_tests(first: Predictions, other: Predictions, slides: Sequence[str] | None) -> list[_TypeTests]:
    """For each type that has cells: a test of the recall, and a test of the AUROC against the rest."""
    tests = []
    names = None if slides is None else np.asarray(slides)
    first_right, other_right = _right(first), _right(other)
    for position, name in enumerate(first.cell_types):
        positive = first.truth == position
        if not positive.any():
            continue
        area: PairedDifference | roc.DelongTest | None = None
        if first.probabilities is not None and other.probabilities is not None and not positive.all():
            scores = first.probabilities[:, position], other.probabilities[:, position]
            area = (
                roc.delong_test(positive, *scores)
                if names is None
                else clusters.auroc_difference(positive, *scores, names)
            )
        right = first_right[positive], other_right[positive]
        mcnemar = paired.mcnemar(*right)
        recall_p = mcnemar.p if names is None else clusters.rate_difference(*right, names[positive]).p
        tests.append(_TypeTests(name, mcnemar, recall_p, area))
    return tests


def _corrected(families: Sequence[Sequence[_TypeTests]]) -> list[tuple[TypeDifference, ...]]:
    """Apply Holm's correction over the types of all models together, separately for each kind of test."""
    flat = [test for tests in families for test in tests]
    recalled = iter(paired.holm([test.recall_p for test in flat]).tolist())
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
                recall_p=test.recall_p,
                recall_p_holm=next(recalled),
                auroc_difference=None if test.auroc is None else test.auroc.difference,
                auroc_p=None if test.auroc is None else test.auroc.p,
                auroc_p_holm=None if test.auroc is None else next(ranked),
            )
            for test in tests
        )
        for tests in families
    ]
