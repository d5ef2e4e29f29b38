"""The writers of exported results, one for each format, and the content of each file."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from slidescreen.exchange import fhir, hl7
from slidescreen.exchange.accessions import NOT_SENT, EarlierGroups, Group, groups_of, listed
from slidescreen.exchange.codes import CodeTable, default_codes, read_codes
from slidescreen.exchange.laboratory_report import LaboratoryReport, report_of, times_of
from slidescreen.exchange.options import ExportFormat, ExportOptions
from slidescreen.exchange.orders import OrderBook, read_orders
from slidescreen.exchange.outcome import Outcome, digest_of, outcome_of
from slidescreen.files.legal_names import distinct_names
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import Run, SlideResult


@dataclass(frozen=True)
class FormatWriter:
    """A format's file suffix, and the function that makes a file's content."""

    suffix: str
    content: Callable[[LaboratoryReport, CodeTable], bytes]


WRITERS: Mapping[ExportFormat, FormatWriter] = {
    ExportFormat.FHIR: FormatWriter(fhir.SUFFIX, fhir.bundle_file),
    ExportFormat.HL7: FormatWriter(hl7.SUFFIX, hl7.oru_message),
}


@dataclass(frozen=True)
class ExportedFile:
    """A file to write.

    Attributes:
        name: the file's name, unique and legal on every system.
        outcome: digests of the data on which a receiver acts.
        is_ordered: whether this night's table or pattern tells the order.
        outdated: whether the result is from an earlier run and the slide has since vanished or is changing.
        content: makes the file's bytes. Raises OutputError, or InputError if the run's record is damaged.
        accession: the accession number.
        slides: the names of its slides. If there are several, each has the digest of what the file says of it.
    """

    name: str
    outcome: Outcome
    is_ordered: bool
    outdated: bool
    content: Callable[[], bytes]
    accession: str
    slides: Mapping[str, str]


@dataclass(frozen=True)
class Refusal:
    """Files that must not be written, and why.

    Attributes:
        names: the names of the files.
        why: the reason, in words.
        accession: the accession number of the slides.
        slides: the names of all slides to remember for it, each with the digest of what was sent of it, or `NOT_SENT`.
        is_news: whether a receiver lacks something: a slide was never sent, or has changed since.
    """

    names: tuple[str, ...]
    why: str
    accession: str
    slides: Mapping[str, str]
    is_news: bool


class Exporter:
    """Turns runs into files, by the user's options.

    Raises:
        InputError: the table of orders or the file of codes cannot be used.
    """

    def __init__(self, options: ExportOptions) -> None:
        self.options = options
        self._codes = read_codes(options.codes) if options.codes else default_codes()
        pattern = re.compile(options.order_pattern) if options.order_pattern else None
        self._orders = OrderBook(pattern, read_orders(options.orders) if options.orders else None)

    def files(self, run: Run, earlier: EarlierGroups | None = None) -> Iterator[ExportedFile | Refusal]:
        """A file for each format and slide, or accession number with added slides. Refusals come first.

        `earlier` are the groups of slides that earlier nights exported or refused.
        """
        earlier = earlier or {}
        numbers = {slide: accession for accession, slides in earlier.items() for slide in slides}
        good = []
        for group in groups_of(run.slides, replace(self._orders, earlier=numbers), earlier):
            if why := group.problem(self.options.sum_accessions):
                yield self._refusal(group, why, earlier.get(group.order.accession, {}))
            else:
                good.append(group)
        texts = ["+".join(slide.name for slide in group.slides) for group in good]
        times = times_of(run.info)
        for kind in self.options.formats:
            for name, group in zip(distinct_names(texts, WRITERS[kind].suffix), good, strict=True):
                yield self._file(name, kind, group, run, times)

    def warnings(self, slides: Sequence[SlideResult]) -> Iterator[str]:
        """Warnings about the slides' orders."""
        without = [slide.name for slide in slides if self._orders.lacks(slide.name)]
        if without:
            yield f"--orders has no line for {listed(without)}: exported without placer's order number and patient"
        unmatched = [slide.name for slide in slides if self._orders.misses(slide.name)]
        if unmatched:
            yield f"--order-pattern does not match {listed(unmatched)}: exported with the name as accession number"

    def _file(self, name: str, kind: ExportFormat, group: Group, run: Run, times: Mapping[str, str]) -> ExportedFile:
        order, slides = group.order, group.slides

        def content() -> bytes:
            return WRITERS[kind].content(report_of(slides, order, run, self._codes, times), self._codes)

        outdated = any({Flag.VANISHED, Flag.CHANGING} & set(slide.finding.flags) for slide in slides)
        of_several = len(slides) > 1  # only then is it remembered, and a digest takes time
        told = {slide.name: digest_of(slide) if of_several else NOT_SENT for slide in slides}
        is_ordered = any(self._orders.tells(slide.name) for slide in slides)
        return ExportedFile(name, outcome_of(group), is_ordered, outdated, content, order.accession, told)

    def _refusal(self, group: Group, why: str, before: Mapping[str, str]) -> Refusal:
        sent = {slide.name: before.get(slide.name, NOT_SENT) for slide in group.slides}
        is_news = not group.gone or any(sent[slide.name] != digest_of(slide) for slide in group.slides)
        kept = {name: before[name] for name in group.gone}
        names = [name for kind in self.options.formats for name in distinct_names([*sent], WRITERS[kind].suffix)]
        return Refusal(tuple(names), why, group.order.accession, kept | sent, is_news)
