"""Build a measured ensemble from checkpoints and labelled images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from slidescreen.building import copies, home, pooled, precisions, replay
from slidescreen.building.labelled_images import images_of, not_shown, unknown_cells
from slidescreen.building.options import EnsembleOptions
from slidescreen.building.validation import calibrate, check_searchable, search_weights
from slidescreen.data.delimited import excerpt
from slidescreen.data.images import prepare
from slidescreen.data.labels import LabelledImage
from slidescreen.engine.configuration import configure, half_precisions, load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import EngineKind, EngineOptions, Precision
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble, default_weights
from slidescreen.ensembles.familiarity import COARSE, EXACT
from slidescreen.ensembles.member_predictions import MemberPredictions, decoded, predict
from slidescreen.ensembles.sufficiency import MeasuredOn
from slidescreen.errors import InputError
from slidescreen.files.writing import make_folder, printable, scratch_folder, sha256_of
from slidescreen.models.member import Member, Quantised, member_of


def build_ensemble(
    request: EnsembleOptions, progress: Callable[[str, int, int], None], note: Callable[[str], None] = lambda _: None
) -> Ensemble:
    """Measure the members and their vote on the validation split, and write the ensemble's folder.

    Args:
        progress: receives the name of the step, the number of finished images and of all images.
        note: receives a message for each skipped part of the labelled images' folder.

    Returns:
        The ensemble in its folder.

    Raises:
        InputError: the checkpoints do not fit together, the validation split is missing or too small, or `out` holds
            an ensemble. 8-bit networks are requested, but NNCF, OpenVINO or the training split is missing.
    """
    request.check_vacant()
    if request.search:
        check_searchable(len(request.checkpoints))
    members = [member_of(path, 1.0) for path in request.checkpoints]
    weights = request.weights or default_weights([member.checkpoint for member in members])
    weighted = tuple(replace(m, weight=w) for m, w in zip(members, weights, strict=True))
    ensemble = Ensemble(weighted, request.rule)
    images, trained = images_of(request, ensemble, note, progress)
    unknown = unknown_cells(request, note, progress)
    if not request.allow_few_cells:
        _check_enough(images, request.data)
    configuration = configure(EngineOptions(request.device))
    if request.int8:
        check_int8(request, configuration, trained)
    with scratch_folder(make_folder(request.out)) as scratch:
        copied = replace(ensemble, members=copies.made(ensemble.members, scratch))
        found = _Images(images, trained, unknown)
        measured = _measured(request, copied, found, configuration, scratch, progress, note)
        seen = _replay(request, measured, configuration, trained, progress)
        placed = replace(measured, members=copies.in_place(measured.members, request))
        saved = storage.save(request.out, placed, seen)
    pooled.forget(request.out)
    return saved


@dataclass(frozen=True)
class _Images:
    """The validation split, the training split, and cells of types without a class in the networks."""

    validation: Sequence[LabelledImage]
    trained: Sequence[LabelledImage]
    unknown: Sequence[LabelledImage]


def _measured(
    request: EnsembleOptions,
    ensemble: Ensemble,
    images: _Images,
    configuration: EngineConfiguration,
    scratch: Path,
    progress: Callable[[str, int, int], None],
    note: Callable[[str], None],
) -> Ensemble:
    """The ensemble with what the images tell of it. Its 8-bit networks lie in `scratch`."""

    def predictions(ensemble: Ensemble, precision: str) -> MemberPredictions:
        engines = load_engines(ensemble.members, replace(configuration, precision=precision))
        return predict(
            ensemble, engines, images.validation, partial(progress, f"measuring in {precision}"), with_features=True
        )

    exact = predictions(ensemble, configuration.precision)
    if request.search:
        found = search_weights(exact, request.rule)
        ensemble = replace(
            ensemble, members=tuple(replace(m, weight=w) for m, w in zip(ensemble.members, found, strict=True))
        )
    ensemble = calibrate(ensemble, exact, request.targets)
    measured = {EXACT: exact}
    for half in half_precisions(configuration):
        measured[half] = predictions(ensemble, half)
        ensemble = precisions.with_half(ensemble, exact, measured[half], half)
    if request.int8:
        both = in_8_bits(ensemble, images.trained, scratch, progress)
        measured[COARSE] = predictions(both, Precision.INT8)
        ensemble = precisions.with_int8(both, exact, measured[COARSE])
    familiarity = home.measured_familiarity(ensemble, configuration, images.trained, measured, progress, images.unknown)
    if familiarity is None:
        note(home.TOO_FEW)
    for label in not_shown(request.unknown, familiarity):
        note(
            f"--unknown {excerpt(label)} teaches nothing: that takes {home.LEAST_SHOWN} readable cells with this "
            f"label, not in the test split, and {home.LEAST_CELLS} training cells"
        )
    return replace(ensemble, familiarity=familiarity)


def _replay(
    request: EnsembleOptions,
    ensemble: Ensemble,
    configuration: EngineConfiguration,
    trained: Sequence[LabelledImage],
    progress: Callable[[str, int, int], None],
) -> bytes | None:
    """The features of training cells, which adapting the ensemble to a laboratory needs; None with too few of them."""
    chosen = replay.drawn(trained)
    if len(chosen) < replay.LEAST_CELLS:
        return None
    what = partial(progress, "looking at training cells")
    looked = pooled.look_at(ensemble.members, chosen, configuration, request.out, what, lambda _: None)
    truth = np.asarray([ensemble.cell_types.index(image.label) for image in looked.images], dtype=np.int64)
    found = replay.summarise(looked.features, truth, len(ensemble.cell_types))
    return None if found is None else replay.packed(ensemble, found)


def _check_enough(images: Sequence[LabelledImage], data: Path) -> None:
    found = MeasuredOn.of(images)
    if found.shortfalls():
        raise InputError(
            f"the validation split of {printable(data)} is too small to measure an ensemble: "
            f"{', '.join(found.shortfalls())} (it holds {found.by_type()}); label more cells, or say "
            "--allow-few-cells (each verdict then names what is missing)"
        )


def check_int8(request: EnsembleOptions, configuration: EngineConfiguration, trained: Sequence[LabelledImage]) -> None:
    """Check that 8-bit networks can be made.

    Raises:
        InputError: NNCF, OpenVINO or images for the calibration are missing.
    """
    if configuration.kind != EngineKind.OPENVINO:
        raise InputError("--int8 makes networks for the CPU: use --device cpu")
    from slidescreen.engine.quantisation import require_nncf  # OpenVINO may be missing beside a GPU

    require_nncf()
    if not trained:
        raise InputError(f"--int8 is calibrated on the training split, but {printable(request.data)} has none")


def in_8_bits(
    ensemble: Ensemble, trained: Sequence[LabelledImage], folder: Path, progress: Callable[[str, int, int], None]
) -> Ensemble:
    """Write the members' networks in 8-bit integers into a folder, and give the ensemble with them."""
    from slidescreen.engine import quantisation
    from slidescreen.engine.graph_files import save_graph

    order = np.random.default_rng(0).permutation(len(trained))[: quantisation.CALIBRATION_CELLS]
    drawn = [trained[place] for place in order.tolist()]
    found: list[Member] = []
    for number, member in enumerate(ensemble.members):
        progress("making 8-bit networks", number, len(ensemble.members))
        pixels = np.stack([prepare(decoded(image), member.checkpoint.preprocessing) for image in drawn])
        path = folder / f"{number}.safetensors"
        save_graph(path, quantisation.quantised(member.path, pixels))
        found.append(replace(member, int8=Quantised(path, sha256_of(path))))
    progress("making 8-bit networks", len(found), len(found))
    return replace(ensemble, members=tuple(found))
