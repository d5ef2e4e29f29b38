"""Decisions from the epochs so far: next image size, learning rate, best epoch, when to stop."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from slidescreen.training.options import Recipe, Schedule

_WARM_UP = 0.1  # share of a one-cycle schedule in which the rate rises


@dataclass(frozen=True)
class EpochResult:
    """One line of history.csv. Accuracies and F1 are of the validation split, 0–1."""

    epoch: int
    image_size: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    accuracy: float
    macro_f1: float
    seconds: float = 0.0

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> Self:
        """From what `asdict` gave, whatever else stands there.

        Raises:
            KeyError: something is missing.
        """
        return cls(**{f.name: notes[f.name] for f in fields(cls) if f.name != "seconds" or f.name in notes})


def next_image_size(recipe: Recipe, history: Sequence[EpochResult]) -> int | None:
    """The image size of the next epoch, in pixels; None if the training is over.

    A stage is over after its epochs, or when `patience` epochs of it have brought no better validation macro F1. The
    last one takes all epochs that remain.
    """
    if len(history) >= recipe.epochs:
        return None
    plan, begun = recipe.plan(), _by_stage(recipe, history)
    position = len(begun) - 1 + _is_over(recipe, begun)
    return plan[position].image_size if position < len(plan) else None


def best_epoch(recipe: Recipe, history: Sequence[EpochResult]) -> EpochResult:
    """The first best epoch of the present stage; figures at another image size say little of this one."""
    return _best(_by_stage(recipe, history)[-1])


def next_rate(recipe: Recipe, rate: float, history: Sequence[EpochResult]) -> float:
    """The learning rate after the last epoch: lower when the macro F1 has stood still for `plateau_patience` epochs."""
    if recipe.schedule != Schedule.PLATEAU:
        return rate
    stage = _by_stage(recipe, history)[-1]
    best, since = _best(stage), 0
    for row in reversed(stage):
        if row.learning_rate != rate or row is best:
            break
        since += 1
    return rate * recipe.plateau_factor if since > recipe.plateau_patience else rate


def rate_at(recipe: Recipe, rate: float, share: float) -> float:
    """The learning rate of one step: `rate`, which with a one-cycle schedule is its peak.

    Args:
        recipe: of the training.
        rate: as `next_rate` gave it.
        share: of all steps of all epochs that have been done after this one, 0–1.
    """
    if recipe.schedule != Schedule.ONECYCLE:
        return rate
    down = max(0.0, (share - _WARM_UP) / (1 - _WARM_UP))
    return rate * (min(share / _WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * down)))


def _by_stage(recipe: Recipe, history: Sequence[EpochResult]) -> list[list[EpochResult]]:
    """The epochs of each stage that has begun; the last is the present one."""
    begun: list[list[EpochResult]] = [[]]
    for row in history:
        if _is_over(recipe, begun):
            begun.append([])
        begun[-1].append(row)
    return begun


def _is_over(recipe: Recipe, begun: Sequence[Sequence[EpochResult]]) -> bool:
    """Whether the present stage has had its epochs, or its patience."""
    plan, rows = recipe.plan(), begun[-1]
    full = len(begun) < len(plan) and len(rows) >= plan[len(begun) - 1].epochs
    return bool(rows) and (full or rows[-1].epoch - _best(rows).epoch >= recipe.patience)


def _best(rows: Sequence[EpochResult]) -> EpochResult:
    return max(rows, key=lambda row: row.macro_f1)
