"""The published confusion matrix gives back the published figures.

Park et al., DIGITAL HEALTH 2024; 10, DOI 10.1177/20552076241258079: 8,478 test images by the ensemble.
"""

import numpy as np
import pytest
from reference_study import MATRIX, PRECISION_RECALL_F1, TYPES

from slidescreen.statistics import classification

BLASTS = [TYPES.index("myeloblast"), TYPES.index("lymphoblast")]
NORMAL = [TYPES.index(name) for name in TYPES[:7]]


def to_four_digits(figure):
    return pytest.approx(figure, abs=0.5e-4 + 1e-12)


def test_the_matrix_holds_every_test_image():
    assert MATRIX.sum() == 8478


def test_the_ensemble_row_of_table_2():
    scores = classification.per_type(MATRIX)
    assert classification.accuracy(MATRIX) == to_four_digits(0.8858)
    assert classification.macro(scores.precision).value == to_four_digits(0.7423)
    assert classification.macro(scores.recall).value == to_four_digits(0.7331)
    f1 = classification.macro(scores.f1)
    assert (f1.value, f1.n_types) == (to_four_digits(0.7361), 12)


@pytest.mark.parametrize("name", TYPES)
def test_a_row_of_table_3(name):
    scores, row = classification.per_type(MATRIX), TYPES.index(name)
    precision, recall, f1 = PRECISION_RECALL_F1[name]
    assert scores.precision[row] == to_four_digits(precision)
    assert scores.recall[row] == to_four_digits(recall)
    assert scores.f1[row] == to_four_digits(f1)


def test_the_share_of_normal_cells_that_are_called_blasts():
    false_blasts = MATRIX[np.ix_(NORMAL, BLASTS)].sum() / MATRIX[NORMAL].sum()
    assert false_blasts == pytest.approx(0.017, abs=0.0005)
    assert 1 - (1 - false_blasts) ** 200 == pytest.approx(0.97, abs=0.005)


def test_blasts_as_one_group_gain_from_not_telling_their_lineage():
    scores = classification.binary_scores(classification.collapse(MATRIX, BLASTS))
    assert scores.sensitivity == pytest.approx((697 + 5 + 6 + 265) / (760 + 328), abs=1e-12)
    with_their_lineage = (697 + 265) / (760 + 328)
    assert scores.sensitivity > with_their_lineage
