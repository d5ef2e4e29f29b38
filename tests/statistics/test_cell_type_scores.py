"""Scores of a confusion matrix: right where defined, NaN where not."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from slidescreen.statistics import classification

quick = settings(max_examples=30, deadline=None, derandomize=True, database=None)
matrices = st.integers(2, 6).flatmap(lambda k: arrays(np.int64, (k, k), elements=st.integers(0, 30)))


def cells_of(matrix):
    """One (true, predicted) pair for each count of a matrix."""
    rows, columns = np.indices(matrix.shape)
    return np.repeat(rows.ravel(), matrix.ravel()), np.repeat(columns.ravel(), matrix.ravel())


def random_cells(n=2000, k=7, seed=0):
    generator = np.random.default_rng(seed)
    true = generator.integers(0, k, n)
    predicted = np.where(generator.random(n) < 0.7, true, generator.integers(0, k, n))
    return true, predicted


def test_rows_are_true_types_and_columns_predicted_ones():
    matrix = classification.confusion_matrix([0, 0, 0, 2], [0, 1, 1, 0], 3)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[1, 2, 0], [0, 0, 0], [1, 0, 0]]


def test_matrix_equals_scikit_learn():
    true, predicted = random_cells()
    expected = metrics.confusion_matrix(true, predicted, labels=range(7))
    np.testing.assert_array_equal(classification.confusion_matrix(true, predicted, 7), expected)


def test_small_unsigned_indices_do_not_overflow():
    true = np.full(10, 15, dtype=np.uint8)
    assert classification.confusion_matrix(true, true, 16)[15, 15] == 10


def test_no_cells_give_an_empty_matrix_and_undefined_scores():
    matrix = classification.confusion_matrix([], [], 3)
    assert matrix.tolist() == [[0] * 3] * 3
    scores = classification.per_type(matrix)
    for values in (scores.precision, scores.recall, scores.specificity, scores.f1):
        assert np.isnan(values).all()
    for score in (
        classification.accuracy,
        classification.micro_f1,
        classification.balanced_accuracy,
        classification.cohen_kappa,
    ):
        assert np.isnan(score(matrix))
    average = classification.macro(scores.f1)
    assert np.isnan(average.value)
    assert average.n_types == 0


@quick
@given(matrices)
def test_per_type_scores_equal_scikit_learn(matrix):
    true, predicted = cells_of(matrix)
    scores = classification.per_type(matrix)
    if len(true) == 0:
        return
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        true, predicted, labels=range(len(matrix)), zero_division=np.nan
    )
    np.testing.assert_allclose(scores.precision, precision, rtol=0, atol=1e-12)
    np.testing.assert_allclose(scores.recall, recall, rtol=0, atol=1e-12)
    with_support = support > 0
    np.testing.assert_allclose(scores.f1[with_support], f1[with_support], rtol=0, atol=1e-12)
    assert np.isnan(scores.f1[~with_support]).all()
    np.testing.assert_array_equal(scores.support, support)


@quick
@given(matrices)
def test_specificity_is_the_recall_of_not_being_the_type(matrix):
    true, predicted = cells_of(matrix)
    scores = classification.per_type(matrix)
    for index, specificity in enumerate(scores.specificity):
        others = true != index
        if not others.any() or (scores.support[index] + scores.predicted[index] == 0):
            assert np.isnan(specificity)
        else:
            assert specificity == pytest.approx(np.mean(predicted[others] != index), abs=1e-12)


@quick
@given(matrices)
def test_scores_over_all_types_equal_scikit_learn(matrix):
    true, predicted = cells_of(matrix)
    if len(true) == 0:
        return
    assert classification.accuracy(matrix) == pytest.approx(metrics.accuracy_score(true, predicted), abs=1e-12)
    assert classification.micro_f1(matrix) == pytest.approx(
        metrics.f1_score(true, predicted, average="micro"), abs=1e-12
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        balanced = metrics.balanced_accuracy_score(true, predicted)
        kappa = metrics.cohen_kappa_score(true, predicted)
    assert classification.balanced_accuracy(matrix) == pytest.approx(balanced, abs=1e-12)
    assert classification.cohen_kappa(matrix) == pytest.approx(kappa, abs=1e-12, nan_ok=True)


@quick
@given(matrices, st.randoms(use_true_random=False))
def test_the_order_of_the_types_does_not_matter(matrix, random):
    order = list(range(len(matrix)))
    random.shuffle(order)
    shuffled = matrix[np.ix_(order, order)]
    assert classification.cohen_kappa(shuffled) == pytest.approx(
        classification.cohen_kappa(matrix), abs=1e-12, nan_ok=True
    )
    np.testing.assert_array_equal(classification.per_type(shuffled).f1, classification.per_type(matrix).f1[order])


def test_averages_equal_scikit_learn():
    true, predicted = random_cells()
    scores = classification.per_type(classification.confusion_matrix(true, predicted, 7))
    for values, name in ((scores.precision, "precision"), (scores.recall, "recall"), (scores.f1, "f1")):
        score = getattr(metrics, f"{name}_score")
        average = classification.macro(values)
        assert average.value == pytest.approx(score(true, predicted, average="macro"), abs=1e-12)
        assert average.n_types == 7
        assert classification.weighted(values, scores.support) == pytest.approx(
            score(true, predicted, average="weighted"), abs=1e-12
        )


def test_a_type_with_support_that_is_never_predicted_has_f1_zero_and_no_precision():
    scores = classification.per_type([[5, 0], [3, 0]])
    assert np.isnan(scores.precision[1])
    assert scores.recall[1] == 0
    assert scores.f1[1] == 0
    assert classification.macro(scores.f1).n_types == 2
    assert classification.macro(scores.precision).n_types == 1


def test_a_type_that_is_predicted_without_support_stays_out_of_macro_f1():
    scores = classification.per_type([[5, 1, 0], [0, 0, 0], [0, 0, 4]])
    assert scores.precision[1] == 0
    assert np.isnan(scores.recall[1])
    assert np.isnan(scores.f1[1])
    assert scores.specificity[1] == pytest.approx(0.9)
    assert classification.macro(scores.f1) == classification.Average((10 / 11 + 1) / 2, 2)


def test_a_type_that_does_not_occur_is_undefined_throughout():
    scores = classification.per_type([[5, 0], [0, 0]])
    assert scores.support[1] == scores.predicted[1] == 0
    for values in (scores.precision, scores.recall, scores.specificity, scores.f1):
        assert np.isnan(values[1])
    assert np.isnan(scores.specificity[0])


def test_kappa_is_undefined_where_chance_always_agrees():
    assert np.isnan(classification.cohen_kappa([[7, 0], [0, 0]]))


def test_kappa_by_hand():
    assert classification.cohen_kappa([[20, 5], [10, 15]]) == pytest.approx(0.4, abs=1e-15)


def test_weighted_mean_leaves_out_undefined_types():
    assert classification.weighted([0.5, np.nan, 1.0], [1, 5, 3]) == pytest.approx(0.875)
    assert np.isnan(classification.weighted([np.nan, 1.0], [5, 0]))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_accuracy_equals_scikit_learn(k):
    generator = np.random.default_rng(3)
    probabilities = generator.dirichlet(np.ones(6), 500)
    true = generator.integers(0, 6, 500)
    expected = metrics.top_k_accuracy_score(true, probabilities, k=k, labels=range(6))
    assert classification.top_k_accuracy(true, probabilities, k) == pytest.approx(expected, abs=1e-12)


def test_top_one_accuracy_is_that_of_argmax_also_where_probabilities_are_equal():
    probabilities = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [1 / 3, 1 / 3, 1 / 3]])
    true = np.array([0, 1, 2])
    assert classification.top_k_accuracy(true, probabilities, 1) == np.mean(probabilities.argmax(1) == true)
    assert classification.top_k_accuracy(true, probabilities, 2) == pytest.approx(2 / 3)
    assert classification.top_k_accuracy(true, probabilities, 3) == 1


def test_top_k_accuracy_without_cells_is_undefined():
    assert np.isnan(classification.top_k_accuracy([], np.empty((0, 3))))


@pytest.mark.parametrize("k", [0, 4, 1.5, True])
def test_top_k_refuses_a_k_outside_the_types(k):
    with pytest.raises(ValueError, match="k must be"):
        classification.top_k_accuracy([0], [[0.2, 0.3, 0.5]], k)


def test_collapsing_counts_a_confusion_within_the_group_as_right():
    matrix = [[10, 1, 2], [3, 20, 4], [5, 6, 30]]
    assert classification.collapse(matrix, [1, 2]).tolist() == [[10, 3], [8, 60]]


@quick
@given(matrices, st.data())
def test_collapsed_scores_equal_scikit_learn(matrix, data):
    group = data.draw(st.sets(st.integers(0, len(matrix) - 1), min_size=1))
    collapsed = classification.collapse(matrix, group)
    assert collapsed.sum() == matrix.sum()
    true, predicted = (np.isin(cells, list(group)) for cells in cells_of(matrix))
    if len(true) == 0:
        return
    scores = classification.binary_scores(collapsed)
    options = {"zero_division": np.nan}
    assert scores.sensitivity == pytest.approx(metrics.recall_score(true, predicted, **options), abs=1e-12, nan_ok=True)
    assert scores.specificity == pytest.approx(
        metrics.recall_score(~true, ~predicted, **options), abs=1e-12, nan_ok=True
    )
    assert scores.precision == pytest.approx(
        metrics.precision_score(true, predicted, **options), abs=1e-12, nan_ok=True
    )
    assert scores.npv == pytest.approx(metrics.precision_score(~true, ~predicted, **options), abs=1e-12, nan_ok=True)
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(true, predicted), abs=1e-12)
    if true.any():
        assert scores.f1 == pytest.approx(metrics.f1_score(true, predicted, **options), abs=1e-12)
    else:
        assert np.isnan(scores.f1)


@pytest.mark.parametrize("group", [[], [0, 0], [3], [-1], ["a"]])
def test_collapse_refuses_a_group_that_is_none(group):
    with pytest.raises(ValueError, match="group must be"):
        classification.collapse(np.eye(3, dtype=int), group)


def test_binary_scores_refuse_a_larger_matrix():
    with pytest.raises(ValueError, match=r"\(2, 2\), received \(3, 3\)"):
        classification.binary_scores(np.eye(3, dtype=int))


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([0, 1], [0], "same length, received true 2, predicted 1"),
        ([0, 3], [0, 0], "from 0 to 2, received 0 to 3"),
        ([0, -1], [0, 0], "from 0 to 2, received -1 to 0"),
        ([0.0, 1.0], [0, 1], "true must be integer type indices, received float64"),
        ([[0], [1]], [0, 1], r"true must have one dimension, received shape \(2, 1\)"),
        (["neutrophil"], [0], "true must be integer"),
    ],
)
def test_a_matrix_is_refused_for_cells_that_do_not_fit(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        classification.confusion_matrix(true, predicted, 3)


@pytest.mark.parametrize("n_types", [0, -1, 2.0, True])
def test_a_matrix_is_refused_for_an_impossible_number_of_types(n_types):
    with pytest.raises(ValueError, match="n_types must be an integer of 1 or more"):
        classification.confusion_matrix([0], [0], n_types)


@pytest.mark.parametrize(
    "matrix",
    [[[1, 2]], [1, 2], np.zeros((0, 0), int), np.zeros((2, 2, 2), int), [[-1]], [[0.5]], [[np.nan]], [["1"]]],
)
def test_scores_refuse_what_is_not_a_square_matrix_of_counts(matrix):
    with pytest.raises(ValueError, match="matrix must"):
        classification.per_type(matrix)


def test_whole_floats_pass_for_counts():
    assert classification.accuracy([[3.0, 1.0], [0.0, 0.0]]) == 0.75


@pytest.mark.parametrize(("values", "support"), [([0.5, 1.0], [1]), ([[0.5]], [1]), ([np.inf], [1]), ([0.5], [-1])])
def test_averages_refuse_what_does_not_fit(values, support):
    with pytest.raises(ValueError, match="must"):
        classification.weighted(values, support)
