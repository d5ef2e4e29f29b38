"""The result of screening a slide: verdict, flags and reasons. Imports nothing heavy."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Verdicts, in the order in which slides are to be seen."""

    URGENT = "urgent"
    REVIEW = "review"
    INSUFFICIENT = "insufficient"
    CLEAR = "clear"


class Flag(StrEnum):
    """The codes in the column `flags` of `differential.csv`. `reporting.flag_words` and docs/reference/flags.md explain
    them."""

    BLASTS = "blasts"
    BLASTS_5 = "blasts_5"
    BLASTS_20 = "blasts_20"
    MANY_BLASTS = "many_blasts"
    BLAST_EQUIVALENTS = "blast_equivalents"
    IG = "ig"
    LEFT_SHIFT = "left_shift"
    LINEAGE_MYELOID = "lineage_myeloid"
    LINEAGE_LYMPHOID = "lineage_lymphoid"
    APL = "apl"
    CML = "cml"
    MONOCYTES = "monocytes"
    TOO_FEW_CELLS = "too_few_cells"
    NO_IMAGES = "no_images"
    FEW_VALIDATION_CELLS = "few_validation_cells"
    UNRELIABLE = "unreliable"
    UNFAMILIAR = "unfamiliar"
    UNKNOWN_CELLS = "unknown_cells"
    FEW_LEUKOCYTES = "few_leukocytes"
    VANISHED = "vanished"
    CHANGING = "changing"


@dataclass(frozen=True)
class Finding:
    """The verdict on one slide, its flags and its reasons (sentences).

    A flag is a `Flag`. In records of another release it may be an unknown code.
    """

    verdict: Verdict
    flags: tuple[str, ...]
    reasons: tuple[str, ...]
