"""Which labelled images an ensemble's members learnt from: on those alone its figures would be too good."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from slidescreen.data.label_options import Split
from slidescreen.data.labels import LabelledImage
from slidescreen.data.splits import split_of_training, with_split
from slidescreen.engine.devices import usable_threads
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError
from slidescreen.files.writing import printable, sha256_of
from slidescreen.models.member import Member
from slidescreen.models.trained_on import TrainedOn, signed_before, trained_on


def learnt_from(members: Sequence[Member], digests: Mapping[Path, str], images: Sequence[LabelledImage]) -> list[bool]:
    """Whether any member learnt from each image.

    Args:
        members: the members.
        digests: the images' SHA-256. Images without an entry are read as new.
        images: labelled images.
    """
    return _held([trained_on(member.checkpoint.provenance) for member in members], digests, images)


def adapted_to(members: Sequence[Member], digests: Mapping[Path, str], images: Sequence[LabelledImage]) -> list[bool]:
    """Whether any member was adapted to each image; the arguments are those of `learnt_from`."""
    return _held([signed_before(member.checkpoint.provenance) for member in members], digests, images)


def _held(records: Sequence[TrainedOn], digests: Mapping[Path, str], images: Sequence[LabelledImage]) -> list[bool]:
    return [any(each.holds(digests.get(image.path, "")) for each in records) for image in images]


def digests_of(members: Sequence[Member], paths: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of the files that can be read; none if no member records images, because then nobody needs them."""
    if not any(trained_on(member.checkpoint.provenance).images for member in members):
        return {}

    def look(path: Path) -> str:
        with contextlib.suppress(OSError):
            return sha256_of(path)
        return ""

    distinct = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(usable_threads()) as pool:
        return {path: found for path, found in zip(distinct, pool.map(look, distinct), strict=True) if found}


def drawn_split(
    ensemble: Ensemble,
    images: Sequence[LabelledImage],
    digests: Mapping[Path, str],
    note: Callable[[str], None] = lambda _: None,
) -> tuple[list[LabelledImage], str]:
    """Give images without a split the one of the members' training; if no member knows the images, draw a split.

    Args:
        ensemble: the ensemble that is to be measured on the validation split.
        images: labelled images without a split.
        digests: the readable images' SHA-256.
        note: receives doubts.

    Returns:
        The images, and in words how they were split.

    Raises:
        InputError: some images have a split, there are too few images, or the members' splits cannot be known.
    """
    records = [trained_on(member.checkpoint.provenance) for member in ensemble.members]
    learnt = learnt_from(ensemble.members, digests, images)
    if any(learnt) and any(record.as_given for record in records):
        raise InputError(
            "a member was trained on these images with a column split: give the table with this column, "
            "because without it the images of its test split cannot be told"
        )
    complete = all(record.complete for record in records)
    if any(learnt) and complete and not any(image.split for image in images):
        return split_of_training(images, learnt), "as in the training: the slides that no member was trained on"
    seeds = {int(member.checkpoint.provenance.get("seed", 0)) for member in ensemble.members}
    if len(seeds) > 1 and not complete:
        raise InputError(
            "the members were trained on different splits (their seeds differ), so no split can measure them all: "
            "add a split column to the images"
        )
    parted, words = with_split(images, min(seeds))
    if not complete:
        names = ", ".join(
            printable(m.path.name) for m, r in zip(ensemble.members, records, strict=True) if not r.complete
        )
        note(
            f"{names}: trained by a release that does not record the images. If the images have changed since, some "
            "of the validation split may be among them, and the figures too good: a column split rules that out"
        )
    return parted, words


def check_held_out(members: Sequence[Member], images: Sequence[LabelledImage], digests: Mapping[Path, str]) -> None:
    """Refuse to measure on images that a member learnt from.

    Raises:
        InputError: there are such images. The message names the first.
    """
    for member in members:
        learnt = learnt_from([member], digests, images)
        if any(learnt):
            first = images[learnt.index(True)]
            split = f"the {first.split} split" if first.split in tuple(Split) else "these images"
            raise InputError(
                f"{printable(member.path)} was trained on {sum(learnt)} of the {len(images)} images of {split} "
                f"(first {printable(first.written or first.path)}), so the figures would be too good: "
                "give the images the split of its training"
            )
