"""A night's orders, and the exporter that uses them. A file that only they need cannot stop a night."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slidescreen.errors import InputError
from slidescreen.exchange.orders import blood_contexts
from slidescreen.files.run_files import EXPORT
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.options import ClassifyOptions
from slidescreen.screening.blood_context import BloodContext

if TYPE_CHECKING:
    from slidescreen.exchange.formats import Exporter

_REMEDY = "mend it and give the same command again"


@dataclass(frozen=True)
class NightOrders:
    """What a night knows of its orders.

    Attributes:
        contexts: patient and leukocyte count of each slide.
        exporter: makes the exported files; None if no export is wanted or a file that it needs cannot be used.
        missing: what the night will lack, and why; None if nothing.
    """

    contexts: Mapping[str, BloodContext] = field(default_factory=dict)
    exporter: "Exporter | None" = None
    missing: tuple[Path, str] | None = None

    def tell(self, monitor: Monitor) -> None:
        """Report what the night will lack."""
        if self.missing:
            monitor.not_written(*self.missing)


def read_night_orders(options: ClassifyOptions) -> NightOrders:
    """Read the table of orders and the file of codes. An error suspends what needs the file."""
    folder = options.out / EXPORT
    try:
        contexts = blood_contexts(options.orders) if options.orders else {}
    except InputError as error:
        if not options.export:
            why = f"{error}; no patient and leukocyte count is known from it: {_REMEDY}"
            return NightOrders(missing=(options.orders or folder, why))
        why = f"{error}; nothing is exported, and no patient and leukocyte count is known from it: {_REMEDY}"
        return NightOrders(missing=(folder, why))
    if not options.export:
        return NightOrders(contexts)

    from slidescreen.exchange.formats import Exporter  # its import takes as long as a slide of few cells

    try:
        return NightOrders(contexts, Exporter(options.export))
    except InputError as error:
        return NightOrders(contexts, missing=(folder, f"{error}; nothing is exported: {_REMEDY}"))
