"""The calls that an ensemble makes on the slides that are left to classify: by this process, or on a cluster."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slidescreen.data.calls import Call
from slidescreen.data.slides import Slide
from slidescreen.engine.interface import NO_ENGINES, EngineConfiguration
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.pipeline import Pipeline
from slidescreen.models.member import Member
from slidescreen.runs.distribution import Distribution
from slidescreen.runs.loading import Loading, decoding_processes
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.options import ClassifyOptions
from slidescreen.runs.ray_cluster import RayCluster
from slidescreen.runs.ray_worker import Job, code_digest, needed_instructions, shows_images

Calls = Iterator[tuple[Slide, tuple[Call, ...]]]


@dataclass(frozen=True)
class Classification:
    """A classification under way.

    Attributes:
        calls: each slide with one call per image, as soon as its last image is done.
        record: for `run.json`, so far: `engine`, what classifies, in words, and of a cluster what happened there.
    """

    calls: Calls
    record: Callable[[], Mapping[str, Any]]


def classify(
    slides: Sequence[Slide],
    ensemble: Ensemble,
    configuration: EngineConfiguration,
    options: ClassifyOptions,
    monitor: Monitor,
    loading: Loading,
    cluster: RayCluster | None = None,
) -> Classification:
    """Begin, with the ensemble's engines if there is an image to classify; slides come in the order given.

    On a cluster its machines load the engines, and slides come in any order.

    Raises:
        InputError: a network cannot be loaded.
    """
    images = sum(len(slide.images) for slide in slides)
    if cluster is not None:
        monitor.start(len(slides), images)
        return _on_cluster(slides, _job(ensemble, configuration, options, cluster.threads), monitor, cluster)
    engines, readers = loading.result() if images else (NO_ENGINES, None)
    monitor.start(len(slides), images)
    batch_size, limit = options.batch_size, options.time_limit
    pipeline = Pipeline(ensemble, engines, batch_size, loading.workers, monitor.cells, limit, monitor.note)
    return Classification(pipeline.run(slides, readers), lambda: {"engine": engines.description})


def _on_cluster(slides: Sequence[Slide], job: Job, monitor: Monitor, cluster: RayCluster) -> Classification:
    cluster.employ(job)
    distribution = Distribution(cluster, monitor.note, monitor.warn, shows_images)

    def calls() -> Calls:
        for slide, found in distribution.run(slides):
            monitor.cells(len(found))
            yield slide, found

    def record() -> Mapping[str, Any]:
        found = distribution.record()
        engines = sorted({each["engine"] for each in found["processors"]})
        return {"engine": "; ".join(engines), "cluster": {"address": cluster.address, **found}}

    return Classification(calls(), record)


def _job(ensemble: Ensemble, configuration: EngineConfiguration, options: ClassifyOptions, threads: int) -> Job:
    """What the machines of a cluster need to know."""
    return Job(
        ensemble=replace(ensemble, members=tuple(map(_with_absolute_paths, ensemble.members))),
        configuration=configuration,
        instructions=needed_instructions(configuration),
        threads=threads,
        batch_size=options.batch_size,
        workers=options.workers or decoding_processes(configuration, threads),
        time_limit=options.time_limit,
        code=code_digest(),
    )


def _with_absolute_paths(member: Member) -> Member:
    int8 = member.int8 and replace(member.int8, path=Path(os.path.abspath(member.int8.path)))  # noqa: PTH100
    return replace(member, path=Path(os.path.abspath(member.path)), int8=int8)  # noqa: PTH100
