"""What only an NVIDIA GPU can show: that the engine computes there what it computes on the processor."""

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from slidescreen.engine import gpu, pytorch
from slidescreen.engine.explain import Explainer
from slidescreen.engine.gpu import Execution, exact_float32
from slidescreen.engine.pytorch import TorchEngine
from slidescreen.engine.transfer import PixelTransfer
from slidescreen.ensembles import storage
from slidescreen.ensembles.voting import Vote

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SIDE = 64
LARGEST = {"fp32": 1e-4, "bf16": 0.05, "fp16": 0.01}


def pixels(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.mark.parametrize("execution", [Execution(), Execution(channels_last=False), Execution(graphs=False)], ids=repr)
@pytest.mark.parametrize("precision", LARGEST)
def test_the_gpu_agrees_with_the_processor(
    precision: str, execution: Execution, checkpoints: tuple[Path, Path]
) -> None:
    exact_float32()
    engines, _ = gpu.load(checkpoints, CUDA, (precision, precision), execution, batch=32)
    for path, engine in zip(checkpoints, engines, strict=True):
        for count in (32, 7, 33):
            expected, found = TorchEngine(path, CPU).outputs(pixels(count)), engine.outputs(pixels(count))
            assert np.abs(found.probabilities - expected.probabilities).max() < LARGEST[precision]
            assert np.allclose(found.features, expected.features, atol=100 * LARGEST[precision])


def test_many_batches_in_two_threads_get_their_own_answers(checkpoints: tuple[Path, Path]) -> None:
    exact_float32()
    plain = TorchEngine(checkpoints[0], CPU)
    batches = [pixels(1 + seed % 5, seed) for seed in range(60)]
    expected = [plain.probabilities(batch) for batch in batches]
    for execution in (Execution(), Execution(graphs=False)):
        (engine,), _ = gpu.load(checkpoints[:1], CUDA, ("fp32",), execution, batch=4)
        with ThreadPoolExecutor(2) as two:
            found = list(two.map(engine.probabilities, batches))
        assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(found, expected, strict=True))


def test_pixels_arrive_as_they_were_while_the_gpu_computes() -> None:
    transfer, busy = PixelTransfer(CUDA), torch.rand(2048, 2048, device=CUDA)
    arrived = []
    for seed in range(12):
        for _ in range(20):
            busy = (busy @ busy).clamp_(0, 1)
        arrived.append(transfer(pixels(1 + seed, seed)).clone())
    for seed, found in enumerate(arrived):
        assert torch.equal(found.cpu().permute(0, 2, 3, 1), torch.from_numpy(pixels(1 + seed, seed)))


def test_an_ensemble_is_loaded_and_votes_as_on_the_processor(ensemble_folder: Path) -> None:
    ensemble = storage.load(ensemble_folder)
    on_gpu = pytorch.load(ensemble.members, "cuda", "fp32", 2)
    on_processor = pytorch.load(ensemble.members, "cpu", "fp32", 2)
    found, expected = (Vote(ensemble, each)([pixels(9)]).probabilities for each in (on_gpu, on_processor))
    assert np.allclose(found, expected, atol=1e-4)
    assert on_gpu.batch_size == gpu.BATCH
    assert torch.cuda.get_device_name() in on_gpu.description


def test_the_batch_is_small_where_memory_is_short(checkpoints: tuple[Path, Path]) -> None:
    _, generous = gpu.load(checkpoints[:1], CUDA, ("fp32",))
    free, _ = torch.cuda.mem_get_info(CUDA)
    held = torch.empty(free - 300_000_000, dtype=torch.uint8, device=CUDA)
    try:
        assert gpu.load(checkpoints[:1], CUDA, ("fp32",), batch=64 * generous)[1] < 64 * generous
    finally:
        del held
        gc.collect()
        torch.cuda.empty_cache()


def test_heat_maps_agree_with_those_of_the_processor(checkpoints: tuple[Path, Path]) -> None:
    exact_float32()
    types = np.array([0, 1, 2])
    found, expected = (Explainer(checkpoints[0], where).heat(pixels(3), types) for where in (CUDA, CPU))
    assert np.allclose(found, expected, atol=1e-2)
