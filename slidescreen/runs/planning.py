"""Decide which of a run's slides to classify, and recall earlier results of the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from slidescreen.data.slides import Slide, Survey
from slidescreen.interruptible import interruptibly
from slidescreen.runs.absent_shares import NetworkShares, seen_shares
from slidescreen.runs.earlier_run import earlier_slides, finishing_times
from slidescreen.runs.export_watch import ExportWatch
from slidescreen.runs.fingerprints_ahead import NextFingerprint
from slidescreen.runs.kept_names import with_kept_names
from slidescreen.runs.ledger import Ledger
from slidescreen.runs.lost_slides import keep_tables, lost_slides
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.options import ClassifyOptions
from slidescreen.runs.retention import archive_long_gone
from slidescreen.runs.unread_records import last_rows
from slidescreen.runs.vanished import VanishedSlide, marked, no_longer_found, with_fewer_images, without_images
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult
from slidescreen.screening.sentences import number_of

_MOST_NAMED = 3  # of the records that cannot be read
_CHANGING = "the slide has changed, and its export may not have finished"


@dataclass(frozen=True)
class Plan:
    """The plan for each slide.

    Attributes:
        unchanged: the number of slides that are unchanged since an earlier run finished them.
        known: the results of earlier runs, by slide name, for unchanged, vanished and waiting slides.
        vanished: the slides whose images are gone.
        waiting: slides whose export seems unfinished; they are left for the next run.
        remaining: the slides to classify.
        found: the present slides, without images. Empty folders of archived slides count as skipped.
        earlier: names of the slides in the last complete run.
        lost: names of slides of the last run of which neither images nor a whole record are left.
        unread: names of slides that keep the last run's row, because their records cannot be read at present.
        shares: the mount points among the folders, and those that seem not to be mounted.
    """

    unchanged: int
    known: Mapping[str, SlideResult]
    vanished: Sequence[VanishedSlide]
    waiting: Sequence[Slide]
    remaining: Sequence[Slide]
    found: Survey
    earlier: frozenset[str]
    lost: Sequence[str]
    unread: Sequence[str]
    shares: NetworkShares


def recall(
    options: ClassifyOptions,
    found: Survey,
    ledger: Ledger,
    exports: ExportWatch,
    monitor: Monitor,
    next_fingerprint: NextFingerprint,
) -> Plan:
    """Look at each present and former slide, and decide which to classify.

    Slides that are long gone move into the archive.
    """
    plan = interruptibly(lambda: _plan(options, found, ledger, exports, monitor.note, next_fingerprint))
    if plan.unchanged:
        monitor.note(f"unchanged since an earlier run, not classified again: {number_of(plan.unchanged, 'slide')}")
    if plan.vanished:
        monitor.note(f"images gone since an earlier run, result kept: {number_of(len(plan.vanished), 'slide')}")
    for each in plan.vanished:
        monitor.event("vanished", slide=each.name, reason=each.reason)
    if plan.waiting:
        names = ", ".join(slide.name for slide in plan.waiting)
        monitor.note(f"export not finished, left for the next run: {names}")
    if ledger.damaged:
        monitor.warn(f"set aside damaged records of finished slides: {', '.join(ledger.damaged)}")
    if ledger.unread:
        monitor.warn(_unread_in_words(ledger, plan.unread))
    if plan.shares.absent:
        monitor.warn(plan.shares.in_words())
    if plan.lost:
        kept = ", ".join(keep_tables(options.out))
        monitor.warn(
            f"no longer in the worklist, because neither images nor a whole record are left: {', '.join(plan.lost)}"
            + (f"; the last run's files are kept as {kept}" if kept else "")
        )
    return plan


def _plan(
    options: ClassifyOptions,
    found: Survey,
    ledger: Ledger,
    exports: ExportWatch,
    note: Callable[[str], None],
    next_fingerprint: NextFingerprint,
) -> Plan:
    found = with_kept_names(found, ledger, options.out, options.path)
    slides = found.slides
    get = ledger.look if options.force else ledger.recall
    recalled = [get(slide, next_fingerprint(slide)) for slide in slides]
    known = {result.name: result for result in recalled if result is not None}
    unchanged = len(known)
    left = [slide for slide in slides if slide.name not in known]
    gone = [*no_longer_found(ledger, slides, options.path.resolve()), *without_images(ledger, left)]
    left = _but(left, gone)
    known_now = {*known, *(each.name for each in gone)}
    unread = {each.name: each for each in last_rows(ledger, slides, known_now, options.out, options.path)}
    left = [slide for slide in left if slide.name not in unread]
    waiting = exports.waiting(left)
    known |= outdated(ledger, waiting)
    left = [slide for slide in left if slide.name not in {each.name for each in waiting}]
    if not options.force:
        gone += with_fewer_images(ledger, left)
    shares = seen_shares(slides, gone, options.out, options.path)
    staying = archive_long_gone(gone, options.out, options.keep, note, shares.hides)
    empty = [slide for slide in slides if not slide.images and slide not in waiting]
    tonight = {each.finished.path for each in gone} - {each.finished.path for each in staying}
    times = finishing_times(options.out, options.path) if empty else {}
    in_archive = ledger.archived({slide.place: times.get(slide.place, "") for slide in empty}, tonight)
    archived = [slide for slide in empty if slide.place in in_archive]
    known |= {result.name: result for result in (each.result(ledger) for each in staying)} | unread
    earlier = earlier_slides(options.out)
    known = {name: replace(result, new=result.new and name not in earlier) for name, result in known.items()}
    remaining = [slide for slide in _but(left, gone) if slide not in archived]
    lost = lost_slides(ledger, slides, options.out, options.path, tonight)
    found = found.without(archived).in_short()
    return Plan(unchanged, known, staying, waiting, remaining, found, earlier, lost, list(unread), shares)


def outdated(ledger: Ledger, waiting: Sequence[Slide]) -> dict[str, SlideResult]:
    """Earlier results of slides that are being exported again; they stay in the worklist."""
    found = filter(None, map(ledger.earlier, waiting))
    return {each.name: replace(marked(each, Flag.CHANGING, _CHANGING), new=False) for each in found}


def _unread_in_words(ledger: Ledger, kept: Sequence[str]) -> str:
    """A sentence on records that cannot be read. All are left as they are, and the next run tries them again."""
    reasons = "; ".join(sorted(ledger.unread.values())[:_MOST_NAMED])
    more = len(ledger.unread) - _MOST_NAMED
    rows = f"; the last run's rows are kept of: {', '.join(kept)}" if kept else ""
    return f"finished slides: {reasons}{f' and {more} more' if more > 0 else ''}: left as they are{rows}"


def _but(slides: Sequence[Slide], gone: Sequence[VanishedSlide]) -> list[Slide]:
    names = {each.name for each in gone}
    return [slide for slide in slides if slide.name not in names]
