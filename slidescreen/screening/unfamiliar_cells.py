"""Recognise slides of an unfamiliar camera, stain or optics, and slides with unknown cells.

Two tests keep the rate of false alarms, whatever the number of cells. For unfamiliar slides an exact binomial test
compares with the largest share on the slides on which the ensemble was measured. For unknown cells a beta-binomial test
compares with the usual share. With fewer than `LEAST_CELLS` cells neither test is made.
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
    """Whether more cells are unfamiliar than on any slide the ensemble was measured on. False if there is no test."""
    count, compared = differential.unfamiliar, differential.compared
    if ensemble.familiarity is None or count is None or compared < LEAST_CELLS:
        return False
    tail = scipy.special.bdtrc(count - 1, compared, ensemble.familiarity.most_unfamiliar) if count else 1.0
    return bool(tail < error_rate)


def has_unknown_cells(differential: Differential, ensemble: Ensemble, error_rate: float) -> bool:
    """Whether more cells are unlike every type than chance explains. False if there is no test."""
    count, compared = differential.strange, differential.compared
    if ensemble.familiarity is None or count is None or compared < LEAST_CELLS or count < _LEAST_UNKNOWN:
        return False
    usual = ensemble.familiarity.unknown
    return tail_probability(count, compared, usual.rate, usual.correlation) < error_rate


def unfamiliar_sentence(differential: Differential, ensemble: Ensemble) -> str:
    """Why a slide is unfamiliar."""
    usual = ensemble.familiarity.most_unfamiliar if ensemble.familiarity else 0.0
    return (
        f"{differential.unfamiliar} of {differential.compared} cells ({differential.unfamiliar_percent:.0f}%, usual: "
        f"at most {100 * usual:.0f}%) are unlike anything this ensemble was measured on: {ADVICE}"
    )


def unknown_sentence(differential: Differential, ensemble: Ensemble) -> str:
    """Why a slide has unknown cells."""
    usual = 100 * ensemble.familiarity.unknown.rate if ensemble.familiarity else 0.0
    return (
        f"{differential.strange} of {differential.compared} cells are unlike every type that the ensemble knows "
        f"(usual: {usual:.1f}%): plasma cells, promonocytes or others may be among them"
    )
