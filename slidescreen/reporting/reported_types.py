"""Who reported the types of a slide's cells by an export's class folders, and where they differ from the calls."""

from collections.abc import Collection, Iterable

from slidescreen import cells
from slidescreen.data.calls import Call
from slidescreen.data.layout import is_unsigned
from slidescreen.screening.results import SlideResult

LABORATORY, ANALYSER = "laboratory", "analyser"
"""The origin of `Call.reported_type`. It is the analyser in its folder of unsigned slides."""


def unsigned_images(slide: SlideResult, calls: Iterable[Call]) -> frozenset[str]:
    """The images whose reported type is the analyser's call alone, because nobody has signed them."""
    of_analyser: dict[str, bool] = {}
    found = set()
    for call in calls:
        folder = call.image.rpartition("/")[0]
        if call.reported_type and folder not in of_analyser:
            of_analyser[folder] = is_unsigned(slide.path_of(call.image))
        if call.reported_type and of_analyser[folder]:
            found.add(call.image)
    return frozenset(found)


def reporter_of(call: Call, unsigned: Collection[str]) -> str:
    """The origin of a cell's reported type."""
    return ANALYSER if call.image in unsigned else LABORATORY


def is_reported_otherwise(call: Call) -> bool:
    """Whether a cell has a call and a reported type, and they differ."""
    if not call.reported_type or not call.cell_type:
        return False
    if call.reported_type == cells.UNSPECIFIED_BLAST:
        return call.cell_type not in cells.BLASTS
    return call.reported_type != call.cell_type


def called_otherwise(slides: Iterable[tuple[Iterable[Call], Collection[str]]]) -> tuple[int, int]:
    """The number of cells that the laboratory called differently, and the number compared. Each slide has its calls,
    and the names of its unsigned images, which do not count."""
    compared = [
        call
        for calls, unsigned in slides
        for call in calls
        if call.cell_type and call.reported_type and call.image not in unsigned
    ]
    return sum(map(is_reported_otherwise, compared)), len(compared)
