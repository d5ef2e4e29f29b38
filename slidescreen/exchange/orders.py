"""Which order of the laboratory each slide belongs to. A patient is never guessed: a table of orders names one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slidescreen.data.delimited import excerpt, number, read_table
from slidescreen.exchange.options import ACCESSION
from slidescreen.files.writing import denature
from slidescreen.screening.blood_context import BloodContext

_LEUKOCYTES = "leukocytes_per_nl"
_COLUMNS = (ACCESSION, "placer", "patient", _LEUKOCYTES)
_MOST_LEUKOCYTES = 1000.0  # per nl: no patient has more, and a count per µl looks like it


@dataclass(frozen=True)
class Order:
    """What a slide goes by: its accession number, which is the filler's order number too; and if they are known the
    placer's order number and the patient's identifier."""

    accession: str
    placer: str = ""
    patient: str = ""


@dataclass(frozen=True)
class OrderBook:
    """What joins slides to orders: a pattern for slides' names, and the rows of a table by slide. None: not given."""

    pattern: re.Pattern[str] | None = None
    rows: Mapping[str, Mapping[str, str]] | None = None

    def order_of(self, slide: str) -> Order:
        """The order of a slide. Its name is its accession number where nothing else tells one."""
        row = self._row(slide) or {}
        accession = row.get(ACCESSION) or self._cut_out(slide) or slide
        return Order(accession, row.get("placer", ""), row.get("patient", ""))

    def lacks(self, slide: str) -> bool:
        """Whether there is a table of orders, and it has none for a slide."""
        return self.rows is not None and self._row(slide) is None

    def misses(self, slide: str) -> bool:
        """Whether there is a pattern, and nothing tells a slide's accession number but its name."""
        row = self._row(slide) or {}
        return self.pattern is not None and not row.get(ACCESSION) and not self._cut_out(slide)

    def _row(self, slide: str) -> Mapping[str, str] | None:
        return None if self.rows is None else self.rows.get(slide)

    def _cut_out(self, slide: str) -> str:
        found = self.pattern.search(slide) if self.pattern else None
        return (found[ACCESSION] or "").strip() if found else ""


def read_orders(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a table of orders, by slide; columns that are not known are left out.

    Raises:
        InputError: it cannot be read, has no column `slide`, says two things of one slide, or a count is none.
    """
    table = read_table(path, ("slide",))
    rows: dict[str, dict[str, str]] = {}
    for row in table.rows:
        name = denature(row["slide"])
        values = {column: denature(row.get(column, "").strip()) for column in _COLUMNS}
        if not name.strip():
            raise table.problem(row, "no slide is named")
        try:
            _count(values[_LEUKOCYTES])
        except ValueError as error:
            raise table.problem(row, error) from error
        if rows.setdefault(name, values) != values:
            raise table.problem(row, f"another line says otherwise of the slide {excerpt(name)}")
    return rows


def blood_contexts(path: Path) -> dict[str, BloodContext]:
    """What a table of orders says of each slide's blood, by slide.

    Raises:
        InputError: as by `read_orders`.
    """
    rows = read_orders(path)
    return {slide: BloodContext(row["patient"], _count(row[_LEUKOCYTES])) for slide, row in rows.items()}


def _count(text: str) -> float | None:
    """Leukocytes per nl; None where nothing is said.

    Raises:
        ValueError: it is no count, or one per µl.
    """
    if not text:
        return None
    count = number(text)
    if count < 0:
        raise ValueError(f"{_LEUKOCYTES} is below zero: {excerpt(text)}")
    if count > _MOST_LEUKOCYTES:
        raise ValueError(f"{_LEUKOCYTES} is {excerpt(text)}: is that per µl? A thousandth of it is per nl")
    return count
