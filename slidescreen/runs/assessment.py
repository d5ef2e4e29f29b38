"""From whatever holds predictions and truth to a written evaluation."""

from collections.abc import Callable
from pathlib import Path

from slidescreen.data.delimited import read_table
from slidescreen.ensembles import storage
from slidescreen.errors import InputError
from slidescreen.evaluation import Evaluation, Predictions, evaluate
from slidescreen.evaluation import truth as truths
from slidescreen.evaluation.prediction_files import of_tables
from slidescreen.files.legal_names import legal_name
from slidescreen.files.writing import make_folder, printable
from slidescreen.reporting.evaluation_files import check_place, write_evaluation
from slidescreen.runs.options import ReportOptions
from slidescreen.runs.saved_run import is_run, read_run


def is_plain_run(request: ReportOptions) -> bool:
    """Whether the user asked for a run's page, not for an evaluation."""
    (source, *others) = request.sources
    return request.truth is None and not others and source.is_dir() and is_run(source)


def run_evaluation(
    request: ReportOptions, default_ensemble: Callable[[], Path], progress: Callable[[int, int], None]
) -> tuple[Evaluation, Path]:
    """Evaluate what the request names, and write the results.

    Returns:
        The evaluation and the folder it was written to.

    Raises:
        InputError: the source holds neither predictions nor labels, or they cannot be used; nothing was written.
    """
    read = [*request.sources, *([Path(request.truth)] if request.truth else [])]
    if request.out is not None:
        check_place(request.out, read)  # before hours of work
    predictions, place = _predictions(request, default_ensemble, progress)
    check_place(request.out or place, read)
    folder = make_folder(request.out or place)
    evaluation = evaluate(predictions)
    write_evaluation(evaluation, folder)
    return evaluation, folder


def _predictions(
    request: ReportOptions, default_ensemble: Callable[[], Path], progress: Callable[[int, int], None]
) -> tuple[list[Predictions], Path]:
    source, *others = request.sources
    place = Path("slidescreen-out") / legal_name(source.resolve().stem, "-evaluation")
    for path in request.sources:
        if not path.exists():
            raise InputError(f"{printable(path)} does not exist")
    if others:
        paths = [_table(path) for path in request.sources]
        return of_tables(paths, request.label_options.rules, request.label_options.drop_duplicates), place
    if source.is_dir() and is_run(source):
        if request.truth == truths.REPORTED and request.label_options.split:
            raise InputError("--split needs labels with a split, and class folders have none")
        labels = None if request.truth == truths.REPORTED else Path(request.truth or "")
        return [truths.of_run(read_run(source), labels, request.label_options)], source / "evaluation"
    if request.truth is not None:
        raise InputError(f"--truth needs the folder of a run, and {printable(source)} is not one")
    if not source.is_dir() and _holds_predictions(source):
        return of_tables([source], request.label_options.rules, request.label_options.drop_duplicates), place
    ensemble = storage.load(request.ensemble or default_ensemble())
    return truths.of_images(source, ensemble, request.label_options, request.device, progress), place


def _table(path: Path) -> Path:
    if path.is_dir() or not _holds_predictions(path):
        raise InputError(f"{printable(path)} is not a CSV of predictions: it has no column truth")
    return path


def _holds_predictions(path: Path) -> bool:
    return "truth" in read_table(path).columns
