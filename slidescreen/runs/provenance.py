"""Hashes of everything that determines calls and verdicts. With equal hashes the result is the same."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from slidescreen import cells
from slidescreen.data import calls
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles import ensemble as _ensemble
from slidescreen.ensembles import false_calls, sufficiency
from slidescreen.ensembles.ensemble import ODDS_OF_BLASTS, Ensemble
from slidescreen.screening import (
    correction,
    differential,
    excess,
    finding,
    results,
    sentences,
    unfamiliar_cells,
    unsigned,
    verdict,
)
from slidescreen.screening.slide_record import Provenance
from slidescreen.screening.thresholds import Thresholds
from slidescreen.statistics import arrays, beta_binomial, intervals

JUDGING = (
    *(arrays, beta_binomial, calls, cells, correction, differential, _ensemble, excess, false_calls),
    *(finding, intervals, results, sentences, sufficiency, unfamiliar_cells, unsigned, verdict),
)
"""The modules whose code judges a slide. If one changes, earlier slides are judged again."""


def provenance_of(ensemble: Ensemble, configuration: EngineConfiguration, thresholds: Thresholds) -> Provenance:
    """Hashes of the ensemble, the engine's settings, the thresholds, and the code of the verdict."""
    validation, told = ensemble.validation, _vote(ensemble)
    known = [ensemble.familiarity.sha256, ODDS_OF_BLASTS] if ensemble.familiarity else []
    code = [hashlib.sha256(Path(module.__file__ or "").read_bytes()).hexdigest() for module in JUDGING]
    return Provenance(
        voted=_hash(told),
        called=_hash([*told, *known, asdict(configuration)]),
        judged=_hash([told, *known, asdict(validation), asdict(thresholds), code]),
    )


def voted_by(ensemble: Ensemble) -> str:
    """The hash of an ensemble, as a slide's provenance has it under `voted`."""
    return _hash(_vote(ensemble))


def _vote(ensemble: Ensemble) -> list[Any]:
    members = [(member.sha256, member.weight) for member in ensemble.members]
    validation = ensemble.validation
    return [members, ensemble.rule, validation.temperature, validation.offsets, validation.rejection_threshold]


def _hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A JSON value for an object that JSON does not support."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return sorted(value) if isinstance(value, frozenset) else str(value)
