"""Read only the needed rows of `cells.csv`, which may hold thousands of slides."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from slidescreen.data.calls import Call, Status
from slidescreen.errors import InputError
from slidescreen.files.writing import denature, printable
from slidescreen.reporting.tables import CELL_COLUMNS, call_of_row, read_calls, types_of


@dataclass(frozen=True)
class _Part:
    """Consecutive rows of one slide: their start in the file, and the numbers of bytes and rows."""

    start: int
    size: int
    rows: int


class TableCalls(Sequence[Call]):
    """The calls of a slide, read from the table on each use and not kept in memory."""

    def __init__(self, path: Path, columns: Sequence[str], parts: Sequence[_Part], reasons: Mapping[str, str]) -> None:
        """Set up. `reasons` says why images are unreadable or show no cell; the table does not say it."""
        self._path, self._columns, self._parts, self._reasons = path, columns, parts, reasons

    def __len__(self) -> int:
        return sum(part.rows for part in self._parts)

    def __iter__(self) -> Iterator[Call]:
        types = types_of(self._columns)
        return (_with_reason(call_of_row(row, types), self._reasons) for row in self._rows())

    @overload
    def __getitem__(self, position: int) -> Call: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[Call]: ...

    def __getitem__(self, position: int | slice) -> Call | Sequence[Call]:
        return tuple(self)[position]

    def _rows(self) -> Iterator[dict[str, str]]:
        try:
            with self._path.open("rb") as file:
                for part in self._parts:
                    file.seek(part.start)
                    text = io.StringIO(file.read(part.size).decode("utf-8"), newline="\n")
                    yield from (dict(zip(self._columns, row, strict=True)) for row in csv.reader(text))
        except (OSError, ValueError) as error:
            raise InputError(f"{printable(self._path)} changed while it was read: {error}") from error


def open_calls(
    path: Path, reasons: Mapping[str, Mapping[str, str]]
) -> tuple[Mapping[str, Sequence[Call]], tuple[str, ...]]:
    """The calls of each slide, read on use, and the cell types of the probability columns, in order.

    Each row is checked once. A table in another format than that of `classify` is read as a whole.

    Args:
        path: a `cells.csv`.
        reasons: by slide and image, why an image is unreadable or shows no cell.

    Raises:
        InputError: the file is not a `cells.csv`.
    """
    try:
        columns, parts = _parts(path)
    except (OSError, ValueError, csv.Error):  # another program saved it, or it is damaged
        calls, types = read_calls(path)
        return {slide: _with_reasons(found, reasons.get(slide, {})) for slide, found in calls.items()}, types
    found = {slide: TableCalls(path, columns, each, reasons.get(slide, {})) for slide, each in parts.items()}
    return found, types_of(columns)


def _with_reasons(calls: Sequence[Call], reasons: Mapping[str, str]) -> tuple[Call, ...]:
    return tuple(_with_reason(call, reasons) for call in calls)


def _with_reason(call: Call, reasons: Mapping[str, str]) -> Call:
    told = call.status in (Status.UNREADABLE, Status.UNIDENTIFIED)
    return replace(call, reason=reasons.get(call.image, "")) if told else call


def _parts(path: Path) -> tuple[list[str], dict[str, list[_Part]]]:
    """The table's columns, and the location of each slide's rows.

    Raises:
        ValueError, csv.Error: the table is not in the format of `classify`.
    """
    parts: dict[str, list[_Part]] = {}
    with path.open("rb") as file:
        read = 0

        def lines() -> Iterator[str]:
            nonlocal read
            for line in file:
                read += len(line)
                yield line.decode("utf-8")

        rows = csv.reader(lines(), strict=True)
        columns = next(rows, [])
        types = types_of(columns)
        if tuple(columns[: len(CELL_COLUMNS)]) != CELL_COLUMNS or len(set(columns)) < len(columns):
            raise ValueError("other columns")
        current, start, count, before = "", read, 0, read
        for row in rows:
            call_of_row(dict(zip(columns, row, strict=True)), types)
            if row[0] != current or not count:
                _add(parts, current, _Part(start, before - start, count))
                current, start, count = row[0], before, 0
            count, before = count + 1, read
        _add(parts, current, _Part(start, before - start, count))
    return columns, parts


def _add(parts: dict[str, list[_Part]], slide: str, part: _Part) -> None:
    if part.rows:
        parts.setdefault(denature(slide), []).append(part)
