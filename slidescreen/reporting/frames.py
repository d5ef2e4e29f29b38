"""A run's tables as pandas data frames, with the columns of its files. Only these functions import pandas."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from slidescreen.files.writing import denature
from slidescreen.reporting.tables import UNFAMILIAR_COUNT, cell_table, differential_table
from slidescreen.screening.differential import Share
from slidescreen.screening.results import SlideResult

if TYPE_CHECKING:
    import pandas

_MISSING = {"cell_type", "reported_type", "reviewed_type", "reviewer", "reviewed_by", "reviewed_at"}
"""Text columns that may be empty for an image or a slide."""
_TEXT = {"slide", "image", "status", "verdict", "flags", "reasons", *_MISSING}
_FREE_TEXT = {"slide", "image", "reasons", "reviewer", "reviewed_by", "reviewed_at"}
"""Text columns that files protect, so that no spreadsheet runs them as formulas."""
_WHOLE = {"images", "classified", "unidentified", "unreadable", "duplicates", "leukocytes"}


def frame_of_cells(slides: Iterable[SlideResult], cell_types: Sequence[str]) -> "pandas.DataFrame":
    """A row for each image, as in `cells.csv`."""
    return _frame("".join(cell_table(slides, cell_types)))


def frame_of_differentials(slides: Iterable[SlideResult]) -> "pandas.DataFrame":
    """A row for each slide, as in `differential.csv`."""
    return _frame(differential_table(slides))


def frame_of_shares(shares: Mapping[str, Share]) -> "pandas.DataFrame":
    """A row for each cell type and group, by its name; a column for each field of `Share`."""
    import pandas

    rows = [asdict(share) for share in shares.values()]
    frame = pandas.DataFrame(rows, index=pandas.Index(list(shares), name="cell_type"))
    return frame.astype({name: "int64" if name == "count" else "float64" for name in frame.columns})


def _frame(text: str) -> "pandas.DataFrame":
    """A data frame of a table's text. Names are as on the disk, numbers are numbers, and empty fields are missing."""
    import pandas

    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = {}
    for name, values in zip(header, zip(*rows, strict=True) if rows else [()] * len(header), strict=True):
        converted, kind = _converted(name, values)
        columns[name] = pandas.Series(converted, dtype=kind)
    return pandas.DataFrame(columns)


def _converted(name: str, texts: Sequence[str]) -> tuple[list[Any], str]:
    """A column's values, and their type in pandas."""
    if name in _FREE_TEXT:
        texts = [denature(text) for text in texts]
    if name in _MISSING:
        return [text or None for text in texts], "string"
    if name in _TEXT:
        return list(texts), "string"
    if name.endswith("_reviewed_count") or name == UNFAMILIAR_COUNT:
        return [int(text) if text else None for text in texts], "Int64"
    if name in _WHOLE or name.endswith("_count"):
        return [int(text) for text in texts], "int64"
    return [float(text) if text else float("nan") for text in texts], "float64"
