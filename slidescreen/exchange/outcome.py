"""Digests of the data on which a receiver acts. They tell what has changed since an export."""

from dataclasses import dataclass, field

from slidescreen import cells
from slidescreen.exchange.accessions import Group
from slidescreen.exchange.codes import TALLIES
from slidescreen.exchange.digests import digest
from slidescreen.exchange.review_figures import review_figures
from slidescreen.screening.differential import NAMES, Differential
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult
from slidescreen.screening.slide_review import void_signatures

_OF_A_NIGHT = (Flag.VANISHED, Flag.CHANGING)  # that images vanished is no change of the result


@dataclass(frozen=True)
class Outcome:
    """Digests of a file's data.

    Attributes:
        findings: figures, verdict and flags.
        order: the accession number, the placer's order number and the patient.
        later: what is added to a finished slide: its review, and the flag that an order's count of leukocytes gives.
        signatures: `later` as earlier releases stored it, without the reviewed figures.
        whole: all of them in one, as still earlier releases stored it.
    """

    findings: str
    order: str
    later: str
    signatures: str = field(default="", compare=False)
    whole: str = field(default="", compare=False)


def outcome_of(group: Group) -> Outcome:
    """The digests of the slides of an accession number."""
    findings = [_findings(slide) for slide in group.slides]
    signatures = [_signature(slide) for slide in group.slides]
    reviews = [_review(slide) for slide in group.slides]
    few = [_has_few_leukocytes(slide) for slide in group.slides]
    names = [slide.name for slide in group.slides]
    whole = [
        group.order,
        *(
            (name, verdict, (*flags, *few_flag), figures, *signature)
            for name, (verdict, flags, figures), few_flag, signature in zip(
                names, findings, few, signatures, strict=True
            )
        ),
    ]
    later, earlier = digest([names, few, reviews]), digest([names, few, signatures])
    return Outcome(digest([names, findings]), group.digest, later, earlier, digest(whole))


def digest_of(slide: SlideResult) -> str:
    """One digest of a slide's data, without its order."""
    return digest([_findings(slide), _has_few_leukocytes(slide), _review(slide)])


def is_told_by(slide: SlideResult, sent: str) -> bool:
    """Whether a stored digest of a slide's data, perhaps from an earlier release, is that of its present data."""
    return sent in (digest_of(slide), digest([_findings(slide), _has_few_leukocytes(slide), _signature(slide)]))


def _findings(slide: SlideResult) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    found, finding = slide.differential, slide.finding
    left_out = (*_OF_A_NIGHT, Flag.FEW_LEUKOCYTES)
    flags = tuple(str(flag) for flag in finding.flags if flag not in left_out)
    return str(finding.verdict), flags, _figures(found)


def _has_few_leukocytes(slide: SlideResult) -> tuple[str, ...]:
    return tuple(str(flag) for flag in slide.finding.flags if flag == Flag.FEW_LEUKOCYTES)


def _review(slide: SlideResult) -> tuple[object, ...]:
    review = slide.review
    said = (*_signature(slide), *review_figures(review).items()) if review is not None and review.counts else ()
    return (*said, *void_signatures(review))


def _signature(slide: SlideResult) -> tuple[object, ...]:
    review = slide.review
    return (review.signed, review.by, review.time) if review is not None and review.counts else ()


def _figures(found: Differential) -> tuple[str, ...]:
    shares = (found.shares[name] for name in NAMES)
    numbers = [figure for share in shares for figure in vars(share).values()]
    numbers += [found.per_100[name] for name in cells.OTHER_OBJECTS]
    numbers += [getattr(found, name) for name in ("leukocytes", *TALLIES)]
    return tuple("" if number is None else f"{number:.3f}" for number in numbers)
