"""`corrections.csv`: what people changed, confirmed and signed."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from slidescreen import cells
from slidescreen.data.delimited import Row, Table, excerpt, read_table
from slidescreen.errors import InputError
from slidescreen.files.writing import denature, printable

COLUMNS = ("slide", "image", "cell_type", "previous_type", "reviewer", "time", "comment", "run", "content")
SINCE = "since"
"""A further column of stored corrections: see `Correction`."""
SIGNED_TYPES = "signed_types"
"""The last column: the types over which a person signed. Tables of earlier releases lack it."""
_NEEDED = ("slide", "image", "cell_type", "reviewer")
_NAMES = ("slide", "image")
"""Columns whose outer spaces count: a folder's name may begin or end with one."""
UNIDENTIFIED = "unidentified"
"""A reviewer may leave a cell without a type, as the ensemble does."""
WITHDRAWN = "withdrawn"
"""Stands before the content in a row that takes a decision back. Earlier releases then know no such picture, so they do
not read the row as a decision."""
CONTENT_PREFIX = "sha256:"
"""Stands before a content that the page writes: a spreadsheet takes mere digits, also with an e among them, for a
number."""
SHORT = 12
"""Digits of a picture's SHA-256 that a page holds and writes for each cell. They tell a slide's pictures apart."""


@dataclass(frozen=True)
class Correction:
    """One reviewer's correction of a cell, or signature of a slide, or its withdrawal. A signature has no image.

    `cell_type` and `previous_type` are cell types or `UNIDENTIFIED`; empty for a signature, or if the table gives
    none. As `merged` stores a correction, `previous_type` is the reviewer's own earlier type, if there was one. `time`
    is text as the table gives it. `run` is a run's identity, or empty. `content` is the SHA-256 of the picture, or its
    beginning, or `signed_content` of a signed slide; empty if unknown. It tells apart two pictures of the same name.
    `since` is the time of the reviewer's first correction with the same type, if he repeated it; else empty.
    `signed_types` is that of `signatures.signed_types` for the types that the signer saw; empty if unknown.
    `withdrawn`: the reviewer takes back what he said of the cell, or the signature. `place` is the file and line in
    words, `line` the line.
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
    withdrawn: bool = False
    since: str = ""
    signed_types: str = ""
    place: str = ""
    line: int = 0

    @property
    def signs(self) -> bool:
        """Whether it signs the slide."""
        return not self.image

    def cell(self, column: str) -> str:
        """The text of a column of the table."""
        if column == "content" and self.withdrawn:
            return f"{WITHDRAWN} {self.content}".rstrip()
        return str(getattr(self, column))

    def moment(self) -> datetime | None:
        """The time, taken as UTC if it has no zone. None if it is missing or not in ISO 8601."""
        return _moment(self.time)

    def begin(self) -> datetime | None:
        """The time since which the reviewer has given this type."""
        return _moment(self.since or self.time)

    def is_of(self, content: str) -> bool:
        """Whether it may be of a picture, or sign a slide, with this content. True if either is unknown."""
        if not self.content or not content:
            return True
        return content == self.content or (len(self.content) >= SHORT and content.startswith(self.content))

    def problem(self, reason: str) -> InputError:
        """An error about this correction, with its file and line."""
        return InputError(f"{self.place}: {reason}")


def _moment(time: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_corrections(path: Path, of_slides: bool = True, stored: bool = False) -> list[Correction]:
    """Read corrections that the page, a person or a spreadsheet saved. Cell types may have any alias that labels have.

    Args:
        path: the file.
        of_slides: True if every row must name a slide; False for labelled images, which may have none.
        stored: whether the file is a run's own. Then a content is taken as it is.

    Raises:
        InputError: the file cannot be read or lacks a column, or a row lacks the slide, the type or the reviewer.
    """
    table = read_table(path, _NEEDED)
    found = []
    for row in table.rows:
        try:
            each = _correction(table, row, of_slides)
            if not (stored or _CONTENT.fullmatch(each.content)):
                raise InputError(_no_content(each.content))
            found.append(each)
        except InputError as error:
            raise table.problem(row, error) from error
    return found


def is_of_corrections(columns: Iterable[str]) -> bool:
    """Whether these are the columns of a table of corrections."""
    return set(_NEEDED) <= set(columns)


def merged(stored: Sequence[Correction], new: Sequence[Correction]) -> list[Correction]:
    """Each reviewer's latest correction of each cell, and latest signature of each slide, or its withdrawal.

    A withdrawal is kept, so that an older file does not bring back what was withdrawn: see `standing`.

    Args:
        stored: earlier corrections.
        new: new corrections. They replace the same reviewer's stored ones, unless their times are earlier.

    Raises:
        InputError: two reviewers differ, or one reviewer gives two types and no time tells which is later.
    """
    latest: dict[tuple[_Subject, str], Correction] = {}
    for each in new:
        key = (_subject(each), each.reviewer)
        latest[key] = _later(latest[key], each) if key in latest else each
    for each in stored:
        key = (_subject(each), each.reviewer)
        later = latest.get(key)
        latest[key] = each if later is None or _is_later(each, later) else _succeeding(each, later)
    said: dict[_Subject, Correction] = {}
    for each in standing(latest.values()):
        other = said.setdefault(_subject(each), each)
        if other.cell_type != each.cell_type:
            raise other.problem(f"{_says(other)}, but {_says(each)} ({each.place}): let them agree first")
    return sorted(latest.values(), key=lambda each: (each.slide, each.image, each.reviewer))


def standing(corrections: Iterable[Correction]) -> list[Correction]:
    """The corrections and signatures that nobody has withdrawn, of those that `merged` keeps."""
    return [each for each in corrections if not each.withdrawn]


_Subject = tuple[str, bool, str]


def _subject(each: Correction) -> _Subject:
    """The subject of a correction: one picture of a slide, or the whole slide."""
    return each.slide, each.signs, each.content or each.image


def _succeeding(before: Correction, after: Correction) -> Correction:
    """A correction that replaces the same reviewer's earlier one. It tells what the cell's type was before it."""
    if after.signs:
        given_again = after.time == before.time and not (after.signed_types or after.withdrawn or before.withdrawn)
        return replace(after, signed_types=before.signed_types) if given_again else after
    if before.withdrawn and not after.withdrawn:
        return after
    if _decision(before) != _decision(after):
        return replace(after, previous_type=before.cell_type)
    since = before.since or before.time
    previous = before.previous_type or after.previous_type
    if after.time and not since:  # said before, nobody knows when
        previous = before.cell_type
    return replace(after, previous_type=previous, since="" if since == after.time else since)


def _later(one: Correction, other: Correction) -> Correction:
    if _is_later(one, other):
        return _succeeding(other, one)
    if _decision(one) != _decision(other) and not _is_later(other, one):
        said = excerpt(one.cell_type) if not (one.withdrawn or other.withdrawn) else _says(one)
        raise other.problem(f"{_says(other)}, and {said} in {one.place}; no time says which is the later")
    return _succeeding(one, other)


def _is_later(one: Correction, other: Correction) -> bool:
    """Whether `one` is later than `other` by their times."""
    first, second = one.moment(), other.moment()
    return first is not None and second is not None and first > second


def _decision(each: Correction) -> tuple[str, bool]:
    return each.cell_type, each.withdrawn


def _says(each: Correction) -> str:
    if each.withdrawn:
        return f"{printable(each.reviewer)} withdraws what was said of {_named(each)}"
    if each.signs:
        return f"{printable(each.reviewer)} signs {_named(each)}"
    return f"{printable(each.reviewer)} calls {_named(each)} {excerpt(each.cell_type)}"


def _named(each: Correction) -> str:
    return "/".join(printable(name) for name in (each.slide, each.image) if name)


def _correction(table: Table, row: Row, of_slides: bool) -> Correction:
    values = {name: denature(text if name in _NAMES and text.strip() else text.strip()) for name, text in _told(row)}
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
    withdrawn, content = _withdrawn(values.pop("content"))
    place = f"{printable(table.path)}, line {row.line}"
    return Correction(**values, content=content, withdrawn=withdrawn, place=place, line=row.line)


def _withdrawn(text: str) -> tuple[bool, str]:
    """Whether the column `content` withdraws a decision, and the content itself."""
    word, _, rest = text.partition(" ")
    withdrawn, told = (True, rest.strip()) if word.lower() == WITHDRAWN else (False, text)
    return withdrawn, told.removeprefix(CONTENT_PREFIX)


_CONTENT = re.compile(rf"|[0-9a-f]{{{SHORT},64}}")


def _no_content(told: str) -> str:
    return (
        f"the content {excerpt(told)} is neither a SHA-256 nor its first {SHORT} digits; "
        "a spreadsheet may have changed it: take the file as it was downloaded"
    )


def _told(row: Row) -> Iterator[tuple[str, str]]:
    """A row's values by column; empty if the table lacks one."""
    return ((name, row.get(name, "")) for name in (*COLUMNS, SINCE, SIGNED_TYPES))


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
