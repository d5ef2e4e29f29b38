"""Store the reviews of a run's cells and slides with the run, and apply them to its slides.

A stored review belongs to a picture's content, not to its file name. So it stays with a picture that moves to another
folder of its slide, and never passes to another picture of the same name. A signature holds as long as the slide has
the signed images.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from slidescreen.data.calls import Call, Status
from slidescreen.data.correction_table import COLUMNS, Correction, by_slide, read_corrections
from slidescreen.errors import InputError
from slidescreen.files.existence import exists
from slidescreen.files.writing import neutralise, sha256_of, write_text
from slidescreen.interruptible import interruptibly
from slidescreen.reporting.tables import to_csv
from slidescreen.runs.archive import FOLDER, is_archive
from slidescreen.screening.results import Run, SlideResult, reviews_in
from slidescreen.screening.slide_review import CellReview, SlideReview, call_in_words, is_looked_at, reviewed_shares

REVIEWS = "reviews.csv"
_TIME_LIMIT = 60.0  # seconds for reading one image, on a share that may no longer answer


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
    """Replace the reviews stored with a run.

    Raises:
        OutputError: the file cannot be written.
    """
    columns = (*COLUMNS, "content")
    rows = ([neutralise(str(getattr(each, name))) for name in columns] for each in reviews)
    write_text(home_of(folder) / REVIEWS, to_csv([columns, *rows]))


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


def contents_of_slide(slide: SlideResult) -> dict[str, str]:
    """The SHA-256 of each readable image that is not a duplicate, by name; empty text if unknown."""
    calls = tuple(slide.calls)
    if slide.kept is not None and not all(call.digest for call in calls if is_looked_at(call)):
        try:
            digests = {call.image: call.digest for call in slide.kept.body().calls}
        except InputError:  # a damaged record
            digests = {}
        calls = tuple(replace(call, digest=digests.get(call.image, "")) for call in calls)
    return {call.image: call.digest or _hash_of(slide.folder / call.image) for call in calls if is_looked_at(call)}


def _hash_of(path: Path) -> str:
    try:
        return interruptibly(lambda: sha256_of(path), _TIME_LIMIT)
    except (OSError, ValueError):  # a time limit that has passed is an OSError
        return ""


def signed_content(contents: Mapping[str, str]) -> str:
    """The content that a signature signs: a hash of all pictures of a slide, by name if their content is unknown."""
    told = sorted(content or image for image, content in contents.items())
    return hashlib.sha256("\0".join(told).encode("utf-8", "surrogateescape")).hexdigest()


def _review_of(slide: SlideResult, said: Sequence[Correction]) -> SlideReview | None:
    if not said:
        return None
    calls = {call.image: call for call in slide.calls if is_looked_at(call)}
    contents = contents_of_slide(slide)
    images = {content or image: image for image, content in contents.items()}
    here = signed_content(contents)
    signatures = [each for each in said if each.signs and each.content == here]
    of_cells = [
        (images[key], each) for each in said if not each.signs and (key := each.content or each.image) in images
    ]
    reviewed: dict[str, CellReview] = {}
    for image, each in of_cells:
        before = reviewed.get(image)
        reviewed[image] = CellReview(each.cell_type, _joined([before.reviewer] if before else [], [each.reviewer]))
    changed = tuple(sorted(image for image, each in reviewed.items() if each.cell_type != call_in_words(calls[image])))
    signers = sorted({each.reviewer for each in signatures})
    if signers:
        reviewed |= _confirmed(calls, reviewed, signers)
    outdated = {each.reviewer for each in said if each.signs} - set(signers)
    if not (reviewed or signers or outdated):
        return None
    return SlideReview(
        cells=reviewed,
        changed=changed,
        reviewers=tuple(signers or sorted({each.reviewer for _, each in of_cells})),
        time=_latest([*signatures, *(each for _, each in of_cells)]),
        signed=bool(signers),
        outdated=tuple(sorted(outdated)),
        shares=reviewed_shares(calls.values(), reviewed),
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
