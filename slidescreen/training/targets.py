"""What labels teach: a cell type, or that a cell is of one of several types."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from slidescreen import cells


def taught_labels(cell_types: Sequence[str]) -> tuple[str, ...]:
    """The labels that a network of these types can learn from: its types, then group labels that exclude some type."""
    return (*cell_types, *_groups(cell_types))


def types_of_groups(cell_types: Sequence[str]) -> Tensor:
    """(G, K) whether a cell with each group label of `taught_labels` may have each type."""
    table = torch.zeros(len(_groups(cell_types)), len(cell_types), dtype=torch.bool)
    for row, places in zip(table, _groups(cell_types).values(), strict=True):
        row[places] = True
    return table


def cross_entropy(
    logits: Tensor, labels: Tensor, groups: Tensor, weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """The mean cross-entropy of labels of which some are groups.

    A group teaches the probability of all its types together. It has the weight 1.

    Args:
        logits: (N, K).
        labels: (N,), positions among `taught_labels`.
        groups: (G, K), from `types_of_groups`.
        weights: (K,) of the types; None if all are 1.
        smoothing: the part of the target that all types share, 0–1.
    """
    known = labels < logits.shape[1]
    if bool(known.all()):
        return functional.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)
    single = functional.cross_entropy(
        logits[known], labels[known], weight=weights, label_smoothing=smoothing, reduction="sum"
    )
    chances = logits[~known].log_softmax(1)
    inside = chances.masked_fill(~groups[labels[~known] - logits.shape[1]], -torch.inf).logsumexp(1)
    several = -((1 - smoothing) * inside + smoothing * chances.mean(1)).sum()
    return (single + several) / total_weight(labels, weights)


def total_weight(labels: Tensor, weights: Tensor | None) -> float:
    """The weight of images with these labels in the loss. `weights` (K,) are of the types; a group has 1."""
    if weights is None:
        return len(labels)
    return float(weights[labels[labels < len(weights)]].sum()) + int((labels >= len(weights)).sum())


def _groups(cell_types: Sequence[str]) -> dict[str, list[int]]:
    found = {label: cells.indices(cell_types, members) for label, members in cells.GROUP_LABELS.items()}
    return {label: places for label, places in found.items() if 0 < len(places) < len(cell_types)}
