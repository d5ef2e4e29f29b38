"""Apply the reviews of a run's cells and slides to its slides.

A review belongs to a picture's content, not to its file name. So it stays with a picture that moves to another folder
of its slide, and never passes to another picture of the same name. A signature holds as long as the slide has the
signed images, and these the signed types.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from slidescreen.data.calls import Call, Status
from slidescreen.data.correction_table import Correction, by_slide, standing
from slidescreen.data.signatures import signed_content, signed_types
from slidescreen.screening.results import Run, SlideResult, reviews_in
from slidescreen.screening.slide_contents import contents_of_slide
from slidescreen.screening.slide_review import CellReview, SlideReview, call_in_words, is_looked_at, reviewed_shares


def with_reviews(
    slides: Sequence[SlideResult], reviews: Sequence[Correction], seen: Sequence[Correction] = ()
) -> tuple[SlideResult, ...]:
    """The slides with their reviews. Only the calls of reviewed slides are read.

    `seen` are other corrections of cells, which count for nothing, but which the signers may have seen in the page.
    """
    said, beside = by_slide(reviews), by_slide(seen)
    return tuple(
        replace(slide, review=_review_of(slide, own, _of(slide, beside)) if (own := _of(slide, said)) else None)
        for slide in slides
    )


def reviewed_run(run: Run, reviews: Sequence[Correction], seen: Sequence[Correction] = ()) -> Run:
    """A run with its slides' reviews, also in its record. `seen` is as in `with_reviews`."""
    slides = with_reviews(run.slides, reviews, seen)
    info = {name: value for name, value in run.info.items() if name != "reviewed_slides"}
    return replace(run, slides=slides, info={**info, **reviews_in(slides)})


def with_signed_types(run: Run, reviews: Sequence[Correction], stored: Sequence[Correction]) -> list[Correction]:
    """The reviews, with the present types in each new signature that does not tell over which types it is.

    Later calls or corrections then end it as they end one from the page. Signatures that are `stored` stay as they are.
    """
    slides, said = {slide.name: slide for slide in run.slides}, by_slide(reviews)
    known = {_signature(each) for each in stored}

    def completed(each: Correction) -> Correction:
        if (
            not each.signs
            or each.withdrawn
            or each.signed_types
            or _signature(each) in known
            or each.slide not in slides
        ):
            return each
        cells = _Cells.of(slides[each.slide], said[each.slide], ())
        counts = cells.are_signed_by(each) and not cells.were_changed_after(each)
        return replace(each, signed_types=cells.signed_types) if counts else each

    return [completed(each) for each in reviews]


def _signature(each: Correction) -> tuple[str, ...]:
    return each.slide, each.image, each.reviewer, each.time, each.content


def of_other_types(run: Run, given: Sequence[Correction]) -> list[Correction]:
    """The signatures among corrections that do not count in a reviewed run, because its cells have other types."""
    ended = {(slide.name, name) for slide in run.slides if slide.review for name in slide.review.retyped}
    return [each for each in given if each.signs and not each.withdrawn and (each.slide, each.reviewer) in ended]


def _of(slide: SlideResult, said: Mapping[str, Sequence[Correction]]) -> Sequence[Correction]:
    """The reviews of a slide, even if an archive gave it a second name."""
    return said.get(slide.name) or (said.get(slide.kept.slide, ()) if slide.kept else ())


@dataclass(frozen=True)
class _Cells:
    """The cells of a slide, and what was said of them.

    Attributes:
        calls: the cells' calls, by image.
        content: what a signature of these pictures signs.
        said: the corrections of present cells, also the withdrawn ones, with their images.
        reviewed: the review of each cell that has one.
        types: the present type of each cell.
        signed_types: what a signature of these types signs.
    """

    calls: Mapping[str, Call]
    content: str
    said: Sequence[tuple[str, Correction]]
    reviewed: Mapping[str, CellReview]
    types: Mapping[str, str]
    signed_types: str

    @classmethod
    def of(cls, slide: SlideResult, said: Sequence[Correction], seen: Sequence[Correction]) -> "_Cells":
        calls = {call.image: call for call in slide.calls if is_looked_at(call)}
        contents = contents_of_slide(slide)
        images = {content or image: image for image, content in contents.items()}
        present = _present(images, said)
        reviewed: dict[str, CellReview] = {}
        for image, each in present:
            if not each.withdrawn:
                before = [reviewed[image].reviewer] if image in reviewed else []
                reviewed[image] = CellReview(each.cell_type, _joined([*before, each.reviewer]))
        types = {image: call_in_words(call) for image, call in calls.items()}
        types |= {image: each.cell_type for image, each in _present(images, standing(seen))}
        types |= {image: each.cell_type for image, each in reviewed.items()}
        return cls(calls, signed_content(contents), present, reviewed, types, signed_types(contents, types))

    def are_signed_by(self, signature: Correction) -> bool:
        """Whether a signature is of these pictures."""
        return signature.content == self.content

    def have_signed_types(self, signature: Correction) -> bool:
        """Whether the cells have the types that were signed; True if those are unknown."""
        return signature.signed_types in ("", self.signed_types)

    def were_changed_after(self, signature: Correction) -> bool:
        """Whether somebody gave a cell another type after the signature than it had then, by the times."""
        signed = signature.moment()
        if signed is None:
            return False
        later = [(image, each) for image, each in self.said if (begin := each.begin()) is not None and begin > signed]
        # Reviewers agree on a cell. So one with an earlier correction, too, had the same type when the slide was
        # signed.
        settled = {image for image, each in self.said if not each.withdrawn and (image, each) not in later}
        return any(
            image not in settled and self.types[image] != (each.previous_type or call_in_words(self.calls[image]))
            for image, each in later
        )

    def are_signed_no_more_by(self, signature: Correction) -> bool:
        """Whether a signature of these pictures no longer counts, because of the cells' types."""
        if signature.signed_types:
            return not self.have_signed_types(signature)
        return self.were_changed_after(signature)

    def confirmed(self, signers: Sequence[str]) -> dict[str, CellReview]:
        """The called cells without a review of their own, each with the signed type."""
        left = (call for call in self.calls.values() if call.status is Status.CLASSIFIED)
        by = _joined(signers)
        return {call.image: CellReview(self.types[call.image], by) for call in left if call.image not in self.reviewed}


def _present(images: Mapping[str, str], said: Sequence[Correction]) -> list[tuple[str, Correction]]:
    """The corrections of present cells, with their images."""
    return [(images[key], each) for each in said if not each.signs and (key := each.content or each.image) in images]


def _review_of(slide: SlideResult, said: Sequence[Correction], seen: Sequence[Correction]) -> SlideReview | None:
    cells = _Cells.of(slide, said, seen)
    signed = [each for each in standing(said) if each.signs]
    withdrawn = [each for each in said if each.signs and each.withdrawn and cells.are_signed_by(each)]
    present = [each for each in signed if cells.are_signed_by(each)]
    void = [each for each in present if cells.are_signed_no_more_by(each)]
    signatures = [each for each in present if each not in void]
    signers = sorted({each.reviewer for each in signatures})
    overtaken = {each.reviewer for each in void if cells.were_changed_after(each)} - set(signers)
    retyped = {each.reviewer for each in void} - set(signers) - overtaken
    outdated = {each.reviewer for each in signed} - {each.reviewer for each in present}
    reviewed = {**cells.reviewed, **(cells.confirmed(signers) if signers else {})}
    if not (reviewed or signers or overtaken or retyped or outdated or withdrawn):
        return None
    decided = sorted({each.reviewer for _, each in cells.said if not each.withdrawn})
    return SlideReview(
        cells=reviewed,
        changed=tuple(
            sorted(i for i, each in cells.reviewed.items() if each.cell_type != call_in_words(cells.calls[i]))
        ),
        reviewers=tuple(signers or decided),
        time=_latest(signatures or [each for _, each in cells.said]),
        signed=bool(signers),
        outdated=tuple(sorted(outdated)),
        shares=reviewed_shares(cells.calls.values(), reviewed),
        overtaken=tuple(sorted(overtaken)),
        retyped=tuple(sorted(retyped)),
        times={each.reviewer: each.time for each in present},
        withdrawn={each.reviewer: each.time for each in withdrawn},
    )


def _joined(names: Sequence[str]) -> str:
    return "; ".join(names)


def _latest(said: Sequence[Correction]) -> str:
    """The latest time, as text; if times are not in ISO 8601, the last of them."""
    timed = [(moment, each.time) for each in said if (moment := each.moment()) is not None]
    if timed:
        return max(timed)[1]
    return max((each.time for each in said), default="")
