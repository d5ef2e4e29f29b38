"""A run's engine, and the calls that it makes on the slides that are left to classify."""

from collections.abc import Iterator, Sequence

from slidescreen.data.calls import Call
from slidescreen.data.slides import Slide
from slidescreen.engine.configuration import configure, load_engines
from slidescreen.engine.devices import usable_threads
from slidescreen.engine.interface import NO_ENGINES, EngineConfiguration, MemberEngines
from slidescreen.engine.options import for_each
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.pipeline import Pipeline
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.options import ClassifyOptions

_MOST_WORKERS = 8


def choose_engine(options: ClassifyOptions, ensemble: Ensemble) -> EngineConfiguration:
    """What is to run on this machine, and in which arithmetic. Nothing is loaded.

    Raises:
        InputError: what was asked for cannot be had here, or is for another number of members.
    """
    configuration = configure(options.engine, ensemble.validation)
    for_each(configuration.precision, len(ensemble.members))
    return configuration


def load_for(
    slides: Sequence[Slide],
    ensemble: Ensemble,
    configuration: EngineConfiguration,
    options: ClassifyOptions,
    monitor: Monitor,
) -> MemberEngines:
    """The ensemble's engines; none where there is no image to classify."""
    if not any(slide.images for slide in slides):
        return NO_ENGINES
    return load_engines(ensemble.members, configuration, options.engine.threads, monitor.note)


def classify(
    slides: Sequence[Slide], ensemble: Ensemble, engines: MemberEngines, options: ClassifyOptions, monitor: Monitor
) -> Iterator[tuple[Slide, tuple[Call, ...]]]:
    """Begin, and give each slide with one call per image, in the order given, as soon as its last image is done."""
    monitor.start(len(slides), sum(len(slide.images) for slide in slides))
    workers = options.workers or min(_MOST_WORKERS, usable_threads())
    pipeline = Pipeline(ensemble, engines, options.batch_size, workers, monitor.cells, options.time_limit, monitor.note)
    return pipeline.run(slides)
