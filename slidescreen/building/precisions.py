"""How an ensemble's calls change in other precisions than float32, measured on labelled images, member by member."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from slidescreen.engine.exactness import PrecisionAgreement, agreement
from slidescreen.engine.options import Precision, joined
from slidescreen.ensembles.cascade import Cascade, decided_from, find_gate, may_decide
from slidescreen.ensembles.ensemble import Ensemble, Probabilities
from slidescreen.ensembles.member_predictions import MemberPredictions


def with_bf16(ensemble: Ensemble, exact: MemberPredictions, rough: MemberPredictions) -> Ensemble:
    """The ensemble with what bfloat16 would change, from predictions of the same images in float32 and in it."""
    found = measure(ensemble, exact, rough, Precision.BF16)
    return replace(ensemble, validation=replace(ensemble.validation, precisions=found))


def with_int8(ensemble: Ensemble, exact: MemberPredictions, coarse: MemberPredictions) -> Ensemble:
    """The ensemble with what 8-bit integers would change, and with its cascade; its 8-bit networks if they are of use.

    Args:
        ensemble: its members have their 8-bit networks.
        exact, coarse: of the same images in float32 and in 8-bit integers.
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
    """What another precision would change in an ensemble's calls: in all members, or if that is too much, in some.

    Args:
        exact, other: of the same images in float32 and in the other arithmetic.
        name: the other one's.

    Returns:
        By precision, as `joined` writes it: `name`, and if that is not harmless, the harmless mixture with the most
        members in that precision.
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
        exact, coarse: of the same images in float32 and in 8-bit integers.

    Returns:
        None where no member alone may decide anything: by hard voting no probability says how certain it is.
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
    """Of an outcome with the vote in float32, on the images of `exact`."""
    slides = [image.slide for image in exact.images]
    threshold = ensemble.validation.rejection_threshold
    return agreement(voted, outcome, exact.truth, slides, ensemble.cell_types, threshold)
