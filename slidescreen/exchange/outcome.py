"""Digests of the data on which a receiver acts. They tell what has changed since an export."""

from dataclasses import dataclass, field

from slidescreen import cells
from slidescreen.exchange.accessions import Group
from slidescreen.exchange.codes import TALLIES
from slidescreen.exchange.digests import digest
from slidescreen.screening.differential import NAMES, Differential
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult

_OF_A_NIGHT = (Flag.VANISHED, Flag.CHANGING)  # that images vanished is no change of the result


@dataclass(frozen=True)
class Outcome:
    """Digests of a file's data.

    Attributes:
        findings: figures, verdict and flags.
        order: the accession number, the placer's order number and the patient.
        later: what is added to a finished slide: its review, and the flag that an order's count of leukocytes gives.
        whole: all of them in one, as earlier releases stored it.
    """

    findings: str
    order: str
    later: str
    whole: str = field(default="", compare=False)


def outcome_of(group: Group) -> Outcome:
    """The digests of the slides of an accession number."""
    findings = [_findings(slide) for slide in group.slides]
    reviews = [_review(slide) for slide in group.slides]
    few = [_has_few_leukocytes(slide) for slide in group.slides]
    names = [slide.name for slide in group.slides]
    whole = [
        group.order,
        *(
            (name, verdict, (*flags, *few_flag), figures, *review)
            for name, (verdict, flags, figures), few_flag, review in zip(names, findings, few, reviews, strict=True)
        ),
    ]
    return Outcome(digest([names, findings]), group.digest, digest([names, few, reviews]), digest(whole))


def digest_of(slide: SlideResult) -> str:
    """One digest of a slide's data, without its order."""
    return digest([_findings(slide), _has_few_leukocytes(slide), _review(slide)])


def _findings(slide: SlideResult) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    found, finding = slide.differential, slide.finding
    left_out = (*_OF_A_NIGHT, Flag.FEW_LEUKOCYTES)
    flags = tuple(str(flag) for flag in finding.flags if flag not in left_out)
    return str(finding.verdict), flags, _figures(found)


def _has_few_leukocytes(slide: SlideResult) -> tuple[str, ...]:
    return tuple(str(flag) for flag in slide.finding.flags if flag == Flag.FEW_LEUKOCYTES)


def _review(slide: SlideResult) -> tuple[object, ...]:
    review = slide.review
    return (review.signed, review.by, review.time) if review is not None and review.counts else ()


def _figures(found: Differential) -> tuple[str, ...]:
    shares = (found.shares[name] for name in NAMES)
    numbers = [figure for share in shares for figure in vars(share).values()]
    numbers += [found.per_100[name] for name in cells.OTHER_OBJECTS]
    numbers += [getattr(found, name) for name in ("leukocytes", *TALLIES)]
    return tuple("" if number is None else f"{number:.3f}" for number in numbers)
