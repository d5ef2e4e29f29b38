"""The calls that an ensemble makes on the slides that are left to classify."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slidescreen.data.calls import Call
from slidescreen.data.slides import Slide
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.devices import usable_threads
from slidescreen.engine.interface import NO_ENGINES, EngineConfiguration
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.pipeline import Pipeline
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.options import ClassifyOptions

_MOST_WORKERS = 8


@dataclass(frozen=True)
class Classification:
    """A classification under way.

    Attributes:
        engine: what classifies, in words.
        calls: each slide with one call per image, in the order given, as soon as its last image is done.
    """

    engine: str
    calls: Iterator[tuple[Slide, tuple[Call, ...]]]


def classify(
    slides: Sequence[Slide],
    ensemble: Ensemble,
    configuration: EngineConfiguration,
    options: ClassifyOptions,
    monitor: Monitor,
) -> Classification:
    """Load the ensemble's engines, if there is an image to classify, and begin.

    Raises:
        InputError: a network cannot be loaded.
    """
    images = sum(len(slide.images) for slide in slides)
    threads, workers = options.engine.threads, options.workers or min(_MOST_WORKERS, usable_threads())
    engines = load_engines(ensemble.members, configuration, threads, monitor.note) if images else NO_ENGINES
    monitor.start(len(slides), images)
    pipeline = Pipeline(ensemble, engines, options.batch_size, workers, monitor.cells, options.time_limit, monitor.note)
    return Classification(engines.description, pipeline.run(slides))
