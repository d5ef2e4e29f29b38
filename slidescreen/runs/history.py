"""`history.csv`: a row for each night's slides, with which later nights are compared.

People open this file in spreadsheets, and disks may damage it. Readable rows are used; a damaged file is kept under
another name.
"""

import contextlib
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from slidescreen.data.appearance import MEASURES
from slidescreen.data.delimited import Table, number, read_table
from slidescreen.errors import InputError, OutputError
from slidescreen.files.damaged import free_name, set_aside
from slidescreen.files.existence import exists, is_file
from slidescreen.files.locking import in_turn
from slidescreen.files.writing import behind_link, printable, write_text, write_whole
from slidescreen.interruptible import interruptibly
from slidescreen.reporting.tables import to_csv
from slidescreen.runs.drift import FIGURES, SHARES, Profile, profile_of
from slidescreen.screening.results import SlideResult
from slidescreen.screening.sentences import number_of

T = TypeVar("T")

_COLUMNS = ("time", "slides", "images", *FIGURES, "content", *SHARES)
_KEPT = (*FIGURES, *SHARES)
_SIGNATURE = MEASURES[0]  # a column that every history has, and hardly anything else
_NOTHING = b"\0\r\n\t \xef\xbb\xbf\xff\xfe"  # blanks and byte-order marks
_MOST = {**dict.fromkeys(MEASURES, 255.0), "sharpness": 25_500.0, "mean_probability": 1.0}
_MOST_PERCENT = 100.0
_WHOLE_FIGURE = re.compile(r".*[.,]\d{4}")
_MOST_SLIDES_NAMED = 1000  # in a row: a cell of a spreadsheet holds 32,767 characters at most
_LONGEST_WAIT, _MARGIN = 60.0, 1.0  # seconds for other nights to end with the file
_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")  # never read as a number or a date


@dataclass(frozen=True)
class History:
    """The rows of a history file that can be read, oldest first, as text by column.

    Attributes:
        rows: their text, with figures in this module's format.
        remarks: notes on defects of the file.
        spoilt: whether the file holds more than `rows`.
    """

    rows: tuple[Mapping[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    spoilt: bool = False

    def profiles(self, but: str = "") -> list[Profile]:
        """The profile of each night, except for one with exactly this content."""
        return [_profile(row) for row in self.rows if not but or row["content"] != but]

    def with_night(self, night: "Night") -> "History":
        """The history with a row for the slides that are in no row yet. A row of exactly these slides is replaced."""
        if any(row["content"] == night.content for row in self.rows):
            rows = [night.row() if row["content"] == night.content else row for row in self.rows]
        else:
            fresh = night.row(self.counted())
            rows = [*self.rows, *([fresh] if fresh else [])]
        return replace(self, rows=tuple(rows))

    def counted(self) -> frozenset[str]:
        """The slides that the rows were made of, by `content_of`."""
        return frozenset(slide for row in self.rows for slide in row["content"].split())


class Night:
    """A night's slides for the history. Figures are computed once, because reading thousands of calls takes time."""

    def __init__(self, time: str, slides: Sequence[SlideResult]) -> None:
        """Set up. `time` is the start time (ISO 8601), which becomes the time of the row."""
        self.time, self._slides = time, tuple(slides)
        self._contents = tuple(map(_content_of, self._slides))
        self._rows: dict[tuple[int, ...], dict[str, str]] = {}

    @cached_property
    def profile(self) -> Profile:
        """The figures of all its slides."""
        return profile_of(self._slides)

    @cached_property
    def content(self) -> str:
        """Its slides, by `content_of`."""
        return _joined(self._contents)

    def row(self, counted: Collection[str] = ()) -> dict[str, str]:
        """Its row of the history, without the slides that are `counted` in others; empty if no slide is left."""
        places = tuple(place for place, content in enumerate(self._contents) if content not in counted)
        if places and places not in self._rows:
            slides = [self._slides[place] for place in places]
            profile = self.profile if len(places) == len(self._slides) else profile_of(slides)
            known = {
                "time": self.time,
                "slides": str(profile.slides),
                "images": str(sum(slide.differential.images for slide in slides)),
                "content": _joined(self._contents[place] for place in places),
            }
            self._rows[places] = {**dict.fromkeys(_COLUMNS, ""), **known, **_written(profile.figures)}
        return self._rows.get(places, {})


def content_of(slides: Sequence[SlideResult]) -> str:
    """Ten letters for each slide, made from the content of its images, not from its name.

    If there are more than a thousand slides, a fixed choice of a thousand stands for all.
    """
    return _joined(map(_content_of, slides))


def _joined(contents: Iterable[str]) -> str:
    return " ".join(sorted(contents)[:_MOST_SLIDES_NAMED])


def read_history(path: Path, named: bool = False) -> History:
    """Read a history file; empty if there is none yet.

    Args:
        path: the file, written by this module or a spreadsheet, and perhaps damaged.
        named: whether the user named it. A file that does not look like a history is then foreign.

    Raises:
        InputError: the file cannot be read at present, or is foreign.
    """
    name = printable(path)
    if exists(path) and not is_file(path):  # a folder, a pipe, or a device, which may never end
        return _no_history(name, foreign=named)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return History()
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}") from error
    if not content.strip(_NOTHING):
        return History(remarks=(f"{name} is empty: this run cannot be compared with earlier ones",))
    try:
        table = read_table(path, ("slides", _SIGNATURE))
    except InputError:
        return _no_history(name, foreign=named and _SIGNATURE.encode() not in content.replace(b"\0", b""))
    rows = _readable(table, whole=content.rstrip(b"\0").endswith((b"\n", b"\r")))
    remarks = []
    if len(rows) < len(table.rows):
        remarks.append(f"{name}: cannot read {len(table.rows) - len(rows)} of {len(table.rows)} rows")
    if (table.separator, table.encoding) != (",", "utf-8"):
        read = number_of(len(rows), "row")
        remarks.append(f"{name} was saved by another program: {read} read; the usual format is restored")
    return History(rows, tuple(remarks), len(rows) < len(table.rows))


def add_night(path: Path, night: Night, named: bool = False, limit: float | None = None) -> Path | None:
    """Add a row for the slides of a run that are in no row yet. A row of exactly these slides is replaced.

    Args:
        path: the history file, or a link to it, which stays.
        night: the run's slides.
        named: as in `read_history`.
        limit: seconds for waiting for other nights, for reading the file, and for writing it. The time for making the
            row does not count.

    Returns:
        The new path of the old file, if it could not be read completely.

    Raises:
        InputError: as in `read_history`.
        OutputError: the file cannot be written, is in use by another night, or does not answer in time.
    """
    in_time(path, limit, lambda: read_history(path, named))  # a file named by mistake gets no lock beside it
    with _reserved(path, limit) as file:
        history = in_time(path, limit, lambda: read_history(file, named))
        rows = history.with_night(night).rows
        columns = list(dict.fromkeys((*_COLUMNS, *(name for row in rows for name in row))))
        text = to_csv([columns, *([row.get(name, "") for name in columns] for row in rows)])

        def write() -> Path | None:
            kept = _keep(file) if history.spoilt else None
            write_text(file, text)
            return kept

        return in_time(path, limit, write)


@contextlib.contextmanager
def _reserved(path: Path, limit: float | None) -> Iterator[Path]:
    """The history file, behind any link, while no other night reads it to write it anew."""
    stack = contextlib.ExitStack()

    def reserve() -> Path:
        file = behind_link(path)
        stack.enter_context(in_turn(file, limit or _LONGEST_WAIT))
        return file

    try:
        yield in_time(path, limit and limit + _MARGIN, reserve)
    finally:
        with contextlib.suppress(OutputError):
            in_time(path, limit, stack.close)


def in_time(path: Path, limit: float | None, function: Callable[[], T]) -> T:
    """Read or write a file that may not answer, with a time limit in seconds; None for no limit.

    Raises:
        OutputError: the file took longer. Errors of the function are raised, too.
    """
    if limit is None:
        return function()
    try:
        return interruptibly(function, limit)
    except TimeoutError as error:
        raise OutputError(f"{printable(path)} does not answer within {limit:g} s") from error


def _no_history(name: str, foreign: bool) -> History:
    if foreign:
        raise InputError(f"{name} is not a history of slidescreen and was not changed: name another with --history")
    why = f"{name} is not a history of slidescreen: this run cannot be compared with earlier ones"
    return History(remarks=(why,), spoilt=True)


def _readable(table: Table, whole: bool) -> tuple[dict[str, str], ...]:
    """The rows with valid values. In a file that is not `whole` the last row may be cut off."""
    rows = []
    for row in table.rows:
        if whole or row is not table.rows[-1] or _ends_whole(row, table.columns[-1]):
            with contextlib.suppress(ValueError):
                rows.append(_tidy(row))
    return tuple(rows)


def _ends_whole(row: Mapping[str, str], last: str) -> bool:
    """Whether the end of a row cannot have been cut off: a figure has all its digits."""
    return bool(_WHOLE_FIGURE.fullmatch(row[last]) if last in _KEPT else row[last])


def _tidy(row: Mapping[str, str]) -> dict[str, str]:
    """A row with its figures as this module writes them.

    Raises:
        ValueError: a figure is invalid, for instance because a spreadsheet took a decimal point for a thousands
            separator.
    """
    figures = {name: number(row[name]) for name in _KEPT if row.get(name)}
    if any(not 0 <= value <= _MOST.get(name, _MOST_PERCENT) for name, value in figures.items()):
        raise ValueError("a figure is out of range")
    if int(number(row["slides"])) < 1:
        raise ValueError("a night without slides")
    empty = dict.fromkeys(_COLUMNS, "")
    return {**empty, **row, **_written(figures)}


def _written(figures: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{value:.4f}" for name, value in figures.items()}


def _profile(row: Mapping[str, str]) -> Profile:
    return Profile(int(number(row["slides"])), {name: float(row[name]) for name in _KEPT if row[name]})


def _content_of(slide: SlideResult) -> str:
    digests = sorted(call.digest or call.reason for call in slide.calls)
    return sha256(" ".join(digests).encode()).hexdigest()[:10].translate(_LETTERS)


def _keep(path: Path) -> Path:
    """Keep a file, or a folder in its place, under another name; a file stays until it is replaced."""
    if not is_file(path):
        return set_aside(path)
    kept = free_name(path)
    write_whole(kept, lambda temporary: shutil.copyfile(path, temporary))
    return kept
