"""A run: what a batch of slides came to, kept slide by slide so that a killed night resumes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slidescreen.calls import Call, Status
from slidescreen.differential import Differential, count_slide
from slidescreen.engine.interface import Choice
from slidescreen.ensemble import Ensemble
from slidescreen.files import make_folder, write_text
from slidescreen.screening import Finding, screen, urgency
from slidescreen.slides import Slide
from slidescreen.thresholds import Thresholds

_FINISHED = ".finished"


@dataclass(frozen=True)
class SlideResult:
    """All that is known of one slide. `folder` is where its images lay; `calls` stand in the order of `cells.csv`."""

    differential: Differential
    finding: Finding
    calls: tuple[Call, ...]
    folder: Path

    @property
    def name(self) -> str:
        return self.differential.slide


@dataclass(frozen=True)
class Run:
    """A whole run: its slides, the ensemble's cell types in order, and what `run.json` says."""

    slides: tuple[SlideResult, ...]
    cell_types: tuple[str, ...]
    info: Mapping[str, Any]

    def worklist(self) -> list[SlideResult]:
        """The slides, those to be seen first first."""
        return sorted(self.slides, key=lambda s: urgency(s.differential, s.finding))


def judge(slide: Slide, calls: tuple[Call, ...], ensemble: Ensemble, thresholds: Thresholds) -> SlideResult:
    """Count one slide's calls and screen it."""
    differential = count_slide(slide.name, calls, ensemble)
    return SlideResult(differential, screen(differential, ensemble, thresholds), calls, slide.folder)


class Ledger:
    """The calls of finished slides, one file each in the run's folder.

    A slide counts as finished while its images (names, sizes, times of change) and the ensemble are the same;
    what depends on the calls alone is computed anew from them.
    """

    def __init__(self, run_folder: Path, ensemble: Ensemble, choice: Choice) -> None:
        self._folder = run_folder / _FINISHED
        vote = [(member.sha256, member.weight) for member in ensemble.members]
        calibration = ensemble.calibration
        told = [vote, ensemble.rule, calibration.temperature, calibration.rejection_threshold, asdict(choice)]
        self._engine_key = json.dumps(told)

    def recall(self, slide: Slide) -> tuple[Call, ...] | None:
        """The calls of a finished slide; None if it is new, changed, or was called by another ensemble."""
        path = self._path(slide)
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["fingerprint"] != self._fingerprint(slide):
                return None
            return tuple(_call(entry) for entry in content["calls"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # a damaged record is no record: the slide is classified again

    def keep(self, slide: Slide, calls: tuple[Call, ...]) -> None:
        """Record a finished slide.

        Raises:
            OutputError: the disk is full or cannot be written to.
        """
        make_folder(self._folder)
        content = {
            "slide": slide.name,
            "fingerprint": self._fingerprint(slide),
            "calls": [asdict(call) for call in calls],
        }
        write_text(self._path(slide), json.dumps(content))

    def _path(self, slide: Slide) -> Path:
        return self._folder / f"{hashlib.sha256(slide.name.encode()).hexdigest()[:32]}.json"

    def _fingerprint(self, slide: Slide) -> str:
        digest = hashlib.sha256(self._engine_key.encode())
        for image in slide.images:
            try:
                status = image.path.stat()
                state = f"{status.st_size},{status.st_mtime_ns}"
            except OSError:
                state = "gone"
            digest.update(json.dumps([image.name, image.reported_type, image.refusal, state]).encode())
        return digest.hexdigest()


def _call(entry: dict[str, Any]) -> Call:
    known = {**entry, "status": Status(entry["status"]), "probabilities": tuple(entry["probabilities"])}
    return Call(**known)
