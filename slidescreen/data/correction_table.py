"""`corrections.csv`: what people changed, confirmed and signed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from slidescreen import cells
from slidescreen.data.delimited import Row, Table, excerpt, read_table
from slidescreen.errors import InputError
from slidescreen.files.writing import denature, printable

COLUMNS = ("slide", "image", "cell_type", "previous_type", "reviewer", "time", "comment", "run")
_NEEDED = ("slide", "image", "cell_type", "reviewer")
UNIDENTIFIED = "unidentified"
"""A reviewer may leave a cell without a type, as the ensemble may."""


@dataclass(frozen=True)
class Correction:
    """What one reviewer says of one cell, or of a whole slide: without an image it is signed.

    `cell_type` and `previous_type` are cell types of ours or `UNIDENTIFIED`, empty where a slide is signed or nothing
    is said; `time` is as it was written; `run` is a run's identity, or empty. `content` is the SHA-256 of the picture,
    or of the slide's pictures, by which a stored correction is told from that of another picture of its name; empty
    where it is not known. `place` says in which file and line it stands, `line` in which line.
    """

    slide: str
    image: str
    cell_type: str
    previous_type: str
    reviewer: str
    time: str
    comment: str
    run: str
    content: str = ""
    place: str = ""
    line: int = 0

    @property
    def signs(self) -> bool:
        """Whether it signs the slide."""
        return not self.image

    def moment(self) -> datetime | None:
        """Its time; None where it has none, or in another form than ISO 8601. Without a zone it is UTC."""
        try:
            found = datetime.fromisoformat(self.time)
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def problem(self, reason: str) -> InputError:
        """The error that it is, with its file and line."""
        return InputError(f"{self.place}: {reason}")


def read_corrections(path: Path, of_slides: bool = True) -> list[Correction]:
    """Corrections as the page writes them, or as people and spreadsheets save them. Cell types may go by any name
    that labels take.

    Args:
        path: of the file.
        of_slides: every row must name a slide; False: labelled images may be of none.

    Raises:
        InputError: it cannot be read, lacks a column, or a row lacks the slide, the type or the reviewer.
    """
    table = read_table(path, _NEEDED)
    found = []
    for row in table.rows:
        try:
            found.append(_correction(table, row, of_slides))
        except InputError as error:
            raise table.problem(row, error) from error
    return found


def is_of_corrections(columns: Iterable[str]) -> bool:
    """Whether a table with these columns holds corrections."""
    return set(_NEEDED) <= set(columns)


def merged(stored: Sequence[Correction], new: Sequence[Correction]) -> list[Correction]:
    """Of each reviewer's corrections of one cell, or signatures of one slide, the latest.

    Args:
        stored: from earlier.
        new: replace those stored of the same reviewer, unless their times say that they are older.

    Raises:
        InputError: two reviewers differ, or one says two things and no time tells which is the later.
    """
    latest: dict[tuple[_Subject, str], Correction] = {}
    for each in new:
        key = (_subject(each), each.reviewer)
        latest[key] = _later(latest[key], each) if key in latest else each
    for each in stored:
        key = (_subject(each), each.reviewer)
        if key not in latest or _is_later(each, latest[key]):
            latest[key] = each
    said: dict[_Subject, Correction] = {}
    for each in latest.values():
        other = said.setdefault(_subject(each), each)
        if other.cell_type != each.cell_type:
            raise other.problem(f"{_says(other)}, but {_says(each)} ({each.place}): let them agree first")
    return sorted(latest.values(), key=lambda each: (each.slide, each.image, each.reviewer))


_Subject = tuple[str, bool, str]


def _subject(each: Correction) -> _Subject:
    """What it is about: a picture of a slide, or all of them."""
    return each.slide, each.signs, each.content or each.image


def _later(one: Correction, other: Correction) -> Correction:
    if _is_later(one, other):
        return one
    if one.cell_type != other.cell_type and not _is_later(other, one):
        raise other.problem(
            f"{_says(other)}, and {excerpt(one.cell_type)} in {one.place}; no time says which is the later"
        )
    return other


def _is_later(one: Correction, other: Correction) -> bool:
    """Whether the times say that one is later than the other."""
    first, second = one.moment(), other.moment()
    return first is not None and second is not None and first > second


def _says(each: Correction) -> str:
    cell = f"{printable(each.slide)}/{printable(each.image)}"
    return f"{printable(each.reviewer)} calls {cell} {excerpt(each.cell_type)}"


def _correction(table: Table, row: Row, of_slides: bool) -> Correction:
    values = {name: denature(row.get(name, "").strip()) for name in (*COLUMNS, "content")}
    for name in ("slide", "reviewer"):
        if not values[name] and (name == "reviewer" or of_slides or not values["image"]):
            raise InputError(f"the {name} is missing")
    if values["image"]:
        if not values["cell_type"]:
            raise InputError("the cell type is missing")
        values["cell_type"] = _known(values["cell_type"])
    elif values["cell_type"]:
        raise InputError("the image is missing: only a row that signs a slide has none, and it has no cell type")
    values["previous_type"] = _known(values["previous_type"]) if values["previous_type"] else ""
    return Correction(**values, place=f"{printable(table.path)}, line {row.line}", line=row.line)


def _known(name: str) -> str:
    if cells.normalised(name) == UNIDENTIFIED:
        return UNIDENTIFIED
    found = cells.resolve(name)
    if found == cells.UNSPECIFIED_BLAST:
        raise InputError(f"the cell type {excerpt(name)} gives no lineage: write myeloblast or lymphoblast")
    if found is None:
        raise InputError(f"unknown cell type {excerpt(name)}: use one of {', '.join(cells.CELL_TYPES)}, unidentified")
    return found


def by_slide(corrections: Iterable[Correction]) -> Mapping[str, list[Correction]]:
    """Corrections by the names of their slides."""
    found: dict[str, list[Correction]] = {}
    for each in corrections:
        found.setdefault(each.slide, []).append(each)
    return found
