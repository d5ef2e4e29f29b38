"""The reference study's published figures, as the benchmarks and the tests need them.

Park et al., DIGITAL HEALTH 2024; 10, DOI 10.1177/20552076241258079: 8,478 test images by the ensemble; rows: truth.
"""

import numpy as np

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
