"""Checkpoints and labelled images to a measured ensemble."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from slidescreen.engine.interface import Choice, EngineOptions, joined
from slidescreen.engine.selection import choose, load_engines
from slidescreen.ensemble import Ensemble, default_weights, member_of
from slidescreen.errors import InputError
from slidescreen.exactness import Agreement, agreement
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
    if choice.kind != "openvino":
        return calibrated
    engines = load_engines(ensemble.members, Choice("openvino", "cpu", "bf16"))
    other = predict(ensemble, engines, images, progress)
    precisions = measure_bf16(calibrated, predictions, other)
    return replace(calibrated, calibration=replace(calibrated.calibration, precisions=precisions))


def measure_bf16(ensemble: Ensemble, exact: MemberPredictions, other: MemberPredictions) -> dict[str, Agreement]:
    """What bfloat16 would change in an ensemble's calls: in all members, and if that is too much, in some.

    Args:
        exact, other: of the same images in float32 and in bfloat16.

    Returns:
        By precision, as `joined` writes it: `bf16`, and after it the one that has the most members in bfloat16 of those
        that are harmless, if `bf16` is not.
    """
    slides = [image.slide for image in exact.images]
    expected = ensemble.combine(exact.members)

    def measured(precisions: Sequence[str]) -> Agreement:
        members = [
            there if each == "bf16" else here
            for here, there, each in zip(exact.members, other.members, precisions, strict=True)
        ]
        threshold = ensemble.calibration.rejection_threshold
        return agreement(expected, ensemble.combine(members), exact.truth, slides, ensemble.cell_types, threshold)

    whole = ("bf16",) * len(ensemble.members)
    found = {whole: measured(whole)}
    if not found[whole].harmless:
        mixed = [each for each in product(("fp32", "bf16"), repeat=len(whole)) if len(set(each)) > 1]
        harmless = {each: some for each in mixed if (some := measured(each)).harmless}
        if harmless:
            best = max(harmless, key=lambda each: (each.count("bf16"), -harmless[each].calls_changed))
            found[best] = harmless[best]
    return {joined(each): agreed for each, agreed in found.items()}


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
