"""Read, check and split the labelled images of a training, and test whether they suffice."""

import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

from slidescreen import __version__, cells
from slidescreen.data.duplicates import without_duplicates
from slidescreen.data.label_options import Split
from slidescreen.data.labels import LabelledImage, read_labelled, refuse_among
from slidescreen.data.splits import with_split
from slidescreen.errors import InputError
from slidescreen.files.writing import sha256_of
from slidescreen.models.checkpoints import describes_itself, read_checkpoint
from slidescreen.models.trained_on import TrainedOn, record, trained_on
from slidescreen.training.dataset import Progress, check_files, data_hash
from slidescreen.training.folder import TrainingFolder, check_same_options, check_same_processes
from slidescreen.training.options import Recipe, TrainingOptions
from slidescreen.training.targets import taught_labels


def read_training_images(
    request: TrainingOptions, workers: int, processes: int, note: Callable[[str], None], progress: Progress
) -> tuple[list[LabelledImage], dict[str, Any]]:
    """The images for training and validation, and their origin.

    Args:
        request: the user's options.
        workers: the number of reading threads.
        processes: the number of processes that train together.
        note: receives remarks on images left out, and on types that the images cannot teach.
        progress: receives the number of images read.

    Raises:
        InputError: no images can be used, or images or options differ from those of the interrupted training.
    """
    folder = TrainingFolder(request.out, request.recipe.backbone)
    init = sha256_of(request.init) if request.init else None
    if request.resume:
        before = folder.provenance()
        check_same_options(before, request.recipe, init)
        if folder.is_unfinished():
            check_same_processes(before, processes)
    wanted = set(taught_labels(request.recipe.cell_types))
    read = read_labelled(request.data, replace(request.label_rules, groups=frozenset(cells.GROUP_LABELS)), note)
    refuse_among(read, request.data, request.out)
    images = [image for image in read if image.label in wanted]
    if len(images) < len(read):
        note(f"{len(read) - len(images)} images left out: this network does not learn their types")
    images, split = with_split(images, request.recipe.seed)
    images = _without_open_types(images, note)
    found = check_files(images, workers, progress)
    found.tell(note)
    images = [image for image in images if image.path in found.digests]
    kept = without_duplicates(images, found.digests, request.drop_duplicates)
    # Sort by content: the order of rows and the location of files must not change what is learnt.
    kept.sort(key=lambda image: (found.digests[image.path], image.label, image.source))
    note(f"split {split}: {_counts(kept)}")
    earlier = _earlier(request.init)
    _tell_seen(kept, found.digests, earlier, note)
    provenance = {
        "data_hash": data_hash(kept, found.digests),
        "split": split,
        "images": dict(Counter(image.split for image in kept)),
        "train_images_by_type": dict(Counter(i.label for i in kept if i.split == "train")),
        **record((found.digests[i.path] for i in kept if i.split == Split.TRAIN), earlier),
        "seed": request.recipe.seed,
        "options": request.recipe.to_dict(),
        "versions": _versions(),
        "init": init,
        **({"processes": processes} if processes > 1 else {}),
    }
    _check_support(kept, request.recipe, processes, note)
    return kept, provenance


def _earlier(init: Path | None) -> TrainedOn:
    """What the initial weights learnt from, if they are a checkpoint that records it."""
    return trained_on(read_checkpoint(init).provenance) if init and describes_itself(init) else TrainedOn()


def _tell_seen(
    images: Sequence[LabelledImage], digests: Mapping[Path, str], earlier: TrainedOn, note: Callable[[str], None]
) -> None:
    seen = sum(image.split == Split.VALIDATION and earlier.holds(digests[image.path]) for image in images)
    if seen:
        note(f"{seen} validation images trained the weights of --init: the figures of this training are too good")


def _without_open_types(images: Sequence[LabelledImage], note: Callable[[str], None]) -> list[LabelledImage]:
    """Without validation images of a group label: only a single type can be right or wrong."""
    kept = [image for image in images if image.split != Split.VALIDATION or image.label not in cells.GROUP_LABELS]
    if len(kept) < len(images):
        note(f"{len(images) - len(kept)} validation images left out: their labels name no single type")
    return kept


def _counts(images: Sequence[LabelledImage]) -> str:
    counts = Counter(image.split for image in images)
    return ", ".join(f"{counts[name]} {name}" for name in ("train", "validation", "test") if counts[name])


def _check_support(
    images: Sequence[LabelledImage], options: Recipe, processes: int, note: Callable[[str], None]
) -> None:
    """Refuse images that cannot train a network, and note the types that they cannot teach."""
    train, validation = ([image for image in images if image.split == name] for name in ("train", "validation"))
    if not train or not validation:
        raise InputError("training needs images in both the train and the validation split")
    learnt, asked = ({image.label for image in part} - cells.GROUP_LABELS.keys() for part in (train, validation))
    if len(learnt) < 2:
        only = train[0].label if not learnt else learnt.pop()
        raise InputError(f"training needs images of two cell types or more; all of the train split are {only}")
    if min(len(train), options.batch_size) < 2 * processes:  # normalisation needs the spread of two images
        few = f"--batch-size {options.batch_size}"
        few = f"{len(train)} training images" if len(train) < options.batch_size else few
        raise InputError(f"{few} cannot be shared among {processes} processes: each needs two images a step")
    absent = [name for name in options.cell_types if name not in learnt]
    if absent:
        note(f"no training images of {', '.join(absent)}: the network will never call them")
    unasked = [name for name in options.cell_types if name in learnt - asked]
    if unasked:
        note(f"no validation images of {', '.join(unasked)}: the best epoch is chosen without them")


def _versions() -> dict[str, str]:
    return {
        "slidescreen": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "numpy": np.__version__,
    }
