"""Whether a slide is of a camera, a stain or optics that its ensemble was not measured on, or holds unknown cells.

Few cells are no slide: of fewer than `LEAST_CELLS` neither is told. The chance of a wrong alarm is held whatever the
number of cells, by an exact binomial test against the share that no slide at home exceeds, and for unknown cells by a
beta-binomial test against the usual share.
"""

import scipy  # its parts are imported when first used: they take most of a second

from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.false_calls import tail_probability
from slidescreen.screening.differential import Differential

LEAST_CELLS = 10
_LEAST_UNKNOWN = 3

ADVICE = (
    "adapt it to your laboratory first (train on your own labelled cells: slidescreen train, then slidescreen ensemble)"
)


def is_unfamiliar(differential: Differential, ensemble: Ensemble, error_rate: float) -> bool:
    """Whether more of a slide's cells are unfamiliar than on any slide at home; False where that cannot be told."""
    count, compared = differential.unfamiliar, differential.compared
    if ensemble.familiarity is None or count is None or compared < LEAST_CELLS:
        return False
    tail = scipy.special.bdtrc(count - 1, compared, ensemble.familiarity.most_unfamiliar) if count else 1.0
    return bool(tail < error_rate)


def has_unknown_cells(differential: Differential, ensemble: Ensemble, error_rate: float) -> bool:
    """Whether more of a slide's cells are unlike every type than chance has; False where that cannot be told."""
    count, compared = differential.strange, differential.compared
    if ensemble.familiarity is None or count is None or compared < LEAST_CELLS or count < _LEAST_UNKNOWN:
        return False
    usual = ensemble.familiarity.unknown
    return tail_probability(count, compared, usual.rate, usual.correlation) < error_rate


def unfamiliar_sentence(differential: Differential, ensemble: Ensemble) -> str:
    """Why a slide is unfamiliar."""
    usual = ensemble.familiarity.most_unfamiliar if ensemble.familiarity else 0.0
    return (
        f"{differential.unfamiliar} of {differential.compared} cells ({differential.unfamiliar_percent:.0f}%) are "
        f"unfamiliar (at home at most {100 * usual:.0f}%), unlike anything this ensemble was measured on: {ADVICE}"
    )


def unknown_sentence(differential: Differential, ensemble: Ensemble) -> str:
    """Why a slide has unknown cells."""
    usual = 100 * ensemble.familiarity.unknown.rate if ensemble.familiarity else 0.0
    return (
        f"{differential.strange} of {differential.compared} cells are unlike every type that the ensemble knows, where "
        f"{usual:.1f}% are usual: plasma cells, promonocytes or others may be among them"
    )
