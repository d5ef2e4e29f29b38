"""Read the predictions of any model, or of several models on the same cells, from tables."""

import posixpath
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from slidescreen import cells
from slidescreen.data.delimited import Row, Table, excerpt, number, read_table
from slidescreen.data.label_options import LabelRules
from slidescreen.data.shown_paths import ShownPaths
from slidescreen.errors import InputError
from slidescreen.evaluation.predictions import Predictions
from slidescreen.evaluation.same_cells import NAMING, FileCell, PredictionFile, same_cells
from slidescreen.evaluation.scored_cells import ScoredCell, predictions_of, vocabulary
from slidescreen.files.writing import denature, printable


def of_tables(paths: Sequence[Path], rules: LabelRules, drop_duplicates: bool = False) -> list[Predictions]:
    """Read tables, one for each model, with columns truth and cell_type, and perhaps p_<type>, slide, image and source.

    An empty `cell_type` is an abstention. A row with an empty `truth` is not scored. `rules` leave rows out by their
    truth alone: a call of a type that is left out is a wrong call. Several files must hold the same cells. They are
    matched by the columns image, slide and source. If no row names an image, rows must be in the same order.

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
    files = same_cells(_typed([_read(table, rules) for table in tables]), drop_duplicates)
    return [
        predictions_of(name, file.types, [cell.judged for cell in file.cells], file.left)
        for name, file in zip(names, files, strict=True)
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


def _read(table: Table, rules: LabelRules) -> PredictionFile:
    if not table.rows:
        raise InputError(f"{printable(table.path)} holds no rows")
    columns, pictures = _probability_columns(table), ShownPaths(table.path.parent)
    found: list[FileCell] = []
    left: dict[str, list[str]] = defaultdict(list)
    for row in table.rows:
        slide, source, image = (denature(row.get(name, "").strip()) for name in NAMING)
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
        picture = pictures.path_of(image) if image else None
        judged = ScoredCell(truth, called, values, slide, source, image, picture)
        found.append(FileCell(judged, row.line))
    if not found:
        raise InputError(f"{printable(table.path)} holds no cells to compare")
    return PredictionFile(table.path, frozenset(table.columns), tuple(columns.values()), found, left)


def _typed(files: Sequence[PredictionFile]) -> list[PredictionFile]:
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
