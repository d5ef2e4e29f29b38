"""Copies of a run's tables for spreadsheets that want semicolons and decimal commas."""

import re
from pathlib import Path

from slidescreen.data.delimited import read_table
from slidescreen.files.run_files import fallback_names_of
from slidescreen.files.writing import write_whole
from slidescreen.reporting.tables import to_csv

_TABLES = ("cells", "differential")
_NAMES = frozenset({"slide", "image", "reviewer"})
_DECIMAL = re.compile(r"-?\d+\.\d+(e[+-]?\d+)?")
_MONTH = r"(jan|feb|m[aäe]r|mrz|a[pvb]r|ma[iyj]|jui?n|giu|jui?l|lug|aug|aoû|ago|se[pt]|o[ck]t|out|nov|de[cz]|déc|dic)"
_TURNED = (
    r"0\d+|\d{12,}",  # spreadsheets drop leading zeros and last digits
    r"\d*[.,]\d+|\d+[.,]|\d{1,3}([., ']\d{3})+",
    r"\d+([.,]\d+)?e[+-]?\d+",
    r"\d+([.,]\d+)?\s*%|\(\d+\)|\d+-|\d+ \d+/\d+",  # percent, two ways to write a minus, fractions
    r"\d{1,4}(:\d{1,2}){1,2}(\s*[ap]m?)?|\d{1,2}\s*[ap]m?",  # times
    rf"(\d{{1,4}}\W*)?{_MONTH}[^\W\d]*\W*\d{{1,4}}(\W+\d{{1,4}})?|\d{{1,4}}\W*{_MONTH}[^\W\d]*\.?",
    r"true|false|wahr|falsch|vrai|faux|verdadero|falso|vero",
)
_TURNED_PATTERN = re.compile("|".join(_TURNED), re.IGNORECASE)
_DATE = re.compile(r"(\d{1,4})[-/. ](\d{1,4})([-/. ](\d{1,4}))?")


def write_spreadsheets(folder: Path) -> list[Path]:
    """Write copies of the tables in a run's folder beside them: semicolons, decimal commas, a byte-order mark.

    Names that a spreadsheet would turn into numbers or dates get a leading apostrophe. Possible formulas already have
    one.

    Returns:
        The copies: `cells.spreadsheet.csv`, `differential.spreadsheet.csv`.

    Raises:
        InputError: a table cannot be read.
        OutputError: a copy cannot be written.
    """
    other_names = fallback_names_of(folder)
    return [
        _write_copy(folder / other_names.get(f"{name}.csv", f"{name}.csv"), folder / f"{name}.spreadsheet.csv")
        for name in _TABLES
    ]


def _write_copy(source: Path, target: Path) -> Path:
    table = read_table(source)
    rows = ([_shown(column, text) for column, text in row.items()] for row in table.rows)
    text = to_csv([table.columns, *rows], separator=";", line_end="\r\n")
    write_whole(target, lambda temporary: temporary.write_bytes(text.encode("utf-8-sig")))
    return target


def _shown(column: str, text: str) -> str:
    if column in _NAMES:
        return f"'{text}" if is_turned(text) else text
    return text.replace(".", ",") if _DECIMAL.fullmatch(text) else text


def is_turned(name: str) -> bool:
    """Whether a spreadsheet would turn a name into a number, a date or a truth value: 00123, 1-2, MAR1, 2E5."""
    name = name.strip()
    return bool(_TURNED_PATTERN.fullmatch(name)) or _may_be_date(name)


def _may_be_date(name: str) -> bool:
    """Whether numbers between hyphens, slashes or points may be a day, a month and a year, in any order."""
    match = _DATE.fullmatch(name)
    if not match:
        return False
    parts = [part for part in (match[1], match[2], match[4]) if part]
    month = any(len(part) < 3 and 1 <= int(part) <= 12 for part in parts)
    return month and all(len(part) < 3 or int(part) >= 1900 for part in parts)
