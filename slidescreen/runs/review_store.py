"""Store the reviews of a run's cells and slides with the run, and apply them to its slides.

A stored review belongs to a picture's content, not to its file name. So it stays with a picture that moves to another
folder of its slide, and never passes to another picture of the same name. A signature holds as long as the slide has
the signed images.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from slidescreen.data.calls import Call, Status
from slidescreen.data.correction_table import (
    COLUMNS,
    SINCE,
    Correction,
    by_slide,
    read_corrections,
    signed_content,
    standing,
)
from slidescreen.files.existence import exists
from slidescreen.files.run_files import REVIEWS
from slidescreen.files.writing import behind_link, neutralise, write_text
from slidescreen.reporting.tables import to_csv
from slidescreen.runs.archive import FOLDER, is_archive
from slidescreen.screening.results import Run, SlideResult, reviews_in
from slidescreen.screening.slide_contents import contents_of_slide
from slidescreen.screening.slide_review import CellReview, SlideReview, call_in_words, is_looked_at, reviewed_shares


def home_of(folder: Path) -> Path:
    """The folder whose reviews count for a run: for an archive, or a month of it, the run's folder above."""
    if is_archive(folder):
        for inner in (folder.resolve(), folder.resolve().parent):
            if inner.name == FOLDER:
                return inner.parent
    return folder


def read_reviews(folder: Path) -> list[Correction]:
    """The reviews stored with a run; empty if there are none.

    Raises:
        UnavailableError: the file cannot be read at present.
        InputError: the file is damaged.
    """
    path = home_of(folder) / REVIEWS
    return read_corrections(path) if exists(path) else []


def write_reviews(folder: Path, reviews: Iterable[Correction]) -> None:
    """Replace the reviews stored with a run. If a link stands for the file, it stays.

    Raises:
        OutputError: the file cannot be written.
    """
    kept = list(reviews)
    columns = (*COLUMNS, SINCE) if any(each.since for each in kept) else COLUMNS
    rows = ([neutralise(each.cell(name)) for name in columns] for each in kept)
    write_text(behind_link(home_of(folder) / REVIEWS), to_csv([columns, *rows]))


def with_reviews(slides: Sequence[SlideResult], reviews: Sequence[Correction]) -> tuple[SlideResult, ...]:
    """The slides with their reviews. Only the calls of reviewed slides are read."""
    said = by_slide(reviews)
    return tuple(replace(slide, review=_review_of(slide, _of(slide, said))) for slide in slides)


def reviewed_run(run: Run, reviews: Sequence[Correction]) -> Run:
    """A run with its slides' reviews, also in its record."""
    slides = with_reviews(run.slides, reviews)
    info = {name: value for name, value in run.info.items() if name != "reviewed_slides"}
    return replace(run, slides=slides, info={**info, **reviews_in(slides)})


def _of(slide: SlideResult, said: Mapping[str, Sequence[Correction]]) -> Sequence[Correction]:
    """The reviews of a slide, even if an archive gave it a second name."""
    return said.get(slide.name) or (said.get(slide.kept.slide, ()) if slide.kept else ())


def _review_of(slide: SlideResult, said: Sequence[Correction]) -> SlideReview | None:
    if not said:
        return None
    calls = {call.image: call for call in slide.calls if is_looked_at(call)}
    contents = contents_of_slide(slide)
    images = {content or image: image for image, content in contents.items()}
    here = signed_content(contents)
    of_cells = [
        (images[key], each) for each in said if not each.signs and (key := each.content or each.image) in images
    ]
    decided = [(image, each) for image, each in of_cells if not each.withdrawn]
    reviewed: dict[str, CellReview] = {}
    for image, each in decided:
        before = reviewed.get(image)
        reviewed[image] = CellReview(each.cell_type, _joined([before.reviewer] if before else [], [each.reviewer]))
    changed = tuple(sorted(image for image, each in reviewed.items() if each.cell_type != call_in_words(calls[image])))
    signed = [each for each in standing(said) if each.signs]
    present = [each for each in signed if each.content == here]
    now = {image: call_in_words(call) for image, call in calls.items()}
    now |= {image: each.cell_type for image, each in reviewed.items()}
    signatures = [each for each in present if not _is_overtaken(each, of_cells, now, calls)]
    signers = sorted({each.reviewer for each in signatures})
    if signers:
        reviewed |= _confirmed(calls, reviewed, signers)
    overtaken = {each.reviewer for each in present} - set(signers)
    outdated = {each.reviewer for each in signed} - set(signers) - overtaken
    if not (reviewed or signers or overtaken or outdated):
        return None
    return SlideReview(
        cells=reviewed,
        changed=changed,
        reviewers=tuple(signers or sorted({each.reviewer for _, each in decided})),
        time=_latest(signatures or [each for _, each in of_cells]),
        signed=bool(signers),
        outdated=tuple(sorted(outdated)),
        shares=reviewed_shares(calls.values(), reviewed),
        overtaken=tuple(sorted(overtaken)),
    )


def _is_overtaken(
    signature: Correction,
    of_cells: Sequence[tuple[str, Correction]],
    now: Mapping[str, str],
    calls: Mapping[str, Call],
) -> bool:
    """Whether a cell of a signed slide got another type after the signature than it had then.

    Args:
        signature: the signature.
        of_cells: the corrections of present cells, also the withdrawn ones, by image.
        now: the cells' present types.
        calls: the cells' calls.
    """
    signed = signature.moment()
    if signed is None:
        return False
    later = [(image, each) for image, each in of_cells if (begin := each.begin()) is not None and begin > signed]
    # Reviewers agree on a cell. So one with an earlier correction, too, had the same type when the slide was signed.
    settled = {image for image, each in of_cells if not each.withdrawn and (image, each) not in later}
    return any(
        image not in settled and now[image] != (each.previous_type or call_in_words(calls[image]))
        for image, each in later
    )


def _confirmed(
    calls: Mapping[str, Call], reviewed: Mapping[str, CellReview], signers: Sequence[str]
) -> dict[str, CellReview]:
    """The cells of a signed slide without a review of their own, with their called types."""
    by = _joined([], signers)
    left = (call for call in calls.values() if call.status is Status.CLASSIFIED and call.image not in reviewed)
    return {call.image: CellReview(call.cell_type, by) for call in left}


def _joined(before: Sequence[str], names: Sequence[str]) -> str:
    return "; ".join([*before, *names])


def _latest(said: Sequence[Correction]) -> str:
    """The latest time, as text; if times are not in ISO 8601, the last of them."""
    timed = [(moment, each.time) for each in said if (moment := each.moment()) is not None]
    if timed:
        return max(timed)[1]
    return max((each.time for each in said), default="")
