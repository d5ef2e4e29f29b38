"""`cells.csv` and `differential.csv`: writing them, and reading them back."""

import contextlib
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.delimited import excerpt, number, read_table
from slidescreen.errors import InputError
from slidescreen.files.writing import denature, neutralise, printable, write_text, write_whole
from slidescreen.screening.differential import NAMES, Differential, Share
from slidescreen.screening.finding import Finding, Verdict
from slidescreen.screening.results import SlideResult, is_reviewed

UNFAMILIARITY = "unfamiliarity"
"""The last column of `cells.csv`. Tables of earlier releases lack it and the last columns of `differential.csv`."""

CELL_COLUMNS = ("slide", "image", "status", "cell_type", "probability", "reported_type")
_TALLIES = ("images", "classified", "unidentified", "unreadable", "duplicates", "leukocytes")
_COUNTED = ("count", "percent", "low", "high")
REVIEW_COLUMNS = ("reviewed_type", "reviewer")
"""Columns at the end of the `cells.csv` of a reviewed run."""
_REVIEWED = ("count", "percent")
_CORRECTED = ("corrected_percent", "corrected_low", "corrected_high")


def write_cells(path: Path, slides: Iterable[SlideResult], cell_types: Sequence[str], or_beside: bool = False) -> Path:
    """Write a row for each image that was found, slide by slide. Probabilities have six decimals.

    Returns:
        The path of the written file. `write_whole` explains `or_beside`.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.writelines(part.encode() for part in cell_table(slides, cell_types))

    return write_whole(path, write, or_beside)


def cell_table(slides: Iterable[SlideResult], cell_types: Sequence[str]) -> Iterator[str]:
    """The text of `cells.csv` in parts: its header, then the rows of one slide after the other."""
    slides = tuple(slides)
    reviewed = is_reviewed(slides)
    yield to_csv(
        [[*CELL_COLUMNS, *(f"p_{name}" for name in cell_types), UNFAMILIARITY, *(REVIEW_COLUMNS if reviewed else ())]]
    )
    for slide in slides:
        rows = _rows_of(slide, tuple(cell_types))
        yield _with_review(rows, slide) if reviewed else rows


def _with_review(rows: str, slide: SlideResult) -> str:
    """A slide's rows. Each ends with the review of its cell."""
    said = slide.review.cells if slide.review is not None else {}

    def review(row: Sequence[str]) -> list[str]:
        found = said.get(denature(row[CELL_COLUMNS.index("image")]))
        return [found.cell_type, neutralise(found.reviewer)] if found else [""] * len(REVIEW_COLUMNS)

    return to_csv([*row, *review(row)] for row in csv.reader(io.StringIO(rows, newline=""), strict=True))


def cell_rows(slide: str, calls: Iterable[Call], types: Sequence[str], columns: Sequence[str] | None = None) -> str:
    """A slide's rows of `cells.csv`.

    Args:
        slide: its name.
        calls: its calls.
        types: the cell types of their probabilities, in order.
        columns: the types with a column in the table, if they differ. Types without a column are left out.
    """
    columns = types if columns is None else columns
    places = [types.index(name) if name in types else None for name in columns]
    empty = [""] * len(columns)

    def probabilities(call: Call) -> list[str]:
        return [_number(0.0 if at is None else call.probabilities[at], 6) for at in places]

    return to_csv(
        [
            neutralise(slide),
            neutralise(call.image),
            call.status,
            call.cell_type,
            _number(call.probability, 6),
            call.reported_type,
            *(probabilities(call) if call.probabilities else empty),
            _number(call.unfamiliarity, 3),
        ]
        for call in calls
    )


def _rows_of(slide: SlideResult, columns: tuple[str, ...]) -> str:
    """A slide's rows. They come from its record if the record holds them for these columns."""
    if slide.kept is None:
        return cell_rows(slide.name, slide.calls, columns)
    if (slide.kept.slide, slide.kept.cell_types) == (slide.name, columns):
        with contextlib.suppress(InputError):  # the calls may still exist
            return slide.kept.rows()
    return cell_rows(slide.name, slide.calls, slide.kept.cell_types, columns)


def write_differentials(path: Path, slides: Iterable[SlideResult], or_beside: bool = False) -> Path:
    """Write a row for each slide. Percentages are 0–100 with three decimals, empty if undefined.

    Returns:
        The path of the written file. `write_whole` explains `or_beside`.
    """
    return write_text(path, differential_table(slides), or_beside)


def differential_table(slides: Iterable[SlideResult]) -> str:
    """The text of `differential.csv`."""
    slides = tuple(slides)
    if not is_reviewed(slides):
        return to_csv([[*_differential_header(), *_UNFAMILIAR], *(_differential_row(slide) for slide in slides)])
    header = [*_differential_header(), *_UNFAMILIAR, "reviewed_by", "reviewed_at"]
    header += [f"{name}_reviewed_{part}" for name in NAMES for part in _REVIEWED]
    return to_csv([header, *([*_differential_row(slide), *_review_row(slide)] for slide in slides)])


def _review_row(slide: SlideResult) -> list[str]:
    """The reviewers of a slide, the time, and the reviewed figures; empty without a review."""
    review = slide.review
    if review is None or not review.counts:
        return [""] * (2 + len(_REVIEWED) * len(NAMES))
    row = [neutralise(review.by), neutralise(review.time)]
    for share in (review.shares[name] for name in NAMES):
        row += [str(share.count), _number(share.percent, 3)]
    return row


def read_calls(path: Path) -> tuple[dict[str, list[Call]], tuple[str, ...]]:
    """The calls of each slide in a `cells.csv`, and the cell types of its probability columns, in order.

    Raises:
        InputError: the file is not such a table.
    """
    calls: dict[str, list[Call]] = {}
    table = read_table(path, CELL_COLUMNS)
    try:
        types = types_of(table.columns)
    except ValueError as error:
        raise InputError(f"{printable(path)}: {error}") from error
    for row in table.rows:
        try:
            calls.setdefault(denature(row["slide"]), []).append(call_of_row(row, types))
        except ValueError as error:
            raise table.problem(row, error) from error
    return calls, types


def types_of(columns: Iterable[str]) -> tuple[str, ...]:
    """The cell types of a table's probability columns, in order.

    Raises:
        ValueError: a cell type is unknown.
    """
    types = tuple(name.removeprefix("p_") for name in columns if name.startswith("p_"))
    for name in types:
        _known(name)
    return types


def _known(cell_type: str) -> str:
    if cell_type not in cells.CELL_TYPES:
        raise ValueError(f"unknown cell type {excerpt(cell_type)}")
    return cell_type


def call_of_row(row: Mapping[str, str], types: Sequence[str]) -> Call:
    """The call in a row of `cells.csv`.

    Raises:
        ValueError: a status or cell type is unknown, or a probability is missing or not a number.
    """
    status = Status(row["status"])
    if types and status in (Status.CLASSIFIED, Status.UNIDENTIFIED) and not row["probability"]:
        raise ValueError(f"{excerpt(row['image'])} is {status} but has no probability")
    return Call(
        image=denature(row["image"]),
        status=status,
        cell_type=_known(row["cell_type"]) if row["cell_type"] else "",
        probability=_optional(row["probability"]),
        reported_type=row["reported_type"],
        probabilities=tuple(number(row[f"p_{name}"]) for name in types) if row["probability"] else (),
        unfamiliarity=_optional(row.get(UNFAMILIARITY, "")),
    )


def read_differentials(path: Path) -> list[tuple[Differential, Finding]]:
    """The slides of a `differential.csv`, in its order.

    Raises:
        InputError: the file is not such a table.
    """
    result = []
    table = read_table(path, _differential_header())
    for row in table.rows:
        try:
            shares = {name: _read_share(row, name) for name in NAMES}
            per_100 = {name: _optional(row[f"{name}_per_100"]) for name in cells.OTHER_OBJECTS}
            differential = Differential(
                slide=denature(row["slide"]),
                images=int(row["images"]),
                classified=int(row["classified"]),
                unidentified=int(row["unidentified"]),
                unreadable=int(row["unreadable"]),
                duplicates=int(row["duplicates"]),
                leukocytes=int(row["leukocytes"]),
                shares=shares,
                per_100=per_100,
            )
            differential = replace(differential, **_read_unfamiliar(row))
            flags = tuple(row["flags"].split(";")) if row["flags"] else ()
            reasons = tuple(denature(row["reasons"]).split("; ")) if row["reasons"] else ()
            result.append((differential, Finding(Verdict(row["verdict"]), flags, reasons)))
        except ValueError as error:
            raise table.problem(row, error) from error
    return result


def _differential_header() -> list[str]:
    columns = ["slide", *_TALLIES]
    columns += [f"{name}_{part}" for name in NAMES for part in _COUNTED]
    columns += [f"{name}_{part}" for name in NAMES for part in _CORRECTED]
    columns += [f"{name}_per_100" for name in cells.OTHER_OBJECTS]
    return [*columns, "verdict", "flags", "reasons"]


UNFAMILIAR_COUNT = "unfamiliar_count"
_UNFAMILIAR = (UNFAMILIAR_COUNT, "unfamiliar_percent")


def _differential_row(slide: SlideResult) -> list[str]:
    found = slide.differential
    row = [neutralise(found.slide), *(str(getattr(found, name)) for name in _TALLIES)]
    for name in NAMES:
        share = found.shares[name]
        row += [str(share.count), *(_number(getattr(share, part), 3) for part in _COUNTED[1:])]
    for name in NAMES:
        row += [_number(getattr(found.shares[name], part), 3) for part in _CORRECTED]
    row += [_number(found.per_100[name], 3) for name in cells.OTHER_OBJECTS]
    row += [slide.finding.verdict, ";".join(slide.finding.flags), neutralise("; ".join(slide.finding.reasons))]
    return [*row, "" if found.unfamiliar is None else str(found.unfamiliar), _number(found.unfamiliar_percent, 3)]


def _read_unfamiliar(row: Mapping[str, str]) -> dict[str, Any]:
    """The number of unfamiliar images, and the number of all, computed from the percentage."""
    count, percent = row.get(_UNFAMILIAR[0], ""), _optional(row.get(_UNFAMILIAR[1], ""))
    if not count or percent is None:
        return {}
    compared = round(100 * int(count) / percent) if percent else int(row["classified"]) + int(row["unidentified"])
    return {"unfamiliar": int(count), "compared": compared}


def _read_share(row: Mapping[str, str], name: str) -> Share:
    measured = {part: _optional(row[f"{name}_{part}"]) for part in (*_COUNTED[1:], *_CORRECTED)}
    return Share(count=int(row[f"{name}_count"]), **measured)


def _optional(text: str) -> float | None:
    return number(text) if text else None


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def to_csv(rows: Iterable[Sequence[str]], separator: str = ",", line_end: str = "\n") -> str:
    """Rows as the text of a CSV file."""
    lines = _Lines(line_end)
    csv.writer(lines, delimiter=separator, lineterminator=_LINE_END).writerows(rows)
    return "".join(lines.found)


_LINE_END = "\r\n"  # the writer quotes fields with either character, because readers end a row at either


class _Lines:
    """Takes rows from a CSV writer, and gives each the chosen line end."""

    def __init__(self, line_end: str) -> None:
        self._line_end = line_end
        self.found: list[str] = []

    def write(self, row: str) -> None:
        self.found.append(row.removesuffix(_LINE_END) + self._line_end)
