"""Record since when slides have been gone, and move them to the archive after some time."""

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from slidescreen.errors import OutputError
from slidescreen.files.writing import write_text
from slidescreen.runs.archive import finished_at, put_away
from slidescreen.runs.vanished import VanishedSlide
from slidescreen.screening.sentences import number_of

_MEMORY = ".vanished.json"
_DAY = 24 * 3600.0  # seconds


def archive_long_gone(
    gone: Sequence[VanishedSlide],
    out: Path,
    days: float,
    note: Callable[[str], None],
    hidden: Callable[[VanishedSlide], bool] = lambda _: False,
) -> list[VanishedSlide]:
    """Move the records of slides that have been gone for `days` into the archive. Returns the other slides.

    A slide that cannot be read, or that has images left, is not gone. If its record cannot be moved, it stays.

    Args:
        gone: the vanished slides.
        out: the run's folder. It also stores since when slides have been gone.
        days: days after which slides move; with 0 they move at once.
        note: receives messages about moved slides and failures.
        hidden: whether a slide lies where nobody can see it at present. For it no time passes.
    """
    now, before = datetime.fromtimestamp(time.time(), UTC), _read(out / _MEMORY)
    since: dict[str, datetime] = {}
    staying, moved = [], set()
    for each in gone:
        name = each.finished.path.name
        if hidden(each):
            staying.append(each)
            since |= {name: before[name]} if name in before else {}
            continue
        first = _since(before.get(name, now), finished_at(each.finished), now)
        try:
            if each.all_gone and (now - first).total_seconds() >= days * _DAY:
                moved.add(put_away(each.finished, out))
                continue
        except OutputError as error:
            note(f"{error}; {each.finished.slide} stays in the worklist")
        staying.append(each)
        if each.all_gone:
            since[name] = first
    if since != before:
        with contextlib.suppress(OutputError):
            write_text(out / _MEMORY, json.dumps({name: first.isoformat() for name, first in since.items()}))
    if moved:
        places = ", ".join(sorted(str(folder.relative_to(out)) for folder in moved))
        archived = number_of(len(gone) - len(staying), "slide")
        note(f"gone for {days:g} days, moved to the archive ({places}): {archived}")
    return staying


def _since(stored: datetime, finished: datetime | None, now: datetime) -> datetime:
    """Since when a slide has been gone: not before it was finished, whatever a wrong clock said in an earlier night."""
    first = min(stored, now)
    return max(first, finished) if finished is not None and finished <= now else first


def _read(path: Path) -> dict[str, datetime]:
    """The times since when slides have been gone, by record name; empty if the file is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): datetime.fromisoformat(first).astimezone(UTC) for name, first in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, OverflowError):
        return {}
