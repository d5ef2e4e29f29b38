"""Scores of a classifier of cells that follow from the confusion matrix alone.

A matrix has the shape (K, K): rows true types, columns predicted types, entries cells.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slidescreen.statistics import rates
from slidescreen.statistics.arrays import (
    Floats,
    Ints,
    counts,
    numbers,
    positive_integer,
    probability_rows,
    same_length,
    square_counts,
    type_indices,
)


@dataclass(frozen=True)
class PerType:
    """Scores of each type against all others: arrays of shape (K,), NaN where undefined.

    Attributes:
        support: cells that are of the type.
        predicted: cells that were called this type.
        precision: correct among predicted; undefined for a type never predicted.
        recall: correct among support (sensitivity); undefined without support.
        specificity: the fraction of cells of other types that were not called this type.
        f1: harmonic mean of precision and recall, 2 · correct / (support + predicted).
    """

    support: Floats
    predicted: Floats
    precision: Floats
    recall: Floats
    specificity: Floats
    f1: Floats


@dataclass(frozen=True)
class Average:
    """A mean over types, and the number of these types. The mean over no types is NaN."""

    value: float
    n_types: int


@dataclass(frozen=True)
class BinaryScores:
    """Scores of a group of types against the rest; fractions, NaN where undefined."""

    sensitivity: float
    specificity: float
    precision: float
    npv: float
    f1: float
    accuracy: float


def confusion_matrix(true: ArrayLike, predicted: ArrayLike, n_types: int) -> Ints:
    """Count the cells of each true type that were called each type.

    Args:
        true: type index of each cell, shape (n,).
        predicted: type index that each cell was called, shape (n,).
        n_types: K, the number of types; some may not occur.

    Returns:
        int64 of shape (K, K), rows true, columns predicted.

    Raises:
        ValueError: shapes differ, or an index is outside 0 to K - 1.

    >>> confusion_matrix([0, 0, 1], [0, 1, 1], 3).tolist()
    [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    """
    n_types = positive_integer(n_types, "n_types")
    rows = type_indices(true, n_types, "true")
    columns = type_indices(predicted, n_types, "predicted")
    same_length(true=rows, predicted=columns)
    flat = np.bincount(rows * n_types + columns, minlength=n_types * n_types)
    return flat.astype(np.int64).reshape(n_types, n_types)


def per_type(matrix: ArrayLike) -> PerType:
    """Precision, recall, specificity and F1 of each type of a (K, K) confusion matrix.

    For types with support F1 follows scikit-learn: it is 0 if none of the type's cells was called right, even if the
    type was never predicted (its precision is then NaN). For types without support F1 is NaN, even if the type was
    predicted (its precision is then 0). So `macro(scores.f1)` is over the types with support. For a type with neither
    support nor predictions all scores are NaN, because it does not occur in the data.

    Raises:
        ValueError: not a square matrix of counts.
    """
    checked = square_counts(matrix)
    return PerType(
        support=rates.support(checked).astype(np.float64),
        predicted=rates.predicted(checked).astype(np.float64),
        precision=rates.precision(checked),
        recall=rates.recall(checked),
        specificity=rates.specificity(checked),
        f1=rates.f1(checked),
    )


def macro(values: ArrayLike) -> Average:
    """Unweighted mean over the types whose value, shape (K,), is defined.

    >>> macro([0.5, float("nan"), 1.0])
    Average(value=0.75, n_types=2)
    """
    array = _values_of_types(values)
    return Average(float(rates.mean_of_defined(array)), int(np.count_nonzero(~np.isnan(array))))


def weighted(values: ArrayLike, support: ArrayLike) -> float:
    """Mean of values, shape (K,), weighted by the types' support, shape (K,); undefined types are left out.

    NaN if no type with support has a defined value.

    Raises:
        ValueError: shapes differ, or support is not counts.
    """
    array = _values_of_types(values)
    weights = counts(support, "support")
    if weights.shape != array.shape:
        raise ValueError(f"support must have the shape of values {array.shape}, received {weights.shape}")
    defined = ~np.isnan(array)
    return float(rates.ratio(np.sum(array[defined] * weights[defined]), np.sum(weights[defined])))


def accuracy(matrix: ArrayLike) -> float:
    """Fraction of all cells that were called right; NaN without cells."""
    return float(rates.accuracy(square_counts(matrix)))


def micro_f1(matrix: ArrayLike) -> float:
    """F1 of all types' counts pooled.

    With one call for each cell this equals the accuracy, because every wrong call is one false positive and one false
    negative. It exists because reports ask for it by name.
    """
    return accuracy(matrix)


def balanced_accuracy(matrix: ArrayLike) -> float:
    """Mean recall over the types with support; NaN without cells."""
    return float(rates.mean_of_defined(rates.recall(square_counts(matrix))))


def cohen_kappa(matrix: ArrayLike) -> float:
    """Agreement of true and predicted types beyond chance, unweighted: 1 perfect, 0 as by chance.

    NaN if chance alone would always agree: every cell has one type and is called this type.

    Source: Cohen, Educational and Psychological Measurement 1960; 20: 37-46.
    """
    return float(rates.kappa(square_counts(matrix)))


def top_k_accuracy(true: ArrayLike, probabilities: ArrayLike, k: int = 2) -> float:
    """Fraction of the cells whose true type is among the k most probable.

    Of equal probabilities the lower index comes first, as in `argmax`. So k = 1 gives the accuracy.

    Args:
        true: type indices, shape (n,).
        probabilities: shape (n, K).
        k: 1 to K.

    Returns:
        The fraction; NaN without cells.

    Raises:
        ValueError: shapes do not fit, or k is outside 1 to K.
    """
    table = probability_rows(probabilities)
    n_types = table.shape[1]
    types = type_indices(true, n_types, "true")
    same_length(true=types, probabilities=table)
    if not 1 <= positive_integer(k, "k") <= n_types:
        raise ValueError(f"k must be from 1 to {n_types}, received {k}")
    own = table[np.arange(len(types)), types][:, None]
    earlier = np.arange(n_types) < types[:, None]
    ahead = np.count_nonzero((table > own) | ((table == own) & earlier), axis=1)
    return float(rates.ratio(np.count_nonzero(ahead < k), len(types)))


def collapse(matrix: ArrayLike, group: Iterable[int]) -> Ints:
    """Reduce a (K, K) confusion matrix to a group of types against the rest.

    A confusion within the group counts as right: a myeloblast called a lymphoblast is a blast called a blast.

    Args:
        matrix: counts, shape (K, K).
        group: distinct type indices, at least one.

    Returns:
        int64 of shape (2, 2), rows true, columns predicted, index 0 the rest and 1 the group:
        [[true negatives, false positives], [false negatives, true positives]].

    Raises:
        ValueError: not a square matrix of counts; an index is repeated or outside 0 to K - 1; the group is
            empty.
    """
    checked = square_counts(matrix)
    members = type_indices(list(group), len(checked), "group")
    if len(members) == 0 or len(np.unique(members)) != len(members):
        raise ValueError(f"group must be one or more distinct type indices, received {members.tolist()}")
    side = np.zeros((len(checked), 2), dtype=np.int64)
    side[:, 0] = 1
    side[members] = (0, 1)
    result: Ints = side.T @ checked @ side
    return result


def binary_scores(matrix: ArrayLike) -> BinaryScores:
    """Scores of a (2, 2) matrix in the layout of `collapse`.

    F1 as in `per_type`: 0 if positives exist and none is found, NaN if there are no positives.

    Raises:
        ValueError: not a (2, 2) matrix of counts.

    >>> binary_scores([[90, 10], [2, 8]]).sensitivity
    0.8
    """
    checked = square_counts(matrix)
    if checked.shape != (2, 2):
        raise ValueError(f"matrix must have the shape (2, 2), received {checked.shape}")
    recall, precision = rates.recall(checked), rates.precision(checked)
    return BinaryScores(
        sensitivity=float(recall[1]),
        specificity=float(recall[0]),
        precision=float(precision[1]),
        npv=float(precision[0]),
        f1=float(rates.f1(checked)[1]),
        accuracy=float(rates.accuracy(checked)),
    )


def _values_of_types(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"values must have the shape (K,), received {array.shape}")
    numbers(array[~np.isnan(array)], "values")
    return array
