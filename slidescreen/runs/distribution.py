"""Distribute slides to machines. Each slide is computed at least once and returned exactly once.

This module does not depend on Ray. A `Workplace` begins tasks and reports how they end.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import Slide
from slidescreen.errors import StoppedError
from slidescreen.files.existence import sees_folder
from slidescreen.runs.processor_differences import ProcessorDifference, difference
from slidescreen.runs.ray_worker import SlideCalls, Unfit

MOST_TRIES = 4
"""A slide counts as unreadable after its process has ended so often."""
_AT_ONCE = 2  # tasks for each slot of a machine: one runs and one waits
_MOST_SLIDES, _MOST_IMAGES = 4, 1000  # of a task
_LOADS_A_SLOT = 4  # at least, with enough slides; then the machines end at about the same time
_BROKEN = 4  # a machine is broken after so many different tasks in a row end their process
_PAUSE = 1.0  # seconds
_LONG = 30.0  # seconds without any machine before a warning


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, and the number of tasks that it can do at the same time."""

    identity: str
    host: str
    slots: int


@dataclass(frozen=True)
class Lost:
    """A task whose process or machine ended. `begun` is false if the task certainly had not begun."""

    reason: str
    begun: bool = True


class Workplace(Protocol):
    """A place that does tasks."""

    def nodes(self) -> Sequence[Node]:
        """The machines that are present now."""
        ...

    def begin(self, node: Node, slides: Sequence[Slide]) -> Any:
        """Begin a task on a machine, and return its ticket."""
        ...

    def finished(self, tickets: Sequence[Any], seconds: float) -> Any | None:
        """The ticket of an ended task; None if no task ends within `seconds`."""
        ...

    def answer(self, ticket: Any) -> SlideCalls | Unfit | Lost:
        """The outcome of an ended task."""
        ...


@dataclass(frozen=True)
class _Load:
    """The slides of one task. Their process has ended `tries` times, on the machines `shunned`."""

    slides: tuple[Slide, ...]
    tries: int = 0
    shunned: frozenset[str] = frozenset()


@dataclass
class _Standing:
    """A machine's work so far.

    Attributes:
        node: the machine.
        engine: the machine's engine; empty before its first calls.
        slides: the names of the slides that the machine called.
        ended: the tasks whose process ended since the last calls, by the name of their first slide.
        refusal: the reason why the machine gets no more tasks; empty while it gets tasks.
    """

    node: Node
    engine: str = ""
    slides: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    refusal: str = ""


class Distribution:
    """One run's slides on the machines of a workplace."""

    def __init__(
        self,
        place: Workplace,
        note: Callable[[str], None],
        warn: Callable[[str], None],
        is_visible: Callable[[Slide], bool],
    ) -> None:
        """Set up.

        Args:
            place: the workplace that does the tasks.
            note, warn: they receive messages.
            is_visible: tells whether this process sees a slide, as a worker must see it.
        """
        self._place, self._note, self._warn, self._is_visible = place, note, warn, is_visible
        self._waiting: deque[_Load] = deque()
        self._under_way: dict[Any, tuple[_Load, _Standing]] = {}
        self._standings: dict[str, _Standing] = {}
        self._reference: tuple[Slide, tuple[Call, ...], str] | None = None  # a slide, its calls, their engine
        self._comparing: dict[Any, _Standing] = {}  # tickets for the reference slide on other machines
        self._differences: dict[str, ProcessorDifference | None] = {}  # by engine; None if not measured yet

    def run(self, slides: Sequence[Slide]) -> Iterator[tuple[Slide, tuple[Call, ...]]]:
        """Yield each slide with one call per image as soon as the slide is done, in any order.

        Raises:
            StoppedError: no machine can help.
        """
        yield from ((slide, ()) for slide in slides if not slide.images)
        slots = sum(node.slots for node in self._place.nodes())
        self._waiting.extend(_loads([slide for slide in slides if slide.images], slots))
        idle_since: float | None = None
        while self._waiting or self._under_way or self._comparing:
            self._begin_tasks()
            tickets = [*self._under_way, *self._comparing]
            idle_since = None if tickets else self._wait_for_machines(idle_since)
            ticket = self._place.finished(tickets, _PAUSE) if tickets else None
            if ticket in self._comparing:
                self._compare(self._comparing.pop(ticket), self._place.answer(ticket))
            elif ticket is not None:
                yield from self._settle(*self._under_way.pop(ticket), self._place.answer(ticket))

    def record(self) -> dict[str, Any]:
        """The record for `run.json`: each processor's slides, the refused machines, the differences of processors."""
        called: dict[tuple[str, str], list[str]] = defaultdict(list)
        for each in self._standings.values():
            called[each.node.host, each.engine] += each.slides
        refused = {(each.node.host, each.refusal) for each in self._standings.values() if each.refusal}
        return {
            "processors": [
                {"host": host, "engine": engine, "slides": sorted(names)}
                for (host, engine), names in sorted(called.items())
                if names
            ],
            "refused": [{"host": host, "reason": reason} for host, reason in sorted(refused)],
            "differences": [asdict(found) for found in self._differences.values() if found],
        }

    def _begin_tasks(self) -> None:
        """Give each machine as many tasks as it may have at once."""
        present = [self._standings.setdefault(node.identity, _Standing(node)) for node in self._place.nodes()]
        busy: dict[str, int] = defaultdict(int)
        for standing in [*(each for _, each in self._under_way.values()), *self._comparing.values()]:
            busy[standing.node.identity] += 1
        fit = [each for each in present if not each.refusal]
        left: deque[_Load] = deque()
        while self._waiting and any(_has_room(each, busy) for each in fit):
            load = self._waiting.popleft()
            place = _place_for(load, fit, busy)
            if place is None:
                left.append(load)
            else:
                self._under_way[self._place.begin(place.node, load.slides)] = (load, place)
                busy[place.node.identity] += 1
        self._waiting.extendleft(reversed(left))

    def _wait_for_machines(self, since: float | None) -> float:
        """Wait for a machine while no task is running. It is an error if every present machine is refused."""
        present = [self._standings[node.identity] for node in self._place.nodes()]
        if present and all(each.refusal for each in present):
            reasons = "; ".join(sorted({f"{each.node.host}: {each.refusal}" for each in present}))
            raise StoppedError(f"no machine of the cluster can classify ({reasons}); what was finished is kept")
        since = time.monotonic() if since is None else since
        if time.monotonic() - since > _LONG:
            self._warn("the cluster has no machine with enough processors: waiting for one")
        time.sleep(_PAUSE / 5)
        return since

    def _settle(
        self, load: _Load, standing: _Standing, answer: SlideCalls | Unfit | Lost
    ) -> Iterator[tuple[Slide, tuple[Call, ...]]]:
        """Handle a task's outcome: yield its slides, or put them back into the queue."""
        if isinstance(answer, SlideCalls):
            standing.engine = answer.engine
            standing.ended.clear()
            for note in answer.notes:
                self._note(f"{standing.node.host}: {note}")
            for slide, calls in zip(load.slides, answer.calls, strict=True):
                standing.slides.append(slide.name)
                self._look_at_processor(standing, slide, calls)
                yield slide, calls
        elif isinstance(answer, Unfit):
            gone = [slide for slide in load.slides if str(slide.folder) == answer.unseen]
            if gone and not any(map(self._is_visible, gone)):
                yield from ((slide, unreadable(slide, _absence(slide))) for slide in gone)
                self._put_back(_Load(tuple(slide for slide in load.slides if slide not in gone)))
            else:
                self._refuse(standing, answer.reason)
                self._put_back(load)
        else:
            yield from self._try_again(load, standing, answer)

    def _try_again(self, load: _Load, standing: _Standing, lost: Lost) -> Iterator[tuple[Slide, tuple[Call, ...]]]:
        """Try the slides of a task again after its process ended: one by one, and first on other machines."""
        if not lost.begun:
            self._put_back(load)
            return
        standing.ended.add(load.slides[0].name)
        self._note(f"{standing.node.host}: {lost.reason}; trying again: {', '.join(s.name for s in load.slides)}")
        if len(standing.ended) >= _BROKEN:
            self._refuse(standing, f"{lost.reason}, again and again")
        tries, shunned = load.tries + 1, load.shunned | {standing.node.identity}
        if tries < MOST_TRIES:
            for slide in reversed(load.slides):
                self._put_back(_Load((slide,), tries, shunned))
        else:
            for slide in load.slides:
                yield slide, unreadable(slide, f"not classified: tried {tries} times, each time {lost.reason}")

    def _put_back(self, load: _Load) -> None:
        if load.slides:
            self._waiting.appendleft(load)

    def _refuse(self, standing: _Standing, reason: str) -> None:
        if not standing.refusal:
            standing.refusal = reason
            self._warn(f"{standing.node.host} does not take part: {reason}")

    def _look_at_processor(self, standing: _Standing, slide: Slide, calls: tuple[Call, ...]) -> None:
        """Keep the first calls as the reference. A processor with a new engine calls the reference slide too."""
        if self._reference is None:
            if any(call.probabilities for call in calls):
                self._reference = slide, calls, standing.engine
        elif standing.engine not in (self._reference[2], *self._differences):
            self._differences[standing.engine] = None
            self._comparing[self._place.begin(standing.node, [self._reference[0]])] = standing

    def _compare(self, standing: _Standing, answer: SlideCalls | Unfit | Lost) -> None:
        if isinstance(answer, SlideCalls) and self._reference is not None:
            slide, calls, engine = self._reference
            found = difference(slide.name, (engine, calls), (answer.engine, answer.calls[0]))
            self._differences[standing.engine] = found
            self._note(found.in_words())


def _absence(slide: Slide) -> str:
    """The reason why no machine sees a slide, in words."""
    return "none of its slide's images can be read" if sees_folder(slide.folder) else "its folder has gone"


def unreadable(slide: Slide, reason: str) -> tuple[Call, ...]:
    """The calls of a slide that could not be classified. Images that must not be opened keep their own reason."""
    return tuple(
        Call(image.name, Status.UNREADABLE, reported_type=image.reported_type, reason=image.refusal or reason)
        for image in slide.images
    )


def _loads(slides: Sequence[Slide], slots: int) -> Iterator[_Load]:
    """The slides in their order, a few for each task."""
    most = max(1, min(_MOST_SLIDES, len(slides) // max(1, _LOADS_A_SLOT * slots)))
    load: list[Slide] = []
    for slide in slides:
        if load and (len(load) == most or sum(len(each.images) for each in [*load, slide]) > _MOST_IMAGES):
            yield _Load(tuple(load))
            load = []
        load.append(slide)
    if load:
        yield _Load(tuple(load))


def _has_room(standing: _Standing, busy: Mapping[str, int]) -> bool:
    return busy[standing.node.identity] < _AT_ONCE * standing.node.slots


def _place_for(load: _Load, fit: Sequence[_Standing], busy: Mapping[str, int]) -> _Standing | None:
    """The machine with room and the fewest running tasks per slot; None if the load has to wait.

    If the load's process ended on a machine, other machines are preferred as long as there are any.
    """
    others = [each for each in fit if each.node.identity not in load.shunned]
    free = [each for each in others or fit if _has_room(each, busy)]
    return min(free, key=lambda each: busy[each.node.identity] / each.node.slots, default=None)
