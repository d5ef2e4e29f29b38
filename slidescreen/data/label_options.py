"""Options for reading labels: unknown words, splits and copies."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property

from slidescreen import cells
from slidescreen.choices import check_choice
from slidescreen.data.delimited import excerpt
from slidescreen.errors import InputError

_MOST_NAMED = 20  # at most so many labels stand in a message


class Split(StrEnum):
    """The parts of a data set: for learning, for choosing and measuring, and for a final measurement."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class LabelRules:
    """Rules for labels that are not cell types.

    `left_out` are labels to skip. The name of a cell type skips every label that means this type. Any other name skips
    the labels of that spelling; letter case, separators and plural do not matter. `unspecified_blasts` is the type
    that a blast without lineage counts as. `groups` are labels of `cells.GROUP_LABELS` that stand as they are.
    """

    left_out: frozenset[str] = frozenset()
    unspecified_blasts: str | None = None
    groups: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.unspecified_blasts is not None:
            check_choice("--unspecified-blasts", self.unspecified_blasts, cells.Blast)

    def check(self, labels: Iterable[str], where: str) -> None:
        """Refuse a name in `left_out` that matches no label, because it may be misspelled.

        Args:
            labels: all labels in their original spelling.
            where: the data's name, for messages.

        Raises:
            InputError: a name is neither a label nor a cell type.
        """
        spelled = {cells.normalised(label): label for label in labels}
        for name in sorted(self.left_out):
            if cells.resolve(name) is None and cells.normalised(name) not in spelled:
                raise InputError(_no_such_label(name, sorted(spelled.values()), where))

    def leaves_out(self, name: str) -> bool:
        """Whether the rules skip a label."""
        return cells.normalised(name) in self._spellings or cells.resolve(name) in self._types

    def resolve(self, name: str) -> str | None:
        """The cell type or the group that a label means, or None if the label is to be skipped.

        Raises:
            InputError: the label means no known type.
        """
        if self.leaves_out(name):
            return None
        if not name.strip():
            raise InputError("the label is missing")
        cell_type, group = cells.resolve(name), cells.group_label(name)
        if group == cells.UNSPECIFIED_BLAST and self.unspecified_blasts:
            return self.unspecified_blasts
        if group in self.groups:
            return group
        if group == cells.UNSPECIFIED_BLAST:
            raise InputError(
                f"the label {excerpt(name)} gives no lineage: use --unspecified-blasts myeloblast "
                f"(or lymphoblast), or --leave-out {excerpt(name)}"
            )
        if cell_type is None:
            raise InputError(
                f"unknown cell type {excerpt(name)}: use one of {', '.join(cells.CELL_TYPES)}; "
                f"--leave-out {excerpt(name)} skips such images"
            )
        return cell_type

    @cached_property
    def _types(self) -> frozenset[str | None]:
        """Cell types whose labels are all left out."""
        return frozenset(cells.resolve(name) for name in self.left_out if cells.means_whole_type(name))

    @cached_property
    def _spellings(self) -> frozenset[str]:
        return frozenset(map(cells.normalised, self.left_out))


@dataclass(frozen=True)
class LabelOptions:
    """How labels are read.

    `rules` are rules for labels that are not cell types. `split` selects the images of one split. `drop_duplicates`
    keeps one copy of an image that is listed more than once.
    """

    rules: LabelRules = field(default_factory=LabelRules)
    split: Split | None = None
    drop_duplicates: bool = False


def _no_such_label(name: str, labels: list[str], where: str) -> str:
    near = get_close_matches(name, [*labels, *cells.CELL_TYPES], n=1)
    hint = f" (did you mean {excerpt(near[0])}?)" if near else ""
    there = ", ".join(map(excerpt, labels[:_MOST_NAMED])) + (", …" if len(labels) > _MOST_NAMED else "")
    return f"--leave-out {excerpt(name)}: no such label in {where}, and no cell type{hint}; labels there: {there}"
