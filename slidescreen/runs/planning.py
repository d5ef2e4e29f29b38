"""Which of a night's slides are to be classified, and what earlier runs found on the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from slidescreen.data.slides import Slide
from slidescreen.runs.earlier_run import earlier_slides
from slidescreen.runs.export_watch import ExportWatch
from slidescreen.runs.ledger import Ledger
from slidescreen.runs.options import ClassifyOptions
from slidescreen.runs.retention import archive_long_gone
from slidescreen.runs.vanished import VanishedSlide, marked, no_longer_found, with_fewer_images, without_images
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult

_CHANGING = "the slide has changed, and its export may not have finished"


@dataclass(frozen=True)
class Plan:
    """What becomes of each slide.

    Attributes:
        unchanged: how many an earlier run finished that are as they were.
        known: what earlier runs found, by the slides' names: on those, on vanished ones, and on those that wait.
        vanished: the slides whose images have gone.
        waiting: slides that seem to be still being exported, and are left to the next run.
        remaining: those to be classified.
        archived: empty folders of slides that have been gone for so long that they are in the archive.
    """

    unchanged: int
    known: Mapping[str, SlideResult]
    vanished: Sequence[VanishedSlide]
    waiting: Sequence[Slide]
    remaining: Sequence[Slide]
    archived: Sequence[Slide] = ()


def plan(
    request: ClassifyOptions, ledger: Ledger, slides: Sequence[Slide], exports: ExportWatch, note: Callable[[str], None]
) -> Plan:
    """Look at each slide that there is or was; what has been gone for long moves into the archive."""
    recalled = () if request.force else filter(None, map(ledger.recall, slides))
    known = {result.name: result for result in recalled}
    unchanged = len(known)
    left = [slide for slide in slides if slide.name not in known]
    gone = [*no_longer_found(ledger, slides, request.path.resolve()), *without_images(ledger, left)]
    left = _but(left, gone)
    waiting = exports.waiting(left)
    known |= outdated(ledger, waiting)
    left = [slide for slide in left if slide.name not in {each.name for each in waiting}]
    if not request.force:
        gone += with_fewer_images(ledger, left)
    staying = archive_long_gone(gone, request.out, request.keep, note)
    archived = ledger.archived([slide for slide in slides if not slide.images and slide not in waiting])
    known |= {result.name: result for result in (each.result(ledger) for each in staying)}
    earlier = earlier_slides(request.out)
    known = {name: replace(result, new=result.new and name not in earlier) for name, result in known.items()}
    remaining = [slide for slide in _but(left, gone) if slide not in archived]
    return Plan(unchanged, known, staying, waiting, remaining, archived)


def outdated(ledger: Ledger, waiting: Sequence[Slide]) -> dict[str, SlideResult]:
    """What an earlier run found on slides that are being exported once more: they stay in the worklist meanwhile."""
    found = filter(None, map(ledger.earlier, waiting))
    return {each.name: replace(marked(each, Flag.CHANGING, _CHANGING), new=False) for each in found}


def _but(slides: Sequence[Slide], gone: Sequence[VanishedSlide]) -> list[Slide]:
    names = {each.name for each in gone}
    return [slide for slide in slides if slide.name not in names]
