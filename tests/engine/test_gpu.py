"""What a GPU is given, run on the processor: the same answers, and buffers that are never filled too early."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from slidescreen.engine import gpu, pytorch
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.engine.fusion import fold_normalisation, multiply_single_pixels
from slidescreen.engine.interface import MemberEngines
from slidescreen.engine.pytorch import TorchEngine
from slidescreen.engine.transfer import PixelTransfer
from slidescreen.ensembles import storage
from slidescreen.ensembles.voting import Vote
from slidescreen.models.backbones import BACKBONES
from slidescreen.models.checkpoints import build, load_network, save_checkpoint

CPU = torch.device("cpu")
SIDE = 64


def pixels(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_network_with_folded_normalisation_computes_the_same(backbone: str) -> None:
    torch.manual_seed(0)
    network = build(backbone, 5).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if it had been trained
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    images = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        expected = network(images)
        found = fold_normalisation(network)(images)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_network_whose_single_pixels_are_multiplied_computes_the_same(backbone: str) -> None:
    torch.manual_seed(0)
    network = fold_normalisation(build(backbone, 5))
    images = torch.randn(3, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = network(images)
        found = multiply_single_pixels(network)(images)
    left = [each.kernel_size for each in network.modules() if isinstance(each, nn.Conv2d)]
    assert left
    assert (1, 1) not in left
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_normalisation_that_follows_no_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match="no convolution before 1"):
        fold_normalisation(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-5), ("bf16", 0.03), ("fp16", 0.005)])
def test_the_engine_for_gpus_agrees_with_the_plain_one(
    precision: str, most: float, checkpoints: tuple[Path, Path]
) -> None:
    engines, _ = gpu.load(checkpoints, CPU, (precision, precision), batch=6)
    for path, ours in zip(checkpoints, engines, strict=True):
        plain = TorchEngine(path, CPU)
        expected, found = plain.outputs(pixels(9)), ours.outputs(pixels(9))
        assert np.abs(found.probabilities - expected.probabilities).max() < most
        assert found.probabilities.sum(axis=1) == pytest.approx(1)
        assert found.features.dtype == np.float32
        assert np.allclose(found.features, expected.features, atol=100 * most)
        assert ours.image_size == SIDE


def test_an_ensemble_votes_the_same_with_engines_for_gpus(ensemble_folder: Path) -> None:
    ensemble = storage.load(ensemble_folder)
    plain = MemberEngines([TorchEngine(member.path, CPU) for member in ensemble.members], "plain")
    ours = MemberEngines(gpu.load([each.path for each in ensemble.members], CPU, ("fp32",) * 2, batch=4)[0], "ours")
    batches = [pixels(count, seed=count) for count in (5, 5, 2, 7)]
    expected = [Vote(ensemble, plain)([batch]).probabilities for batch in batches]
    with ThreadPoolExecutor(2) as two:  # as the pipeline does
        found = list(two.map(lambda batch: Vote(ensemble, ours)([batch]).probabilities, batches))
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))


class LateLane:
    """A lane whose copies end only when they are waited for: what is used before that is not there yet."""

    pinned = False

    def __init__(self) -> None:
        self.under_way: dict[int, Callable[[], None]] = {}
        self.marks = 0
        self.waits: list[int] = []

    @contextmanager
    def beside(self) -> Iterator[None]:
        yield

    def mark(self) -> int:
        self.marks += 1
        return self.marks

    def wait(self, mark: int) -> None:
        self.waits.append(mark)
        self.under_way.pop(mark, lambda: None)()

    def release(self, copied: torch.Tensor, mark: int) -> None:
        true = copied.clone()
        copied.zero_()
        self.under_way[mark] = lambda: copied.copy_(true)  # type: ignore[func-returns-value]


def test_a_buffer_is_filled_again_only_after_its_last_copy_has_ended() -> None:
    lane = LateLane()
    transfer = PixelTransfer(CPU, lane)
    copies = [transfer(pixels(3, seed)) for seed in range(5)]
    assert lane.waits == [1, 2, 3]  # two buffers: before the third copy the first must have ended
    for seed in range(3):
        assert torch.equal(copies[seed].permute(0, 2, 3, 1), torch.from_numpy(pixels(3, seed)))


def test_an_image_that_overflows_in_float16_is_computed_in_float32_whatever_lies_beside_it(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    description, network = load_network(checkpoints[0])
    with torch.no_grad():
        network.get_submodule("bn1").weight.mul_(3e4)
    strong = tmp_path / "strong.safetensors"
    save_checkpoint(strong, network.state_dict(), description, half=False)
    shown = pixels(4)
    shown[1] = (124, 116, 104)  # ImageNet's mean colour, which the network sees as 0: it does not overflow
    (engine,), _ = gpu.load([strong], CPU, ["fp16"], batch=6)
    (in_float32,), _ = gpu.load([strong], CPU, ["fp32"], batch=6)
    grey, exact = engine.outputs(shown[1:2]), in_float32.outputs(shown)
    assert not np.array_equal(grey.features, exact.features[1:2])
    with ThreadPoolExecutor(2) as two:
        for found in two.map(engine.outputs, [shown] * 3):
            assert np.array_equal(found.features[1:2], grey.features)
            assert np.abs(found.probabilities - exact.probabilities)[[0, 2, 3]].max() < 1e-4
            assert np.allclose(found.features[[0, 2, 3]], exact.features[[0, 2, 3]], rtol=1e-3)


def test_pixels_that_two_members_share_are_copied_once() -> None:
    lane = LateLane()
    transfer, batch = PixelTransfer(CPU, lane), pixels(3)
    assert transfer(batch).data_ptr() == transfer(batch).data_ptr()
    assert lane.marks == 1
    transfer(batch.copy())
    assert lane.marks == 2


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5)), min_size=1, max_size=12))
def test_batches_of_any_size_arrive_as_they_were(batches: list[tuple[int, int]]) -> None:
    transfer = PixelTransfer(CPU)
    for count, seed in batches:
        arrived = transfer(pixels(count, seed))
        assert arrived.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(arrived.permute(0, 2, 3, 1), torch.from_numpy(pixels(count, seed)))


GOOD = PrecisionAgreement(2000, 0.1, 0.005, -0.002, 0.5)
BAD = PrecisionAgreement(2000, 0.1, 0.006, -0.002, 0.5)


@pytest.mark.parametrize(
    ("has_bf16", "measured", "expected"),
    [
        (True, {}, "fp32"),
        (True, {"bf16": GOOD}, "bf16"),
        (True, {"bf16": BAD, "fp32+bf16": GOOD}, "fp32+bf16"),
        (True, {"bf16": BAD, "int8": GOOD, "fp32+int8": GOOD}, "fp32"),
        (False, {"bf16": GOOD}, "fp32"),
        (False, {"bf16": GOOD, "fp16": GOOD}, "fp16"),
        (True, {"bf16": GOOD, "fp16": GOOD}, "fp16"),
        (True, {"bf16": GOOD, "fp16": BAD, "fp16+fp32": GOOD}, "bf16"),
        (True, {"bf16": BAD, "fp32+bf16": GOOD, "fp16": BAD, "fp16+fp32": GOOD}, "fp16+fp32"),
    ],
)
def test_on_a_gpu_half_precision_is_chosen_where_it_was_measured_to_be_harmless(
    has_bf16: bool, measured: dict[str, PrecisionAgreement], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_bf16)
    assert pytorch.choose_precision("auto", "cuda", measured) == expected
    assert pytorch.choose_precision("fp16", "cuda", measured) == "fp16"
    assert pytorch.choose_precision("auto", "cpu", measured) == "fp32"
