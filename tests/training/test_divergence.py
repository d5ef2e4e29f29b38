"""A training whose numbers stop being numbers ends at once with one clear line, and nothing of it wins."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_training import SMALL, Silent, build_small, labelled, request
from torch import nn

from slidescreen.errors import DivergedError, InputError
from slidescreen.models.checkpoints import read_checkpoint
from slidescreen.training import learner
from slidescreen.training.learner import Learner
from slidescreen.training.session import run_training

CHECKPOINT = "efficientnet_b1.safetensors"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "build", build_small)


def spoil(monkeypatch: pytest.MonkeyPatch, number: int, spoil: Callable[[Learner], float | None]) -> None:
    """After the step of this number, from 0, do something to the learner; what that returns is the loss."""
    sound = Learner.step

    def step(self: Learner, pixels: object, labels: object, at: int, rate: float) -> float:
        loss = sound(self, pixels, labels, at, rate)  # type: ignore[arg-type]
        changed = spoil(self) if at == number else None
        return loss if changed is None else changed

    monkeypatch.setattr(Learner, "step", step)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_ends_the_training_at_its_step(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: float
) -> None:
    spoil(monkeypatch, 4, lambda _: loss)
    display = Silent()
    told = (
        rf"epoch 2, batch 2 of 3, at learning rate 0\.05: the loss is {loss}; start anew with a lower --learning-rate"
    )
    with pytest.raises(DivergedError, match=rf"{told} \(the best checkpoint, of epoch 1, is kept in .*{CHECKPOINT}\)"):
        run_training(request(data, tmp_path, SMALL), display)
    assert [row.epoch for row in display.results] == [1]
    assert read_checkpoint(tmp_path / CHECKPOINT).provenance["epochs"] == 1


def test_a_training_that_diverges_in_its_first_epoch_leaves_no_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, 0, lambda _: float("nan"))
    with pytest.raises(DivergedError, match=r"epoch 1, batch 1 of 3.*no epoch had been finished"):
        run_training(request(data, tmp_path, SMALL), Silent())
    assert not (tmp_path / CHECKPOINT).exists()


def poison(kind: str) -> Callable[[Learner], None]:
    @torch.no_grad()
    def act(under: Learner) -> None:
        network = under.average if kind == "average" else under.network
        name, value = ("bn1.running_var", float("inf")) if kind == "statistics" else ("conv.weight", float("nan"))
        network.get_buffer(name).fill_(value) if "running" in name else network.get_parameter(name)[0].fill_(value)

    return act


@pytest.mark.parametrize("kind", ["weights", "average", "statistics"])
def test_weights_that_are_no_numbers_never_win(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """They come with the last step of an epoch: no loss tells of them before the validation."""
    spoil(monkeypatch, 5, poison(kind))
    with pytest.raises(
        DivergedError, match=r"epoch 2 at learning rate 0\.05: the network's weights are no longer finite"
    ):
        run_training(request(data, tmp_path, SMALL), Silent())
    assert read_checkpoint(tmp_path / CHECKPOINT).provenance["epochs"] == 1


def test_a_diverged_training_says_the_same_when_it_is_resumed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, 4, lambda _: float("nan"))
    for resume in (False, True):
        with pytest.raises(DivergedError, match="epoch 2, batch 2 of 3"):
            run_training(request(data, tmp_path, SMALL, resume=resume), Silent())


def test_a_true_training_diverges_at_a_rate_too_high_for_it(data: Path, tmp_path: Path) -> None:
    class Explosive(nn.Module):
        """Squares what it computes, over and over."""

        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Linear(3, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            values = images.mean((2, 3))
            for _ in range(12):
                values = self.classifier(values) ** 2
            return values

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(learner, "build", lambda *_: Explosive())
        with pytest.raises(DivergedError, match="learning rate 1: the loss is"):
            run_training(request(data, tmp_path, replace(SMALL, learning_rate=1.0, epochs=40)), Silent())


@pytest.mark.parametrize("role", ["teacher", "init"])
def test_weights_from_a_file_must_be_numbers(data: Path, tmp_path: Path, role: str) -> None:
    from slidescreen.models.checkpoints import Checkpoint, save_checkpoint

    network = build_small("", 3)
    with torch.no_grad():
        network.get_parameter("conv.weight")[0] = float("nan")
    path = tmp_path / "broken.safetensors"
    description = Checkpoint("efficientnet_b1", SMALL.cell_types, SMALL.preprocessing)
    save_checkpoint(path, network.state_dict(), description, half=True)
    with pytest.raises(
        InputError, match=r"broken.safetensors cannot be used: some of its weights are not finite numbers"
    ):
        run_training(request(data, tmp_path / "out", SMALL, **{role: path}), Silent())


def test_weights_beyond_float16_are_kept_as_they_are(tmp_path: Path) -> None:
    from slidescreen.models.checkpoints import Checkpoint, load_weights, save_checkpoint

    weights = {"large": torch.tensor([7e4, -1.5]), "small": torch.tensor([6e4, -1.5])}
    description = Checkpoint("efficientnet_b1", SMALL.cell_types, SMALL.preprocessing)
    save_checkpoint(tmp_path / "c", weights, description, half=True)
    loaded = load_weights(tmp_path / "c")
    assert torch.equal(loaded["large"], weights["large"])
    assert np.allclose(loaded["small"], weights["small"], rtol=1e-3)
