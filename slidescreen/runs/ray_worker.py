"""A worker of a Ray cluster turns slides into calls. It keeps its engines, or says why it cannot help."""

import hashlib
import os
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import slidescreen
from slidescreen.data.calls import Call
from slidescreen.data.slides import Slide
from slidescreen.engine import devices
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind, Precision, parts_of
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.pipeline import Pipeline
from slidescreen.errors import InputError
from slidescreen.files.existence import sees_file, sees_folder
from slidescreen.files.writing import printable, sha256_of
from slidescreen.footprint import keep_libraries_in_cache

_PATIENCE = 5.0  # seconds that a network share may need to show another machine's files


@dataclass(frozen=True)
class Job:
    """What every worker of a run needs to know.

    Attributes:
        ensemble, configuration: the ensemble, and how it runs. They are the same for all workers.
        instructions: the instructions that a worker's processor needs, because the networks were measured with them.
        threads: the processor threads for one task.
        batch_size, workers, time_limit: as in `Pipeline`.
        code: the digest from `code_digest`.
    """

    ensemble: Ensemble
    configuration: EngineConfiguration
    instructions: frozenset[str]
    threads: int
    batch_size: int | None
    workers: int
    time_limit: float
    code: str


@dataclass(frozen=True)
class SlideCalls:
    """The calls of a task's slides, in the slides' order. `engine` made them. `notes` are for the operator."""

    engine: str
    calls: tuple[tuple[Call, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unfit:
    """The reason why this machine cannot help. If it only fails to see a slide, `unseen` is the slide's folder."""

    reason: str
    unseen: str = ""


@dataclass
class _Kept:
    """The engines of this process's run."""

    key: str = ""
    pipeline: Pipeline | None = None
    engine: str = ""
    notes: list[str] = field(default_factory=list)


_kept = _Kept()


def serve(job: bytes, slides: bytes) -> bytes:
    """Call a task's slides, and return a pickled `SlideCalls` or `Unfit`.

    Args:
        job: a pickled `Job`.
        slides: a pickled sequence of slides, with absolute paths.
    """
    try:
        return pickle.dumps(_serve(job, pickle.loads(slides)))
    except InputError as error:
        return pickle.dumps(Unfit(str(error)))


def _serve(content: bytes, slides: Sequence[Slide]) -> SlideCalls | Unfit:
    key = hashlib.sha256(content).hexdigest()
    if key != _kept.key:
        _kept.key, _kept.pipeline = "", None  # first free the memory of the former engines
        job: Job = pickle.loads(content)
        reason = why_unfit(job)
        if reason:
            return Unfit(reason)
        _load(job)
        _kept.key = key
    for slide in slides:
        if not _is_visible(slide):
            return Unfit(f"it does not see {printable(slide.folder)}", str(slide.folder))
    assert _kept.pipeline is not None
    calls = tuple(each for _, each in _kept.pipeline.run(slides))
    notes = tuple(_kept.notes)
    _kept.notes.clear()
    return SlideCalls(_kept.engine, calls, notes)


def _load(job: Job) -> None:
    keep_libraries_in_cache()
    engines = load_engines(job.ensemble.members, job.configuration, job.threads, _kept.notes.append, job.batch_size)
    _kept.engine = engines.description
    _kept.pipeline = Pipeline(
        job.ensemble, engines, job.batch_size, job.workers, time_limit=job.time_limit, note=_kept.notes.append
    )


def why_unfit(job: Job) -> str:
    """The reason why this machine would compute other results than the others; empty if it would not."""
    if job.code != code_digest():
        return f"its slidescreen {slidescreen.__version__} is another one"
    lacking = sorted(job.instructions - usable_instructions())
    if lacking:
        return f"its processor has no {' or '.join(lacking)} instructions"
    if job.configuration.device == Device.CUDA:
        import torch

        if not torch.cuda.is_available():
            return "it has no usable NVIDIA GPU"
    for path, sha256 in _files(job.ensemble, job.configuration):
        if not sees_file(path):
            return f"it does not see {printable(path)}"
        try:
            if sha256_of(path) != sha256:
                return f"its {printable(path)} is another file"
        except OSError as error:
            return f"it cannot read {printable(path)}: {error.strerror}"
    return ""


def needed_instructions(configuration: EngineConfiguration) -> frozenset[str]:
    """The instructions that the driver's processor uses for the networks. All other processors need them too."""
    precisions = {*parts_of(configuration.precision), *([Precision.INT8] if configuration.cascade else [])}
    if configuration.kind is not EngineKind.OPENVINO:
        return frozenset()
    return frozenset({str(each) for each in precisions} & usable_instructions())


def usable_instructions() -> frozenset[str]:
    """The precisions, out of bf16 and int8, for which this processor has usable instructions."""
    has = {Precision.BF16: devices.has_bfloat16_products(), Precision.INT8: devices.has_8_bit_products()}
    return frozenset(str(precision) for precision, there in has.items() if there)


@cache
def code_digest() -> str:
    """The digest of this package's source. Equal digests mean the same program, even if versions differ."""
    package = Path(slidescreen.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _files(ensemble: Ensemble, configuration: EngineConfiguration) -> list[tuple[Path, str]]:
    """The files of the networks to run, and their hashes."""
    files = [(member.path, member.sha256) for member in ensemble.members]
    if configuration.cascade or Precision.INT8 in parts_of(configuration.precision):
        files += [(member.int8.path, member.int8.sha256) for member in ensemble.members if member.int8]
    return files


def shows_images(slide: Slide) -> bool:
    """Whether this machine sees a slide's folder, and can read one of its images, if it has any to read."""
    images = [image.path for image in slide.images if not image.refusal]
    return sees_folder(slide.folder) and (not images or any(os.access(path, os.R_OK) for path in images))


def _is_visible(slide: Slide) -> bool:
    """Whether this machine sees a slide. A share may need seconds to show another machine's files.

    The wait is for all images. In the end one suffices: the others may be unreadable for every machine.
    """
    until = time.monotonic() + _PATIENCE
    while not (sees_folder(slide.folder) and all(os.access(i.path, os.R_OK) for i in slide.images if not i.refusal)):
        if time.monotonic() > until:
            return shows_images(slide)
        time.sleep(0.2)
    return True
