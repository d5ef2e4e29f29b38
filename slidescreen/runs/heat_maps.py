"""Heat maps for a run's suspicious cells. They show which parts of an image led to the call."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slidescreen.data.calls import Call
from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.data.shown_paths import path_shown_as
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError, UnreadableImageError
from slidescreen.files.writing import printable
from slidescreen.interruptible import interruptibly
from slidescreen.reporting.page import suspicious
from slidescreen.reporting.thumbnails import heat_thumbnail
from slidescreen.runs.provenance import voted_by
from slidescreen.screening.results import Run, SlideResult
from slidescreen.screening.slide_contents import with_contents

_TIME_LIMIT = 60.0  # seconds for reading one image


def explain_run(
    run: Run, ensemble_folder: Path | None, device: str, progress: Callable[[int, int], None]
) -> Mapping[tuple[str, str], str]:
    """Heat maps of all cells that the page shows, as data URIs by slide and image.

    Images that are unreadable or hold another picture by now have none, nor have slides of an earlier ensemble.

    Args:
        run: the run, read from its folder.
        ensemble_folder: the ensemble that made the run; None for the folder in the run's record.
        device: `auto`, `cuda` or `cpu`.
        progress: receives the number of finished cells, and of all cells.

    Raises:
        InputError: the ensemble is gone or is not the one that made the run.
    """
    from slidescreen.engine.devices import choose_device
    from slidescreen.engine.explain import Explainer

    ensemble = _ensemble_of(run, ensemble_folder)
    where = choose_device(device)
    explainers = [Explainer(member.path, where) for member in ensemble.members]
    voted = voted_by(ensemble)
    slides = [slide for slide in run.slides if slide.kept is None or slide.kept.provenance.voted == voted]
    wanted = [(slide, call) for slide in slides for call in with_contents(slide, _shown(slide))]
    heat: dict[tuple[str, str], str] = {}
    for done, (slide, call) in enumerate(wanted, start=1):
        try:
            image = decode(_content(slide.path_of(call.image), call.digest))
        except UnreadableImageError:
            continue
        chosen = np.asarray([_named(call, ensemble)])
        maps = [
            explainer.heat(prepare(image, member.checkpoint.preprocessing)[None], chosen)[0]
            for explainer, member in zip(explainers, ensemble.members, strict=True)
        ]
        heat[slide.name, call.image] = heat_thumbnail(image, _mean_of(maps, ensemble.weights))
        progress(done, len(wanted))
    return heat


def _shown(slide: SlideResult) -> tuple[Call, ...]:
    return tuple(call for _, calls in suspicious(slide) for call in calls)


def _content(path: Path, digest: str) -> bytes:
    """An image's content, with a time limit: a share that no longer answers must not stop the page.

    Raises:
        UnreadableImageError: it cannot be read, or is not what was classified.
    """
    try:
        content = interruptibly(lambda: read_bytes(path), _TIME_LIMIT)
    except TimeoutError as error:
        raise UnreadableImageError("it cannot be read in time") from error
    if digest and hashlib.sha256(content).hexdigest() != digest:
        raise UnreadableImageError("it holds another picture by now")
    return content


def _ensemble_of(run: Run, folder: Path | None) -> Ensemble:
    recorded = run.info.get("ensemble", {})
    place = folder or path_shown_as(recorded.get("folder", ""))
    ensemble = storage.load(place)
    if [member.sha256 for member in ensemble.members] != [m["sha256"] for m in recorded.get("members", [])]:
        raise InputError(f"{printable(place)} is not the ensemble that made this run: name that one with --ensemble")
    return ensemble


def _named(call: Call, ensemble: Ensemble) -> int:
    """The type to explain: the called one, or the most probable of a cell left unidentified."""
    if call.cell_type:
        return ensemble.cell_types.index(call.cell_type)
    return int(np.argmax(call.probabilities))


def _mean_of(maps: list[NDArray[np.float32]], weights: tuple[float, ...]) -> NDArray[np.float32]:
    """The members' maps (h, w), which may differ in size, weighted as their votes are."""
    side = max(max(m.shape) for m in maps)
    resized = [np.asarray(Image.fromarray(m).resize((side, side), Image.Resampling.BICUBIC)) for m in maps]
    mean = sum(weight * m for weight, m in zip(weights, resized, strict=True))
    return np.clip(np.asarray(mean, dtype=np.float32), 0, 1)
