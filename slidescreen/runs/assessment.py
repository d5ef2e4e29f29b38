"""Make an evaluation from any source of predictions and truth, and write it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from slidescreen.data.correction_table import Correction, is_of_corrections, merged, read_corrections, standing
from slidescreen.data.delimited import read_table
from slidescreen.engine.options import Device
from slidescreen.ensembles import storage
from slidescreen.errors import InputError
from slidescreen.evaluation import Evaluation, Predictions, evaluate, run_truth
from slidescreen.evaluation.label_review import of_present_pictures, reviewed_types
from slidescreen.evaluation.prediction_files import of_tables
from slidescreen.evaluation.review_summary import ReviewSummary, summarise
from slidescreen.evaluation.truth import of_images
from slidescreen.files.existence import exists, is_file, is_folder
from slidescreen.files.legal_names import legal_name
from slidescreen.files.untouched import refuse_inside
from slidescreen.files.writing import make_folder, printable
from slidescreen.reporting.disagreement_page import CellOrigin
from slidescreen.reporting.evaluation_files import check_place, write_evaluation
from slidescreen.reporting.reported_types import LABORATORY
from slidescreen.runs.corrected_images import checked_corrections, gone_in_words, other_types_in_words
from slidescreen.runs.corrected_labels import remove_corrected, write_corrected
from slidescreen.runs.options import ReportOptions
from slidescreen.runs.review_store import read_reviews
from slidescreen.runs.reviewed_slides import of_other_types, reviewed_run
from slidescreen.runs.saved_run import input_folders, is_run, read_run
from slidescreen.screening.results import Run


def is_plain_run(request: ReportOptions) -> bool:
    """Whether the user asked for a run's page, not for an evaluation."""
    (source, *others) = request.sources
    return request.truth is None and not others and is_folder(source) and is_run(source)


@dataclass(frozen=True)
class _Material:
    """The parts of an evaluation.

    Attributes:
        predictions: one for each model.
        place: the folder of the evaluation, unless the user names another one.
        origin: the origin of the cells, for the page of disagreements.
        reviewed: the types, by position, of cells whose labels people reviewed.
        summary: what reviewers changed, if the truth is theirs.
        corrections: corrections of labelled images without a run.
    """

    predictions: list[Predictions]
    place: Path
    origin: CellOrigin
    reviewed: Mapping[int, str] = field(default_factory=dict)
    summary: ReviewSummary | None = None
    corrections: Sequence[Correction] = ()


def run_evaluation(
    request: ReportOptions,
    default_ensemble: Callable[[], Path],
    progress: Callable[[int, int], None],
    note: Callable[[str], None] = lambda _: None,
) -> tuple[Evaluation, Path]:
    """Evaluate the request's source, and write the results. `note` receives remarks on cells to look at again.

    Returns:
        The evaluation and the folder it was written to.

    Raises:
        InputError: the source holds neither predictions nor labels, or they cannot be used. Nothing was written.
    """
    read = [*request.sources, *([Path(request.truth)] if request.truth else []), *request.corrections]
    if request.out is not None:
        check_place(request.out, read)  # before hours of work
    found = _material(request, default_ensemble, progress, note)
    check_place(request.out or found.place, read)
    folder = make_folder(request.out or found.place)
    evaluation = replace(evaluate(found.predictions, reviewed=found.reviewed), review=found.summary)
    write_evaluation(evaluation, folder, found.origin)
    if not found.corrections:
        remove_corrected(folder)
    else:
        write_corrected(request.sources[0], request.label_options.rules, found.corrections, folder)
    return evaluation, folder


def _material(
    request: ReportOptions,
    default_ensemble: Callable[[], Path],
    progress: Callable[[int, int], None],
    note: Callable[[str], None],
) -> _Material:
    source, *others = request.sources
    place = Path("slidescreen-out") / legal_name(source.resolve().stem, "-evaluation")
    origin = CellOrigin("label", "", f"labels {printable(source.resolve())}")
    for path in request.sources:
        if not exists(path):
            raise InputError(f"{printable(path)} does not exist")
    if not others and is_folder(source) and is_run(source):
        _refuse_networks(request)
        return _of_run(request, source, note)
    if request.truth is not None and not others:
        raise InputError(f"--truth needs the folder of a run, and {printable(source)} is not one")
    given = [each for path in request.corrections for each in read_corrections(path, of_slides=False)]
    merged([], [replace(each, content="") for each in given])  # before hours of work
    if others or (not is_folder(source) and _holds_predictions(source)):
        _refuse_networks(request)
        if request.label_options.split:
            raise InputError("--split needs labels with a split, and predictions have none")
        paths = [_table(path) for path in request.sources]
        found = of_tables(paths, request.label_options.rules, request.label_options.drop_duplicates)
        return _Material(found, place, origin, reviewed_types(found[0], _of_labels(found[0], given, note)))
    ensemble = storage.load(request.ensemble or default_ensemble())
    found = of_images(source, ensemble, request.label_options, request.device, request.out or place, progress, note)
    corrections = _of_labels(found[0], given, note)
    return _Material(found, place, origin, reviewed_types(found[0], corrections), corrections=corrections)


def _of_labels(predictions: Predictions, given: Sequence[Correction], note: Callable[[str], None]) -> list[Correction]:
    """The corrections of labelled images, without those of other pictures of the same names."""
    present, gone = of_present_pictures(predictions, given)
    if gone:
        note(gone_in_words(gone))
    return standing(merged([], present))


def _refuse_networks(request: ReportOptions) -> None:
    for name, is_given in {"--ensemble": request.ensemble, "--device": request.device is not Device.AUTO}.items():
        if is_given:
            raise InputError(
                f"{name} is for labelled images, and {printable(request.sources[0])} is classified already"
            )


def _of_run(request: ReportOptions, folder: Path, note: Callable[[str], None]) -> _Material:
    """A run and its truth. Corrections of its cells, stored or given now, review the labels of any other truth."""
    place, run = folder / "evaluation", read_run(folder)
    refuse_inside(request.out or place, input_folders(run))
    stored = read_reviews(folder)
    given = merged(stored, checked_corrections(run, request.corrections, note, stored))
    run, truth = _truth_of(reviewed_run(run, given), request.truth or "", note, given)
    if truth in (run_truth.REPORTED, run_truth.REVIEWED) and request.label_options.split:
        raise InputError("--split needs labels with a split, and class folders and reviews have none")
    predictions = run_truth.of_run(run, truth, request.label_options)
    identity = str(run.info.get("run") or "")
    word = LABORATORY if truth == run_truth.REPORTED else "label"
    store = f"{identity or printable(folder.resolve())} disagreements {printable(truth)}"
    origin = CellOrigin(word, identity, store, {slide.name: slide for slide in run.slides})
    if truth == run_truth.REVIEWED:
        return _Material([predictions], place, origin, summary=summarise(run))
    said = reviewed_run(run, [each for each in given if not each.signs])
    return _Material([predictions], place, origin, _reviewed_cells(predictions, said))


def _reviewed_cells(predictions: Predictions, run: Run) -> dict[int, str]:
    """The reviewed types, by position, of the predicted cells that reviewers decided one by one."""
    positions = {place: at for at, place in enumerate(zip(predictions.slides, predictions.images, strict=True))}
    return {
        positions[slide.name, image]: cell.cell_type
        for slide in run.slides
        if slide.review is not None
        for image, cell in slide.review.cells.items()
        if (slide.name, image) in positions
    }


def _truth_of(run: Run, truth: str, note: Callable[[str], None], given: Sequence[Correction]) -> tuple[Run, str]:
    """A run and its truth. If the truth is a file of corrections, the run gets them as its review.

    `given` are the run's other corrections, which whoever signed in the file may have seen.
    """
    path = Path(truth)
    if truth in (run_truth.REPORTED, run_truth.REVIEWED) or not is_file(path):
        return run, truth
    if not is_of_corrections(read_table(path).columns):
        return run, truth
    corrections = checked_corrections(run, [path], note)
    run = reviewed_run(run, merged([], corrections), given)
    if ended := of_other_types(run, corrections):
        note(other_types_in_words(ended))
    return run, run_truth.REVIEWED


def _table(path: Path) -> Path:
    if is_folder(path) or not _holds_predictions(path):
        raise InputError(f"{printable(path)} is not a CSV of predictions: it has no column truth")
    return path


def _holds_predictions(path: Path) -> bool:
    return "truth" in read_table(path).columns
