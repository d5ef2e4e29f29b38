"""Tables that people and spreadsheets save: a header, then rows of values between commas, semicolons or tabs.

Errors name the line as an editor counts it. A quoted value may run over several lines. The standard library's `csv`
does not count these lines, and accepts misplaced quotation marks. So this module has its own small splitter.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from slidescreen.errors import EmptyFileError, InputError
from slidescreen.files.encoding import LINE_END, read_text
from slidescreen.files.writing import printable

_SEPARATORS = (",", ";", "\t", "|")
_LONGEST_EXCERPT = 160
_WITH_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)


class Row(dict[str, str]):
    """A row's values by column name. `line` is the line on which the row begins, counted from 1."""

    __slots__ = ("line",)

    def __init__(self, line: int, names: Sequence[str], values: Sequence[str]) -> None:
        super().__init__(zip(names, values, strict=True))
        self.line = line


@dataclass(frozen=True)
class Table:
    """A table: its column names, in the form that `column_name` gives, and its rows without blank ones."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str
    separator: str

    def problem(self, row: Row, reason: object) -> InputError:
        """An error about a row, with its file and line."""
        return InputError(f"{printable(self.path)}, line {row.line}: {reason}")


def read_table(path: Path, required: Collection[str] = ()) -> Table:
    """Read a table whose first line names its columns.

    Letter case, spaces and hyphens in column names do not matter. The separator is the one that gives the header all
    `required` columns; if several do, the one that gives most columns. Rows may be shorter than the header, because
    spreadsheets omit empty cells at the end; missing values are empty. Values keep their spelling.

    Raises:
        EmptyFileError: the file is empty.
        InputError: the file cannot be read or is not text, the header lacks a required column or repeats one, a row
            has more values than the header, or a quotation mark is misplaced.
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
        _check_fields(fields, columns, header, f"{name}, line {record.line}")
        rows.append(Row(record.line, names, [fields[place] for place in named]))
    return Table(path, tuple(names), tuple(rows), encoding, separator)


@lru_cache(maxsize=1024)
def column_name(text: str) -> str:
    """A column name in its standard spelling: "Cell Type" becomes `cell_type`."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "_".join(re.split(r"[\s_-]+", folded.strip("\ufeff \t\r\n_-")))


def number(text: str) -> float:
    """A number with a decimal point or a decimal comma.

    Raises:
        ValueError: the text is not a number, or not a finite one.
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
    """A value for a message: printable, quoted, and with the middle left out if it is long."""
    shown = printable(text)
    if len(shown) > _LONGEST_EXCERPT:
        shown = f"{shown[: _LONGEST_EXCERPT // 2]}…{shown[-_LONGEST_EXCERPT // 2 :]}"
    return f"'{shown}'"


@dataclass(frozen=True)
class _Record:
    """A row's fields, and the line on which it begins."""

    line: int
    fields: list[str]

    @property
    def is_blank(self) -> bool:
        return not any(field.strip() for field in self.fields)

    @property
    def shown(self) -> str:
        """Its text, for a message."""
        return excerpt(", ".join(self.fields))


def _after_declaration(text: str) -> tuple[int, int, str]:
    """The character and the line at which the table begins, and the separator if a first line `sep=;` declares one."""
    first = LINE_END.search(text)
    declared = re.fullmatch(r'"?sep=(.|\\t)"?[,;\t]*', text[: first.start()] if first else "", re.IGNORECASE)
    if first is None or declared is None:
        return 0, 1, ""
    return first.end(), 2, "\t" if declared[1] == "\\t" else declared[1]


def _header(
    text: str, start: int, line: int, separator: str, required: Collection[str], name: str
) -> tuple[_Record, str, int, int]:
    """The header, the separator, and the character and the line at which the rows begin."""
    found: list[tuple[tuple[int, int], str, tuple[_Record, int, int]]] = []
    problem: InputError = EmptyFileError(f"{name} is empty")
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
        names = ", ".join(missing)
        raise InputError(f"{name} lacks the column {names}: line {header.line}, the header, reads {header.shown}")
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{name}, line {header.line}: two columns are named {excerpt(twice)}: rename one")


def _check_fields(fields: list[str], columns: list[str], header: _Record, place: str) -> None:
    """Refuse values in columns without a name. Only the first may have none: some programs count the rows there."""
    if len(fields) == len(columns) and all(columns):
        return
    nameless = [field for field, column in zip(fields[1:], columns[1:], strict=False) if not column]
    stray = next((field for field in (*nameless, *fields[len(columns) :]) if field.strip()), None)
    if stray is not None:
        raise InputError(
            f"{place}: {excerpt(stray)} has no column in the header (line {header.line}, {header.shown}): "
            "quote a value that contains the separator, and remove lines above the header"
        )


def _placed(text: str, start: int, line: int, separator: str, name: str) -> Iterator[tuple[_Record, int, int]]:
    """Each record, and the character and the line at which the next one begins."""
    while start < len(text):
        fields, after = _fields(text, start, separator, f"{name}, line {line}")
        record = _Record(line, fields)
        line += len(LINE_END.findall(text, start, after))
        start = after
        yield record, start, line


@dataclass(frozen=True)
class _Patterns:
    """Patterns of a field: quoted, perhaps after spaces, or plain up to the next separator."""

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
    """The fields of the record that begins at `start`, and the start of the next record."""
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
