"""Find the laboratory's order for each slide. The patient is never guessed, but comes from a table of orders."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from slidescreen.data.delimited import excerpt, number, read_table
from slidescreen.data.line_names import lines_by_slide
from slidescreen.errors import EmptyFileError
from slidescreen.exchange.digests import digest
from slidescreen.exchange.options import ACCESSION
from slidescreen.files.writing import denature
from slidescreen.screening.blood_context import BloodContext

_LEUKOCYTES = "leukocytes_per_nl"
_COLUMNS = (ACCESSION, "placer", "patient", _LEUKOCYTES)
_MOST_LEUKOCYTES = 1000.0  # per nl; no patient has more, so a larger count is per µl


@dataclass(frozen=True)
class Order:
    """A slide's accession number, which is also the filler's order number. If known, also the placer's order number and
    the patient's identifier."""

    accession: str
    placer: str = ""
    patient: str = ""

    @property
    def digest(self) -> str:
        """A digest of the whole order."""
        return digest(self)

    @property
    def is_bare(self) -> bool:
        """Whether it has neither a placer's order number nor a patient."""
        return not (self.placer or self.patient)


@dataclass(frozen=True)
class OrderBook:
    """Joins slides to orders by a pattern for slide names and the rows of a table. Each is None if not given."""

    pattern: re.Pattern[str] | None = None
    rows: Mapping[str, Mapping[str, str]] | None = None

    def for_slides(self, slides: Iterable[str]) -> "OrderBook":
        """The same, with the rows of slides whose names only look like those in the table."""
        return self if self.rows is None else replace(self, rows=lines_by_slide(self.rows, slides))

    def order_of(self, slide: str) -> Order:
        """The order of a slide. If table and pattern give no accession number, it is the slide's name."""
        row = self._row(slide) or {}
        accession = row.get(ACCESSION) or self._cut_out(slide) or slide
        return Order(accession, row.get("placer", ""), row.get("patient", ""))

    def has_line(self, slide: str) -> bool:
        """Whether the table has an order for this slide."""
        return self._row(slide) is not None

    def is_cut_out(self, slide: str) -> bool:
        """Whether the pattern finds an accession number in the slide's name."""
        return bool(self._cut_out(slide))

    def lacks(self, slide: str) -> bool:
        """Whether there is a table of orders without an order for this slide."""
        return self.rows is not None and self._row(slide) is None

    def misses(self, slide: str) -> bool:
        """Whether there is a pattern, but the slide's whole name is used as accession number."""
        row = self._row(slide) or {}
        return self.pattern is not None and not row.get(ACCESSION) and not self._cut_out(slide)

    def _row(self, slide: str) -> Mapping[str, str] | None:
        return None if self.rows is None else self.rows.get(slide)

    def _cut_out(self, slide: str) -> str:
        found = self.pattern.search(slide) if self.pattern else None
        return (found[ACCESSION] or "").strip() if found else ""


def read_orders(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a table of orders, by slide. Unknown columns are left out. An empty file has no rows.

    Raises:
        InputError: the table cannot be read, lacks the column `slide`, has different rows for one slide, or a count is
            not valid.
    """
    try:
        table = read_table(path, ("slide",))
    except EmptyFileError:  # as some systems write it in a night without orders
        return {}
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
    """The patient and leukocyte count from a table of orders, by slide.

    Raises:
        InputError: as in `read_orders`.
    """
    rows = read_orders(path)
    return {slide: BloodContext(row["patient"], _count(row[_LEUKOCYTES])) for slide, row in rows.items()}


def _count(text: str) -> float | None:
    """Leukocytes per nl; None for an empty text.

    Raises:
        ValueError: the text is not a count, or the count is per µl.
    """
    if not text:
        return None
    count = number(text)
    if count < 0:
        raise ValueError(f"{_LEUKOCYTES} is below zero: {excerpt(text)}")
    if count > _MOST_LEUKOCYTES:
        raise ValueError(f"{_LEUKOCYTES} is {excerpt(text)}: is that per µl? A thousandth of it is per nl")
    return count
