"""Adapt an ensemble to a laboratory's signed cells.

`adapt_ensemble` reads from top to bottom. The networks look at the cells. A guard for the unsigned types is chosen.
New last layers are learnt, and then measured on cells from which they did not learn.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # imports its parts at first use; they take most of a second
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from slidescreen import cells
from slidescreen.building import crossfit, home, pooled, precisions, replay
from slidescreen.building.build import check_int8, in_8_bits
from slidescreen.building.joined import join
from slidescreen.building.new_cells import new_cells
from slidescreen.building.new_layer import KnownMember, known_member, learn, seen_by
from slidescreen.building.options import EnsembleOptions
from slidescreen.building.signed_cells import enough, read_signed
from slidescreen.building.validation import calibrate
from slidescreen.data.labels import LabelledImage
from slidescreen.engine.configuration import configure, half_precisions, load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import EngineOptions, Precision
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity import COARSE, EXACT
from slidescreen.ensembles.laboratory_gain import Adaptation
from slidescreen.ensembles.member_predictions import MemberPredictions, predict
from slidescreen.errors import InputError
from slidescreen.files.existence import exists
from slidescreen.files.writing import make_folder, scratch_folder, sha256_of
from slidescreen.models.last_layer import last_layer, with_last_layer
from slidescreen.models.member import member_of
from slidescreen.models.trained_on import signed_record
from slidescreen.statistics.clusters import rate_difference
from slidescreen.statistics.paired import PairedDifference

Progress = Callable[[str, int, int], None]
_NO_LOSS = 0.01  # a smaller loss of accuracy is tolerated


def adapt_ensemble(
    request: EnsembleOptions, source: Path, progress: Progress, note: Callable[[str], None] = lambda _: None
) -> tuple[Ensemble, Adaptation]:
    """Adapt the ensemble in `source` to the signed cells of the request, and write the new ensemble's folder.

    Args:
        request: the options, without checkpoints.
        source: the ensemble's folder.
        progress: receives the name of the step, the amount done and the whole amount.
        note: receives a message for each thing that is skipped.

    Returns:
        The ensemble in its folder, and what was measured. It is the old ensemble if adapting brings no gain.

    Raises:
        InputError: there are too few signed cells, the ensemble cannot be adapted or has learnt some of the cells, or
            `out` holds an ensemble.
    """
    request.check_vacant()
    old = storage.load(source)
    stored = replay.read(source, old)
    images = read_signed(request.data, request.label_rules, request.drop_duplicates, note)
    images = new_cells(source, old, images, request.data, note)
    foreign = sorted({image.label for image in images} - {*old.cell_types, cells.UNSPECIFIED_BLAST})
    if foreign:
        raise InputError(f"the ensemble does not know {', '.join(foreign)}: exclude these labels with --leave-out")
    configuration = configure(EngineOptions(request.device))
    if request.int8:
        check_int8(request, configuration, images)
    looked = _looked_at(request, old, images, configuration, progress, note)
    known = [
        known_member(last_layer(member.path), means, features, stored.truth)
        for member, means, features in zip(old.members, stored.means, stored.features, strict=True)
    ]
    signed = signed_cells(old, known, looked.features, looked.images, looked.views)
    with threadpool_limits(1):  # with many small products, threads would wait for each other
        found, members = judge(old, known, signed, looked.images, progress)
    if not found.adopted:
        kept = storage.save(request.out, old, replay.packed(old, stored))
        pooled.forget(request.out)
        return kept, found
    with scratch_folder(make_folder(request.out)) as scratch:
        adapted, shifts = _with_new_layers(old, known, signed, found, looked.images, scratch)
        truth = _most_likely(signed, members)
        named = [replace(i, label=old.cell_types[t]) for i, t in zip(looked.images, truth.tolist(), strict=True)]
        predictions = MemberPredictions(tuple(named), truth, members, looked.appearances)
        adapted = calibrate(adapted, predictions, request.targets, with_offsets=False)
        adapted = join(adapted, old.validation, found.unsigned)
        measured = {**adapted.validation.measured, "adaptation": asdict(found)}
        adapted = replace(adapted, validation=replace(adapted.validation, measured=measured))
        adapted = _in_other_precisions(adapted, request, _exact(adapted, looked, named, truth), scratch, progress)
        if adapted.familiarity is None:
            note(home.TOO_FEW)
        saved = storage.save(request.out, adapted, replay.packed(adapted, stored.moved(shifts)))
    pooled.forget(request.out)
    return saved, found


def _looked_at(
    request: EnsembleOptions,
    old: Ensemble,
    images: Sequence[LabelledImage],
    configuration: EngineConfiguration,
    progress: Progress,
    note: Callable[[str], None],
) -> pooled.Looked:
    """What the networks see in the readable cells.

    Raises:
        InputError: too few cells are readable. Nothing is left in the new ensemble's folder.
    """
    was_there = exists(request.out)
    make_folder(request.out)
    shown = partial(progress, "looking at the signed cells")
    views = pooled.views_of(len(images))
    looked = pooled.look_at(old.members, images, configuration, request.out, shown, note, views)
    try:
        return looked.where(enough(looked.images, request.data, note, "readable signed cells"))
    except InputError:
        pooled.forget(request.out)
        if not was_there:
            with contextlib.suppress(OSError):
                request.out.rmdir()
        raise


def signed_cells(
    old: Ensemble,
    known: Sequence[KnownMember],
    features: Sequence[replay.Features],
    images: Sequence[LabelledImage],
    views: Sequence[replay.Features] | None = None,
) -> crossfit.SignedCells:
    """A laboratory's cells as the members see them.

    Args:
        old: the ensemble.
        known: its members.
        features: (N, F) for each member, the features of the cells.
        images: the N cells.
        views: (N, V, F) for each member, the features of the turned cells; None for no views.
    """
    allowed = np.stack([np.isin(old.cell_types, _meant_by(image.label)) for image in images])
    groups = tuple(image.slide or f"\0{number}" for number, image in enumerate(images))
    turned: Sequence[replay.Features | None] = views or [None] * len(known)
    seen = tuple(seen_by(*each) for each in zip(known, features, turned, strict=True))
    return crossfit.SignedCells(seen, allowed, groups, old.weights, old.rule, old.cell_types)


def judge(
    old: Ensemble,
    known: Sequence[KnownMember],
    signed: crossfit.SignedCells,
    images: Sequence[LabelledImage],
    progress: Progress = lambda *_: None,
) -> tuple[Adaptation, tuple[NDArray[np.float64], ...]]:
    """The gain of adapting, and each member's out-of-fold probabilities (N, K)."""
    guard, left_out = crossfit.choose_guard(known, signed, partial(progress, "leaving types out in turn"))
    members = crossfit.out_of_fold(known, signed, guard, partial(progress, "judging across slides"))
    was = [each.old for each in signed.seen]
    before = signed.right(old.combine(was).argmax(axis=1))
    after = signed.right(signed.voted(members).argmax(axis=1))
    gain = rate_difference(after, before, np.asarray(signed.groups))
    curve = crossfit.learning_curve(known, signed, guard)
    names = {image.slide for image in images}
    some = np.asarray(signed.allowed.any(axis=0)).tolist()
    unsigned = tuple(name for name, one in zip(old.cell_types, some, strict=True) if not one)
    found = Adaptation(
        dict(Counter(str(image.label) for image in images)),
        None if "" in names else len(names),
        float(before.mean()),
        float(after.mean()),
        *_limits(gain),
        {**curve, "all": float(after.mean())},
        left_out,
        guard,
        unsigned,
        _gains(gain),
    )
    return found, members


def _limits(gain: PairedDifference) -> tuple[float | None, float | None]:
    if not np.isfinite(gain.interval.low):
        return None, None
    return float(gain.interval.low), float(gain.interval.high)


def _gains(gain: PairedDifference) -> bool:
    """Whether there is a gain. With enough slides the interval must also exclude a loss of one point."""
    low, _ = _limits(gain)
    return gain.difference > 0 and (low is None or low > -_NO_LOSS)


def _meant_by(label: str) -> tuple[str, ...]:
    """The types that a label may mean."""
    return cells.GROUP_LABELS.get(label, (label,))


def _with_new_layers(
    old: Ensemble,
    known: Sequence[KnownMember],
    signed: crossfit.SignedCells,
    found: Adaptation,
    images: Sequence[LabelledImage],
    folder: Path,
) -> tuple[Ensemble, list[NDArray[np.float64]]]:
    """Write the ensemble with last layers learnt from all signed cells; give it and the mean shifts."""
    told: dict[str, Any] = {"cells": found.cells, "guard": found.guard, "unsigned": list(found.unsigned)}
    learnt = [sha256_of(image.path) for image in images]
    held = crossfit.guards(old.cell_types, found.guard)
    members, shifts = [], []
    for number, (member, each, seen) in enumerate(zip(old.members, known, signed.seen, strict=True)):
        layer, shift = learn(each, seen, signed.allowed, held)
        path = folder / str(number) / member.path.name
        make_folder(path.parent)
        recorded = signed_record(learnt, member.checkpoint.provenance)
        with_last_layer(member.path, path, layer, {"adapted": {**told, **recorded}})
        members.append(member_of(path, member.weight))
        shifts.append(shift)
    return Ensemble(tuple(members), old.rule), shifts


def _most_likely(signed: crossfit.SignedCells, members: Sequence[NDArray[np.float64]]) -> NDArray[np.int64]:
    """(N,) each cell's type. For a group, this is its most probable type."""
    return np.asarray(np.where(signed.allowed, signed.voted(members), -1.0).argmax(axis=1))


def _exact(
    ensemble: Ensemble, looked: pooled.Looked, images: Sequence[LabelledImage], truth: NDArray[np.int64]
) -> MemberPredictions:
    """The predictions of the networks with their new last layers. The layers below have not changed."""
    logits = [
        last_layer(member.path).logits(features)
        for member, features in zip(ensemble.members, looked.features, strict=True)
    ]
    members = tuple(np.asarray(scipy.special.softmax(each, axis=1)) for each in logits)
    whole = tuple(np.hstack(both) for both in zip(looked.early, looked.features, strict=True))
    return MemberPredictions(tuple(images), truth, members, looked.appearances, whole)


def _in_other_precisions(
    ensemble: Ensemble, request: EnsembleOptions, exact: MemberPredictions, folder: Path, progress: Progress
) -> Ensemble:
    """Add to the ensemble how other precisions change its calls, and 8-bit networks if requested.

    With enough cells, the ensemble also learns to detect cells and slides unlike the laboratory's.
    """
    configuration = configure(EngineOptions(request.device))

    def predictions(ensemble: Ensemble, precision: str) -> MemberPredictions:
        engines = load_engines(ensemble.members, replace(configuration, precision=precision))
        what = partial(progress, f"measuring in {precision}")
        return predict(ensemble, engines, exact.images, what, with_features=True)

    measured = {EXACT: exact}
    for half in half_precisions(configuration):
        measured[half] = predictions(ensemble, half)
        ensemble = precisions.with_half(ensemble, exact, measured[half], half)
    if request.int8:
        both = in_8_bits(ensemble, exact.images, folder, progress)
        measured[COARSE] = predictions(both, Precision.INT8)
        ensemble = precisions.with_int8(both, exact, measured[COARSE])
        if not all(member.int8 for member in ensemble.members):
            del measured[COARSE]
    return replace(ensemble, familiarity=home.measure({}, measured))
