"""Split labelled images into those for learning and those for measuring."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from slidescreen.choices import check_choice
from slidescreen.data.label_options import Split
from slidescreen.data.labels import LabelledImage
from slidescreen.errors import InputError
from slidescreen.files.writing import printable

_ONE_SLIDE = "the cells are all of one slide: cells of two slides are the least to measure on"


def check_slides(images: Iterable[LabelledImage]) -> None:
    """Refuse a slide whose cells are in more than one split, because its figures would be too good.

    Raises:
        InputError: there is such a slide. The message names it.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    for image in images:
        if image.slide:
            splits[image.slide].add(image.split)
    for slide, found in sorted(splits.items()):
        if len(found) > 1:
            raise InputError(
                f"slide {printable(slide)!r} is in several splits ({', '.join(sorted(found))}): "
                "put all its cells in one split"
            )


def with_split(images: Sequence[LabelledImage], seed: int) -> tuple[list[LabelledImage], str]:
    """Give every image a split. If the images already have splits, these are kept.

    Otherwise about four fifths go to train and the rest to validation, in similar parts of every label. A slide stays
    whole. An image whose slide is unknown is drawn alone.

    Returns:
        The images, and in words how they were split.

    Raises:
        InputError: only some images have a split, a slide is in two splits, or there are too few images.
    """
    given = sum(bool(image.split) for image in images)
    if given == len(images):
        check_slides(images)
        return list(images), "as given"
    if given:
        raise InputError(
            f"{len(images) - given} of {len(images)} images have no split: give a split to all of them or to none"
        )
    held_out = _fifth(images, seed)
    drawn = [replace(i, split="validation" if n in held_out else "train") for n, i in enumerate(images)]
    slides = {image.slide for image in images} - {""}
    if all(image.slide for image in images):
        apart = {image.slide for image in drawn if image.split == "validation"}
        return drawn, f"drawn by slide: {len(slides) - len(apart)} to train, {len(apart)} to validation"
    known = "not all slides" if slides else "no slides"
    return drawn, f"drawn by image, because {known} are known: results on it are optimistic"


def split_of_training(images: Sequence[LabelledImage], learnt: Sequence[bool]) -> list[LabelledImage]:
    """Give every image the split that it has for networks: train if they learnt from it or from its slide."""
    slides = {image.slide for image, was in zip(images, learnt, strict=True) if was} - {""}
    return [
        replace(image, split=Split.TRAIN if was or image.slide in slides else Split.VALIDATION)
        for image, was in zip(images, learnt, strict=True)
    ]


def chosen(images: Sequence[LabelledImage], split: str | None) -> list[LabelledImage]:
    """The images of one split, or all images if no split is named. If the images have no splits, they are drawn.

    Raises:
        InputError: an unknown split, or a split without images.
    """
    return [image for image in parted(images, split) if split is None or image.split == split]


def parted(images: Sequence[LabelledImage], split: str | None) -> list[LabelledImage]:
    """All images. If a split is named, each image has its split.

    Raises:
        InputError: an unknown split, or a split without images.
    """
    if split is None:
        return list(images)
    check_choice("--split", split, Split)
    if not all(image.split for image in images):
        images, _ = with_split(images, 0)
    if not any(image.split == split for image in images):
        raise InputError(f"no labelled image is in the split {split}")
    return list(images)


def folds_of(labels: Sequence[str | int], groups: Sequence[str], most: int) -> list[list[int]]:
    """Split positions into folds that keep groups whole and hold similar numbers of every label.

    Returns:
        Up to `most` folds, none of them empty; at least two.

    Raises:
        InputError: the cells do not make two folds, as those of one group.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    parts = min(most, len(set(groups)), max(Counter(labels).values()))
    if parts < 2:
        raise InputError(_ONE_SLIDE)
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # labels with fewer cells than folds
        found = [part.tolist() for _, part in folds.split(labels, labels, groups)]
    found = [part for part in found if part]  # a fold stays empty where the slides differ much in size
    if len(found) < 2:
        raise InputError(_ONE_SLIDE)
    return found


def _fifth(images: Sequence[LabelledImage], seed: int) -> frozenset[int]:
    """Positions of about a fifth of the images of every label, in whole slides."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = [image.label for image in images]
    groups = [image.slide or f"\0{number}" for number, image in enumerate(images)]
    parts = min(5, len(set(groups)), max(Counter(labels).values()))
    if parts < 2:
        raise InputError("too few images or slides to draw a split: add a split column")
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # labels with fewer images than folds
        _, chosen = next(iter(folds.split(labels, labels, groups)))
    return frozenset(chosen.tolist())
