"""Checkpoints and labelled images to a measured ensemble."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from slidescreen.engine.interface import Choice, EngineOptions
from slidescreen.engine.selection import choose, load_engines
from slidescreen.ensemble import Ensemble, default_weights, member_of
from slidescreen.errors import InputError
from slidescreen.exactness import agreement
from slidescreen.files import printable
from slidescreen.labels import LabelledImage, LabelRules, read_labelled, with_split
from slidescreen.validation import MemberPredictions, Targets, calibrate, predict, search_weights


@dataclass(frozen=True)
class Request:
    """What the user asked for. Without `weights` the default ones are taken, or searched."""

    checkpoints: tuple[Path, ...]
    out: Path
    data: Path
    weights: tuple[float, ...] | None
    rule: str
    search: bool
    targets: Targets
    left_out: frozenset[str]
    unspecified_blasts: str | None
    device: str
    overwrite: bool


def build_ensemble(request: Request, progress: Callable[[int, int], None]) -> Ensemble:
    """Measure the members and their vote on the validation split.

    Raises:
        InputError: checkpoints that do not go together, data without a validation split, an ensemble in the way.
    """
    if (request.out / "ensemble.json").exists() and not request.overwrite:
        raise InputError(
            f"{printable(request.out)} already holds an ensemble: choose another --out, or say --overwrite"
        )
    members = [member_of(path, 1.0) for path in request.checkpoints]
    weights = request.weights or default_weights([member.checkpoint for member in members])
    weighted = tuple(replace(m, weight=w) for m, w in zip(members, weights, strict=True))
    ensemble = Ensemble(weighted, request.rule)
    images = _validation_images(request, ensemble)
    choice = choose(EngineOptions(request.device))
    engines = load_engines(ensemble.members, choice)
    predictions = predict(ensemble, engines, images, progress)
    if request.search:
        found = search_weights(predictions, request.rule)
        ensemble = replace(
            ensemble, members=tuple(replace(m, weight=w) for m, w in zip(ensemble.members, found, strict=True))
        )
    calibrated = calibrate(ensemble, predictions, request.targets)
    return _with_bf16(calibrated, predictions, progress) if choice.kind == "openvino" else calibrated


def _with_bf16(ensemble: Ensemble, exact: MemberPredictions, progress: Callable[[int, int], None]) -> Ensemble:
    """The ensemble, which now knows what bfloat16 would change in its calls."""
    engines = load_engines(ensemble.members, Choice("openvino", "cpu", "bf16"))
    other = predict(ensemble, engines, exact.images, progress)
    found = agreement(
        ensemble.combine(exact.members),
        ensemble.combine(other.members),
        exact.truth,
        [image.slide for image in exact.images],
        ensemble.cell_types,
        ensemble.calibration.rejection_threshold,
    )
    return replace(ensemble, calibration=replace(ensemble.calibration, precisions={"bf16": found}))


def _validation_images(request: Request, ensemble: Ensemble) -> list[LabelledImage]:
    rules = LabelRules(request.left_out, request.unspecified_blasts)
    known = set(ensemble.cell_types)
    images = [image for image in read_labelled(request.data, rules) if image.label in known]
    seeds = {member.checkpoint.provenance.get("seed", 0) for member in ensemble.members}
    if not all(image.split for image in images) and len(seeds) > 1:
        raise InputError(
            "the members drew different splits (their seeds differ), so none is fit to measure them all: "
            "give the images a split column"
        )
    split, _ = with_split(images, int(next(iter(seeds))))
    chosen = [image for image in split if image.split == "validation"]
    if not chosen:
        raise InputError(f"{printable(request.data)} has no images in its validation split")
    return chosen
