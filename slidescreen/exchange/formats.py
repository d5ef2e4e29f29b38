"""The writers of exported results, one for each format, and the content of each file."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from slidescreen.exchange import fhir, hl7
from slidescreen.exchange.accessions import Group, groups_of, listed
from slidescreen.exchange.codes import CodeTable, default_codes, read_codes
from slidescreen.exchange.earlier_orders import NOT_SENT, EarlierSlide, StandingOrders
from slidescreen.exchange.laboratory_report import LaboratoryReport, report_of, times_of
from slidescreen.exchange.options import ExportFormat, ExportOptions
from slidescreen.exchange.orders import OrderBook, read_orders
from slidescreen.exchange.outcome import Outcome, is_told_by, outcome_of
from slidescreen.files.legal_names import distinct_names
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import Run


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
        outdated: whether the result is from an earlier run and the slide has since vanished or is changing.
        content: makes the file's bytes. Raises OutputError, or InputError if the run's record is damaged.
        group: its slides.
    """

    name: str
    outcome: Outcome
    outdated: bool
    content: Callable[[], bytes]
    group: Group


@dataclass(frozen=True)
class Refusal:
    """Files that must not be written, and why.

    Attributes:
        names: the names of the files.
        why: the reason, in words.
        group: the slides.
        is_news: whether a receiver lacks something: a slide was never sent, or has changed since.
    """

    names: tuple[str, ...]
    why: str
    group: Group
    is_news: bool


def why_withheld(files: Iterable[ExportedFile]) -> str:
    """Why files are not written whose orders are not at hand."""
    names = dict.fromkeys(slide.name for file in files for slide in file.group.slides)
    return f"not exported, because no line of --orders tells the order that they had before: {listed([*names])}"


class Exporter:
    """Turns runs into files, by the user's options.

    Raises:
        InputError: the table of orders or the file of codes cannot be used.
    """

    def __init__(self, options: ExportOptions) -> None:
        self.options = options
        self._codes = read_codes(options.codes) if options.codes else default_codes()
        pattern = re.compile(options.order_pattern) if options.order_pattern else None
        self._table = self._orders = OrderBook(pattern, read_orders(options.orders) if options.orders else None)

    def meet(self, slides: Iterable[str]) -> None:
        """Join the table of orders to these slides, of this run and of earlier nights."""
        self._orders = self._table.for_slides(slides)

    def has_table_without(self, slide: str) -> bool:
        """Whether there is a table of orders without a line for this slide."""
        return self._orders.lacks(slide)

    def retold(self, earlier: Mapping[str, EarlierSlide]) -> dict[str, EarlierSlide]:
        """The slides of earlier nights, with the orders of tonight's table. They may be in the archive."""
        return {name: self._retold(name, each) for name, each in earlier.items()}

    def _retold(self, name: str, each: EarlierSlide) -> EarlierSlide:
        order = self._orders.order_of(name)
        is_told = self._orders.has_line(name)
        return EarlierSlide(order.accession, order.digest, True, each.sent) if is_told else each

    def files(
        self, run: Run, earlier: Mapping[str, EarlierSlide] | None = None, known: Collection[str] = ()
    ) -> Iterator[ExportedFile | Refusal]:
        """A file for each format and slide, or accession number with added slides. Refusals come first.

        `earlier` are the slides that earlier nights exported or refused, and `known` the names of their files, which
        stay. A file whose order is not at hand must not be written.
        """
        earlier = earlier or {}
        self.meet((*earlier, *(slide.name for slide in run.slides)))
        good = []
        for group in groups_of(run.slides, StandingOrders(self._orders, earlier)):
            if why := group.problem(self.options.sum_accessions):
                yield self._refusal(group, why, earlier)
            else:
                good.append(group)
        texts = ["+".join(slide.name for slide in group.slides) for group in good]
        times = times_of(run.info)
        for kind in self.options.formats:
            for name, group in zip(distinct_names(texts, WRITERS[kind].suffix, known), good, strict=True):
                yield self._file(name, kind, group, run, times)

    def warnings(self, night: Iterable[ExportedFile | Refusal]) -> Iterator[str]:
        """Warnings about the orders of files that are to be written."""
        groups = [each.group for each in night if isinstance(each, ExportedFile) and each.group.at_hand]
        order_of = {slide.name: group.order for group in groups for slide in group.slides}
        named = {name: None for name, order in order_of.items() if order.accession == name}
        without = [name for name, order in order_of.items() if order.is_bare and self._orders.lacks(name)]
        lacking = "exported without placer's order number and patient"
        if some := [name for name in without if name not in named]:
            yield f"--orders has no line for {listed(some)}: {lacking}"
        if some := [name for name in without if name in named]:
            yield f"--orders has no line for {listed(some)}: {lacking}, and with the name as accession number"
        unmatched = [name for name in named if self._orders.misses(name)]
        if unmatched:
            yield f"--order-pattern does not match {listed(unmatched)}: exported with the name as accession number"

    def _file(self, name: str, kind: ExportFormat, group: Group, run: Run, times: Mapping[str, str]) -> ExportedFile:
        order, slides = group.order, group.slides

        def content() -> bytes:
            return WRITERS[kind].content(report_of(slides, order, run, self._codes, times), self._codes)

        outdated = any({Flag.VANISHED, Flag.CHANGING} & set(slide.finding.flags) for slide in slides)
        return ExportedFile(name, outcome_of(group), outdated, content, group)

    def _refusal(self, group: Group, why: str, earlier: Mapping[str, EarlierSlide]) -> Refusal:
        sent = {name: each.sent for name, each in earlier.items()}
        is_changed = not all(is_told_by(slide, sent.get(slide.name, NOT_SENT)) for slide in group.slides)
        is_news = not group.gone or is_changed or any(sent[name] == NOT_SENT for name in group.gone)
        names = [slide.name for slide in group.slides]
        files = [name for kind in self.options.formats for name in distinct_names(names, WRITERS[kind].suffix)]
        return Refusal(tuple(files), why, group, is_news)
