"""Scored cells that the networks were trained on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from slidescreen.data.label_options import Split
from slidescreen.data.labels import LabelledImage
from slidescreen.data.shown_paths import path_shown_as
from slidescreen.ensembles.held_out import check_held_out, digests_of, learnt_from
from slidescreen.errors import InputError
from slidescreen.models.member import Member, member_of
from slidescreen.screening.results import Run


def count_trained(
    members: Sequence[Member],
    images: Sequence[LabelledImage],
    split: Split | None,
    digests: Mapping[Path, str] | None = None,
) -> int:
    """The number of images that a member was trained on, as far as recorded.

    Args:
        members: the members.
        images: labelled images.
        split: the split that was asked for.
        digests: the images' SHA-256; None for those of the files at their paths.

    Raises:
        InputError: there are such images, and the validation or test split was asked for.
    """
    if digests is None:
        digests = digests_of(members, (image.path for image in images))
    if split in (Split.VALIDATION, Split.TEST):
        check_held_out(members, images, digests)
    return sum(learnt_from(members, digests, images))


def members_of(run: Run) -> list[Member]:
    """The members that classified a run, as far as their files still lie where they lay."""
    recorded = run.info.get("ensemble") or {}
    found = []
    for entry in recorded.get("members", ()):
        try:
            member = member_of(path_shown_as(recorded["folder"]) / entry["file"], float(entry["weight"]))
        except InputError:
            continue
        if member.sha256 == entry["sha256"]:
            found.append(member)
    return found
