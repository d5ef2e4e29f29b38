"""Bring several models' files of predictions to the same cells in the same order."""

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from slidescreen.data.delimited import excerpt
from slidescreen.errors import InputError
from slidescreen.evaluation.predictions import NAMED
from slidescreen.evaluation.scored_cells import ScoredCell
from slidescreen.files.writing import printable

NAMING = ("slide", "source", "image")
"""The columns that may name a cell."""
_GROUPING = ("slide", "source")  # tell images of one name apart
_Key = tuple[str, str, str]
"""Source, slide and image. A name that is unknown or of no use is empty."""


@dataclass(frozen=True)
class FileCell:
    """A row: its cell, and the line on which it begins."""

    judged: ScoredCell
    line: int


@dataclass(frozen=True)
class PredictionFile:
    """A file of predictions.

    Attributes:
        path: where it lies.
        columns: the names of its columns.
        types: those of its probabilities; empty without any.
        cells: its rows with a cell to score.
        left: the names of its other rows, by the keys of `WHY_UNSCORED`.
    """

    path: Path
    columns: frozenset[str]
    types: tuple[str, ...]
    cells: list[FileCell]
    left: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def same_cells(files: Sequence[PredictionFile], drop_duplicates: bool) -> list[PredictionFile]:
    """The files with the cells of the first, in its order, each with the slide and the source that any file knows.

    Rows are matched by image and slide. The source counts too if slides of several sources have the same name, or if
    the slide is unknown. If no row names an image, rows must be in the same order.

    Args:
        files: the files, all with the same types.
        drop_duplicates: keep the first of several equal rows of one image, and none if they differ, instead of an
            error.

    Raises:
        InputError: an image is in two rows, or the files do not hold the same cells.
    """
    shared = frozenset(NAMING).intersection(*(file.columns for file in files))
    by_source = any(_needs_source(file, shared) for file in files)
    sifted = _sifted(files, shared, by_source, drop_duplicates)
    keys = [[_key(cell.judged, shared, by_source) for cell in file.cells] for file in sifted]
    first, *others = zip(sifted, keys, strict=True)
    return _completed([first[0], *(_in_order(*other, *first) for other in others)])


def _key(judged: ScoredCell, columns: Collection[str], by_source: bool = True) -> _Key | None:
    """The names of the image that stand in these columns. The source is left out if it is of no use."""
    if not judged.image or "image" not in columns:
        return None
    slide = judged.slide if "slide" in columns else ""
    source = judged.source if "source" in columns and (by_source or not slide) else ""
    path = posixpath.normpath(judged.image.replace("\\", "/"))
    return _composed(source), _composed(slide), _composed(path)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _needs_source(file: PredictionFile, shared: Collection[str]) -> bool:
    """Whether slide and image do not tell the file's images apart, but the source does."""
    full, short = ({_key(cell.judged, shared, by_source) for cell in file.cells} for by_source in (True, False))
    return len(short) < len(full)


def _completed(files: Sequence[PredictionFile]) -> list[PredictionFile]:
    """The files, each cell with the slide and the source that the first file with such a name gives it."""
    cells = list(zip(*(file.cells for file in files), strict=True))
    slides = [_first_known(cell.judged.slide for cell in row) for row in cells]
    sources = [_first_known(cell.judged.source for cell in row) for row in cells]
    return [
        replace(
            file,
            cells=[
                replace(cell, judged=replace(cell.judged, slide=slide, source=source))
                for cell, slide, source in zip(file.cells, slides, sources, strict=True)
            ],
        )
        for file in files
    ]


def _first_known(names: Iterable[str]) -> str:
    return next(filter(None, names), "")


def _sifted(
    files: Sequence[PredictionFile], shared: Collection[str], by_source: bool, drop: bool
) -> list[PredictionFile]:
    """The files with one row for each image. An image whose rows differ is removed from all files."""
    copies, differing = (defaultdict[Path, set[int]](set) for _ in range(2))  # lines
    unsure: set[_Key | None] = set()
    for file in files:
        firsts: dict[_Key, FileCell] = {}
        for cell in file.cells:
            own = _key(cell.judged, file.columns)
            first = firsts.setdefault(own, cell) if own else cell
            if first is cell:
                continue
            if not drop:
                raise InputError(_listed_twice(file, first, cell))
            copies[file.path].add(cell.line)
            if (cell.judged.truth, cell.judged.called) != (first.judged.truth, first.judged.called):
                differing[file.path].update((first.line, cell.line))
                unsure.add(_key(cell.judged, shared, by_source))
    for file in files:
        keys = ((_key(cell.judged, shared, by_source), cell.line) for cell in file.cells)
        differing[file.path].update(line for key, line in keys if key and key in unsure)
    return [_without(file, copies[file.path], differing[file.path]) for file in files]


def _listed_twice(file: PredictionFile, first: FileCell, second: FileCell) -> str:
    problem = "has two true types" if first.judged.truth != second.judged.truth else "is in two rows"
    missing = next((name for name in _GROUPING if name not in file.columns), "")
    remedies = ["remove one", *([f"add a column {missing} if names repeat"] if missing else [])]
    return (
        f"{printable(file.path)}: the same image {problem}: {excerpt(second.judged.image)} (lines {first.line} and "
        f"{second.line}); {', '.join(remedies)}, or use --drop-duplicates"
    )


def _without(file: PredictionFile, copies: Collection[int], differing: Collection[int]) -> PredictionFile:
    """The file without the cells in these lines."""
    left = defaultdict(list, file.left)
    for cell in file.cells:
        if cell.line in copies or cell.line in differing:
            name = posixpath.join(cell.judged.slide, cell.judged.image)
            left["two_labels" if cell.line in differing else "copies"].append(name)
    kept = [cell for cell in file.cells if cell.line not in copies and cell.line not in differing]
    if not kept:
        raise InputError(f"{printable(file.path)} holds no cells to compare")
    return replace(file, cells=kept, left=left)


def _in_order(
    file: PredictionFile, here: Sequence[_Key | None], first: PredictionFile, there: Sequence[_Key | None]
) -> PredictionFile:
    """A file with its cells in the order of the first file. `here` and `there` are the keys of their rows.

    Raises:
        InputError: the two files do not have the same cells, types and truth, or only some rows name an image.
    """
    if file.types != first.types:
        raise _others(file, first, "their cell types differ")
    if not any(here) and not any(there):
        _refuse_other_rows(file, first)
        return file
    for one, keys in ((file, here), (first, there)):
        if None in keys:
            raise InputError(
                f"{printable(one.path)}, line {one.cells[keys.index(None)].line}: no image is named, so the rows of "
                f"the files cannot be matched: name it, or remove the column image if the rows are in the same order"
            )
    if len(set(here)) < len(here) or len(set(there)) < len(there):
        missing = next((name for name in _GROUPING if name not in file.columns & first.columns), "slide")
        raise _others(file, first, f"names of images repeat: give both a column {missing}")
    cell_of, known = dict(zip(here, file.cells, strict=True)), set(there)
    more, fewer = [key for key in here if key not in known], [key for key in there if key not in cell_of]
    if more or fewer:
        raise _others(file, first, f"{_counted(more)} only in the former, {_counted(fewer)} only in the latter")
    for key, cell in zip(there, first.cells, strict=True):
        other = cell_of[key]
        if other.judged.truth != cell.judged.truth:
            lines = f"lines {other.line} and {cell.line}"
            raise _others(file, first, f"they give two true types to {excerpt(cell.judged.image)} ({lines})")
    return replace(file, cells=[cell_of[key] for key in there])


def _refuse_other_rows(file: PredictionFile, first: PredictionFile) -> None:
    """Rows without names of images must at least have the same true types, and the same slides where both know them.

    Raises:
        InputError: they do not.
    """
    same = len(file.cells) == len(first.cells)
    for cell, other in zip(file.cells, first.cells, strict=False):
        slides = {_composed(each.judged.slide) for each in (cell, other)} - {""}
        same = same and cell.judged.truth == other.judged.truth and len(slides) < 2
    if not same:
        raise _others(file, first, "give both the same rows, or columns slide and image to match them by")


def _counted(keys: Sequence[_Key | None]) -> str:
    named = ", ".join("/".join(filter(None, key or ())) for key in keys[:NAMED])
    images = "image" if len(keys) == 1 else "images"
    return f"{len(keys)} {images}" + (f" ({named}{', …' if len(keys) > NAMED else ''})" if keys else "")


def _others(file: PredictionFile, first: PredictionFile, why: str) -> InputError:
    return InputError(f"{printable(file.path)} and {printable(first.path)} do not hold the same cells: {why}")
