"""Read the predictions of any model, or of several models on the same cells, from tables."""

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from slidescreen import cells
from slidescreen.data.delimited import Row, Table, excerpt, number, read_table
from slidescreen.data.label_options import LabelRules
from slidescreen.errors import InputError
from slidescreen.evaluation.predictions import NAMED, Predictions
from slidescreen.evaluation.scored_cells import ScoredCell, predictions_of, vocabulary
from slidescreen.files.writing import denature, printable

_Key = tuple[str, str]
_NAMING = ("slide", "source", "image")


@dataclass(frozen=True)
class _Cell:
    """A row: its cell, the line on which it begins, and a key that is unique to its image, if there is one."""

    judged: ScoredCell
    line: int
    key: _Key | None


@dataclass(frozen=True)
class _File:
    """A file of predictions. `types` are those of its probabilities; empty without any. `left` holds the names of rows
    without a cell here, by the keys of `WHY_UNSCORED`."""

    path: Path
    types: tuple[str, ...]
    cells: list[_Cell]
    left: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def of_tables(paths: Sequence[Path], rules: LabelRules, drop_duplicates: bool = False) -> list[Predictions]:
    """Read tables, one for each model, with columns truth and cell_type, and perhaps p_<type>, slide, image and source.

    An empty `cell_type` is an abstention. A row with an empty `truth` is not scored. `rules` leave rows out by their
    truth alone: a call of a type that is left out is a wrong call. Several files must hold the same cells. They are
    matched by the columns image and slide (or source). If no row names an image, rows must be in the same order.

    Args:
        paths: the files.
        rules: rules for labels.
        drop_duplicates: keep the first of several equal rows of one image, and none if they differ, instead of an
            error.

    Raises:
        InputError: a column is missing, a type is unknown, a probability is invalid, an image is in two rows, the
            files do not hold the same cells, or a file is given twice.
    """
    names = distinct_names(paths)
    tables = [read_table(path, ("truth", "cell_type")) for path in paths]
    labels = {denature(row["truth"]) for table in tables for row in table.rows}
    rules.check(labels - {""}, " and ".join(printable(path) for path in paths))
    shared = [name for name in _NAMING if all(name in table.columns for table in tables)]
    files = _sifted(_typed([_read(table, rules) for table in tables]), shared, drop_duplicates)
    ordered = [files[0], *(_in_order(other, files[0], shared) for other in files[1:])]
    return [
        predictions_of(name, file.types, [cell.judged for cell in file.cells], file.left)
        for name, file in zip(names, ordered, strict=True)
    ]


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The shortest names that tell files apart, without folders and suffix if that suffices.

    Raises:
        InputError: a file is given twice.
    """
    full = [path.resolve() for path in paths]
    for place, path in enumerate(full):
        if path in full[:place]:
            raise InputError(f"{printable(paths[place])} is given twice")
    return [printable(_shortest_name(path, [other for other in full if other != path])) for path in full]


def _shortest_name(path: Path, others: Sequence[Path]) -> str:
    for depth in range(1, len(path.parts)):
        for with_suffix in (False, True):
            name = _name(path, depth, with_suffix)
            if all(_name(other, depth, with_suffix) != name for other in others):
                return name
    return str(path)


def _name(path: Path, depth: int, with_suffix: bool) -> str:
    """The file's name with the last `depth` - 1 folders before it."""
    return "/".join((*path.parts[-depth:-1], path.name if with_suffix else path.stem))


def _read(table: Table, rules: LabelRules) -> _File:
    if not table.rows:
        raise InputError(f"{printable(table.path)} holds no rows")
    columns = _probability_columns(table)
    found: list[_Cell] = []
    left: dict[str, list[str]] = defaultdict(list)
    for row in table.rows:
        slide, source, image = (denature(row.get(name, "").strip()) for name in _NAMING)
        name = posixpath.join(slide, image) if image else f"line {row.line}"
        if not row["truth"].strip():
            left["no_truth"].append(name)
            continue
        try:
            truth = rules.resolve(denature(row["truth"]))
            called = _called(denature(row["cell_type"]), rules)
            values = _probabilities(row, columns)
        except InputError as error:
            raise table.problem(row, error) from error
        if truth is None:
            left["left_out"].append(name)
            continue
        picture = table.path.parent / image if image else None
        judged = ScoredCell(truth, called, values, slide, source, image, picture)
        found.append(_Cell(judged, row.line, _key(judged, table.columns)))
    if not found:
        raise InputError(f"{printable(table.path)} holds no cells to compare")
    return _File(table.path, tuple(columns.values()), found, left)


def _typed(files: Sequence[_File]) -> list[_File]:
    """The files, those without probabilities with the types of those that have them, or else of all cells together."""
    listed = next((file.types for file in files if file.types), ())
    types = listed or vocabulary(cell.judged for file in files for cell in file.cells)
    return [file if file.types else replace(file, types=types) for file in files]


def _called(name: str, rules: LabelRules) -> str:
    """The called cell type; empty for an abstention.

    Raises:
        InputError: the call means no cell type.
    """
    cell_type = cells.resolve(name)
    if cell_type == cells.UNSPECIFIED_BLAST and rules.unspecified_blasts:
        return rules.unspecified_blasts
    if name.strip() and cell_type not in cells.CELL_TYPES:
        blast = " (--unspecified-blasts gives blasts a lineage)" if cell_type == cells.UNSPECIFIED_BLAST else ""
        raise InputError(
            f"the call {excerpt(name)} is no cell type: use one of {', '.join(cells.CELL_TYPES)}{blast}, or leave "
            f"cell_type empty if the model abstained"
        )
    return cell_type or ""


def _probability_columns(table: Table) -> dict[str, str]:
    """The columns p_<type>, and the cell type of each."""
    columns = {name: cells.resolve(name.removeprefix("p_")) or "" for name in table.columns if name.startswith("p_")}
    unknown = [name for name, cell_type in columns.items() if cell_type not in cells.CELL_TYPES]
    if unknown:
        raise InputError(f"{printable(table.path)} has probabilities of unknown cell types: {', '.join(unknown)}")
    twice = sorted({t for t in columns.values() if list(columns.values()).count(t) > 1})
    if twice:
        raise InputError(f"{printable(table.path)} has two columns of probabilities of {', '.join(twice)}")
    return columns


def _probabilities(row: Row, columns: Collection[str]) -> tuple[float, ...]:
    values = []
    for name in columns:
        try:
            values.append(number(row[name]))
        except ValueError as error:
            raise InputError(f"{name} is {error}") from None
    if values and not (all(0 <= value <= 1 for value in values) and sum(values) > 0):
        raise InputError("the probabilities must lie between 0 and 1, and not all be 0")
    return tuple(values)


def _key(judged: ScoredCell, columns: Collection[str]) -> _Key | None:
    """A key of the image from the available columns: slide and image, or source and image if the slide is unknown."""
    if not judged.image or "image" not in columns:
        return None
    group = (judged.slide if "slide" in columns else "") or (judged.source if "source" in columns else "")
    path = posixpath.normpath(judged.image.replace("\\", "/"))
    return unicodedata.normalize("NFC", group), unicodedata.normalize("NFC", path)


def _sifted(files: Sequence[_File], shared: Collection[str], drop: bool) -> list[_File]:
    """The files with one row for each image. An image whose rows differ is removed from all files."""
    copies, differing = (defaultdict[Path, set[int]](set) for _ in range(2))  # lines
    unsure: set[_Key | None] = set()
    for file in files:
        firsts: dict[_Key, _Cell] = {}
        for cell in file.cells:
            first = firsts.setdefault(cell.key, cell) if cell.key else cell
            if first is cell:
                continue
            if not drop:
                raise InputError(_listed_twice(file.path, first, cell))
            copies[file.path].add(cell.line)
            if (cell.judged.truth, cell.judged.called) != (first.judged.truth, first.judged.called):
                differing[file.path].update((first.line, cell.line))
                unsure.add(_key(cell.judged, shared))
    for file in files:
        keys = ((_key(cell.judged, shared), cell.line) for cell in file.cells)
        differing[file.path].update(line for key, line in keys if key and key in unsure)
    return [_without(file, copies[file.path], differing[file.path]) for file in files]


def _listed_twice(path: Path, first: _Cell, second: _Cell) -> str:
    problem = "has two true types" if first.judged.truth != second.judged.truth else "is in two rows"
    return (
        f"{printable(path)}: the same image {problem}: {excerpt(second.judged.image)} (lines {first.line} and "
        f"{second.line}); remove one, add a column slide if names repeat, or use --drop-duplicates"
    )


def _without(file: _File, copies: Collection[int], differing: Collection[int]) -> _File:
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


def _in_order(file: _File, first: _File, shared: Collection[str]) -> _File:
    """A file with its cells in the order of the first file.

    Raises:
        InputError: the two files do not have the same cells, types and truth, or only some rows name an image.
    """
    if file.types != first.types:
        raise _others(file, first, "their cell types differ")
    here, there = ([_key(cell.judged, shared) for cell in one.cells] for one in (file, first))
    if not any(here) and not any(there):
        if [cell.judged.truth for cell in file.cells] != [cell.judged.truth for cell in first.cells]:
            raise _others(file, first, "give both the same rows, or columns slide and image to match them by")
        return file
    for one, keys in ((file, here), (first, there)):
        if None in keys:
            raise InputError(
                f"{printable(one.path)}, line {one.cells[keys.index(None)].line}: no image is named, so the rows of "
                f"the files cannot be matched: name it, or remove the column image if the rows are in the same order"
            )
    if len(set(here)) < len(here) or len(set(there)) < len(there):
        raise _others(file, first, "names of images repeat: give both a column slide")
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


def _counted(keys: Sequence[_Key | None]) -> str:
    named = ", ".join("/".join(filter(None, key or ())) for key in keys[:NAMED])
    images = "image" if len(keys) == 1 else "images"
    return f"{len(keys)} {images}" + (f" ({named}{', …' if len(keys) > NAMED else ''})" if keys else "")


def _others(file: _File, first: _File, why: str) -> InputError:
    return InputError(f"{printable(file.path)} and {printable(first.path)} do not hold the same cells: {why}")
