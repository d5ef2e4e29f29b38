"""Recognise slides that are still being exported, by the arrival times of their files and by changes between two looks.

Modification times do not suffice: a copy keeps those of the original (`cp -p`, `rsync -a`, robocopy). The system
records when a file arrived: on Unix as the time of the inode's change, on Windows as the time of creation.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from slidescreen.data.skipped_files import is_of_a_system
from slidescreen.data.slides import Slide
from slidescreen.errors import OutputError
from slidescreen.files.writing import write_text
from slidescreen.interruptible import interruptibly

_MEMORY = ".waiting.json"
_ABANDONED = 24 * 3600.0  # seconds after which a copy counts as abandoned
# Names that programs give to unfinished files: browsers, WinSCP, rclone, FTP servers, Syncthing, rsync.
_COPYING = re.compile(
    r".*\.(part|partial|filepart|crdownload|download|opdownload|tmp|temp|incomplete|inprogress|uploading|aria2)(\.?\d+)?"
    r"|\.(in|goutputstream|pureftpd-upload)[.-].*"
    r"|\.?~(tmp|syncthing).*"
    r"|\..+\.[a-z0-9]{6}",  # rsync: .NAME.Xy3z9Q
    re.IGNORECASE,
)


@dataclass(frozen=True)
class FolderState:
    """The content of a slide's folders at one moment.

    Attributes:
        content: a hash of all names, sizes and times of change.
        changes: when each entry changed, as the exporting machine says; seconds since the epoch.
        arrivals: when each entry arrived, as the file server says.
        copies: both times of files that a program seems to be writing.
    """

    content: str
    changes: tuple[float, ...]
    arrivals: tuple[float, ...]
    copies: tuple[float, ...]

    def is_fresh(self, now: float, settle: float) -> bool:
        """Whether something arrived within so many seconds, or is still being written.

        A change further in the future tells nothing: a copy may keep the time of a wrong clock. An arrival there means
        that this machine's clock or the server's is wrong, so the file may have just arrived.
        """
        return (
            _any_within((*self.changes, *self.arrivals), now, settle)
            or any(when >= now + settle for when in self.arrivals)
            or _any_within(self.copies, now, max(settle, _ABANDONED))
        )


class ExportWatch:
    """Decides which slides are left to the next run, and records their state."""

    def __init__(self, settle: float, out: Path, slides: Sequence[Slide]) -> None:
        """Set up.

        Args:
            settle: seconds; with 0 no slide waits.
            out: the run's folder, which keeps the recorded states.
            slides: all slides. Files of one slide do not count for another.
        """
        self._settle = settle
        self._path = out / _MEMORY
        self._folders = frozenset(slide.folder for slide in slides)
        self._looks: dict[Path, FolderState] = {}

    def is_fresh(self, slide: Slide) -> bool:
        """Whether something of a slide arrived lately, or is still being written."""
        return self._settle > 0 and self._look(slide).is_fresh(time.time(), self._settle)

    def waiting(self, slides: Sequence[Slide]) -> list[Slide]:
        """The slides whose export seems unfinished."""
        if self._settle <= 0:
            return []
        self._looks = {slide.folder: self._look(slide) for slide in slides}
        now, before = time.time(), _read(self._path)
        waiting = [slide for slide in slides if self._waits(slide, before.get(str(slide.folder)), now)]
        if waiting or before:
            seen = {str(slide.folder): self._seen(slide, before.get(str(slide.folder)), now) for slide in waiting}
            with contextlib.suppress(OutputError):
                write_text(self._path, json.dumps({folder: asdict(each) for folder, each in seen.items()}))
        return waiting

    def has_changed(self, slide: Slide) -> bool:
        """Whether a slide's folders have changed since this run first looked, so that the slide was not complete
        then."""
        first = self._looks.get(slide.folder)
        return first is not None and interruptibly(lambda: self._look(slide)).content != first.content

    def _waits(self, slide: Slide, before: "_Seen | None", now: float) -> bool:
        """Whether to wait for a slide. Two looks are the best sign: no change over a long time means complete, a change
        within a short time means incomplete."""
        look = self._looks[slide.folder]
        if before is not None:
            long = max(self._settle, _ABANDONED) if look.copies else self._settle
            if before.content == look.content and now - before.since >= long:
                return False
            if before.content != look.content and 0 <= now - before.last < self._settle:
                return True
        return look.is_fresh(now, self._settle)

    def _seen(self, slide: Slide, before: "_Seen | None", now: float) -> "_Seen":
        content = self._looks[slide.folder].content
        since = before.since if before is not None and before.content == content else now
        return _Seen(content, min(since, now), now)

    def _look(self, slide: Slide) -> FolderState:
        told: list[str] = []
        changes: list[float] = []
        arrivals: list[float] = []
        copies: list[float] = []
        for path, is_folder, status in self._held(slide):
            arrival = (status.st_ctime, getattr(status, "st_birthtime", 0.0))
            changes.append(status.st_mtime)
            arrivals += arrival
            if _COPYING.fullmatch(path.name):
                copies += (status.st_mtime, *arrival)
            told.append(f"{path}\n" if is_folder else f"{path}\n{status.st_size},{status.st_mtime_ns}")
        content = hashlib.sha256(os.fsencode("\n".join(sorted(told)))).hexdigest()
        return FolderState(content, tuple(changes), tuple(arrivals), tuple(copies))

    def _held(self, slide: Slide) -> Iterator[tuple[Path, bool, os.stat_result]]:
        """A slide's folder and everything in it that may belong to it; unreadable entries are left out."""
        with contextlib.suppress(OSError):
            yield slide.folder, True, slide.folder.stat()
        folders = [slide.folder]
        while folders:
            with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    path, is_folder = Path(entry.path), entry.is_dir(follow_symlinks=False)
                    if path in self._folders or is_of_a_system(entry.name, is_folder):
                        continue
                    with contextlib.suppress(OSError):  # the entry has vanished
                        yield path, is_folder, entry.stat(follow_symlinks=False)
                    if is_folder:
                        folders.append(path)


@dataclass(frozen=True)
class _Seen:
    """The state of a slide that earlier runs left: its content, and when it was first and last seen in this state."""

    content: str
    since: float
    last: float


def _any_within(times: Sequence[float], now: float, seconds: float) -> bool:
    return any(abs(now - when) < seconds for when in times)


def _read(path: Path) -> dict[str, _Seen]:
    """The recorded states, by the slides' folders; empty if the file is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(folder): _Seen(str(s["content"]), float(s["since"]), float(s["last"])) for folder, s in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
