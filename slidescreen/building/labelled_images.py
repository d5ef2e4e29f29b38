"""The labelled images to measure an ensemble on: read, split as for the members' training, and checked."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from slidescreen import cells
from slidescreen.building.options import EnsembleOptions
from slidescreen.data.duplicates import contents_of, deduplicate
from slidescreen.data.label_options import Split
from slidescreen.data.labels import LabelledImage, located, read_labelled, read_labels
from slidescreen.data.splits import with_split
from slidescreen.engine.devices import usable_threads
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity import Familiarity
from slidescreen.ensembles.held_out import check_held_out, drawn_split
from slidescreen.errors import InputError
from slidescreen.files.writing import printable
from slidescreen.training.dataset import check_files


def images_of(
    request: EnsembleOptions,
    ensemble: Ensemble,
    note: Callable[[str], None],
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """The readable labelled images of the validation split and of the training split.

    Args:
        request: the options.
        ensemble: the ensemble that is to be measured.
        note: receives what is left out, and how the images were split.
        progress: receives the name of the step, the number of images read and of all images.

    Raises:
        InputError: the images or their splits cannot be used, or a member was trained on the validation split.
    """
    known = set(ensemble.cell_types)
    read = read_labelled(request.data, request.label_rules, note)
    images = [image for image in read if image.label in known]
    if len(images) < len(read):
        note(f"{len(read) - len(images)} images left out: the networks do not know their types")
    given, parted = all(image.split for image in images), images
    if given:
        parted, _ = with_split(images, 0)
    wanted = [image for image in images if image.split != Split.TEST]
    found = check_files(wanted, usable_threads(), partial(progress, "reading images"))
    # The split is drawn before unreadable images are left out, as for the training.
    if not given:
        parted, words = drawn_split(ensemble, images, found.digests, note)
        note(f"validation split {words}")
    found.tell(note)
    parted = [image for image in parted if image.path not in found.unreadable]
    contents = contents_of(image.path for image in parted)
    split = [parted[place] for place in deduplicate(parted, contents, request.drop_duplicates, "validation").kept]
    chosen = [image for image in split if image.split == Split.VALIDATION]
    if not chosen:
        raise InputError(f"{printable(request.data)} has no images in its validation split")
    check_held_out(ensemble.members, chosen, found.digests)
    return chosen, [image for image in split if image.split == Split.TRAIN]


def not_shown(asked: Collection[str], familiarity: Familiarity | None) -> list[str]:
    """The labels of `--unknown`, as they are spelled, that taught nothing."""
    shown = set(map(cells.normalised, familiarity.shown)) if familiarity is not None else ()
    return sorted(label for label in asked if cells.normalised(label) not in shown)


def unknown_cells(
    request: EnsembleOptions,
    note: Callable[[str], None] = lambda _: None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> list[LabelledImage]:
    """The readable images of types without a class in the networks. The test split is left out."""
    if not request.unknown:
        return []
    names = frozenset(map(cells.normalised, request.unknown))
    labels = read_labels(request.data, request.label_rules)
    named = [replace(image, label=cells.normalised(image.label)) for image in labels.left_out]
    chosen = tuple(image for image in named if image.label in names and image.split != Split.TEST)
    images = located(replace(labels, images=chosen), request.data).images
    found = check_files(images, usable_threads(), partial(progress, "reading unknown cells"))
    found.tell(note)
    return [image for image in images if image.path not in found.unreadable]
