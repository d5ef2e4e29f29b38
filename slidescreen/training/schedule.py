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
        """Make a result from the values of `asdict`. Other keys are ignored.

        Raises:
            KeyError: a value is missing.
        """
        return cls(**{f.name: notes[f.name] for f in fields(cls) if f.name != "seconds" or f.name in notes})


def next_image_size(recipe: Recipe, history: Sequence[EpochResult]) -> int | None:
    """The image size of the next epoch, in pixels; None if the training is over.

    A stage ends after its epochs, or after `patience` epochs without a better validation macro F1. The last stage
    takes all remaining epochs.
    """
    if len(history) >= recipe.epochs:
        return None
    plan, begun = recipe.plan(), _by_stage(recipe, history)
    position = len(begun) - 1 + _is_over(recipe, begun)
    return plan[position].image_size if position < len(plan) else None


def best_epoch(recipe: Recipe, history: Sequence[EpochResult]) -> EpochResult:
    """The first best epoch of the current stage. Figures at other image sizes say little about this stage."""
    return _best(_by_stage(recipe, history)[-1])


def next_rate(recipe: Recipe, rate: float, history: Sequence[EpochResult]) -> float:
    """The learning rate after the last epoch: lower after `plateau_patience` epochs without a better macro F1."""
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
    """The learning rate of one step. It is `rate`; a one-cycle schedule has `rate` as its peak.

    Args:
        recipe: the training's recipe.
        rate: the result of `next_rate`.
        share: the share of all steps of all epochs that are done after this step, 0–1.
    """
    if recipe.schedule != Schedule.ONECYCLE:
        return rate
    down = max(0.0, (share - _WARM_UP) / (1 - _WARM_UP))
    return rate * (min(share / _WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * down)))


def _by_stage(recipe: Recipe, history: Sequence[EpochResult]) -> list[list[EpochResult]]:
    """The epochs of each stage that has begun. The last one is the current stage."""
    begun: list[list[EpochResult]] = [[]]
    for row in history:
        if _is_over(recipe, begun):
            begun.append([])
        begun[-1].append(row)
    return begun


def _is_over(recipe: Recipe, begun: Sequence[Sequence[EpochResult]]) -> bool:
    """Whether the current stage has used up its epochs or its patience."""
    plan, rows = recipe.plan(), begun[-1]
    full = len(begun) < len(plan) and len(rows) >= plan[len(begun) - 1].epochs
    return bool(rows) and (full or rows[-1].epoch - _best(rows).epoch >= recipe.patience)


def _best(rows: Sequence[EpochResult]) -> EpochResult:
    return max(rows, key=lambda row: row.macro_f1)
