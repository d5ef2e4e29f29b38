"""A worker of a cluster calls what one machine calls, or says why it would not."""

import errno
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import write_cells

from slidescreen.data.calls import Status
from slidescreen.data.slides import Slide, discover
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind
from slidescreen.ensembles import storage
from slidescreen.ensembles.pipeline import Pipeline
from slidescreen.runs import ray_worker
from slidescreen.runs.ray_worker import (
    Job,
    SlideCalls,
    Unfit,
    code_digest,
    needed_instructions,
    serve,
    shows_images,
    why_unfit,
)

EXACT = EngineConfiguration(EngineKind.OPENVINO, Device.CPU, "fp32")


@pytest.fixture
def job(ensemble_folder: Path, tmp_path: Path) -> Job:
    """Of an ensemble in a folder of its own."""
    shutil.copytree(ensemble_folder, tmp_path / "ensemble")
    return Job(storage.load(tmp_path / "ensemble"), EXACT, frozenset(), 1, None, 1, 60.0, code_digest())


@pytest.fixture
def slides(tmp_path: Path) -> list[Slide]:
    for number in range(2):
        write_cells(tmp_path / "night" / f"S{number}", 3, first_seed=10 * number)
    return list(discover(tmp_path / "night"))


def answer(job: Job, slides: list[Slide]) -> SlideCalls | Unfit:
    found: SlideCalls | Unfit = pickle.loads(serve(pickle.dumps(job), pickle.dumps(slides)))
    return found


def test_a_worker_calls_what_one_machine_calls_and_keeps_its_engines(
    job: Job, slides: list[Slide], monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = load_engines(job.ensemble.members, EXACT, 1)
    expected = tuple(calls for _, calls in Pipeline(job.ensemble, engines, None, 1).run(slides))
    first = answer(job, slides)
    assert isinstance(first, SlideCalls)
    assert (first.calls, first.engine) == (expected, engines.description)
    monkeypatch.setattr(ray_worker, "load_engines", None)  # none is loaded again
    second = answer(job, slides[:1])
    assert isinstance(second, SlideCalls)
    assert second.calls == expected[:1]


def test_a_worker_whose_program_or_processor_is_another_refuses(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_unfit(job) == ""
    assert why_unfit(replace(job, code="other")).endswith("is another one")
    monkeypatch.setattr(ray_worker, "usable_instructions", lambda: frozenset({"int8"}))
    needing = replace(job, instructions=frozenset({"bf16", "int8"}))
    assert answer(needing, []) == Unfit("its processor has no bf16 instructions")


def test_only_what_this_processor_computes_with_is_asked_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = replace(EXACT, precision="fp32+bf16")
    monkeypatch.setattr(ray_worker, "usable_instructions", lambda: frozenset({"bf16", "int8"}))
    assert (needed_instructions(EXACT), needed_instructions(mixed)) == (frozenset(), frozenset({"bf16"}))
    monkeypatch.setattr(ray_worker, "usable_instructions", frozenset)
    assert needed_instructions(mixed) == frozenset()  # bfloat16 is emulated here, and may be elsewhere


def test_a_worker_without_the_weights_or_with_others_refuses(job: Job) -> None:
    path = job.ensemble.members[1].path
    path.write_bytes(path.read_bytes()[:-1] + b"\0\0")
    assert why_unfit(job) == f"its {path} is another file"
    path.unlink()
    assert why_unfit(job) == f"it does not see {path}"


def test_a_worker_that_does_not_see_a_slide_says_which(
    job: Job, slides: list[Slide], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "_PATIENCE", 0.0)
    shutil.rmtree(slides[1].folder)
    folder = str(slides[1].folder)
    assert answer(job, slides) == Unfit(f"it does not see {folder}", folder)


@pytest.mark.parametrize("bad", ["link", "link that comes first"])
def test_one_image_that_nobody_can_read_hides_no_slide(
    bad: str, job: Job, slides: list[Slide], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "_PATIENCE", 0.5)
    folder = slides[0].folder
    (folder / ("a.jpg" if "first" in bad else "z.jpg")).symlink_to("gone.jpg")
    found = answer(job, list(discover(folder.parent)))
    assert isinstance(found, SlideCalls)
    (failure,) = (call for call in found.calls[0] if call.status is Status.UNREADABLE)
    assert failure.reason == "the file is gone or is not a regular file"
    assert len(found.calls[0]) == 4


def test_a_worker_that_sees_none_of_the_images_says_so(
    job: Job, slides: list[Slide], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "_PATIENCE", 0.0)
    for path in slides[1].folder.iterdir():  # as where the share is not mounted
        path.unlink()
    folder = str(slides[1].folder)
    assert not shows_images(slides[1])
    assert answer(job, slides) == Unfit(f"it does not see {folder}", folder)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_worker_whose_share_fails_says_which_slide_it_does_not_see(
    code: int, job: Job, slides: list[Slide], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "_PATIENCE", 0.0)
    sound, folder = os.stat, slides[1].folder

    def stat(path: Any, **named: Any) -> os.stat_result:
        if not isinstance(path, int) and os.fspath(path) == os.fspath(folder):
            raise OSError(code, os.strerror(code))
        return sound(path, **named)

    monkeypatch.setattr(os, "stat", stat)
    assert answer(job, slides) == Unfit(f"it does not see {folder}", str(folder))
