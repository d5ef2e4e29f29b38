"""The slides of each accession number, and which of them must not be sent.

One accession number has one result in the laboratory's system. A slide that an earlier night had with others must not
replace their common result after the others have left the worklist.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from slidescreen.exchange.earlier_orders import SlideOrder, StandingOrders
from slidescreen.exchange.orders import Order
from slidescreen.files.writing import printable
from slidescreen.screening.results import SlideResult

_NAMED = 5  # a warning names at most so many slides


@dataclass(frozen=True)
class Group:
    """The slides of an accession number.

    Attributes:
        order: the order of the first slide.
        slides: the slides of this run.
        gone: names of slides that an earlier night had with them, and this run has not.
        known: the order of each slide.
    """

    order: Order
    slides: Sequence[SlideResult]
    gone: tuple[str, ...]
    known: Mapping[str, SlideOrder]

    @property
    def digest(self) -> str:
        """The digest of the order; empty if unknown."""
        return self.known[self.slides[0].name].digest

    @property
    def conflict(self) -> bool:
        """Whether the slides have different orders or patients, or may have them."""
        digests = {each.digest for each in self.known.values()}
        return len(self.slides) > 1 and (len(digests) > 1 or "" in digests)

    @property
    def at_hand(self) -> bool:
        """Whether the whole order is known."""
        return self.known[self.slides[0].name].at_hand

    def problem(self, sum_accessions: bool) -> str:
        """Why the slides cannot be sent; empty if they can."""
        number, names = printable(self.order.accession), listed([slide.name for slide in self.slides])
        what = f"not exported, because they have the same accession number ({number})"
        if len(self.slides) > 1 and not sum_accessions:
            return f"{what}: {names}; --sum-accessions adds them up"
        if self.conflict:
            return f"{what} and different orders or patients: {names}"
        if self.gone:
            earlier = f"an earlier night also had {listed(self.gone)} with accession number {number}"
            return f"not exported, because {earlier}: {names}"
        return ""


def groups_of(slides: Sequence[SlideResult], orders: StandingOrders) -> Iterator[Group]:
    """The slides of a run by accession number. A slide whose accession number is unknown is alone."""
    known = {slide.name: orders.of(slide.name) for slide in slides}
    found: dict[tuple[str, str], list[SlideResult]] = defaultdict(list)
    for slide in slides:
        accession = known[slide.name].accession
        found[accession, "" if accession else slide.name].append(slide)
    others = orders.others({*known})
    for (accession, _), those in found.items():
        first = known[those[0].name]
        gone = (*others.get(accession, ()), *others.get(first.digest, ())) if accession else ()
        yield Group(first.order, those, gone, {slide.name: known[slide.name] for slide in those})


def listed(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    others = len(names) - _NAMED
    return ", ".join(map(printable, names[:_NAMED])) + (f" and {others} more" if others > 0 else "")
