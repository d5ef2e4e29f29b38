"""Batches of one size in one thread: smaller ones are filled up, larger ones split, and memory that runs out halves."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from slidescreen.engine import fixed_batches, gpu
from slidescreen.engine.batches import BatchRunner
from slidescreen.engine.fixed_batches import FixedBatches, KernelThread
from slidescreen.engine.pytorch import TorchEngine

CPU = torch.device("cpu")


def sums(pixels: Tensor) -> tuple[Tensor, ...]:
    return pixels.double().sum(dim=(1, 2, 3)), pixels.double().mean(dim=(2, 3))


def images(count: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


class Cramped:
    """A network for so many images at once. It notes the sizes of the batches that it is given, and the threads."""

    def __init__(self, room: int = 1000, error: type[Exception] = torch.cuda.OutOfMemoryError) -> None:
        self.room, self.error = room, error
        self.sizes: list[int] = []
        self.threads: set[int] = set()

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        self.sizes.append(len(pixels))
        self.threads.add(threading.get_ident())
        if len(pixels) > self.room:
            raise self.error("CUDA out of memory.")
        return sums(pixels)


@given(st.integers(1, 9), st.lists(st.tuples(st.integers(1, 25), st.integers(1, 9)), min_size=1, max_size=6))
def test_a_batch_of_any_size_gets_its_own_answers(size: int, batches: list[tuple[int, int]]) -> None:
    network = FixedBatches(sums)
    # All are kept: none may be overwritten. The size may change in between.
    found = [network(images(count, seed), size * factor) for seed, (count, factor) in enumerate(batches)]
    for seed, ((count, _), outputs) in enumerate(zip(batches, found, strict=True)):
        assert all(torch.equal(a, b) for a, b in zip(outputs, sums(images(count, seed)), strict=True))


def test_a_network_that_cannot_be_captured_runs_without_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def fails(_forward: object, given: Tensor) -> None:
        tried.append(len(given))
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(fixed_batches, "CudaReplay", fails)
    network = FixedBatches(sums, graphs=True)
    for size in (4, 8):
        assert torch.equal(network(images(5), size)[0], sums(images(5))[0])
    assert tried == [4]


def test_memory_that_runs_out_while_a_network_is_captured_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_batches, "CudaReplay", lambda _, given: Cramped(room=4)(given))
    network = FixedBatches(sums, graphs=True)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        network(images(5), 8)


def test_only_the_given_size_is_computed() -> None:
    network = Cramped()
    batches = FixedBatches(network)
    for count in (1, 7, 8, 9, 17):
        batches(images(count), 8)
    assert network.sizes == [8] * 8


def test_one_thread_starts_all_kernels_and_callers_get_their_own_answers() -> None:
    kernels, networks = KernelThread(16), [Cramped(), Cramped()]
    fixed = [FixedBatches(network) for network in networks]
    given_images = [images(1 + seed % 40, seed) for seed in range(200)]
    with ThreadPoolExecutor(4) as four:
        found = list(four.map(lambda each: [kernels(network, each) for network in fixed], given_images))
    for each, both in zip(given_images, found, strict=True):
        assert all(torch.equal(outputs[0], sums(each)[0]) for outputs in both)
    assert len(networks[0].threads) == 1
    assert networks[0].threads == networks[1].threads
    assert threading.get_ident() not in networks[0].threads


@given(st.integers(1, 64), st.integers(1, 50), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_where_memory_is_short_every_row_is_there_and_no_size_is_tried_again(
    size: int, room: int, batches: list[int]
) -> None:
    network, kernels = Cramped(room), KernelThread(size)
    fixed = FixedBatches(network)
    halving = BatchRunner[Tensor](lambda given: kernels(fixed, torch.stack(list(given)))[0].numpy()[:, None])
    for seed, count in enumerate(batches):
        assert halving(list(images(count, seed))).ravel().tolist() == sums(images(count, seed))[0].tolist()
    too_large = [each for each in network.sizes if each > room]
    assert network.sizes[: len(too_large)] == too_large
    assert len(set(too_large)) == len(too_large)
    assert set(network.sizes[len(too_large) :]) == {kernels.size}
    assert room <= 2 * kernels.size or kernels.size == size


def test_the_caller_hears_of_it_only_if_the_batch_was_not_filled_up() -> None:
    network, kernels = Cramped(5), KernelThread(32)
    assert len(kernels(FixedBatches(network), images(3))[0]) == 3
    assert network.sizes == [32, 16, 8, 4]
    network, kernels = Cramped(5), KernelThread(32)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        kernels(FixedBatches(network), images(32))
    assert (network.sizes, kernels.size) == ([32], 16)


def test_where_one_is_too_many_and_where_there_is_a_defect_it_ends() -> None:
    network, kernels = Cramped(0), KernelThread(4)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        kernels(FixedBatches(network), images(1))
    assert network.sizes == [4, 2, 1]
    with pytest.raises(ValueError, match="CUDA"):
        kernels(FixedBatches(Cramped(0, ValueError)), images(1))


def test_the_batch_of_an_ensemble_is_found_by_trying_it(
    checkpoints: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, tried = gpu._FromPixels.forward, list[int]()
    room = [20, 9]  # of the first and of the second network

    def cramped(network: gpu._FromPixels, pixels: Tensor) -> tuple[Tensor, Tensor]:
        tried.append(len(pixels))
        which = int(
            any(type(each).__name__ == "EdgeResidual" for each in network.modules())
        )  # only the second has them
        if len(pixels) > room[which]:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return compute(network, pixels)

    monkeypatch.setattr(gpu._FromPixels, "forward", cramped)
    engines, batch = gpu.load(checkpoints, CPU, ("fp32", "fp32"), batch=64)
    assert batch == 8
    assert tried == [64, 32, 16, 16, 8, 8, 8]  # the first network once more, in the size that both can have
    tried.clear()
    pixels = np.random.default_rng(0).integers(0, 256, (11, 64, 64, 3), dtype=np.uint8)
    for path, engine in zip(checkpoints, engines, strict=True):
        expected, found = TorchEngine(path, CPU).outputs(pixels), engine.outputs(pixels)
        assert np.allclose(found.probabilities, expected.probabilities, atol=1e-5)
        assert np.allclose(found.features, expected.features, atol=1e-3)
    assert tried == [8] * 4
