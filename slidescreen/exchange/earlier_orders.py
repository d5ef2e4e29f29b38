"""Join slides to orders over several nights. An order that tonight's table does not tell is the same as before.

Placer and patient are never stored, only a digest of the order. So the order that was before may not be at hand.
"""

from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass

from slidescreen.exchange.orders import Order, OrderBook

NOT_SENT = ""


@dataclass(frozen=True)
class EarlierSlide:
    """What is remembered of a slide that was exported or refused.

    Attributes:
        accession: its accession number. It is empty if the list of an earlier release does not tell it.
        order: the digest of its order: accession number, placer's order number and patient. Empty if unknown.
        told: whether a line of a table told the order, or may have told it.
        sent: the digest of what was sent of it, or `NOT_SENT`.
    """

    accession: str
    order: str
    told: bool
    sent: str = NOT_SENT


@dataclass(frozen=True)
class SlideOrder:
    """A slide's order tonight.

    Attributes:
        order: the order. If it is not at hand, placer and patient are missing, and perhaps the accession number.
        accession: the accession number; empty if unknown.
        digest: the digest of the whole order; empty if unknown.
        told: whether a line of a table told it, tonight or earlier.
        at_hand: whether the whole order is known.
    """

    order: Order
    accession: str
    digest: str
    told: bool
    at_hand: bool = True


class StandingOrders:
    """Tonight's orders, together with those of earlier nights."""

    def __init__(self, book: OrderBook, earlier: Mapping[str, EarlierSlide]) -> None:
        self.earlier = earlier
        self._book = book
        told = (book.order_of(slide) for slide in book.rows or ())
        self._by_digest = {order.digest: order for order in told}

    def of(self, slide: str) -> SlideOrder:
        """The order of a slide."""
        now, before = self._book.order_of(slide), self.earlier.get(slide)
        if before is None or self._book.has_line(slide):
            return _whole(now, self._book.has_line(slide))
        if not before.told:
            return _whole(now if self._book.is_cut_out(slide) else Order(before.accession), told=False)
        for order in (Order(before.accession), now, Order(slide), self._by_digest.get(before.order)):
            if order and order.digest == before.order:
                return _whole(order, bool(before.accession) or order != now)
        order = Order(before.accession) if before.accession else now
        return SlideOrder(order, before.accession, before.order, told=True, at_hand=False)

    def others(self, here: Container[str]) -> dict[str, list[str]]:
        """The slides of earlier nights that are not here, by accession number, or by the digest of an order whose
        accession number is unknown."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.earlier:
            if name not in here:
                now = self.of(name)
                found[now.accession or now.digest].append(name)
        found.pop("", None)
        return found


def _whole(order: Order, told: bool) -> SlideOrder:
    return SlideOrder(order, order.accession, order.digest, told)
