"""A night beside those before it: what departs, and the row that it adds to their history."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from slidescreen.errors import OutputError
from slidescreen.files.writing import printable
from slidescreen.interruptible import interruptibly
from slidescreen.runs.drift import compare, profile_of
from slidescreen.runs.history import History, add_night, content_of, read_history
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.options import ClassifyOptions
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult

T = TypeVar("T")


class QualityControl:
    """The history that a run is asked to keep. Whatever becomes of that file, the run goes on."""

    def __init__(self, request: ClassifyOptions, monitor: Monitor) -> None:
        self._path = request.history or request.out / "history.csv"
        self._named = request.history is not None
        self._limit = request.time_limit
        self._monitor = monitor

    def remarks(self, results: Mapping[str, SlideResult], measured: Mapping[str, tuple[float, float]]) -> list[str]:
        """In what the new slides depart from those of earlier nights, or of where the ensemble was measured."""
        slides, history = _new(results), History()
        with self._monitor.side_file(self._path):
            history = self._in_time(lambda: read_history(self._path, self._named))
        for remark in history.remarks:
            self._monitor.warn(remark)
        remarks = compare(profile_of(slides), history.profiles(but=content_of(slides)), measured)
        for remark in remarks:
            self._monitor.event("drift", remark=remark)
        return remarks

    def remember(self, started: datetime, results: Mapping[str, SlideResult]) -> None:
        """Add how the new slides look."""
        slides, time = _new(results), started.isoformat(timespec="seconds")
        if not profile_of(slides).figures:
            return
        with self._monitor.side_file(self._path):
            kept = self._in_time(lambda: add_night(self._path, time, slides, self._named))
            if kept is not None:
                self._monitor.warn(f"{printable(self._path)} was started anew; the old file is kept as {kept.name}")

    def _in_time(self, function: Callable[[], T]) -> T:
        """Call what reads or writes the file, which may lie on a share that no longer answers."""
        try:
            return interruptibly(function, self._limit)
        except TimeoutError as error:
            raise OutputError(f"{printable(self._path)} does not answer within {self._limit:g} s") from error


def _new(results: Mapping[str, SlideResult]) -> Sequence[SlideResult]:
    """The slides with images that no earlier night has told of; not those that were known, and have gone meanwhile."""
    shown = (result for result in results.values() if result.new and result.differential.images)
    return [result for result in shown if Flag.VANISHED not in result.finding.flags]
