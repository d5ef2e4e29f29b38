"""The report of a slide, independent of the format: the same content in HL7 v2 and in FHIR."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from slidescreen import cells
from slidescreen.errors import InputError
from slidescreen.exchange.addition import added_up
from slidescreen.exchange.codes import DETAILS, FRACTION, NUMBER, PER_100, TALLIES, CodeTable
from slidescreen.exchange.orders import Order
from slidescreen.exchange.result_status import ResultStatus
from slidescreen.exchange.review_figures import review_figures
from slidescreen.files.writing import printable
from slidescreen.research_use import RESEARCH_USE
from slidescreen.screening.differential import NAMES, Differential, Share
from slidescreen.screening.finding import Flag, Verdict
from slidescreen.screening.results import Run, SlideResult
from slidescreen.screening.slide_review import void_signatures

LONGEST_IDENTIFIER = 199  # characters; the limit of the type EI in HL7 v2.5.1
_NAMESPACE = uuid.UUID("cae0d1a9-77ba-5a1c-b892-a4831a62b66f")
_ABNORMAL: dict[str, tuple[str, ...]] = {
    "blasts": (Flag.BLASTS, Flag.MANY_BLASTS, Flag.BLAST_EQUIVALENTS),
    "immature_granulocytes": (Flag.IG, Flag.LEFT_SHIFT),
    "promyelocyte": (Flag.APL, Flag.BLAST_EQUIVALENTS),
    "basophil": (Flag.CML,),
    "monocyte": (Flag.MONOCYTES,),
    "myeloblast": (Flag.LINEAGE_MYELOID,),
    "lymphoblast": (Flag.LINEAGE_LYMPHOID,),
}
"""The flags that mark a percentage as abnormal. No percentage is ever marked as normal."""


@dataclass(frozen=True)
class Measurement:
    """One result.

    Attributes:
        name: our own code, a column of `differential.csv`.
        words: the name for readers.
        value: a number as text, with three decimals at most, or words; None if undefined.
        unit: the unit in UCUM; None if the value is words.
        abnormal: whether the slide was flagged for it.
        details: further results that belong to it, such as its limits.
    """

    name: str
    words: str
    value: str | None
    unit: str | None = None
    abnormal: bool = False
    details: tuple["Measurement", ...] = ()

    @property
    def status(self) -> ResultStatus:
        """The status: not obtained for an undefined result, else preliminary."""
        return ResultStatus.NOT_OBTAINED if self.value is None else ResultStatus.MEASURED


@dataclass(frozen=True)
class Software:
    """The software that made the results: its version, and the SHA-256 of each of the ensemble's files."""

    version: str
    weights: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        """One SHA-256 of all weights."""
        return hashlib.sha256(" ".join(digest for _, digest in self.weights).encode()).hexdigest()


@dataclass(frozen=True)
class LaboratoryReport:
    """The report of a slide, or of the slides of one accession number.

    Attributes:
        order: the order that the report answers.
        slides: the slides' names, which identify the specimens.
        time: when the last slide was classified.
        software: the software that made the results.
        verdict: the verdict of the most urgent slide.
        flags: the flags of all slides.
        measurements: the results, in the order for display.
        remarks: the verdict's reasons in sentences. The last one says that the results are for research use only.
    """

    order: Order
    slides: tuple[str, ...]
    time: datetime
    software: Software
    verdict: Verdict
    flags: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    remarks: tuple[str, ...]

    def identifier(self, role: str) -> uuid.UUID:
        """An identifier that is the same for the same classification of the same slides, whatever the verdict."""
        return uuid.uuid5(_NAMESPACE, repr((self.order.accession, self.slides, self.time.isoformat(), role)))

    def content_identifier(self) -> uuid.UUID:
        """An identifier that changes with any part of the report."""
        return uuid.uuid5(_NAMESPACE, repr(self))


def times_of(info: Mapping[str, Any]) -> dict[str, str]:
    """The time at which each slide was classified, by slide name, as far as a run's record gives it."""
    entries = info.get("slides") or ()
    return {str(entry.get("slide")): str(entry["finished"]) for entry in entries if entry.get("finished")}


def report_of(
    slides: Sequence[SlideResult], order: Order, run: Run, codes: CodeTable, times: Mapping[str, str]
) -> LaboratoryReport:
    """The report of one slide, or of several added up. `times` are from `times_of`.

    Raises:
        InputError: the run does not say when a slide was classified.
    """
    first = min(slides, key=lambda slide: list(Verdict).index(slide.finding.verdict))
    flags = tuple(dict.fromkeys(str(flag) for slide in slides for flag in slide.finding.flags))
    types = [slide.kept.cell_types if slide.kept else run.cell_types for slide in slides]
    known = frozenset.intersection(*map(frozenset, types))
    found = added_up([slide.differential for slide in slides])
    return LaboratoryReport(
        order=Order(*map(identifier, (order.accession, order.placer, order.patient))),
        slides=tuple(identifier(slide.name) for slide in slides),
        time=max(_time_of(slide, times, run.info) for slide in slides),
        software=_software(run.info, slides),
        verdict=first.finding.verdict,
        flags=flags,
        measurements=tuple(_measurements(found, first.finding.verdict, flags, known, codes)),
        remarks=(*_remarks(slides, first.finding.verdict), *_drift(slides, run.info), RESEARCH_USE),
    )


def identifier(text: str) -> str:
    """A printable identifier from a name, no longer than HL7 v2 allows. A digest replaces the part that is cut off."""
    name = shown = printable(text)
    while _length(name) > LONGEST_IDENTIFIER:
        shown = shown[:-1]
        name = f"{shown}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return name


def _length(text: str) -> int:
    """The length of a text in HL7 v2, where a delimiter takes three characters."""
    return len(text) + 2 * sum(text.count(delimiter) for delimiter in "|^~\\&")


def _measurements(
    found: Differential, verdict: Verdict, flags: Sequence[str], known: frozenset[str], codes: CodeTable
) -> list[Measurement]:
    """The results: the verdict, then the percentages, then the other counts."""
    result = [Measurement("verdict", "Verdict", str(verdict), abnormal=verdict in (Verdict.URGENT, Verdict.REVIEW))]
    if flags:
        result.append(Measurement("flags", "Flags", ";".join(flags)))
    result += [_percentage(name, found.shares[name], flags, codes.unit(name)) for name in NAMES]
    for name in cells.OTHER_OBJECTS:
        if name in known:
            words = f"{cells.DISPLAY_NAMES[name]}s per 100 leukocytes"
            result.append(Measurement(f"{name}_per_100", words, _number(found.per_100[name]), PER_100))
    tallies = {"leukocytes": "Leukocytes counted", **TALLIES}
    return result + [Measurement(name, words, str(getattr(found, name)), NUMBER) for name, words in tallies.items()]


def _percentage(name: str, share: Share, flags: Sequence[str], unit: str) -> Measurement:
    """A share of the leukocytes with its count, limits and corrected figures. An undefined share has no details."""
    words, value = cells.DISPLAY_NAMES[name], _number(share.percent, unit)
    if value is None:
        return Measurement(f"{name}_percent", words, None, unit)
    details = []
    for part, meaning in DETAILS.items():
        figure = getattr(share, part)
        text, its_unit = (str(figure), NUMBER) if part == "count" else (_number(figure, unit), unit)
        if text is not None:
            details.append(Measurement(f"{name}_{part}", f"{words}, {meaning}", text, its_unit))
    abnormal = any(flag in flags for flag in _ABNORMAL.get(name, ()))
    return Measurement(f"{name}_percent", words, value, unit, abnormal, tuple(details))


def _number(value: float | None, unit: str = "") -> str | None:
    """A number as in `differential.csv`, without trailing zeros."""
    if value is None:
        return None
    number = Decimal(f"{value:.3f}")
    if unit == FRACTION:
        number /= 100
    text = f"{abs(number) if number == 0 else number:f}"  # no minus sign before a zero
    return text.rstrip("0").rstrip(".") if "." in text else text


def _remarks(slides: Sequence[SlideResult], verdict: Verdict) -> list[str]:
    if len(slides) == 1:
        return [f"Verdict: {verdict}", *_sentences(slides[0])]
    told = [f"Verdict: {verdict}, of {len(slides)} slides added up; corrected percentages are of single slides alone"]
    for slide in slides:
        told.append(f"{printable(slide.name)}: {slide.finding.verdict}")
        told += [f"{printable(slide.name)}: {reason}" for reason in _sentences(slide)]
    return told


def _sentences(slide: SlideResult) -> list[str]:
    """A verdict's reasons, divided as in `differential.csv`, so that every way to a report gives the same sentences.

    A review follows them.
    """
    return [sentence for sentence in "; ".join(slide.finding.reasons).split("; ") if sentence] + _review(slide)


def _review(slide: SlideResult) -> list[str]:
    """Who reviewed a slide in its run's page, and the percentages that matter most by the reviewed types. Then whose
    signatures no longer count, and why."""
    review, void = slide.review, [f"Review in the page: {sentence}" for sentence in void_signatures(slide.review)]
    if review is None or not review.counts:
        return void
    what = "Reviewed and signed in the page" if review.signed else "Reviewed in part, not signed,"
    when = f" ({printable(review.time)})" if review.time else ""
    counted = [f"{cells.DISPLAY_NAMES[name].lower()} {figure}" for name, figure in review_figures(review).items()]
    return [
        f"{what} by {printable(review.by)}{when}: by the reviewed cell types {', '.join(counted)}. "
        "All other figures here are the software's",
        *void,
    ]


def _software(info: Mapping[str, Any], slides: Sequence[SlideResult]) -> Software:
    """The software, from the run's record. An archive has no such record; its slides' own records are used."""
    versions, ensemble = info.get("versions") or {}, info.get("ensemble") or {}
    try:
        weights = [(str(each["file"]), str(each["sha256"])) for each in ensemble.get("members", ())]
    except (TypeError, KeyError) as error:
        raise InputError("run.json does not tell the weights: classify again, which takes no time") from error
    if not weights:
        voted = sorted({slide.kept.provenance.voted for slide in slides if slide.kept})
        weights = [("ensemble", digest) for digest in voted]
    return Software(str(versions.get("slidescreen", "unknown")), tuple(weights))


def _drift(slides: Sequence[SlideResult], info: Mapping[str, Any]) -> list[str]:
    """Remarks on how a run differs from earlier runs, if a slide is new in it."""
    if not any(slide.new for slide in slides):
        return []
    return [f"Check stain and camera before you trust this run: {remark}" for remark in info.get("drift") or ()]


def _time_of(slide: SlideResult, times: Mapping[str, str], info: Mapping[str, Any]) -> datetime:
    """The time at which a slide was classified. If the run gives no time for each slide, the end of the run."""
    told = times.get(slide.name) or (slide.kept and slide.kept.time) or info.get("finished") or info.get("started")
    try:
        time = datetime.fromisoformat(str(told))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise InputError(f"run.json does not say when {printable(slide.name)} was classified") from error
