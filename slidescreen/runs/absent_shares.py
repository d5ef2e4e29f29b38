"""Shares that are not mounted. The empty folder in the place of a share is no sign that its slides have gone."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slidescreen.data.slides import Slide
from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.existence import sees_folder
from slidescreen.files.run_files import RECORD
from slidescreen.files.writing import printable
from slidescreen.runs.vanished import VanishedSlide

_INPUT = "."  # the place of the classified folder itself
_MOUNTS, _ABSENT = "mount_points", "absent_shares"


@dataclass(frozen=True)
class NetworkShares:
    """The shares at and below the classified folder, by their places there.

    Attributes:
        root: the classified folder.
        mounts: mount points that hold slides, or held some in an earlier run.
        absent: places of shares that seem not to be mounted.
    """

    root: Path
    mounts: Sequence[str] = ()
    absent: Sequence[str] = ()

    def hides(self, slide: VanishedSlide) -> bool:
        """Whether a slide that is gone lay on a share that seems not to be mounted."""
        return any(slide.finished.folder.is_relative_to(self.root / place) for place in self.absent)

    def in_words(self) -> str:
        """A sentence about the absent shares."""
        places = ", ".join(printable(self.root / place) for place in self.absent)
        return (
            f"no image is left in {places}: is the share mounted? The results of the slides there are kept, and none "
            "moves into the archive"
        )

    def to_record(self) -> dict[str, Any]:
        """The part of `run.json` about shares; empty if there is nothing to say."""
        return {name: list(places) for name, places in ((_MOUNTS, self.mounts), (_ABSENT, self.absent)) if places}


def seen_shares(slides: Sequence[Slide], gone: Sequence[VanishedSlide], out: Path, root: Path) -> NetworkShares:
    """The shares of a night. One is absent if no slide has an image there now and

    - it was a mount point in an earlier run, and is a folder now, or
    - it is the whole input, and earlier runs found slides.

    Args:
        slides: the slides that are found now.
        gone: the finished slides whose images are gone.
        out: the run's folder. Its record names the mount points of earlier runs.
        root: the folder that is classified.
    """
    root = root.resolve()
    holding = set(_places([slide for slide in slides if slide.images], root))
    mounts = {place for place in holding if os.path.ismount(root / place)}
    before = {place for place in _mounts_before(out, root) if place not in holding and sees_folder(root / place)}
    absent = {place for place in before if not os.path.ismount(root / place)}
    if gone and not holding:
        absent = {_INPUT}
    return NetworkShares(root, sorted(mounts | before), sorted(absent))


def _places(slides: Sequence[Slide], root: Path) -> Iterator[str]:
    """The places of all folders that hold the folders of slides, down from `root`. Only UTF-8 can be recorded."""
    for folder in {slide.folder.parent if slide.folder != root else root for slide in slides}:
        for place in (folder, *folder.parents):
            if place.is_relative_to(root) and _is_utf8(place):
                yield place.relative_to(root).as_posix()


def _is_utf8(path: Path) -> bool:
    return "\ufffd" not in os.fsencode(path).decode("utf-8", "replace")


def _mounts_before(out: Path, root: Path) -> frozenset[str]:
    try:
        info = read_json(out / RECORD)
        return frozenset(map(str, info.get(_MOUNTS, ()) if info["input"] == printable(root) else ()))
    except (DamagedError, FileNotFoundError, KeyError, TypeError, AttributeError):
        return frozenset()
