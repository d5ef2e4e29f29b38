"""Shared by other benchmarks: the images to judge, and the quality of their calls, source by source."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage, read_labelled
from slidescreen.data.splits import chosen
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.statistics import classification
from slidescreen.statistics.intervals import wilson


def images_of(model: Ensemble, data: Path, split: str, leave_out: Sequence[str] | None) -> list[LabelledImage]:
    """The images of a split whose types an ensemble knows."""
    labelled = read_labelled(data, LabelRules(frozenset(leave_out or ())))
    return [image for image in chosen(labelled, split) if image.label in model.cell_types]


def show(
    images: Sequence[LabelledImage],
    truth: NDArray[np.int64],
    called: dict[str, NDArray[np.int64]],
    types: Sequence[str],
) -> None:
    """Print accuracy by source, and the mean recall of leukocyte types, for each change of the images."""
    origin = np.asarray([image.source for image in images])
    sources = sorted(set(origin.tolist()))
    print(f"| cell | {' | '.join(f'accuracy, `{name}`' for name in sources)} | recall, mean of leukocyte types |")
    print(f"| --- | {'---: | ' * (len(sources) + 1)}")
    for name, found in called.items():
        shares = [_share(found[origin == source] == truth[origin == source]) for source in sources]
        print(f"| {name} | {' | '.join(shares)} | {_recall(truth, found, types):.3f} |")
    commonest = [np.bincount(truth[origin == source]).max() / (origin == source).sum() for source in sources]
    count = len(set(truth.tolist()) & set(cells.indices(types, cells.LEUKOCYTES)))
    print(f"| (always the commonest type) | {' | '.join(f'{100 * s:.1f}%' for s in commonest)} | {1 / count:.3f} |")


def _share(right: NDArray[np.bool_]) -> str:
    limits = wilson(int(right.sum()), len(right))
    return f"{100 * right.mean():.1f}% ({100 * limits.low:.1f}–{100 * limits.high:.1f})"


def _recall(truth: NDArray[np.int64], called: NDArray[np.int64], types: Sequence[str]) -> float:
    matrix = classification.confusion_matrix(truth, called, len(types))
    recall = classification.per_type(matrix).recall[cells.indices(types, cells.LEUKOCYTES)]
    return float(np.nanmean(recall))
