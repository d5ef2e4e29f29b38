"""The slides of each accession number, and which of them must not be sent.

One accession number has one result in the laboratory's system. A slide that an earlier night had with others must not
replace their common result after the others have left the worklist.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from slidescreen.exchange.orders import Order, OrderBook
from slidescreen.files.writing import printable
from slidescreen.screening.results import SlideResult

_NAMED = 5  # a warning names at most so many slides
NOT_SENT = ""

EarlierGroups = Mapping[str, Mapping[str, str]]
"""The slides of earlier nights by accession number, each with the digest of what was sent of it, or `NOT_SENT`. Only
accession numbers with several slides are there."""


@dataclass(frozen=True)
class Group:
    """The slides of an accession number.

    Attributes:
        order: the order of the first slide.
        slides: the slides of this run.
        gone: names of slides that an earlier night had with them, and this run has not.
        conflict: whether the slides have different orders or patients.
    """

    order: Order
    slides: Sequence[SlideResult]
    gone: tuple[str, ...] = ()
    conflict: bool = False

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


def groups_of(slides: Sequence[SlideResult], orders: OrderBook, earlier: EarlierGroups) -> Iterator[Group]:
    """The slides of a run by accession number."""
    found: dict[str, list[SlideResult]] = defaultdict(list)
    for slide in slides:
        found[orders.order_of(slide.name).accession].append(slide)
    for accession, those in found.items():
        here = {slide.name for slide in those}
        before = earlier.get(accession, {})
        others = [name for name in before if name not in here and not _is_elsewhere(name, accession, orders)]
        order = orders.order_of(those[0].name)
        conflict = any(orders.order_of(slide.name) != order for slide in those)
        yield Group(order, those, tuple(others) if here & before.keys() else (), conflict)


def _is_elsewhere(slide: str, accession: str, orders: OrderBook) -> bool:
    """Whether a slide now has another accession number."""
    return orders.tells(slide) and orders.order_of(slide).accession != accession


def listed(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    others = len(names) - _NAMED
    return ", ".join(map(printable, names[:_NAMED])) + (f" and {others} more" if others > 0 else "")
