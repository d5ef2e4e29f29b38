"""One member of an ensemble: a checkpoint with its share of the vote."""

from dataclasses import dataclass
from pathlib import Path

from slidescreen.files.existence import is_file
from slidescreen.files.writing import sha256_of
from slidescreen.models.checkpoints import Checkpoint, read_checkpoint


@dataclass(frozen=True)
class Quantised:
    """A member's network in 8-bit integers (see `engine.quantisation`): its file and content hash."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Member:
    """A checkpoint of an ensemble, its share of the vote, its content hash, and its network in 8-bit integers."""

    path: Path
    weight: float
    sha256: str
    checkpoint: Checkpoint
    int8: Quantised | None = None


def member_of(path: Path, weight: float) -> Member:
    """Read one checkpoint as a member.

    Raises:
        InputError: no such file, or no checkpoint.
    """
    return Member(path, weight, "" if not is_file(path) else sha256_of(path), read_checkpoint(path))
