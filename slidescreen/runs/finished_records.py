"""The folder of the records of finished slides: which are there, which are damaged, and which cannot be read now."""

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from slidescreen.errors import OutputError, UnavailableError
from slidescreen.files.damaged import set_aside
from slidescreen.files.existence import exists, sees
from slidescreen.files.run_files import FINISHED
from slidescreen.files.writing import sweep
from slidescreen.runs.archive import archived_records, moment_of
from slidescreen.screening.slide_record import SUFFIX, FinishedSlide, is_old, read_finished


class FinishedRecords:
    """The records in a run's folder. Temporary files that a killed run left among them are removed."""

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder / FINISHED
        self.damaged: list[str] = []
        """Damaged records, by their slides' names if known; they are set aside."""
        self.unread: dict[Path, str] = {}
        """Records that cannot be read at present, and why; they stay as they are."""
        sweep(self.folder)

    def has_record(self, place: str) -> bool:
        """Whether there is a record of the slide in this place, of whatever state."""
        return exists(self.path_of(place))

    def is_unread(self, place: str) -> bool:
        """Whether the record of the slide in this place could not be read."""
        return self.path_of(place) in self.unread

    def archived(self, times: Mapping[str, str], tonight: Collection[Path] = ()) -> frozenset[str]:
        """The places of slides whose record has moved into the archive.

        Records that another record of the slide replaced are there too. They do not count.

        Args:
            times: for each place when its slide was finished, by the last run; empty if that run had no such slide.
            tonight: the paths that records had before this run moved them there.
        """
        known = archived_records(self.folder.parent) if times else frozenset()
        stems = {stem for stem, _ in known}
        found = set()
        for place, time in times.items():
            path = self.path_of(place)
            moved = (path.stem, moment_of(time)) in known or path in tonight or (not time and path.stem in stems)
            if moved and not exists(path):
                found.add(place)
        return frozenset(found)

    def others(self, places: Collection[str]) -> Iterator[FinishedSlide]:
        """The records of finished slides in other places, by their names."""
        known = {self.path_of(place).name for place in places}
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if path.name not in known:
                finished = self.head(path) or self.whole(path, path.name)
                if finished is not None:
                    yield finished

    def head(self, path: Path, whole: bool = False) -> FinishedSlide | None:
        """A record by `read_finished`; None also if it cannot be read at present."""
        try:
            finished = read_finished(path, whole)
        except UnavailableError as error:
            self.unread[path] = str(error)
            return None
        self.unread.pop(path, None)
        return finished

    def whole(self, path: Path, name: str) -> FinishedSlide | None:
        """A record, if it is undamaged. A damaged one is set aside, but not one that cannot be read at present."""
        finished = self.head(path, whole=True)
        if finished is not None:
            return finished
        if path not in self.unread and sees(path) and not is_old(path):
            self.damaged.append(name)
            with contextlib.suppress(OutputError):
                set_aside(path, ending=".damaged")
        return None

    def path_of(self, place: str) -> Path:
        """The record's path, made from the slide's exact path: two slides never share a record, even if their names
        look alike."""
        return self.folder / f"{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}{SUFFIX}"
