"""A last layer that learns some types and leaves the others their probability."""

import numpy as np
import pytest

from slidescreen.statistics.held_layer import Examples, fit


def examples(seed: int, count: int = 90, types: int = 4, inputs: int = 5) -> Examples:
    """Cells of the first two types, which the inputs tell apart and the logits before do not."""
    generator = np.random.default_rng(seed)
    truth = np.arange(count) % 2
    points = generator.normal(size=(count, inputs))
    points[:, 0] += np.where(truth == 1, 4.0, -4.0)
    base = generator.normal(0, 0.1, (count, types))
    base[:, 3] = -9
    targets = 0.8 * np.eye(types)[truth]
    targets[:, 2] = 0.2
    return Examples(base, points, targets, np.full(count, 1 / count))


def probabilities(of: Examples, slopes: np.ndarray, offsets: np.ndarray, free: list[int]) -> np.ndarray:
    logits = of.base.copy()
    logits[:, free] += of.inputs @ slopes.T + offsets
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_it_tells_the_types_apart_and_leaves_the_others_what_they_are_to_keep() -> None:
    taught = examples(0)
    found = probabilities(taught, *fit(taught, np.array([0, 1]), 1e-3), [0, 1])
    assert (found[:, :2].argmax(axis=1) == np.arange(90) % 2).mean() > 0.97
    assert found[:, 2].mean() == pytest.approx(0.2, abs=0.04)


def test_the_penalty_holds_it_to_what_it_was() -> None:
    taught = examples(1)
    strong, weak = (np.abs(fit(taught, np.array([0, 1]), penalty)[0]).max() for penalty in (1e3, 1e-3))
    assert strong < 1e-3 < 0.1 < weak


def test_the_order_of_the_cells_changes_nothing() -> None:
    taught = examples(3)
    turned = Examples(*(np.ascontiguousarray(part[::-1]) for part in vars(taught).values()))
    one, other = (fit(each, np.array([0, 1]), 1e-2)[0] for each in (taught, turned))
    assert np.abs(one - other).max() < 1e-3
