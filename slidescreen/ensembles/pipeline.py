"""Classify slides. Decoding runs ahead of inference, batches may hold images of several slides, order is kept."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from slidescreen.data.calls import NOT_TRIED, TOO_LATE, Call, Status, counted_once
from slidescreen.data.slides import Slide
from slidescreen.engine.batches import BatchRunner
from slidescreen.engine.decoder import Decoder
from slidescreen.engine.interface import MemberEngines
from slidescreen.engine.loading import DecodedImage
from slidescreen.engine.readers import Readers, Task
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.voting import Vote, preprocessings

_MOST_LATE = 3  # after so many timeouts in a row the rest of a slide is given up; waiting for each would take all night
_AHEAD = 2  # at least so many batches in progress at once, so that the engines never idle


@dataclass
class _Open:
    """A slide whose calls are not complete yet."""

    slide: Slide
    calls: dict[int, Call] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    late: int = 0  # images in a row that took too long to read

    @property
    def given_up(self) -> bool:
        return self.late >= _MOST_LATE


@dataclass(frozen=True)
class _Waiting:
    """An image that waits for its batch."""

    place: _Open
    position: int
    loaded: DecodedImage


@dataclass(frozen=True)
class _Pending:
    """A batch that is being classified."""

    batch: list[_Waiting]
    rows: Future[NDArray[np.float64]]


def start_reading(ensemble: Ensemble, workers: int, time_limit: float) -> Readers:
    """Start the processes that decode images for an ensemble; the arguments are those of `Pipeline`."""
    return Readers(partial(Decoder, preprocessings(ensemble), time_limit), workers, time_limit)


class Pipeline:
    """Classifies slides with an ensemble. Memory is bounded by the batch size, whatever the number of slides."""

    def __init__(
        self,
        ensemble: Ensemble,
        engines: MemberEngines,
        batch_size: int | None,
        workers: int,
        progress: Callable[[int], None] = lambda _: None,
        time_limit: float = 60.0,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Set up.

        Args:
            ensemble: the ensemble.
            engines: one for each member, in the ensemble's order.
            batch_size: images per pass, halved if memory runs out; None for the engines' own batch size.
            workers: number of decoding processes.
            progress: receives the number of newly finished images.
            time_limit: seconds that reading and decoding one image may take.
            note: receives a message if memory runs out, in another thread than `progress`.
        """
        self._ensemble = ensemble
        self._engines = engines
        self._wanted = batch_size or engines.batch_size
        self._vote = Vote(ensemble, engines)
        self._batches = BatchRunner(_by_vote(self._vote), note)
        self._workers = workers
        self._progress = progress
        self._time_limit = time_limit

    def run(self, slides: Iterable[Slide], readers: Readers | None = None) -> Iterator[tuple[Slide, tuple[Call, ...]]]:
        """Yield each slide with one call per image, in the given order, as soon as its last image is done.

        Args:
            slides: the slides.
            readers: from `start_reading`, if it began while the engines were loaded. They are closed at the end.
        """
        unfinished: deque[_Open] = deque()
        pending: deque[_Pending] = deque()
        batch: list[_Waiting] = []
        readers = readers or start_reading(self._ensemble, self._workers, self._time_limit)
        # NumPy's small products gain nothing from threads, and after each these wait busily beside the engines.
        alone = threadpool_limits(1, user_api="blas")
        with alone, ThreadPoolExecutor(self._engines.at_once, "batches") as runners:
            try:
                for place, position, loaded in self._load_ahead(slides, readers, unfinished):
                    self._place(place, position, loaded, batch)
                    if len(batch) >= self._batch_size:
                        pending.append(_Pending(batch, runners.submit(self._batches, batch)))
                        batch = []
                        self._collect(pending, max(_AHEAD, self._engines.at_once))
                    yield from _finished(unfinished)
                if batch:
                    pending.append(_Pending(batch, runners.submit(self._batches, batch)))
                while pending:
                    self._collect(pending, len(pending) - 1)
                    yield from _finished(unfinished)
                yield from _finished(unfinished)
            finally:
                readers.close()
                runners.shutdown(wait=False, cancel_futures=True)

    @property
    def _batch_size(self) -> int:
        return min(self._wanted, self._batches.largest or self._wanted)

    def _load_ahead(
        self, slides: Iterable[Slide], readers: Readers, unfinished: deque[_Open]
    ) -> Iterator[tuple[_Open, int, DecodedImage]]:
        """Yield images in order, while a bounded number of later images is decoded."""
        ahead: deque[tuple[_Open, int, Task | None]] = deque()
        for slide in slides:
            place = _Open(slide)
            unfinished.append(place)
            for position, image in enumerate(slide.images):
                hopeless = image.refusal or place.given_up
                ahead.append((place, position, None if hopeless else readers.submit(image.path)))
                while len(ahead) > 2 * self._batch_size:
                    yield self._loaded(readers, *ahead.popleft())
        while ahead:
            yield self._loaded(readers, *ahead.popleft())

    def _loaded(
        self, readers: Readers, place: _Open, position: int, task: Task | None
    ) -> tuple[_Open, int, DecodedImage]:
        """Wait for an image, unless earlier images show that the slide's folder does not respond."""
        refusal = place.slide.images[position].refusal
        if refusal:
            loaded = DecodedImage(reason=refusal)
        elif task is None or (place.given_up and readers.drop(task)):
            loaded = DecodedImage(reason=f"{NOT_TRIED}: the {_MOST_LATE} images before it could not be read in time")
        else:
            try:
                loaded = readers.wait(task)
                place.late = place.late if place.given_up else 0
            except TimeoutError:
                loaded = DecodedImage(reason=f"{TOO_LATE} {self._time_limit:g} s")
                place.late += 1
        return place, position, loaded

    def _place(self, place: _Open, position: int, loaded: DecodedImage, batch: list[_Waiting]) -> None:
        image = place.slide.images[position]
        if loaded.reason:
            status, reason = Status.UNREADABLE, loaded.reason
        elif loaded.digest in place.digests:
            status, reason = Status.DUPLICATE, ""
        else:
            place.digests.add(loaded.digest)
            batch.append(_Waiting(place, position, loaded))
            return
        place.calls[position] = Call(
            image.name, status, reported_type=image.reported_type, reason=reason, digest=loaded.digest
        )
        self._progress(1)

    def _collect(self, pending: deque[_Pending], most: int) -> None:
        """Collect the results of the first batches, until at most `most` are still being classified."""
        while len(pending) > most:
            batch, rows = pending[0].batch, pending[0].rows.result()
            pending.popleft()
            called = self._ensemble.called(rows[:, :-2]).tolist()
            for waiting, row, each in zip(batch, rows, called, strict=True):
                known = -1 if waiting.loaded.no_cell else each
                waiting.place.calls[waiting.position] = self._call(waiting, row[:-2], known, row[-2:].tolist())
            self._progress(len(batch))

    def _call(self, waiting: _Waiting, probabilities: NDArray[np.float64], called: int, grades: list[float]) -> Call:
        """The call of an image. `called` is from `Ensemble.called`; `grades` are unfamiliarity and strangeness."""
        image, loaded = waiting.place.slide.images[waiting.position], waiting.loaded
        unfamiliarity, strangeness = (None if math.isnan(grade) else grade for grade in grades)
        return Call(
            image=image.name,
            status=Status.UNIDENTIFIED if called < 0 else Status.CLASSIFIED,
            cell_type="" if called < 0 else self._ensemble.cell_types[called],
            probability=float(probabilities.max()),
            reported_type=image.reported_type,
            probabilities=tuple(probabilities.tolist()),
            reason=loaded.no_cell,
            digest=loaded.digest,
            appearance=loaded.appearance,
            remarks=loaded.remarks,
            unfamiliarity=unfamiliarity,
            strangeness=strangeness,
        )


def _finished(unfinished: deque[_Open]) -> Iterator[tuple[Slide, tuple[Call, ...]]]:
    while unfinished and len(unfinished[0].calls) == len(unfinished[0].slide.images):
        place = unfinished.popleft()
        yield place.slide, counted_once([place.calls[position] for position in range(len(place.calls))])


def _by_vote(vote: Vote) -> Callable[[Sequence[_Waiting]], NDArray[np.float64]]:
    """A function from a batch to its probabilities, unfamiliarity and strangeness (N, K + 2)."""

    def classify(batch: Sequence[_Waiting]) -> NDArray[np.float64]:
        found = vote([np.stack(pixels) for pixels in zip(*(w.loaded.pixels for w in batch), strict=True)])
        return np.hstack([found.probabilities, found.unfamiliarity])

    return classify
