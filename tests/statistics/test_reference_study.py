"""The published confusion matrix gives back the published figures.

Park et al., DIGITAL HEALTH 2024; 10, DOI 10.1177/20552076241258079: 8,478 test images by the ensemble.
"""

import numpy as np
import pytest

from slidescreen.statistics import classification

TYPES = (
    "eosinophil",
    "lymphocyte",
    "variant_lymphocyte",
    "monocyte",
    "neutrophil",
    "band_neutrophil",
    "basophil",
    "myeloblast",
    "lymphoblast",
    "metamyelocyte",
    "myelocyte",
    "promyelocyte",
)
MATRIX = np.array(
    [
        [65, 0, 0, 0, 5, 0, 0, 0, 0, 0, 2, 0],
        [0, 2178, 46, 6, 4, 0, 1, 46, 42, 9, 36, 1],
        [0, 54, 94, 10, 4, 0, 0, 9, 3, 3, 8, 2],
        [0, 0, 5, 422, 3, 1, 0, 16, 0, 7, 7, 4],
        [16, 18, 3, 9, 3398, 71, 2, 0, 0, 22, 12, 2],
        [0, 0, 0, 0, 99, 77, 0, 0, 0, 4, 0, 0],
        [0, 3, 0, 1, 3, 0, 46, 0, 0, 0, 0, 0],
        [0, 28, 3, 10, 0, 0, 0, 697, 5, 2, 13, 2],
        [0, 33, 0, 1, 0, 0, 0, 6, 265, 1, 22, 0],
        [0, 14, 4, 24, 12, 4, 0, 9, 5, 57, 21, 3],
        [0, 35, 11, 12, 4, 0, 0, 20, 13, 12, 155, 9],
        [0, 0, 1, 4, 0, 0, 0, 8, 1, 3, 14, 56],
    ]
)
PRECISION_RECALL_F1 = {
    "neutrophil": (0.9621, 0.9564, 0.9592),
    "band_neutrophil": (0.5033, 0.4278, 0.4625),
    "eosinophil": (0.8025, 0.9028, 0.8497),
    "basophil": (0.9388, 0.8679, 0.9020),
    "monocyte": (0.8457, 0.9075, 0.8755),
    "lymphocyte": (0.9217, 0.9194, 0.9205),
    "variant_lymphocyte": (0.5629, 0.5027, 0.5311),
    "myeloblast": (0.8594, 0.9171, 0.8873),
    "lymphoblast": (0.7934, 0.8079, 0.8006),
    "myelocyte": (0.5345, 0.5720, 0.5526),
    "metamyelocyte": (0.4750, 0.3725, 0.4176),
    "promyelocyte": (0.7089, 0.6437, 0.6747),
}
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
