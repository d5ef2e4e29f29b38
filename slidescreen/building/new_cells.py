"""Keep the signed cells that are new to an ensemble. On cells from which it learnt, its figures would be too good."""

from collections.abc import Callable, Sequence
from pathlib import Path

from slidescreen.building.signed_cells import enough
from slidescreen.data.label_options import Split
from slidescreen.data.labels import LabelledImage
from slidescreen.data.splits import split_of_training
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.held_out import adapted_to, digests_of, learnt_from
from slidescreen.errors import InputError
from slidescreen.files.writing import printable


def new_cells(
    source: Path, old: Ensemble, images: Sequence[LabelledImage], data: Path, note: Callable[[str], None]
) -> list[LabelledImage]:
    """The signed cells that are new to an ensemble's networks.

    Slides with cells that the networks were trained on are left out. Cells of an earlier adaptation are refused
    instead: without them, the types signed then would count as unsigned.

    Args:
        source: the ensemble's folder.
        old: the ensemble that is to be adapted.
        images: the signed cells.
        data: where they come from, for messages.
        note: receives a message for what is left out.

    Raises:
        InputError: the ensemble was adapted to some of the cells, or too few are new to it.
    """
    digests = digests_of(old.members, (image.path for image in images))
    again = adapted_to(old.members, digests, images)
    if any(again):
        first = images[again.index(True)]
        raise InputError(
            f"{printable(source)} has already learnt {sum(again)} of the {len(images)} signed cells (first "
            f"{printable(first.written or first.path)}), so its figures would be too good. Adapt the ensemble that you "
            "started from to all signed cells, old and new (--adapt default, if it was the shipped one)"
        )
    parted = split_of_training(images, learnt_from(old.members, digests, images))
    kept = [image for image, each in zip(images, parted, strict=True) if each.split != Split.TRAIN]
    if len(kept) == len(images):
        return kept
    note(
        f"left out: {len(images) - len(kept)} signed cells that the networks were trained on, or of slides with such "
        "cells, because the figures would be too good"
    )
    return [kept[place] for place in enough(kept, data, note, "signed cells that are new to the networks")]
