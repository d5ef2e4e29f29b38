"""What earlier runs finished, kept slide by slide, so that a killed night resumes and nothing is done twice."""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slidescreen.calls import Call, Status
from slidescreen.engine.interface import Choice
from slidescreen.ensemble import Ensemble
from slidescreen.errors import UnreadableImageError
from slidescreen.files import make_folder, sweep, write_text
from slidescreen.images import read_bytes
from slidescreen.slides import CellImage, Slide

_FINISHED = ".finished"


class Ledger:
    """The calls of finished slides, one file each in the run's folder.

    A slide counts as finished while its images and the ensemble are the same. An image is the same while its size
    and time of change are, or else its content. What depends on the calls alone is computed anew from them.
    """

    def __init__(self, run_folder: Path, ensemble: Ensemble, choice: Choice) -> None:
        self._folder = run_folder / _FINISHED
        vote = [(member.sha256, member.weight) for member in ensemble.members]
        calibration = ensemble.calibration
        scaling = [calibration.temperature, calibration.offsets, calibration.rejection_threshold]
        told = [vote, ensemble.rule, *scaling, asdict(choice)]
        self._key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        sweep(self._folder)
        self._states: dict[str, list[str]] = {}  # of the images, before anyone read them

    def recall(self, slide: Slide) -> tuple[Call, ...] | None:
        """The calls of a finished slide; None if it is new, changed, or was called by another ensemble."""
        self._states[slide.name] = [_state(image) for image in slide.images]
        content = self._read(self._path(slide.name))
        if content is None:
            return None
        try:
            images = zip(slide.images, content["calls"], content["states"], strict=True)
            if not all(_same(image, call, state) for image, call, state in images):
                return None
            return tuple(_call(entry) for entry in content["calls"])
        except (ValueError, KeyError, TypeError):
            return None

    def keep(self, slide: Slide, calls: tuple[Call, ...]) -> None:
        """Record a finished slide.

        Raises:
            OutputError: the disk is full or cannot be written to.
        """
        make_folder(self._folder)
        content = {
            "slide": slide.name,
            "folder": str(slide.folder),
            "key": self._key,
            "calls": [asdict(call) for call in calls],
            "states": self._states.get(slide.name) or [_state(image) for image in slide.images],
        }
        write_text(self._path(slide.name), json.dumps(content))

    def vanished(self, present: Collection[str], root: Path) -> Iterator[tuple[Slide, tuple[Call, ...]]]:
        """Slides finished earlier whose folder below `root` is no longer there, by their names.

        Args:
            present: names of the slides that there are.
            root: the input folder; what was finished of another is passed over.
        """
        records = (self._read(path) for path in sorted(self._folder.glob("*.json")))
        for slide, calls in sorted(filter(None, map(_finished, records)), key=lambda found: found[0].name):
            if slide.name not in present and slide.folder.is_relative_to(root) and not slide.folder.is_dir():
                yield slide, calls

    def earlier(self, slide: Slide) -> tuple[Slide, tuple[Call, ...]] | None:
        """A slide as it was when it was finished, whatever has become of it since; None if it never was."""
        return _finished(self._read(self._path(slide.name)))

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"

    def _read(self, path: Path) -> dict[str, Any] | None:
        """A record of this ensemble; a damaged one is none: the slide is classified again."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return content if content["key"] == self._key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _finished(content: dict[str, Any] | None) -> tuple[Slide, tuple[Call, ...]] | None:
    """What a record says of its slide; None where it is none."""
    if content is None:
        return None
    try:
        slide = Slide(content["slide"], Path(content["folder"]), ())
        return slide, tuple(_call(entry) for entry in content["calls"])
    except (ValueError, KeyError, TypeError):
        return None


def _state(image: CellImage) -> str:
    try:
        status = image.path.stat()
    except OSError:
        return ""
    return f"{status.st_size},{status.st_mtime_ns}"


def _same(image: CellImage, call: dict[str, Any], state: str) -> bool:
    """Whether an image is the one that was called, and would be called so again."""
    if (image.name, image.reported_type) != (call["image"], call["reported_type"]):
        return False
    if image.refusal:
        return bool(image.refusal == call["reason"])
    digest = call["digest"]
    if digest and state and _state(image) == state:
        return True
    try:
        return bool(hashlib.sha256(read_bytes(image.path)).hexdigest() == digest)
    except UnreadableImageError as error:  # still what it was, if it could not be read then
        return not digest and str(error) == call["reason"]


def _call(entry: dict[str, Any]) -> Call:
    known = {**entry, "status": Status(entry["status"]), "probabilities": tuple(entry["probabilities"])}
    known["appearance"] = tuple(entry["appearance"])
    return Call(**known)
