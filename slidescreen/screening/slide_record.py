"""The record of a finished slide: a head that every run reads, its rows of `cells.csv`, and its calls.

Each of the three is a line of its file (`record_lines`) and can be read without the others.
"""

import contextlib
import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, overload

from slidescreen.data.calls import Call, Contradiction, Status
from slidescreen.errors import InputError, UnavailableError
from slidescreen.files.existence import unavailable
from slidescreen.files.run_files import FINISHED
from slidescreen.files.writing import printable, write_whole
from slidescreen.screening import record_lines
from slidescreen.screening.differential import Differential, Share
from slidescreen.screening.finding import Finding, Verdict

SUFFIX, PICTURES = ".json", ".pictures"
_FORMAT, _BEFORE = 4, 3
"""The current format and the one before, whose rows lack the column `unfamiliarity`."""
_NOT_KEPT = ("shares", "certain", "composition")  # parts of a differential; only judging needs the last two


class LaterFormatError(UnavailableError):
    """A record is undamaged, but only a later slidescreen can read it."""


@dataclass(frozen=True)
class Provenance:
    """Hashes of everything that determined a slide's calls and verdict. With equal hashes the result would be the
    same.

    `voted` hashes the ensemble; `called` the ensemble and the engine's settings; `judged` the ensemble, its measured
    errors, the thresholds and the code of the verdict.
    """

    voted: str
    called: str
    judged: str


@dataclass(frozen=True)
class FinishedSlide:
    """The head of a record.

    Attributes:
        path: the record's path.
        slide, folder: the slide's name, and the folder of its images at that time.
        provenance: hashes of everything that determined its calls and verdict.
        time: when it was classified (ISO 8601, UTC).
        fingerprint: a hash of its images' names and states, which shows whether the slide has changed.
        unread: unreadable images by position, with the reason. Every run tries them again.
        cell_types: the cell types in the order of its calls' probabilities.
        differential, finding: the results, without the parts that only judging needs.
        failures: its unreadable images, and why.
        reported_twice: its pictures in folders of two cell types.
        not_cells: its images that show no single cell, and why.
        remarks: remarks on how its files were read, each with the number of files.
        lacks_column: whether an earlier release wrote it, whose tables had no unfamiliarity.
    """

    path: Path
    slide: str
    folder: Path
    provenance: Provenance
    time: str
    fingerprint: str
    unread: tuple[tuple[int, str], ...]
    cell_types: tuple[str, ...]
    differential: Differential
    finding: Finding
    failures: tuple[tuple[str, str], ...] = ()
    reported_twice: tuple[Contradiction, ...] = ()
    not_cells: tuple[tuple[str, str], ...] = ()
    remarks: tuple[tuple[str, int], ...] = ()
    lacks_column: bool = False

    @property
    def pictures(self) -> Path:
        """The file of its suspicious cells' pictures, if they are kept."""
        return self.path.with_suffix(PICTURES)

    def rows(self) -> str:
        """Its rows of `cells.csv`, with its own cell types.

        Raises:
            UnavailableError: the record cannot be read at present.
            InputError: the record has gone or is damaged.
        """
        rows = str(json.loads(self._line(record_lines.ROWS)))
        return _with_empty_column(rows) if self.lacks_column else rows

    def body(self) -> "RecordBody":
        """Its calls, and the states of its images when they were called. Raises as `rows` does."""
        try:
            content = json.loads(self._line(record_lines.BODY))
            return RecordBody(tuple(map(call_of, content["calls"])), tuple(content["states"]))
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(error) from error

    def calls(self) -> "RecordedCalls":
        """Its calls, read on first use."""
        return RecordedCalls(self)

    def is_whole(self) -> bool:
        """Whether the whole record is there and undamaged.

        Raises:
            UnavailableError: it cannot be read at present.
        """
        try:
            return record_lines.is_whole(self.path.read_bytes())
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unavailable(self.path, error) from error

    def _line(self, number: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                line, sound = next(itertools.islice(record_lines.read(file), number - 1, None), (b"", False))
        except FileNotFoundError as error:
            raise self._damaged(error.strerror) from error
        except OSError as error:
            raise unavailable(self.path, error) from error
        if not sound:
            raise self._damaged("its content is not what was written")
        return line

    def _damaged(self, reason: object) -> InputError:
        return InputError(
            f"{printable(self.path)} is damaged ({reason}): move it away, and give the same command again, "
            f"which classifies {printable(self.slide)} again"
        )


@dataclass(frozen=True)
class RecordBody:
    """The calls of a finished slide, and the state of each image at that time (empty if unknown)."""

    calls: tuple[Call, ...]
    states: tuple[str, ...]


class RecordedCalls(Sequence[Call]):
    """Calls that are read from the record on each use, and not kept in memory."""

    def __init__(self, finished: FinishedSlide) -> None:
        self._finished = finished

    def __len__(self) -> int:
        return self._finished.differential.images

    def __iter__(self) -> Iterator[Call]:
        return iter(self._finished.body().calls)

    @overload
    def __getitem__(self, position: int) -> Call: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[Call]: ...

    def __getitem__(self, position: int | slice) -> Call | Sequence[Call]:
        return self._finished.body().calls[position]


def write_finished(
    finished: FinishedSlide, body: RecordBody, rows: str, make_room: Callable[[], object] = lambda: None
) -> None:
    """Write a record, whole.

    Args:
        finished, body, rows: what it holds.
        make_room: is called when the record is written, right before it replaces the earlier one.

    Raises:
        OutputError: the disk is full or cannot be written to. The earlier record is unchanged.
    """
    calls = [asdict(call) for call in body.calls]
    head = {
        "format": _FORMAT,
        "slide": finished.slide,
        "folder": str(finished.folder),
        "origin": asdict(finished.provenance),
        "time": finished.time,
        "fingerprint": finished.fingerprint,
        "unread": finished.unread,
        "cell_types": finished.cell_types,
        "differential": _differential_dict(finished.differential),
        "finding": asdict(finished.finding),
        "failures": finished.failures,
        "reported_twice": finished.reported_twice,
        "not_cells": finished.not_cells,
        "remarks": finished.remarks,
    }
    parts = (head, rows, {"calls": calls, "states": body.states})
    content = record_lines.content_of(json.dumps(part).encode("ascii") for part in parts)
    write_whole(finished.path, lambda temporary: (temporary.write_bytes(content), make_room()))


def read_finished(path: Path, whole: bool = False) -> FinishedSlide | None:
    """The head of a record; None if it does not exist or is damaged; `whole`: or if any part of the record is.

    Raises:
        UnavailableError: the record cannot be read at present.
        LaterFormatError: a later version wrote it.
    """
    try:
        head = json.loads(record_lines.head_of_whole(path) if whole else record_lines.head(path))
        if head["format"] > _FORMAT:
            raise LaterFormatError(f"{printable(path)} was written by a later slidescreen (format {head['format']})")
        if head["format"] < _BEFORE:
            return None
        found = head["finding"]
        return FinishedSlide(
            path=path,
            slide=head["slide"],
            folder=Path(head["folder"]),
            provenance=Provenance(**head["origin"]),
            time=head["time"],
            fingerprint=head["fingerprint"],
            unread=tuple((int(position), str(reason)) for position, reason in head["unread"]),
            cell_types=tuple(head["cell_types"]),
            differential=_differential(head["differential"]),
            finding=Finding(Verdict(found["verdict"]), tuple(found["flags"]), tuple(found["reasons"])),
            failures=tuple((str(image), str(reason)) for image, reason in head["failures"]),
            reported_twice=tuple((str(a), str(b), str(c), str(d)) for a, b, c, d in head.get("reported_twice", ())),
            not_cells=tuple((str(image), str(reason)) for image, reason in head.get("not_cells", ())),
            remarks=tuple((str(remark), int(count)) for remark, count in head.get("remarks", ())),
            lacks_column=head["format"] == _BEFORE,
        )
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError, KeyError, TypeError):
        return None
    except OSError as error:
        raise unavailable(path, error) from error


def _with_empty_column(rows: str) -> str:
    """Rows of a CSV file with another, empty column at the end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*row, ""] for row in csv.reader(io.StringIO(rows, newline="")))
    return text.getvalue()


def _differential_dict(differential: Differential) -> dict[str, Any]:
    plain = {f.name: getattr(differential, f.name) for f in fields(Differential) if f.name not in _NOT_KEPT}
    return {**plain, "shares": {name: asdict(share) for name, share in differential.shares.items()}}


def _differential(entry: Mapping[str, Any]) -> Differential:
    return Differential(**{**entry, "shares": {name: Share(**share) for name, share in entry["shares"].items()}})


def read_all(run_folder: Path) -> Iterator[FinishedSlide]:
    """The heads of all records in a run's folder, sorted by file name. Damaged ones and those of a later version are
    left out.

    Raises:
        UnavailableError: a record cannot be read at present.
    """
    for path in sorted((run_folder / FINISHED).glob(f"*{SUFFIX}")):
        with contextlib.suppress(LaterFormatError):
            finished = read_finished(path)
            if finished is not None:
                yield finished


def is_old(path: Path) -> bool:
    """Whether a record has the format of the first release: one JSON object."""
    try:
        with path.open("rb") as file:
            return file.read(1) == b"{"
    except OSError:
        return False


def call_of(entry: Mapping[str, Any]) -> Call:
    """A call from its fields."""
    known = {**entry, "status": Status(entry["status"]), "probabilities": tuple(entry["probabilities"])}
    return Call(**{**known, "appearance": tuple(entry["appearance"]), "remarks": tuple(entry.get("remarks", ()))})
