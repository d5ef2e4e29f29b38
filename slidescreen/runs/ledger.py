"""The records of the slides that earlier runs finished. With them a killed night resumes, and no slide is classified
twice."""

import contextlib
import json
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from slidescreen.data.calls import Call
from slidescreen.data.slides import Slide
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError, OutputError, UnavailableError
from slidescreen.files.folder_fingerprint import state_of
from slidescreen.files.writing import make_folder
from slidescreen.reporting.tables import cell_rows
from slidescreen.runs.archive import put_away, put_copy_away
from slidescreen.runs.fingerprints import fingerprint_of, is_same, is_still_unreadable, states_of, unread_of
from slidescreen.runs.finished_records import FinishedRecords
from slidescreen.runs.provenance import provenance_of
from slidescreen.screening.results import UNLISTED, UNREAD, SlideResult, judge, renamed
from slidescreen.screening.slide_record import (
    PICTURES,
    SUFFIX,
    FinishedSlide,
    RecordBody,
    call_of,
    is_old,
    read_finished,
    write_finished,
)
from slidescreen.screening.thresholds import Thresholds


class Ledger(FinishedRecords):
    """The finished slides, with a record each in the run's folder.

    A slide counts as finished as long as its images and the ensemble are the same. An image is the same if its size and
    time of change are, or else its content. The verdict is computed again only if the thresholds, the ensemble's
    measured errors or the code of the verdict have changed. So a night reads only the heads of earlier slides' records.
    """

    def __init__(
        self,
        run_folder: Path,
        ensemble: Ensemble,
        configuration: EngineConfiguration,
        thresholds: Thresholds,
        time_limit: float = 60.0,
    ) -> None:
        """Set up. `time_limit`: seconds that reading one image may take."""
        super().__init__(run_folder)
        self._ensemble, self._thresholds, self._time_limit = ensemble, thresholds, time_limit
        self._provenance = provenance_of(ensemble, configuration, thresholds)
        self._states: dict[str, tuple[str, tuple[str, ...]]] = {}  # the states of images before they are read
        self.same: set[str] = set()
        """Names of the slides that were recorded again, and still have all images of their earlier record."""
        self._adopt_old_records()

    def recall(self, slide: Slide, fingerprint: str | None = None) -> SlideResult | None:
        """The result of a finished slide; None if the slide is new, has changed, or was called by another ensemble.

        `fingerprint` is the slide's, if it is already known.
        """
        fingerprint = fingerprint or fingerprint_of(slide)
        finished = self.whole(self.path_of(slide.place), slide.name)
        known = finished is not None and finished.slide == slide.name
        if finished is not None and known and finished.provenance.called == self._provenance.called:
            with contextlib.suppress(InputError):  # a damaged record is none
                unchanged = self._unchanged(finished, slide, fingerprint)
                if unchanged is not None:
                    return self._judged(unchanged)
        self.look(slide, fingerprint)
        return None

    def look(self, slide: Slide, fingerprint: str) -> None:
        """Note the states of a slide's images, for `keep`. An image that changes while it is classified is then seen to
        have changed."""
        self._states[slide.place] = fingerprint, states_of(slide)

    def keep(self, slide: Slide, result: SlideResult) -> SlideResult:
        """Record a finished slide. Returns the result with the place of its record.

        The states of its images are those that `recall` or `look` found before they were classified. Without them the
        next run compares the images' content.

        Raises:
            OutputError: the disk is full or cannot be written to.
            UnavailableError: the slide's earlier record cannot be read, so it must not be replaced.
        """
        make_folder(self.folder)
        calls = tuple(result.calls)
        fingerprint, states = self._states.pop(slide.place, ("", ("",) * len(calls)))
        finished = self._described(slide, result, datetime.now(UTC))
        known = replace(finished, fingerprint=fingerprint, unread=unread_of(slide, calls))
        before = read_finished(known.path)
        if before is not None and _contents(before) <= {"", *(call.digest for call in calls)}:
            self.same.add(slide.name)
        rows = cell_rows(slide.name, calls, known.cell_types)
        try:
            write_finished(known, RecordBody(calls, states), rows, lambda: self._make_room(slide, before))
        except OutputError:
            self._give_up(before, known, calls)
            raise
        return replace(result, kept=known)

    def _make_room(self, slide: Slide, before: FinishedSlide | None) -> None:
        """A slide replaces its own record. A record that also holds other images is copied into the archive before."""
        if before is not None and slide.name not in self.same:
            put_copy_away(before, self.folder.parent)
        self.path_of(slide.place).with_suffix(PICTURES).unlink(missing_ok=True)  # the images may be others now

    def _give_up(self, before: FinishedSlide | None, now: FinishedSlide, calls: Collection[Call]) -> None:
        """The record of a slide could not be written. Its earlier record, unless it says the same, moves into the
        archive: no later run takes an old result for this one."""
        same = before is not None and before.provenance.called == now.provenance.called
        if before is not None and not (same and _contents(before) == {call.digest for call in calls}):
            with contextlib.suppress(OutputError):
                put_away(before, self.folder.parent)

    def _described(self, slide: Slide, result: SlideResult, time: datetime) -> FinishedSlide:
        """The head of a record, still without the state of its images."""
        return FinishedSlide(
            path=self.path_of(slide.place),
            slide=slide.name,
            folder=slide.folder,
            provenance=self._provenance,
            time=time.isoformat(timespec="seconds"),
            fingerprint="",
            unread=(),
            cell_types=self._ensemble.cell_types,
            differential=result.differential,
            finding=result.finding,
            failures=result.failures,
            reported_twice=result.reported_twice,
            not_cells=result.not_cells,
            remarks=result.remarks,
        )

    def result(self, finished: FinishedSlide) -> SlideResult:
        """The result of a finished slide, judged again if this ensemble called it and its judgement has changed.

        Its calls are read on use. A record that is damaged, or can no longer be read, gives only its head.
        """
        try:
            if finished.is_whole():
                return self._judged(finished)
            why = UNLISTED
        except UnavailableError:
            why = UNREAD
        finding = replace(finished.finding, reasons=(*finished.finding.reasons, why))
        return SlideResult(finished.differential, finding, (), finished.folder)

    def _judged(self, finished: FinishedSlide) -> SlideResult:
        if (
            finished.provenance.judged != self._provenance.judged
            and finished.provenance.voted == self._provenance.voted
        ):
            finished = self._judged_anew(finished)
        return SlideResult(finished.differential, finished.finding, finished.calls(), finished.folder, kept=finished)

    def earlier(self, slide: Slide) -> SlideResult | None:
        """The result of a slide when it was finished, whatever happened since; None if it was never finished."""
        finished = self._finished(slide)
        return None if finished is None else renamed(self.result(finished), slide.name)

    def remainder(self, slide: Slide) -> FinishedSlide | None:
        """The record of a slide that now holds only some of its former pictures, and no other; None otherwise.

        Copies of what is left are no loss. Files that must not be opened are ignored on both sides.
        """
        finished = self._finished(slide)
        left = [image for image in slide.images if not image.refusal]
        if finished is None or not finished.differential.classified + finished.differential.unidentified:
            return None
        if not left:
            return finished
        with contextlib.suppress(InputError):
            body = finished.body()
            known = {call.image: (call, state) for call, state in zip(body.calls, body.states, strict=True)}
            names = {image.name for image in left}
            if missing_from(body.calls, names) and all(
                image.name in known and is_same(image, *known[image.name], state_of(image.path), self._time_limit)
                for image in left
            ):
                return finished
        return None

    def _adopt_old_records(self) -> None:
        """Convert records of the first release, one JSON object each, to the present form."""
        for path in filter(is_old, self.folder.glob(f"*{SUFFIX}")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, OutputError):
                old = json.loads(path.read_text(encoding="utf-8"))
                if old["key"] == self._provenance.called:  # otherwise the meaning of its calls is unknown
                    slide = Slide(old["slide"], Path(old["folder"]), (), place=old["slide"])
                    body = RecordBody(tuple(map(call_of, old["calls"])), tuple(old["states"]))
                    time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    judged = judge(slide, body.calls, self._ensemble, self._thresholds)
                    rows = cell_rows(slide.name, body.calls, self._ensemble.cell_types)
                    write_finished(self._described(slide, judged, time), body, rows)
                    if path != self.path_of(slide.place):
                        path.unlink()

    def _finished(self, slide: Slide) -> FinishedSlide | None:
        return self.head(self.path_of(slide.place))

    def _unchanged(self, finished: FinishedSlide, slide: Slide, fingerprint: str) -> FinishedSlide | None:
        """The finished slide, if its images are the same; else None.

        If only the content is the same, the new states are stored. So if all times have changed, as on a restored
        share, images are read again in one night only.
        """
        if finished.fingerprint == fingerprint:
            unread = ((slide.images[place], reason) for place, reason in finished.unread)
            if not all(is_still_unreadable(image, reason, self._time_limit) for image, reason in unread):
                return None
            if finished.folder == slide.folder:
                return finished
        body, states = finished.body(), states_of(slide)
        if len(body.calls) != len(slide.images):
            return None
        images = zip(slide.images, body.calls, body.states, states, strict=True)
        if not all(is_same(*each, self._time_limit) for each in images):
            return None
        still = unread_of(slide, body.calls)
        renewed = replace(finished, folder=slide.folder, fingerprint=fingerprint, unread=still)
        return self._rewritten(renewed, replace(body, states=states))

    def _judged_anew(self, finished: FinishedSlide) -> FinishedSlide:
        body = finished.body()
        slide = Slide(finished.slide, finished.folder, ())
        judged = judge(slide, body.calls, self._ensemble, self._thresholds)
        provenance = replace(finished.provenance, judged=self._provenance.judged)
        renewed = replace(finished, provenance=provenance, differential=judged.differential, finding=judged.finding)
        return self._rewritten(renewed, body)

    def _rewritten(self, finished: FinishedSlide, body: RecordBody) -> FinishedSlide:
        """The finished slide after its record is rewritten. If that fails, the next night tries again."""
        with contextlib.suppress(OutputError):
            write_finished(finished, body, finished.rows())
            return replace(finished, lacks_column=False)
        return finished


def missing_from(calls: Collection[Call], names: Collection[str]) -> list[str]:
    """The images whose content was known and is in none of the named images; copies of those are not missing."""
    held = {call.digest for call in calls if call.image in names}
    return [call.image for call in calls if call.digest and call.digest not in held]


def _contents(finished: FinishedSlide) -> set[str]:
    """The content hashes of a finished slide's images; for a damaged record, values that no image has."""
    try:
        return {call.digest for call in finished.body().calls}
    except UnavailableError:
        raise
    except InputError:
        return {"damaged"}
