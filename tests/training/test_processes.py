"""Processes that torchrun started train one network: as one process would, and they stop and go on together."""

import contextlib
import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from paired_training import PLAIN, build_plain
from safetensors.torch import load_file
from small_training import SMALL, Silent, build_small, labelled, request, results

from slidescreen.errors import InputError
from slidescreen.training import history, learner
from slidescreen.training.dataset import in_batches
from slidescreen.training.launch import Launch, is_first, launch
from slidescreen.training.learner import Learner
from slidescreen.training.process_group import ProcessGroup
from slidescreen.training.session import run_training
from slidescreen.training.training_images import read_training_images

TESTS = Path(__file__).parents[1]
TRAININGS = 7  # of PROGRAM
PROGRAM = Path(__file__).with_name("paired_training.py")


def environments() -> list[dict[str, str]]:
    """What torchrun tells each of two processes on this machine, who meet anew for each of their trainings."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(TRAININGS)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = " ".join(str(each.getsockname()[1]) for each in sockets)
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "PORTS": ports}
    python = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)}
    places = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    return [{**os.environ, **common, **python, **place} for place in places]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="module")
def pair(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A folder with what two processes trained, and what each of them tells."""
    out = tmp_path_factory.mktemp("pair")
    command = [sys.executable, "-W", "ignore", str(PROGRAM), str(data), str(out)]
    both = [subprocess.Popen(command, env=each) for each in environments()]
    try:
        assert [process.wait(120) for process in both] == [0, 9]  # the second ends itself
    finally:
        for process in both:
            process.kill()
    return out, [json.loads((out / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(name="small_network")
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "build", build_small)
    monkeypatch.setattr(history, "_draw_curves", lambda path, rows: history.write_text(path, repr(len(rows))))


Pair = tuple[Path, list[dict[str, Any]]]


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").open()))


def test_without_chance_and_normalisation_two_processes_train_what_one_trains(
    pair: Pair, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "build", build_plain)
    run_training(request(data, tmp_path / "one", PLAIN), Silent())
    one, two = (load_file(folder / "efficientnet_b1.safetensors") for folder in (tmp_path / "one", pair[0] / "plain"))
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=3e-3, atol=1e-3)  # they are kept in half precision
    for ours, theirs in zip(rows_of(tmp_path / "one"), rows_of(pair[0] / "plain"), strict=True):
        for column in ("train_loss", "validation_loss", "accuracy", "macro_f1"):
            assert float(theirs[column]) == pytest.approx(float(ours[column]), abs=2e-4)


@pytest.mark.usefixtures("small_network")
def test_with_chance_and_normalisation_two_processes_end_near_one(pair: Pair, data: Path, tmp_path: Path) -> None:
    run_training(request(data, tmp_path / "one", SMALL), Silent())
    for ours, theirs in zip(rows_of(tmp_path / "one"), rows_of(pair[0] / "whole"), strict=True):
        assert float(theirs["validation_loss"]) == pytest.approx(float(ours["validation_loss"]), abs=0.1)
        assert theirs["learning_rate"] == ours["learning_rate"]


def test_stopped_through_one_process_and_resumed_two_end_as_if_undisturbed(pair: Pair) -> None:
    out, told = pair
    assert [each["stopped"] for each in told] == [True, True]
    assert results(out / "stopped") == results(out / "whole")


def test_only_the_first_process_shows_how_the_training_goes(pair: Pair) -> None:
    assert [each["shown"] for each in pair[1]] == [3, 0]


def test_what_one_process_refuses_all_refuse_and_it_is_said_once(pair: Pair) -> None:
    out, (first, second) = pair
    for each in (first, second):
        assert each["few"] == ["--batch-size 3 cannot be shared among 2 processes: each needs two images a step", False]
        assert each["taken"][0].endswith("use --resume to continue, or --overwrite to start anew")
        assert not each["taken"][1]
    assert not (out / "refused").exists()


def test_a_lost_process_stops_the_training_with_a_line(pair: Pair) -> None:
    assert pair[1][0]["lost"].startswith("another process of this training has ended; when that is fixed, ")
    assert "--resume continues" in pair[1][0]["lost"]


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize("before", ["one process", "2 processes"])
def test_another_number_of_processes_does_not_resume(before: str, pair: Pair, data: Path, tmp_path: Path) -> None:
    if before == "2 processes":
        with pytest.raises(InputError, match=r"ran in 2 processes, and now there is 1 process: start as many with tor"):
            run_training(request(data, pair[0] / "lost", SMALL, resume=True), Silent())
        return
    with pytest.raises(KeyboardInterrupt):
        run_training(request(data, tmp_path / "out", SMALL), Silent((0, 1)))
    resumed = request(data, tmp_path / "out", SMALL, resume=True)
    with pytest.raises(InputError, match=r"ran in 1 process, and now there are 3 processes"):
        read_training_images(resumed, 1, 3, lambda _: None, lambda *_: None)


class Pretended(ProcessGroup):
    """One of several processes, without the others."""

    def replica(self, network: torch.nn.Module, device: torch.device) -> torch.nn.Module:
        return network

    def total(self, value: float) -> float:
        return value

    def average(self, tensors: object) -> None: ...


@given(
    st.lists(st.integers(0, 2), min_size=6, max_size=15),
    st.integers(2, 3),
    st.one_of(st.none(), st.tuples(*[st.floats(0.1, 5)] * 3)),
    st.booleans(),
)
@settings(max_examples=25)
def test_the_mean_of_the_parts_losses_is_the_loss_of_the_batch(
    labels: list[int], processes: int, weights: tuple[float, ...] | None, taught: bool
) -> None:
    logits = torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(len(labels)))
    teacher = torch.nn.Identity() if taught else None
    recipe = replace(SMALL, teacher_weight=0.3)
    before, learner.build = learner.build, build_small
    try:
        learners = [
            Learner(recipe, torch.device("cpu"), weights and np.asarray(weights), teacher, group)  # type: ignore[arg-type]
            for group in (ProcessGroup(), *(Pretended(Launch(rank, processes)) for rank in range(processes)))
        ]
    finally:
        learner.build = before
    target = torch.as_tensor(labels)
    parts = logits.tensor_split(processes)
    whole = learners[0]._loss(logits, target, logits.flip(1))
    losses = [each._loss(part, target, part.flip(1)) for each, part in zip(learners[1:], parts, strict=True)]
    assert float(sum(losses)) / processes == pytest.approx(float(whole), rel=1e-5)


@pytest.mark.usefixtures("small_network")
def test_each_process_has_chances_of_its_own() -> None:
    recipe = replace(SMALL, drop_rate=0.0)
    pixels, labels = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), np.uint8), np.array([0, 1, 2, 0, 1, 2])
    seen = []
    for rank in range(3):
        one = Learner(recipe, torch.device("cpu"), group=Pretended(Launch(rank, 3)))
        one.network.register_forward_pre_hook(lambda _, images: seen.append(images[0].clone()))
        one.step(pixels[:2], labels, 7, 0.0)
    assert not any(torch.allclose(seen[a], seen[b], atol=0.1) for a, b in ((0, 1), (0, 2), (1, 2)))


@given(st.integers(2, 400), st.integers(2, 8), st.integers(1, 40))
def test_every_process_has_two_images_of_each_batch(count: int, processes: int, more: int) -> None:
    size = 2 * processes + more
    count = max(count, 2 * processes)
    batches = in_batches(np.arange(count), size, processes)
    parts = [[ProcessGroup(Launch(rank, processes)).part(batch) for rank in range(processes)] for batch in batches]
    assert min(len(part) for each in parts for part in each) >= 2
    assert max(max(map(len, each)) - min(map(len, each)) for each in parts) <= 1
    assert np.concatenate([part for each in parts for part in each]).tolist() == list(range(count))


def told(**changes: str) -> dict[str, str]:
    return {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "node", "MASTER_PORT": "1", **changes}


def test_what_torchrun_says_is_heeded() -> None:
    assert launch({}) == launch({"RANK": "3", "WORLD_SIZE": "9"}) == Launch(0, 1, 0, 1)
    assert launch(told()) == Launch(1, 4, 1, 4)
    assert launch(told(LOCAL_RANK="1", LOCAL_WORLD_SIZE="2")) == Launch(1, 4, 1, 2)
    assert (is_first({}), is_first(told()), is_first(told(RANK="0")), is_first(told(RANK="x"))) == (
        True,
        False,
        True,
        True,
    )


@pytest.mark.parametrize("wrong", [{"RANK": "4"}, {"RANK": "-1"}, {"RANK": "one"}, {"WORLD_SIZE": ""}])
def test_what_torchrun_never_says_is_refused(wrong: Mapping[str, str]) -> None:
    with pytest.raises(InputError, match="start the training with torchrun"):
        launch(told(**wrong))


def test_common_normalisation_keeps_the_activations_of_a_backbone() -> None:
    """What a GPU would be given computes the same in evaluation, and has the same tensors."""
    network = learner.build("efficientnetv2_b2", 3).eval()
    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 32)
    expected, names = network(images).detach(), list(network.state_dict())
    common = ProcessGroup(Launch(0, 2)).with_common_normalisation(network, torch.device("cuda"))
    assert sum(isinstance(module, torch.nn.SyncBatchNorm) for module in common.modules()) > 50
    assert list(common.state_dict()) == names
    torch.testing.assert_close(common(images).detach(), expected)


@pytest.mark.soak
def test_torchrun_trains_and_shows_each_epoch_once(data: Path, tmp_path: Path) -> None:
    """The real command, with a real backbone."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    arguments = ["slidescreen", "train", data, "--image-size", "32", "--epochs", "1", "--batch-size", "12"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    done = subprocess.run(
        [*command, *map(str, arguments), "--device", "cpu", "--out", str(tmp_path / "out")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = done.stdout + done.stderr
    assert shown.count("epoch   1  32 px") == 1
    assert shown.count("best: epoch 1") == 1
    assert "Warning" not in shown
    assert (tmp_path / "out" / "efficientnet_b1.safetensors").is_file()
    assert not (tmp_path / "out" / "training-state.safetensors").exists()
