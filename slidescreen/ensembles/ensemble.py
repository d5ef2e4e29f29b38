"""Several checkpoints that vote: how their probabilities are combined, and the measurements of their errors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.choices import check_choice
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.ensembles.cascade import Cascade
from slidescreen.ensembles.false_calls import FalseCalls
from slidescreen.ensembles.familiarity import Familiarity
from slidescreen.ensembles.sufficiency import MeasuredOn
from slidescreen.ensembles.voting_rule import VotingRule
from slidescreen.errors import InputError
from slidescreen.files.writing import printable
from slidescreen.models.backbones import Backbone
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member
from slidescreen.statistics.scaling import apply_offsets, apply_temperature, favoured

DEFAULT_WEIGHTS: dict[str, float] = {Backbone.EFFICIENTNET_B1: 0.4, Backbone.EFFICIENTNETV2_B2: 0.6}

ODDS_OF_BLASTS = 2.0
"""In cells of other optics than at home, the odds of a blast are multiplied by this. Chosen in laboratories that no
network saw (docs/evidence/training.md)."""

Probabilities = NDArray[np.float64]
Chosen = NDArray[np.bool_]


@dataclass(frozen=True)
class ValidationResult:
    """Measurements on the validation split. An ensemble works without them, but its verdicts then use less
    information.

    Attributes:
        temperature: divides the logarithms of the probabilities; 1 changes nothing.
        offsets: one for each cell type, added to these logarithms. They correct for types that training drew too
            often.
        rejection_threshold: a call less probable than this is `unidentified`.
        confusion_matrix: validation cells, rows true, columns called, in the order of the cell types; None if
            not measured.
        sure_matrix: the confusion matrix of the cells whose calls were sure (`correction.SURE`); None if not measured.
        call_correlation: the variation between slides of the calls of one true type, as the intra-slide correlation of
            a Dirichlet-multinomial distribution, 0–1.
        false_calls: how often cells of other types are called into a tested group (`blasts`, …), and how these calls
            cluster on slides; for an absent group the confusion matrix is used.
        corrected: types and groups whose percentages the correction improves on validation slides, or does not make
            worse. None if not measured; then every type with known errors is corrected.
        usual: the range of a night's figures (see `drift.FIGURES`) on the validation images.
        precisions: the agreement of calls in other precisions with calls in float32.
        cascade: how one member alone may decide some cells; None if no member may, or if not measured.
        measured_on: the validation images; None if only the confusion matrix counts them.
        measured: further figures, for display.
        unsigned: after adaptation, types of which the laboratory signed no cell. The networks before adaptation judge
            them.
        borrowed: after adaptation, types of which the laboratory signed only few cells. Their error rates are those
            before adaptation.
    """

    temperature: float = 1.0
    offsets: tuple[float, ...] = ()
    rejection_threshold: float = 0.0
    confusion_matrix: NDArray[np.int64] | None = None
    sure_matrix: NDArray[np.int64] | None = None
    call_correlation: float = 0.0
    corrected: frozenset[str] | None = None
    false_calls: Mapping[str, FalseCalls] = field(default_factory=dict)
    usual: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    precisions: Mapping[str, PrecisionAgreement] = field(default_factory=dict)
    cascade: Cascade | None = None
    measured_on: MeasuredOn | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    unsigned: frozenset[str] = frozenset()
    borrowed: frozenset[str] = frozenset()

    @property
    def graded_matrix(self) -> NDArray[np.int64] | None:
        """Validation cells (K, 2K), rows true, columns sure calls, then other calls; (K, K) if not measured."""
        if self.confusion_matrix is None or self.sure_matrix is None:
            return self.confusion_matrix
        return np.hstack([self.sure_matrix, self.confusion_matrix - self.sure_matrix])


@dataclass(frozen=True)
class Ensemble:
    """Members that share one ordered list of cell types.

    `familiarity` recognises cells and slides unlike those the ensemble was measured on; None if not measured.
    """

    members: tuple[Member, ...]
    rule: str = VotingRule.SOFT
    validation: ValidationResult = field(default_factory=ValidationResult)
    familiarity: Familiarity | None = None

    def __post_init__(self) -> None:
        if not self.members:
            raise InputError("an ensemble needs at least one checkpoint")
        check_choice("the voting rule", self.rule, VotingRule)
        first = self.members[0]
        for member in self.members[1:]:
            if member.checkpoint.cell_types != first.checkpoint.cell_types:
                raise InputError(
                    f"{printable(member.path)} and {printable(first.path)} list different cell types, "
                    "or in a different order: the members of an ensemble must agree"
                )
        weights = [member.weight for member in self.members]
        if not all(math.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
            raise InputError(f"weights must be numbers of 0 or more, one above 0, not {weights}")

    @property
    def cell_types(self) -> tuple[str, ...]:
        """The cell types that the ensemble can call, in the order of its probabilities."""
        return self.members[0].checkpoint.cell_types

    @property
    def member_names(self) -> tuple[str, ...]:
        """The members' backbones, with numbers if one occurs twice."""
        backbones = [member.checkpoint.backbone for member in self.members]
        if len(set(backbones)) == len(backbones):
            return tuple(backbones)
        return tuple(f"{backbone} ({number})" for number, backbone in enumerate(backbones, start=1))

    @property
    def weights(self) -> tuple[float, ...]:
        """The members' shares of the vote; they add up to 1."""
        total = sum(member.weight for member in self.members)
        return tuple(member.weight / total for member in self.members)

    @property
    def measured_on(self) -> MeasuredOn:
        """The validation images. If they were not counted, the confusion matrix gives their numbers."""
        if self.validation.measured_on is not None:
            return self.validation.measured_on
        matrix = self.validation.confusion_matrix
        if matrix is None:
            return MeasuredOn({})
        return MeasuredOn(dict(zip(self.cell_types, matrix.sum(axis=1).tolist(), strict=True)))

    def combine(self, probabilities: Sequence[Probabilities], elsewhere: Chosen | None = None) -> Probabilities:
        """The members' vote, calibrated.

        Args:
            probabilities: for each member (N, K). Each row adds up to 1.
            elsewhere: (N,) cells of other optics than at home, if known (see `familiarity.is_of_other_optics`). There
                the networks miss blasts more often. So the offsets take nothing from these, for how rare they were at
                home says little elsewhere, and their odds are multiplied by `ODDS_OF_BLASTS`.

        Returns:
            Probabilities (N, K). Each row adds up to 1.
        """
        return self._scaled(vote(probabilities, self.weights, self.rule), elsewhere)

    def alone(self, probabilities: Probabilities, elsewhere: Chosen | None = None) -> Probabilities:
        """One member's probabilities (N, K), calibrated as if all members agreed with it."""
        return self._scaled(probabilities, elsewhere)

    def _scaled(self, probabilities: Probabilities, elsewhere: Chosen | None) -> Probabilities:
        honest = apply_temperature(probabilities, self.validation.temperature)
        moved = self._moved(honest)
        if elsewhere is not None and elsewhere.any():
            blasts = cells.indices(self.cell_types, cells.BLASTS)
            moved[elsewhere] = favoured(self._moved(honest[elsewhere], blasts), blasts, ODDS_OF_BLASTS)
        return moved

    def _moved(self, probabilities: Probabilities, spared: Sequence[int] = ()) -> Probabilities:
        offsets = self.validation.offsets
        return apply_offsets(probabilities, offsets, spared) if offsets else probabilities

    def called(self, probabilities: Probabilities) -> NDArray[np.int64]:
        """The called types (N,), as indices, by probabilities (N, K) from `combine`; -1 for an unidentified cell."""
        sure = probabilities.max(axis=1) >= self.validation.rejection_threshold
        return np.where(sure, probabilities.argmax(axis=1), -1)


def vote(probabilities: Sequence[Probabilities], weights: Sequence[float], rule: str) -> Probabilities:
    """Combine members' probabilities (N, K each): their weighted mean, or for `hard` that of their calls."""
    total = np.zeros(probabilities[0].shape, np.float64)
    for member, weight in zip(probabilities, weights, strict=True):
        votes = np.eye(member.shape[1])[member.argmax(1)] if rule == VotingRule.HARD else member
        total += weight * votes
    return total / sum(weights)


def default_weights(checkpoints: Sequence[Checkpoint]) -> list[float]:
    """0.4 and 0.6, as in the reference study, for its two backbones; equal weights for any other set."""
    if sorted(c.backbone for c in checkpoints) == sorted(DEFAULT_WEIGHTS):
        return [DEFAULT_WEIGHTS[c.backbone] for c in checkpoints]
    return [1 / len(checkpoints)] * len(checkpoints)
