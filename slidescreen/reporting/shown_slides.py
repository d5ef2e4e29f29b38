"""Which slides a page shows with their cells. The others are lines of its worklist."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from slidescreen.screening.results import SlideResult

MOST_SHOWN = 200
"""With more, browsers take too long to open the page."""
MOST_EARLIER = 100
"""The limit for earlier slides among these, because their cells are read and drawn again."""
URGENT_EARLIER = 20
"""The number of the most urgent earlier slides that a night shows, however old they are."""
RECENT = timedelta(days=3)
"""A weekend, after which somebody has seen a slide."""


def shown_with_cells(worklist: Sequence[SlideResult], of_a_night: bool = False, time: str = "") -> list[int]:
    """The positions in the worklist of the slides to show with their cells.

    Args:
        worklist: the slides, in the order in which to see them.
        of_a_night: leave out earlier slides that were finished long before the latest one and are not among the most
            urgent. A night's page is about that night, and it must not take longer with the years.
        time: when the night ended. Slides with a later time are of a night with a wrong clock, so nobody knows how old
            they are. They are shown, and hide no others.
    """
    wanted = range(len(worklist)) if not of_a_night else _of_a_night(worklist, _moment(time))
    return list(wanted)[: min(MOST_SHOWN, max(MOST_EARLIER, sum(slide.news for slide in worklist)))]


def _of_a_night(worklist: Sequence[SlideResult], now: datetime | None) -> list[int]:
    times = [_finished(slide) for slide in worklist]
    latest = max((time for time in times if time is not None and (now is None or time <= now)), default=None)
    urgent = [position for position, slide in enumerate(worklist) if not slide.news][:URGENT_EARLIER]

    def is_shown(position: int) -> bool:
        time = times[position]
        recent = time is None or latest is None or latest - time <= RECENT
        return worklist[position].news or recent or position in urgent

    return list(filter(is_shown, range(len(worklist))))


def _finished(slide: SlideResult) -> datetime | None:
    """When a slide was classified; None if it has no record."""
    return None if slide.kept is None else _moment(slide.kept.time)


def _moment(time: str) -> datetime | None:
    """A time in ISO 8601; None for any other text."""
    try:
        return datetime.fromisoformat(time).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
