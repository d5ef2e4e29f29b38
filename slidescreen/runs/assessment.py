"""From whatever holds predictions and truth to a written evaluation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from slidescreen.data.correction_table import is_of_corrections, merged
from slidescreen.data.delimited import read_table
from slidescreen.ensembles import storage
from slidescreen.errors import InputError
from slidescreen.evaluation import Evaluation, Predictions, evaluate
from slidescreen.evaluation import truth as truths
from slidescreen.evaluation.prediction_files import of_tables
from slidescreen.evaluation.review_summary import ReviewSummary, summarise
from slidescreen.files.legal_names import legal_name
from slidescreen.files.writing import make_folder, printable
from slidescreen.reporting.evaluation_files import check_place, write_evaluation
from slidescreen.runs.corrected_images import checked_corrections
from slidescreen.runs.options import ReportOptions
from slidescreen.runs.review_store import reviewed_run
from slidescreen.runs.saved_run import is_run, read_run
from slidescreen.screening.results import Run


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
    predictions, place, review = _predictions(request, default_ensemble, progress)
    check_place(request.out or place, read)
    folder = make_folder(request.out or place)
    evaluation = replace(evaluate(predictions), review=review)
    write_evaluation(evaluation, folder)
    return evaluation, folder


def _predictions(
    request: ReportOptions, default_ensemble: Callable[[], Path], progress: Callable[[int, int], None]
) -> tuple[list[Predictions], Path, ReviewSummary | None]:
    source, *others = request.sources
    place = Path("slidescreen-out") / legal_name(source.resolve().stem, "-evaluation")
    for path in request.sources:
        if not path.exists():
            raise InputError(f"{printable(path)} does not exist")
    if others:
        paths = [_table(path) for path in request.sources]
        return of_tables(paths, request.label_options.rules, request.label_options.drop_duplicates), place, None
    if source.is_dir() and is_run(source):
        run, truth = _truth_of(read_run(source), request.truth or "")
        if truth in (truths.REPORTED, truths.REVIEWED) and request.label_options.split:
            raise InputError("--split needs labels with a split, and class folders and reviews have none")
        summary = summarise(run) if truth == truths.REVIEWED else None
        return [truths.of_run(run, truth, request.label_options)], source / "evaluation", summary
    if request.truth is not None:
        raise InputError(f"--truth needs the folder of a run, and {printable(source)} is not one")
    if not source.is_dir() and _holds_predictions(source):
        return of_tables([source], request.label_options.rules, request.label_options.drop_duplicates), place, None
    ensemble = storage.load(request.ensemble or default_ensemble())
    return truths.of_images(source, ensemble, request.label_options, request.device, progress), place, None


def _truth_of(run: Run, truth: str) -> tuple[Run, str]:
    """A run and what it is compared with; corrections make it a reviewed one."""
    path = Path(truth)
    if truth in (truths.REPORTED, truths.REVIEWED) or not path.is_file():
        return run, truth
    if not is_of_corrections(read_table(path).columns):
        return run, truth
    corrections = checked_corrections(run, [path], lambda _: None)
    return reviewed_run(run, merged([], corrections)), truths.REVIEWED


def _table(path: Path) -> Path:
    if path.is_dir() or not _holds_predictions(path):
        raise InputError(f"{printable(path)} is not a CSV of predictions: it has no column truth")
    return path


def _holds_predictions(path: Path) -> bool:
    return "truth" in read_table(path).columns
