"""What the epochs so far decide: the image size of the next, its learning rate, which is best, when to stop."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from slidescreen.training.options import Recipe

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


def next_image_size(options: Recipe, history: Sequence[EpochResult]) -> int | None:
    """The size, pixels, at which the next epoch trains; None where the training is over.

    A stage is over after its epochs, or when `patience` epochs of it have brought no better validation macro F1. The
    last one takes all epochs that remain.
    """
    if len(history) >= options.epochs:
        return None
    plan, begun = options.plan(), _by_stage(options, history)
    position = len(begun) - 1 + _is_over(options, begun)
    return plan[position].image_size if position < len(plan) else None


def best_epoch(options: Recipe, history: Sequence[EpochResult]) -> EpochResult:
    """The first best epoch of the present stage; figures at another image size say little of this one."""
    return _best(_by_stage(options, history)[-1])


def next_rate(options: Recipe, rate: float, history: Sequence[EpochResult]) -> float:
    """The learning rate after the last epoch: lower when the macro F1 has stood still for `plateau_patience` epochs."""
    if options.schedule != "plateau":
        return rate
    stage = _by_stage(options, history)[-1]
    best, since = _best(stage), 0
    for row in reversed(stage):
        if row.learning_rate != rate or row is best:
            break
        since += 1
    return rate * options.plateau_factor if since > options.plateau_patience else rate


def rate_at(options: Recipe, rate: float, share: float) -> float:
    """The learning rate of one step: `rate`, which with a one-cycle schedule is its peak.

    Args:
        options: of the training.
        rate: as `next_rate` gave it.
        share: of all steps of all epochs that have been done after this one, 0–1.
    """
    if options.schedule != "onecycle":
        return rate
    down = max(0.0, (share - _WARM_UP) / (1 - _WARM_UP))
    return rate * (min(share / _WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * down)))


def _by_stage(options: Recipe, history: Sequence[EpochResult]) -> list[list[EpochResult]]:
    """The epochs of each stage that has begun; the last is the present one."""
    begun: list[list[EpochResult]] = [[]]
    for row in history:
        if _is_over(options, begun):
            begun.append([])
        begun[-1].append(row)
    return begun


def _is_over(options: Recipe, begun: Sequence[Sequence[EpochResult]]) -> bool:
    """Whether the present stage has had its epochs, or its patience."""
    plan, rows = options.plan(), begun[-1]
    full = len(begun) < len(plan) and len(rows) >= plan[len(begun) - 1].epochs
    return bool(rows) and (full or rows[-1].epoch - _best(rows).epoch >= options.patience)


def _best(rows: Sequence[EpochResult]) -> EpochResult:
    return max(rows, key=lambda row: row.macro_f1)
