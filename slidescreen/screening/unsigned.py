"""Cell types of a verdict for which an adapted ensemble had no, or too few, signed cells."""

from collections.abc import Iterable

from slidescreen import cells
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.screening.differential import Differential


def unsigned_reasons(differential: Differential, ensemble: Ensemble) -> list[str]:
    """Sentences on types that the ensemble was not adapted to; empty if it was not adapted.

    Every verdict depends on blasts, so these are always named. Other types are named if the slide has some.
    """
    validation = ensemble.validation
    seen = [name for name in cells.LEUKOCYTES if name not in cells.BLASTS and differential.shares[name].count]
    said = []
    for members, whose in ((cells.BLASTS, "blasts"), (seen, "cells of these types")):
        unsigned = [name for name in members if name in validation.unsigned]
        if unsigned:
            said.append(
                f"no {_listed(unsigned)} of this laboratory was among the signed cells: its {whose} are judged by the "
                "networks before the adaptation"
            )
        borrowed = [name for name in members if name in validation.borrowed]
        if borrowed:
            said.append(
                f"few {_listed(borrowed)} cells of this laboratory were signed: their error rates are joined with "
                "those known before the adaptation"
            )
    return said


def _listed(names: Iterable[str]) -> str:
    *others, last = (cells.DISPLAY_NAMES[name].lower() for name in names)
    return f"{', '.join(others)} or {last}" if others else last
