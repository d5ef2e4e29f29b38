"""Batches of fixed sizes: smaller batches are filled up, larger ones are split, and the answers stay the same."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from slidescreen.engine.fixed_batches import FixedBatches
from slidescreen.engine.gpu import Execution, GpuEngine
from slidescreen.engine.transfer import PixelTransfer

CPU = torch.device("cpu")


def sums(pixels: Tensor) -> tuple[Tensor, ...]:
    return pixels.double().sum(dim=(1, 2, 3)), pixels.double().mean(dim=(2, 3))


def images(count: int, seed: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@given(st.sets(st.integers(1, 9), min_size=1, max_size=3), st.lists(st.integers(1, 25), min_size=1, max_size=6))
def test_a_batch_of_any_size_gets_its_own_answers(sizes: set[int], counts: list[int]) -> None:
    batches = FixedBatches(sums, sorted(sizes), 4, CPU, graphs=False)
    found = [batches(images(count, seed)) for seed, count in enumerate(counts)]  # all kept: none may be overwritten
    for seed, (count, outputs) in enumerate(zip(counts, found, strict=True)):
        assert all(torch.equal(a, b) for a, b in zip(outputs, sums(images(count, seed)), strict=True))


def test_only_the_given_sizes_are_computed() -> None:
    seen = []

    def noting(pixels: Tensor) -> tuple[Tensor, ...]:
        seen.append(len(pixels))
        return sums(pixels)

    batches = FixedBatches(noting, [2, 8], 4, CPU, graphs=False)
    seen.clear()
    for count in (1, 2, 3, 8, 9, 17):
        batches(images(count, count))
    assert seen == [2, 2, 8, 8, 8, 2, 8, 8, 2]


def test_threads_do_not_get_each_others_answers() -> None:
    batches = FixedBatches(sums, [4, 16], 4, CPU, graphs=False)
    given_images = [images(1 + seed % 16, seed) for seed in range(200)]
    with ThreadPoolExecutor(4) as four:
        found = list(four.map(batches, given_images))
    assert all(torch.equal(outputs[0], sums(each)[0]) for each, outputs in zip(given_images, found, strict=True))


def test_a_settled_engine_agrees_with_a_free_one(checkpoints: tuple[Path, Path]) -> None:
    free = GpuEngine(checkpoints[0], CPU, "fp32", PixelTransfer(CPU))
    settled = GpuEngine(checkpoints[0], CPU, "fp32", PixelTransfer(CPU), Execution(channels_last=False))
    settled._run = FixedBatches(settled._forward, [4, 8], 64, CPU, graphs=False)
    pixels = np.random.default_rng(0).integers(0, 256, (11, 64, 64, 3), dtype=np.uint8)
    expected, found = free.outputs(pixels), settled.outputs(pixels)
    assert np.allclose(found.probabilities, expected.probabilities, atol=1e-5)
    assert np.allclose(found.features, expected.features, atol=1e-3)
