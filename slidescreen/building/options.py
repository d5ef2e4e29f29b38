"""The options for building an ensemble. This module imports nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path

from slidescreen.choices import check_choice
from slidescreen.data.label_options import LabelRules
from slidescreen.engine.options import Device
from slidescreen.ensembles.voting_rule import VotingRule
from slidescreen.errors import InputError
from slidescreen.files.existence import exists
from slidescreen.files.writing import printable


@dataclass(frozen=True)
class RejectionTargets:
    """The targets of the rejection threshold: the kept cells' accuracy, and the largest share to reject."""

    accuracy: float = 0.95
    most_unidentified: float = 0.05


@dataclass(frozen=True)
class EnsembleOptions:
    """The user's options. Without `weights`, the default weights are used, or weights are searched.

    `unknown`: labels of cells without a class in the networks. The ensemble learns to detect such cells.
    `adapt`: an ensemble's folder, or `default`. Its networks are adapted, and no checkpoints are combined.
    """

    checkpoints: tuple[Path, ...]
    out: Path
    data: Path
    weights: tuple[float, ...] | None = None
    rule: VotingRule = VotingRule.SOFT
    search: bool = False
    targets: RejectionTargets = field(default_factory=RejectionTargets)
    label_rules: LabelRules = field(default_factory=LabelRules)
    drop_duplicates: bool = False
    device: Device = Device.AUTO
    overwrite: bool = False
    int8: bool = False
    allow_few_cells: bool = False
    unknown: frozenset[str] = frozenset()
    adapt: str | None = None

    def __post_init__(self) -> None:
        check_choice("--rule", self.rule, VotingRule)
        if self.adapt is None and not self.checkpoints:
            raise InputError("give checkpoints, or --adapt with an ensemble")
        if self.adapt is not None and self.checkpoints:
            raise InputError("--adapt takes an ensemble's own networks: give it no checkpoints")
        if self.adapt is not None and (self.weights is not None or self.search or self.rule != VotingRule.SOFT):
            raise InputError("--adapt keeps the ensemble's vote: --weight, --search and --rule do not go with it")
        if self.adapt is not None and self.unknown:
            raise InputError("--unknown does not go with --adapt: no cells without a class are learned from there")
        if self.weights is not None and len(self.weights) != len(self.checkpoints):
            raise InputError(
                f"{len(self.weights)} weights were given for {len(self.checkpoints)} checkpoints: give one for each"
            )
        if self.weights is not None and self.search:
            raise InputError("--weight and --search exclude each other")

    def check_vacant(self) -> None:
        """Refuse to replace an ensemble unasked.

        Raises:
            InputError: `out` holds an ensemble, and `overwrite` is not set.
        """
        if exists(self.out / "ensemble.json") and not self.overwrite:
            raise InputError(
                f"{printable(self.out)} already holds an ensemble: choose another --out, or use --overwrite"
            )
