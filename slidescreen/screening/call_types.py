"""The cell types of a slide's calls. A run or an archive may hold slides of ensembles with other cell types."""

from collections.abc import Sequence
from dataclasses import replace

from slidescreen.data.calls import Call
from slidescreen.screening.results import SlideResult

_LOST = 0.001  # a larger part of a cell's probability on other types is no rounding error


def types_of_calls(slide: SlideResult, run_types: Sequence[str]) -> tuple[str, ...]:
    """The cell types in the order of a slide's probabilities. Without a record they are the run's."""
    return tuple(run_types) if slide.kept is None else slide.kept.cell_types


def in_types(call: Call, own: Sequence[str], types: Sequence[str]) -> Call | None:
    """The call with its probabilities in the order of other types.

    Args:
        call: the call.
        own: the cell types of its probabilities, in order.
        types: the wanted types, in order. A type that the call's ensemble does not know gets 0.

    Returns:
        The call; None if its ensemble knows further types, and calls the cell one of them or gives them a probability.
    """
    if call.cell_type and call.cell_type not in types:
        return None
    if not call.probabilities:
        return call
    found = dict(zip(own, call.probabilities, strict=True))
    placed = tuple(found.get(name, 0.0) for name in types)
    return replace(call, probabilities=placed) if sum(placed) > 1 - _LOST else None
