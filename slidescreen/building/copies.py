"""Copies of the members' checkpoints to measure: a training that still runs may replace the files at any time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slidescreen.building.options import EnsembleOptions
from slidescreen.errors import InputError
from slidescreen.files.existence import is_file
from slidescreen.files.writing import make_folder, printable, sha256_of
from slidescreen.models.member import Member, member_of
from slidescreen.models.trained_on import trained_on


def made(members: Sequence[Member], folder: Path) -> tuple[Member, ...]:
    """Copy each member's checkpoint as it is now, under its name in a folder of its own.

    Raises:
        InputError: a file is gone, or now of another training.
    """
    return tuple(_copied(member, make_folder(folder / str(number))) for number, member in enumerate(members))


def _copied(member: Member, folder: Path) -> Member:
    try:
        content = member.path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {printable(member.path)}: {error.strerror}") from error
    path = folder / member.path.name
    path.write_bytes(content)
    copy = member_of(path, member.weight)
    was, now = member.checkpoint, copy.checkpoint
    if (was.cell_types, trained_on(was.provenance)) != (now.cell_types, trained_on(now.provenance)):
        raise InputError(f"{printable(member.path)} was replaced by the checkpoint of another training: start again")
    return copy


def in_place(members: Sequence[Member], request: EnsembleOptions) -> tuple[Member, ...]:
    """The members by the paths of their checkpoints where these lie in the ensemble's folder and have not changed."""
    return tuple(
        replace(member, path=path)
        if path.resolve().parent == request.out.resolve() and is_file(path) and sha256_of(path) == member.sha256
        else member
        for member, path in zip(members, request.checkpoints, strict=True)
    )
