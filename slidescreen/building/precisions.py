"""Measure on labelled images how an ensemble's calls change in precisions other than float32."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from slidescreen.engine.exactness import PrecisionAgreement, agreement
from slidescreen.engine.options import Precision, joined
from slidescreen.ensembles.cascade import Cascade, decided_from, find_gate, may_decide
from slidescreen.ensembles.ensemble import Ensemble, Probabilities
from slidescreen.ensembles.member_predictions import MemberPredictions


def with_half(ensemble: Ensemble, exact: MemberPredictions, rough: MemberPredictions, name: str) -> Ensemble:
    """Add to the ensemble how a half precision changes the calls of float32.

    Args:
        exact, rough: predictions of the same images in float32 and in the half precision.
        name: `bf16` or `fp16`.
    """
    found = {**ensemble.validation.precisions, **measure(ensemble, exact, rough, name)}
    return replace(ensemble, validation=replace(ensemble.validation, precisions=found))


def with_int8(ensemble: Ensemble, exact: MemberPredictions, coarse: MemberPredictions) -> Ensemble:
    """Add to the ensemble how 8-bit integers change its calls, and its cascade. Remove useless 8-bit networks.

    Args:
        ensemble: the ensemble. Its members have their 8-bit networks.
        exact, coarse: predictions of the same images in float32 and in 8-bit integers.
    """
    found = measure(ensemble, exact, coarse, Precision.INT8)
    cascade = find_cascade(ensemble, exact, coarse)
    precisions = {**ensemble.validation.precisions, **found}
    members = ensemble.members
    if cascade is None and not any(each.tolerable for each in found.values()):
        members = tuple(replace(member, int8=None) for member in members)
    validation = replace(ensemble.validation, precisions=precisions, cascade=cascade)
    return replace(ensemble, members=members, validation=validation)


def measure(
    ensemble: Ensemble, exact: MemberPredictions, other: MemberPredictions, name: str
) -> dict[str, PrecisionAgreement]:
    """Measure how another precision changes an ensemble's calls. If that harms, some members keep float32.

    Args:
        exact, other: predictions of the same images in float32 and in the other precision.
        name: the name of the other precision.

    Returns:
        The changes by precision, as `joined` writes it: always for `name`. If `name` is not harmless, also for the
        harmless mixture with the most members in `name`.
    """
    voted = ensemble.combine(exact.members)

    def measured(precisions: Sequence[str]) -> PrecisionAgreement:
        members = [
            there if each == name else here
            for here, there, each in zip(exact.members, other.members, precisions, strict=True)
        ]
        return _agreement(ensemble, exact, voted, ensemble.combine(members))

    whole = (name,) * len(ensemble.members)
    found = {whole: measured(whole)}
    if not found[whole].harmless:
        mixed = [each for each in product((Precision.FP32, name), repeat=len(whole)) if len(set(each)) > 1]
        harmless = {each: some for each in mixed if (some := measured(each)).harmless}
        if harmless:
            best = max(harmless, key=lambda each: (each.count(name), -harmless[each].calls_changed))
            found[best] = harmless[best]
    return {joined(each): agreed for each, agreed in found.items()}


def find_cascade(ensemble: Ensemble, exact: MemberPredictions, coarse: MemberPredictions) -> Cascade | None:
    """The cascade that leaves the fewest cells to the whole ensemble.

    Args:
        exact, coarse: predictions of the same images in float32 and in 8-bit integers.

    Returns:
        None if no member may decide alone. Hard voting never has a cascade, because it gives no certainty.
    """
    if ensemble.rule != "soft" or len(ensemble.members) < 2:
        return None
    voted = ensemble.combine(exact.members)
    called = ensemble.called(voted)
    found = []
    for first, probabilities in enumerate(coarse.members):
        alone = ensemble.alone(probabilities)
        may = may_decide(alone, ensemble.cell_types)
        gate = find_gate(ensemble.called(alone) != called, alone, may)
        if gate is None:
            continue
        decided = decided_from(gate, alone, may)
        agreed = _agreement(ensemble, exact, voted, np.where(decided[:, None], alone, voted))
        if agreed.harmless:
            found.append(Cascade(first, gate, float(decided.mean()), agreed))
    return max(found, key=lambda cascade: cascade.decided, default=None)


def _agreement(
    ensemble: Ensemble, exact: MemberPredictions, voted: Probabilities, outcome: Probabilities
) -> PrecisionAgreement:
    """The agreement of an outcome with the vote in float32, on the images of `exact`."""
    slides = [image.slide for image in exact.images]
    threshold = ensemble.validation.rejection_threshold
    return agreement(voted, outcome, exact.truth, slides, ensemble.cell_types, threshold)
