"""The writers of exported results, one for each format, and the content of each file."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from slidescreen import cells
from slidescreen.exchange import fhir, hl7
from slidescreen.exchange.codes import TALLIES, CodeTable, default_codes, read_codes
from slidescreen.exchange.laboratory_report import LaboratoryReport, report_of, times_of
from slidescreen.exchange.options import ExportFormat, ExportOptions
from slidescreen.exchange.orders import Order, OrderBook, read_orders
from slidescreen.files.legal_names import distinct_names
from slidescreen.files.writing import printable
from slidescreen.screening.differential import NAMES, Differential
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import Run, SlideResult

_NAMED = 5  # a warning names at most so many slides


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
        outcome: a digest of the data on which a receiver acts: figures, verdict, flags, order and review.
        outdated: whether the result is from an earlier run and the slide has since vanished or is changing.
        content: makes the file's bytes. Raises OutputError, or InputError if the run's record is damaged.
    """

    name: str
    outcome: str
    outdated: bool
    content: Callable[[], bytes]


@dataclass(frozen=True)
class Refusal:
    """Files that must not be written, and why."""

    names: tuple[str, ...]
    why: str


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

    def files(self, run: Run) -> Iterator[ExportedFile | Refusal]:
        """A file for each format and slide, or accession number with added slides. Refusals come first."""
        together = self._by_accession(run.slides)
        for order, slides in together:
            why = self._conflict(order, slides)
            if why:
                yield Refusal(tuple(self._names([slide.name for slide in slides])), why)
        good = [(order, slides) for order, slides in together if not self._conflict(order, slides)]
        texts = ["+".join(slide.name for slide in slides) for _, slides in good]
        times = times_of(run.info)
        for kind in self.options.formats:
            names = distinct_names(texts, WRITERS[kind].suffix)
            for name, (order, slides) in zip(names, good, strict=True):
                yield self._file(name, kind, order, slides, run, times)

    def warnings(self, slides: Sequence[SlideResult]) -> Iterator[str]:
        """Warnings about the slides' orders."""
        without = [slide.name for slide in slides if self._orders.lacks(slide.name)]
        if without:
            yield f"--orders has no line for {_listed(without)}: exported without placer's order number and patient"
        unmatched = [slide.name for slide in slides if self._orders.misses(slide.name)]
        if unmatched:
            yield f"--order-pattern does not match {_listed(unmatched)}: exported with the name as accession number"

    def _file(
        self,
        name: str,
        kind: ExportFormat,
        order: Order,
        slides: Sequence[SlideResult],
        run: Run,
        times: Mapping[str, str],
    ) -> ExportedFile:
        def content() -> bytes:
            return WRITERS[kind].content(report_of(slides, order, run, self._codes, times), self._codes)

        outdated = any({Flag.VANISHED, Flag.CHANGING} & set(slide.finding.flags) for slide in slides)
        return ExportedFile(name, _outcome(order, slides), outdated, content)

    def _by_accession(self, slides: Sequence[SlideResult]) -> list[tuple[Order, list[SlideResult]]]:
        """The slides of each accession number, with the order of the first slide."""
        found: dict[str, list[SlideResult]] = defaultdict(list)
        for slide in slides:
            found[self._orders.order_of(slide.name).accession].append(slide)
        return [(self._orders.order_of(those[0].name), those) for those in found.values()]

    def _conflict(self, order: Order, slides: Sequence[SlideResult]) -> str:
        """Why slides of one accession number cannot be written; empty if they can."""
        if len(slides) == 1:
            return ""
        what = f"not exported, because they have the same accession number ({printable(order.accession)})"
        names = _listed([slide.name for slide in slides])
        if not self.options.sum_accessions:
            return f"{what}: {names}; --sum-accessions adds them up"
        if any(self._orders.order_of(slide.name) != order for slide in slides):
            return f"{what} and different orders or patients: {names}"
        return ""

    def _names(self, texts: Sequence[str]) -> Iterator[str]:
        for kind in self.options.formats:
            yield from distinct_names(texts, WRITERS[kind].suffix)


def _outcome(order: Order, slides: Sequence[SlideResult]) -> str:
    told = [order, *((slide.name, *_acted_on(slide)) for slide in slides)]
    return hashlib.sha256(repr(told).encode("utf-8", "backslashreplace")).hexdigest()


def _acted_on(slide: SlideResult) -> tuple[object, ...]:
    """The data of a slide on which a receiver acts. Vanished images do not count as a change."""
    found, finding = slide.differential, slide.finding
    flags = tuple(str(flag) for flag in finding.flags if flag not in (Flag.VANISHED, Flag.CHANGING))
    review = slide.review
    reviewed = (review.signed, review.by, review.time) if review is not None and review.counts else ()
    return str(finding.verdict), flags, _figures(found), *reviewed


def _figures(found: Differential) -> tuple[str, ...]:
    shares = (found.shares[name] for name in NAMES)
    numbers = [figure for share in shares for figure in vars(share).values()]
    numbers += [found.per_100[name] for name in cells.OTHER_OBJECTS]
    numbers += [getattr(found, name) for name in ("leukocytes", *TALLIES)]
    return tuple("" if number is None else f"{number:.3f}" for number in numbers)


def _listed(names: Sequence[str]) -> str:
    others = len(names) - _NAMED
    return ", ".join(map(printable, names[:_NAMED])) + (f" and {others} more" if others > 0 else "")
