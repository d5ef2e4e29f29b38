"""A run's reviewed cells as labelled images. The source is a run's folder, or a table of corrections in it.

Slides and images are those of the run. A signature confirms every classified cell of its slide that nobody changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slidescreen.data.correction_table import (
    UNIDENTIFIED,
    Correction,
    by_slide,
    is_of_corrections,
    merged,
    read_corrections,
    standing,
)
from slidescreen.data.delimited import Row, excerpt, read_table
from slidescreen.data.shown_paths import ShownPaths
from slidescreen.data.signatures import signed_content, signed_types
from slidescreen.errors import InputError
from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.existence import is_file, is_folder
from slidescreen.files.run_files import RECORD, REVIEWS, fallback_names
from slidescreen.files.writing import content_of, denature, printable

_CELLS = "cells.csv"


@dataclass(frozen=True)
class ReviewedCell:
    """A cell whose type a person changed or confirmed. `line` is its line in the corrections; 0 in a run's folder."""

    path: Path
    slide: str
    cell_type: str
    line: int = 0


@dataclass(frozen=True)
class _StoredRun:
    """The needed parts of a run: its identity, the places of its slides, and its rows of `cells.csv` by slide and
    image."""

    identity: str
    places: Mapping[str, ShownPaths]
    rows: Mapping[str, Mapping[str, Row]]

    def path(self, slide: str, image: str) -> Path:
        """The path at which the run found an image."""
        return self.places[slide].path_of(image)


def holds_reviewed_cells(source: Path) -> bool:
    """Whether `source` is the folder of a reviewed run, or a table of corrections."""
    if is_folder(source):
        return _is_run(source)
    return is_file(source) and is_of_corrections(read_table(source).columns)


def read_reviewed_cells(source: Path) -> list[ReviewedCell]:
    """The reviewed cells of a run's folder, or of a table of corrections in it, without unidentified cells.

    Raises:
        InputError: nobody reviewed the run, the pictures have changed since, or the corrections do not lie in a run's
            folder or cannot be used.
    """
    if is_folder(source):
        return list(_of_run(source))
    if not _is_run(source.parent):
        raise InputError(
            f"{printable(source)} holds corrections, and their images are found by their run: "
            "put the file into the run's folder"
        )
    given = _with_stored_types(source.parent, standing(merged([], read_corrections(source))))
    return list(_of_corrections(_read_run(source.parent), given))


def _with_stored_types(folder: Path, given: Sequence[Correction]) -> list[Correction]:
    """The corrections. A signature that does not tell its types has those with which the run stored it, if it did."""
    path = folder / REVIEWS
    stored = read_corrections(path) if is_file(path) else []
    types = {(each.slide, each.reviewer, each.time): each.signed_types for each in stored if each.signs}

    def completed(each: Correction) -> Correction:
        known = types.get((each.slide, each.reviewer, each.time), "")
        return replace(each, signed_types=each.signed_types or known) if each.signs else each

    return [completed(each) for each in given]


def _is_run(folder: Path) -> bool:
    return is_file(folder / RECORD) and is_file(folder / _CELLS)


def _read_run(folder: Path) -> _StoredRun:
    path = folder / RECORD
    try:
        info = read_json(path)
        places = {str(entry["slide"]): ShownPaths(Path(entry["folder"])) for entry in info["slides"]}
        identity = str(info.get("run", ""))
    except (OSError, DamagedError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{printable(path)} cannot be read or is damaged: {error}") from error
    table = read_table(folder / fallback_names(info).get(_CELLS, _CELLS), ("slide", "image", "status", "cell_type"))
    rows: dict[str, dict[str, Row]] = {}
    for row in table.rows:
        rows.setdefault(denature(row["slide"]), {})[denature(row["image"])] = row
    return _StoredRun(identity, places, rows)


def _of_run(folder: Path) -> Iterator[ReviewedCell]:
    run = _read_run(folder)
    stored = folder / REVIEWS
    said = by_slide(standing(read_corrections(stored, stored=True))) if is_file(stored) else {}
    found = False
    for slide, rows in run.rows.items():
        reviewed = {
            image: cell_type
            for image, row in rows.items()
            if (cell_type := row.get("reviewed_type", "")) and cell_type != UNIDENTIFIED
        }
        if said.get(slide):
            _check_pictures(folder, run, slide, reviewed, said[slide])
        for image, cell_type in reviewed.items():
            found = True
            yield ReviewedCell(run.path(slide, image), slide, cell_type)
    if not found:
        raise InputError(f"nobody has reviewed the run in {printable(folder)}: see report --corrections")


def _check_pictures(
    folder: Path, run: _StoredRun, slide: str, reviewed: Mapping[str, str], said: Sequence[Correction]
) -> None:
    """Refuse a slide whose pictures are not those that were reviewed. Reviews of unknown pictures are taken as valid.

    Raises:
        InputError: there is such a picture. The message names the first.
    """
    if any(each.signs and each.is_of(_content_of(run, each)) for each in said):
        return
    of_cells = [each for each in said if not each.signs]
    for image, cell_type in reviewed.items():
        content = content_of(run.path(slide, image))
        # A picture that moved within its slide keeps its review.
        if not any(
            each.cell_type == cell_type and each.is_of(content) and (each.content or each.image == image)
            for each in of_cells
        ):
            raise InputError(
                f"{printable(folder)}: the pictures of slide {excerpt(slide)} have changed since their review, first "
                f"{printable(image)}. Classify them again with --out {printable(folder)}, and review what is new; or "
                "put the reviewed pictures back"
            )


def _of_corrections(run: _StoredRun, corrections: Sequence[Correction]) -> Iterator[ReviewedCell]:
    said = {(each.slide, each.image): each for each in corrections}
    for each in corrections:
        if each.run and each.run != run.identity:
            raise each.problem(f"it is of another run ({excerpt(each.run)}; this one is {excerpt(run.identity)})")
        if each.slide not in run.rows or each.slide not in run.places:
            raise each.problem(f"the run has no slide {excerpt(each.slide)}")
        if not each.signs and each.image not in run.rows[each.slide]:
            raise each.problem(f"the slide {excerpt(each.slide)} has no image {excerpt(each.image)}")
    for each in said.values():
        if not each.is_of(_content_of(run, each)):
            raise each.problem("the pictures have changed since: take this row out, or review them again")
        if not each.signs:
            if each.cell_type != UNIDENTIFIED:
                yield ReviewedCell(run.path(each.slide, each.image), each.slide, each.cell_type, each.line)
            continue
        seen = _seen_types(run, each.slide, said)
        if each.signed_types and each.signed_types != signed_types(_contents(run, each.slide), seen):
            raise each.problem(
                "the cells have other types than were signed: take this row out, or sign the slide again"
            )
        for image, row in run.rows[each.slide].items():
            if row["status"] == "classified" and (each.slide, image) not in said:
                cell_type = seen[image] if each.signed_types else row["cell_type"]
                if cell_type != UNIDENTIFIED:
                    yield ReviewedCell(run.path(each.slide, image), each.slide, cell_type, each.line)


def _seen_types(run: _StoredRun, slide: str, said: Mapping[tuple[str, str], Correction]) -> dict[str, str]:
    """The type of each cell that the page shows: by these corrections, or by the run's review, or as it was called."""
    found = {}
    for image in _looked_at(run, slide):
        row = run.rows[slide][image]
        stored = row.get("reviewed_type", "") or row["cell_type"] or UNIDENTIFIED
        found[image] = said[slide, image].cell_type if (slide, image) in said else stored
    return found


def _looked_at(run: _StoredRun, slide: str) -> list[str]:
    return [image for image, row in run.rows[slide].items() if row["status"] in ("classified", UNIDENTIFIED)]


def _contents(run: _StoredRun, slide: str) -> dict[str, str]:
    return {image: content_of(run.path(slide, image)) for image in _looked_at(run, slide)}


def _content_of(run: _StoredRun, each: Correction) -> str:
    """The content of a correction's picture, or what a signature of its slide signs; empty if it need not be known."""
    if not each.content:
        return ""
    if not each.signs:
        return content_of(run.path(each.slide, each.image))
    return signed_content(_contents(run, each.slide))
