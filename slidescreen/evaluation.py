"""Predictions against the truth: how good a model is, how sure that is, and whether another is better."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.statistics import bootstrap, calibration, classification, paired, roc
from slidescreen.statistics.intervals import Interval, wilson

NAN = float("nan")


@dataclass(frozen=True)
class Predictions:
    """What one model made of N cells whose truth is known.

    Attributes:
        model: its name, for people.
        cell_types: the K types, in order.
        truth: (N,) indices of the true types.
        called: (N,) indices of the called types; -1 where it abstained.
        probabilities: (N, K), rows adding up to 1; None where only the calls are known.
        slides: (N,) slide names; empty strings where not known.
        sources: (N,) names of the data's sources; empty strings where not known.
    """

    model: str
    cell_types: tuple[str, ...]
    truth: NDArray[np.int64]
    called: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None
    slides: tuple[str, ...]
    sources: tuple[str, ...]

    def forced(self) -> NDArray[np.int64]:
        """(N,) calls without abstention: the most probable type where probabilities are known."""
        return self.called if self.probabilities is None else self.probabilities.argmax(axis=1)


@dataclass(frozen=True)
class TypeScores:
    """One cell type, or one group, against the rest. Rates are 0–1, NaN where undefined."""

    name: str
    support: int
    predicted: int
    precision: float
    precision_limits: Interval[float]
    recall: float
    recall_limits: Interval[float]
    specificity: float
    f1: float
    auroc: float
    auroc_limits: Interval[float]
    average_precision: float


@dataclass(frozen=True)
class Calibration:
    """How far probabilities can be believed; every cell called. Curves are (x, y) pairs."""

    expected_error: float
    brier: float
    negative_log_likelihood: float
    reliability: tuple[tuple[float, float], ...]
    risk_coverage: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ModelScores:
    """One model's scores. Unless said otherwise they are of the cells it called."""

    model: str
    cells: int
    called: int
    accuracy: float
    accuracy_limits: Interval[float]
    accuracy_every_cell_called: float
    balanced_accuracy: float
    kappa: float
    kappa_limits: Interval[float]
    macro_precision: float
    macro_recall: float
    macro_f1: float
    macro_f1_limits: Interval[float]
    types_with_support: int
    weighted_f1: float
    leukocyte_macro_f1: float
    top_2_accuracy: float
    macro_auroc: float
    limits_by: str
    types: tuple[TypeScores, ...]
    groups: tuple[TypeScores, ...]
    calibration: Calibration | None
    confusion: NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """The first model against another on the same cells, each cell called by both.

    `p` values are raw, `p_holm` corrected over all comparisons of that kind.
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
    auroc: tuple[tuple[str, float, float, float], ...]
    """For each type: name, difference of AUROC, p, p_holm (over types and models)."""


@dataclass(frozen=True)
class Evaluation:
    """Everything: the models' scores (the first is the one reported), by source, and their comparisons."""

    cell_types: tuple[str, ...]
    models: tuple[ModelScores, ...]
    sources: tuple[tuple[str, ModelScores], ...]
    comparisons: tuple[Comparison, ...]
    predictions: Predictions


def evaluate(predictions: Sequence[Predictions], resamples: int = 2000, seed: int = 0) -> Evaluation:
    """Score models on the same cells; the first is compared with each of the others.

    Limits are 95%: Wilson's of proportions, DeLong's of AUROC, bootstrap percentiles of the rest.

    Args:
        predictions: one for each model, the same cells in the same order.
        resamples: of the bootstrap, which draws slides where they are known, else cells.
        seed: of the bootstrap.

    Raises:
        ValueError: no predictions, or of other cells.
    """
    if not predictions or len(predictions[0].truth) == 0:
        raise ValueError("there is nothing to evaluate")
    first = predictions[0]
    if any(not np.array_equal(other.truth, first.truth) for other in predictions[1:]):
        raise ValueError("the models' predictions are of other cells")
    models = tuple(_score(p, resamples, seed) for p in predictions)
    sources = sorted(set(first.sources) - {""})
    by_source = tuple((name, _score(_of_source(first, name), resamples, seed)) for name in sources)
    comparisons = _compare(first, predictions[1:], resamples, seed)
    return Evaluation(first.cell_types, models, by_source, comparisons, first)


def _of_source(predictions: Predictions, source: str) -> Predictions:
    chosen = np.asarray([name == source for name in predictions.sources])
    positions = np.flatnonzero(chosen).tolist()
    probabilities = predictions.probabilities
    return replace(
        predictions,
        truth=predictions.truth[chosen],
        called=predictions.called[chosen],
        probabilities=None if probabilities is None else probabilities[chosen],
        slides=tuple(predictions.slides[p] for p in positions),
        sources=tuple(predictions.sources[p] for p in positions),
    )


def _score(predictions: Predictions, resamples: int, seed: int) -> ModelScores:
    kept = predictions.called >= 0
    truth, called = predictions.truth[kept], predictions.called[kept]
    types = predictions.cell_types
    matrix = classification.confusion_matrix(truth, called, len(types))
    scores = classification.per_type(matrix)
    macro = classification.macro(scores.f1)
    clusters, limits_by = _clusters(predictions.slides, kept)
    samples = bootstrap.bootstrap_matrices(truth, called, len(types), clusters, resamples, seed) if len(truth) else None
    probabilities = None if predictions.probabilities is None else predictions.probabilities[kept]
    of_types = tuple(_against_rest(name, (i,), matrix, truth, probabilities) for i, name in enumerate(types))
    leukocytes = cells.indices(types, cells.LEUKOCYTES)
    right = int((truth == called).sum())
    return ModelScores(
        model=predictions.model,
        cells=len(kept),
        called=len(truth),
        accuracy=classification.accuracy(matrix),
        accuracy_limits=wilson(right, len(truth)),
        accuracy_every_cell_called=float((predictions.forced() == predictions.truth).mean()),
        balanced_accuracy=classification.balanced_accuracy(matrix),
        kappa=classification.cohen_kappa(matrix),
        kappa_limits=_limits(samples, "kappa"),
        macro_precision=classification.macro(scores.precision).value,
        macro_recall=classification.macro(scores.recall).value,
        macro_f1=macro.value,
        macro_f1_limits=_limits(samples, "macro_f1"),
        types_with_support=macro.n_types,
        weighted_f1=classification.weighted(scores.f1, scores.support),
        leukocyte_macro_f1=classification.macro(scores.f1[leukocytes]).value,
        top_2_accuracy=NAN if probabilities is None else classification.top_k_accuracy(truth, probabilities, 2),
        macro_auroc=classification.macro([t.auroc for t in of_types]).value,
        limits_by=limits_by,
        types=of_types,
        groups=_groups(types, matrix, truth, probabilities),
        calibration=_calibration(predictions),
        confusion=matrix,
    )


def _groups(
    types: tuple[str, ...],
    matrix: NDArray[np.int64],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float64] | None,
) -> tuple[TypeScores, ...]:
    members = {**cells.GROUPS, "other_objects": cells.OTHER_OBJECTS}
    found = {name: tuple(cells.indices(types, group)) for name, group in members.items()}
    return tuple(_against_rest(n, inside, matrix, truth, probabilities) for n, inside in found.items() if inside)


def _clusters(slides: Sequence[str], kept: NDArray[np.bool_]) -> tuple[list[str] | None, str]:
    """What the bootstrap draws: slides; a cell whose slide is not known is drawn alone."""
    names = [name or f"\0{number}" for number, (name, keep) in enumerate(zip(slides, kept, strict=True)) if keep]
    if len({name for name in names if not name.startswith("\0")}) < 2:
        return None, "cells"
    return names, "slides"


def _limits(samples: NDArray[np.int64] | None, statistic: bootstrap.ScalarStatistic) -> Interval[float]:
    return Interval(NAN, NAN, 0.95) if samples is None else bootstrap.statistic_interval(samples, statistic)


def _against_rest(
    name: str,
    inside: tuple[int, ...],
    matrix: NDArray[np.int64],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float64] | None,
) -> TypeScores:
    (_, false), (missed, hit) = classification.collapse(matrix, inside).tolist()
    scores = classification.binary_scores(classification.collapse(matrix, inside))
    positive = np.isin(truth, inside)
    ranked = None if probabilities is None else probabilities[:, list(inside)].sum(axis=1)
    undefined = ranked is None or not 0 < positive.sum() < len(positive)
    return TypeScores(
        name=name,
        support=hit + missed,
        predicted=hit + false,
        precision=scores.precision,
        precision_limits=wilson(hit, hit + false),
        recall=scores.sensitivity,
        recall_limits=wilson(hit, hit + missed),
        specificity=scores.specificity,
        f1=scores.f1 if hit + missed else NAN,
        auroc=NAN if undefined or ranked is None else roc.auroc(positive, ranked),
        auroc_limits=Interval(NAN, NAN, 0.95) if undefined or ranked is None else roc.delong_interval(positive, ranked),
        average_precision=NAN if undefined or ranked is None else roc.average_precision(positive, ranked),
    )


def _calibration(predictions: Predictions) -> Calibration | None:
    probabilities = predictions.probabilities
    if probabilities is None:
        return None
    confidence = probabilities.max(axis=1)
    correct = predictions.forced() == predictions.truth
    curve = calibration.reliability_curve(confidence, correct)
    risk = calibration.risk_coverage(confidence, correct)
    chosen = np.unique(np.linspace(0, len(risk.coverage) - 1, 200).astype(int))
    return Calibration(
        expected_error=calibration.expected_calibration_error(confidence, correct),
        brier=calibration.brier_score(predictions.truth, probabilities),
        negative_log_likelihood=calibration.negative_log_likelihood(predictions.truth, probabilities),
        reliability=tuple(zip(curve.confidence.tolist(), curve.accuracy.tolist(), strict=True)),
        risk_coverage=tuple(zip(risk.coverage[chosen].tolist(), risk.risk[chosen].tolist(), strict=True)),
    )


def _compare(first: Predictions, others: Sequence[Predictions], resamples: int, seed: int) -> tuple[Comparison, ...]:
    if not others:
        return ()
    clusters, _ = _clusters(first.slides, np.ones(len(first.truth), dtype=np.bool_))
    tests = [paired.mcnemar(first.forced() == first.truth, other.forced() == other.truth) for other in others]
    gaps = [
        bootstrap.paired_difference(
            first.truth, first.forced(), other.forced(), len(first.cell_types), "macro_f1", clusters, resamples, seed
        )
        for other in others
    ]
    areas = [_auroc_tests(first, other) for other in others]
    mcnemar_holm = paired.holm([test.p for test in tests])
    gap_holm = paired.holm([gap.p for gap in gaps])
    area_holm = iter(paired.holm([p for tested in areas for _, _, p in tested]).tolist())
    return tuple(
        Comparison(
            model=first.model,
            other=other.model,
            only_first_right=test.only_a,
            only_other_right=test.only_b,
            mcnemar_p=test.p,
            mcnemar_p_holm=float(mcnemar_holm[number]),
            macro_f1_difference=gap.difference,
            macro_f1_limits=gap.interval,
            macro_f1_p=gap.p,
            macro_f1_p_holm=float(gap_holm[number]),
            auroc=tuple((name, difference, p, next(area_holm)) for name, difference, p in tested),
        )
        for number, (other, test, gap, tested) in enumerate(zip(others, tests, gaps, areas, strict=True))
    )


def _auroc_tests(first: Predictions, other: Predictions) -> list[tuple[str, float, float]]:
    """DeLong's test for each type that has cells: name, difference, p."""
    if first.probabilities is None or other.probabilities is None:
        return []
    results = []
    for position, name in enumerate(first.cell_types):
        positive = first.truth == position
        if 0 < positive.sum() < len(positive):
            test = roc.delong_test(positive, first.probabilities[:, position], other.probabilities[:, position])
            results.append((name, test.difference, test.p))
    return results
