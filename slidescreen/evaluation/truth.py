"""Make predictions for labelled images."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.duplicates import contents_of
from slidescreen.data.label_options import LabelOptions
from slidescreen.data.labels import LabelledImage, located, read_labels, refuse_among
from slidescreen.data.splits import parted
from slidescreen.engine.options import Device, EngineOptions
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.held_out import digests_of, drawn_split
from slidescreen.errors import InputError
from slidescreen.evaluation.predictions import Predictions, unscored
from slidescreen.evaluation.sifted_labels import Names, sifted
from slidescreen.evaluation.trained_cells import count_trained
from slidescreen.files.existence import sees_folder
from slidescreen.files.relative_path import path_from
from slidescreen.files.writing import printable


def of_images(
    source: Path,
    ensemble: Ensemble,
    label_options: LabelOptions,
    device: Device,
    out: Path,
    progress: Callable[[int, int], None],
    note: Callable[[str], None] = lambda _: None,
) -> list[Predictions]:
    """The predictions of the ensemble, then of each member, for labelled images.

    Args:
        source: the table or folder of labelled images.
        ensemble: the ensemble.
        label_options: how labels are read.
        device: where to compute.
        out: the folder of the evaluation, which must not lie among the images.
        progress: receives the number of finished images and of all images.
        note: receives how images without a split were split.

    Raises:
        InputError: the images or labels cannot be used, an image is listed more than once, or a member was trained on
            images of the validation or test split that was asked for.
    """
    from slidescreen.engine.configuration import configure, load_engines
    from slidescreen.ensembles.member_predictions import predict

    name = partial(name_in, source)
    labels = located(read_labels(source, label_options.rules), source)
    refuse_among((*labels.images, *labels.left_out), source, out)
    left: Names = defaultdict(list, left_out=[image.written or name(image) for image in labels.left_out])
    left["passed_over"] = [entry.name for entry in labels.skipped]
    split = label_options.split
    labelled: Sequence[LabelledImage] = labels.images
    if split is not None and not all(image.split for image in labelled):
        digests = digests_of(ensemble.members, (image.path for image in labelled))
        labelled, _ = drawn_split(ensemble, labelled, digests, note)
    listed = parted(labelled, split)
    known = sifted(
        listed, contents_of(image.path for image in listed), [name(image) for image in listed], label_options, left
    )
    images = []
    for image in (listed[position] for position in known):
        if image.label in ensemble.cell_types:
            images.append(image)
        else:
            left["unknown_type"].append(name(image))
    if not images:
        raise InputError(f"{printable(source)} holds no images of the ensemble's cell types")
    seen = count_trained(ensemble.members, images, split)
    beside = frozenset((image.slide, name(image)) for image in (*labels.images, *labels.left_out))
    engines = load_engines(ensemble.members, configure(EngineOptions(device)))
    found = predict(ensemble, engines, images, progress, with_familiarity=True)
    combined = ensemble.combine(found.members, found.of_other_optics)

    def of_model(model: str, probabilities: NDArray[np.float64], called: NDArray[np.int64]) -> Predictions:
        return Predictions(
            model,
            ensemble.cell_types,
            found.truth,
            called,
            probabilities,
            slides=tuple(image.slide for image in images),
            sources=tuple(image.source for image in images),
            images=tuple(map(name, images)),
            unscored=unscored(left),
            pictures=tuple(image.path for image in images),
            beside=beside,
            trained_on=seen,
        )

    models = [of_model("ensemble", combined, ensemble.called(combined))]
    if len(ensemble.members) > 1:
        for member_name, probabilities in zip(ensemble.member_names, found.members, strict=True):
            models.append(of_model(member_name, probabilities, probabilities.argmax(axis=1)))
    return models


def name_in(source: Path, image: LabelledImage) -> str:
    """An image's path relative to the folder of its labels; its whole path if it lies on another drive or share."""
    return printable(path_from(source if sees_folder(source) else source.parent, image.path))
