"""Tables as people and spreadsheets save them: lines of values between commas, semicolons or tabs, below a header.

What cannot be read is told with its line, counted as an editor counts: a value in quotation marks may run over several.
The standard library's `csv` keeps no such count and passes over quotation marks in the wrong place; hence the small
splitter here.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from slidescreen.errors import InputError
from slidescreen.files.encoding import LINE_END, read_text
from slidescreen.files.writing import printable

_SEPARATORS = (",", ";", "\t", "|")
_LONGEST_EXCERPT = 160
_WITH_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)


class Row(dict[str, str]):
    """A row's values by their columns' names; `line` is where it begins in its file, counted from 1."""

    __slots__ = ("line",)

    def __init__(self, line: int, names: Sequence[str], values: Sequence[str]) -> None:
        super().__init__(zip(names, values, strict=True))
        self.line = line


@dataclass(frozen=True)
class Table:
    """A table that was read: its columns' names by `column_name`, and its rows without the blank ones."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str
    separator: str

    def problem(self, row: Row, reason: object) -> InputError:
        """The error that a row's content is, with the file and the line."""
        return InputError(f"{printable(self.path)}, line {row.line}: {reason}")


def read_table(path: Path, required: Collection[str] = ()) -> Table:
    """Read a table whose first line names its columns.

    Letter case, spaces and hyphens in the names of columns do not matter. The separator is the one by which the
    header holds the `required` columns, of several the one that makes most columns. Rows may be shorter than the
    header, as spreadsheets leave empty cells out at the end: what is missing is empty. Values are as they stand
    in the file.

    Raises:
        InputError: it can't be read, is no text, lacks a required column or has one twice; a row has values
            beyond the header, or a quotation mark out of place.
    """
    name = printable(path)
    text, encoding = read_text(path)
    start, line, separator = _after_declaration(text)
    header, separator, start, line = _header(text, start, line, separator, required, name)
    columns = [column_name(field) for field in header.fields]
    _check_columns(columns, header, required, name)
    named = [place for place, column in enumerate(columns) if column]
    names = [columns[place] for place in named]
    rows = []
    for record, _, _ in _placed(text, start, line, separator, name):
        if record.is_blank:
            continue
        fields = record.fields + [""] * (len(columns) - len(record.fields))
        _check_fields(fields, columns, header.line, f"{name}, line {record.line}")
        rows.append(Row(record.line, names, [fields[place] for place in named]))
    return Table(path, tuple(names), tuple(rows), encoding, separator)


@lru_cache(maxsize=1024)
def column_name(text: str) -> str:
    """A column's name as the tables' contracts spell it: "Cell Type" is `cell_type`."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "_".join(re.split(r"[\s_-]+", folded.strip("\ufeff \t\r\n_-")))


def number(text: str) -> float:
    """A number with a decimal point or a decimal comma.

    Raises:
        ValueError: it is none, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        comma = _WITH_COMMA.fullmatch(text.strip())
        value = float(comma[0].replace(",", ".")) if comma else math.nan
    if not math.isfinite(value) or "_" in text or not text.isascii():
        raise ValueError(f"not a number: {excerpt(text)}")
    return value


def excerpt(text: str) -> str:
    """A value for a message: printable, in quotation marks, its middle left out where it is long."""
    shown = printable(text)
    if len(shown) > _LONGEST_EXCERPT:
        shown = f"{shown[: _LONGEST_EXCERPT // 2]}…{shown[-_LONGEST_EXCERPT // 2 :]}"
    return f"'{shown}'"


@dataclass(frozen=True)
class _Record:
    """A row's fields, and the line that it begins in."""

    line: int
    fields: list[str]

    @property
    def is_blank(self) -> bool:
        return not any(field.strip() for field in self.fields)


def _after_declaration(text: str) -> tuple[int, int, str]:
    """Where the table begins, in which line, and the separator that a first line `sep=;` declares, if any."""
    first = LINE_END.search(text)
    declared = re.fullmatch(r'"?sep=(.|\\t)"?[,;\t]*', text[: first.start()] if first else "", re.IGNORECASE)
    if first is None or declared is None:
        return 0, 1, ""
    return first.end(), 2, "\t" if declared[1] == "\\t" else declared[1]


def _header(
    text: str, start: int, line: int, separator: str, required: Collection[str], name: str
) -> tuple[_Record, str, int, int]:
    """The header, the separator, and where the rows begin: at which character, in which line."""
    found, problem = [], InputError(f"{name} is empty")
    for candidate in [separator] if separator else _SEPARATORS:
        try:
            placed = next((one for one in _placed(text, start, line, candidate, name) if not one[0].is_blank), None)
        except InputError as error:
            problem = error
            continue
        if placed is not None:
            columns = [column_name(field) for field in placed[0].fields]
            rank = (sum(column in columns for column in required), len(columns))
            found.append((rank, candidate, placed))
    if not found:
        raise problem
    _, separator, (header, end, after) = max(found, key=lambda one: one[0])
    return header, separator, end, after


def _check_columns(columns: list[str], header: _Record, required: Collection[str], name: str) -> None:
    missing = [column for column in required if column not in columns]
    if missing:
        names, line = ", ".join(missing), excerpt(", ".join(header.fields))
        raise InputError(f"{name} lacks the column {names}: line {header.line}, the header, reads {line}")
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{name}, line {header.line}: two columns are named {excerpt(twice)}: rename one")


def _check_fields(fields: list[str], columns: list[str], header: int, place: str) -> None:
    """Refuse values that no column's name goes with, but for a first column: there some programs count the rows."""
    if len(fields) == len(columns) and all(columns):
        return
    nameless = [field for field, column in zip(fields[1:], columns[1:], strict=False) if not column]
    stray = next((field for field in (*nameless, *fields[len(columns) :]) if field.strip()), None)
    if stray is not None:
        raise InputError(
            f"{place}: {excerpt(stray)} has no column in the header (line {header}); "
            "quote a value that contains the separator"
        )


def _placed(text: str, start: int, line: int, separator: str, name: str) -> Iterator[tuple[_Record, int, int]]:
    """Each record, and where the next begins: at which character, in which line."""
    while start < len(text):
        fields, after = _fields(text, start, separator, f"{name}, line {line}")
        record = _Record(line, fields)
        line += len(LINE_END.findall(text, start, after))
        start = after
        yield record, start, line


@dataclass(frozen=True)
class _Patterns:
    """How a field may look: in quotation marks, perhaps after spaces, or plain up to the next separator."""

    opening: re.Pattern[str]
    quoted: re.Pattern[str]
    plain: re.Pattern[str]
    following: re.Pattern[str]


@lru_cache(maxsize=8)
def _patterns(separator: str) -> _Patterns:
    return _Patterns(
        re.compile(r' *"'),
        re.compile(r' *"([^"]*(?:""[^"]*)*)" *'),
        re.compile(rf"[^{re.escape(separator)}\r\n]*"),
        re.compile(rf"{re.escape(separator)}|\r\n|\r|\n|\Z"),
    )


def _fields(text: str, start: int, separator: str, place: str) -> tuple[list[str], int]:
    """The fields of the record that begins at `start`, and where the next one does."""
    patterns = _patterns(separator)
    fields: list[str] = []
    while True:
        line_end = LINE_END.search(text, start)
        end, after = line_end.span() if line_end else (len(text), len(text))
        rest = text[start:end]
        if '"' not in rest:
            return fields + rest.split(separator), after
        quoted = patterns.quoted.match(text, start)
        if not quoted and patterns.opening.match(text, start):
            raise InputError(f"{place}: a quotation mark is opened and never closed")
        field = quoted or patterns.plain.match(text, start)
        assert field is not None  # a plain field may be empty
        following = patterns.following.match(text, field.end())
        if following is None:
            raise InputError(
                f"{place}: a quotation mark inside a field: quote the whole field, and double the quotation marks in it"
            )
        fields.append(quoted[1].replace('""', '"') if quoted else field[0])
        start = following.end()
        if following[0] != separator:
            return fields, start
