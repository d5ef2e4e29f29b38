"""The folder of a training, and whether a training may start or resume there."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slidescreen.errors import InputError, OutputError
from slidescreen.files.existence import exists, is_file, is_folder
from slidescreen.files.writing import printable
from slidescreen.models.backbones import BACKBONES
from slidescreen.models.checkpoints import read_checkpoint
from slidescreen.training.options import Recipe
from slidescreen.training.state import ANEW, read_notes


@dataclass(frozen=True)
class TrainingFolder:
    """The folder of a training of `backbone`. It holds the state until the training has finished, and the checkpoint
    from the first epoch on.

    `replaced` are checkpoints of other backbones from the training that this one replaces.
    """

    path: Path
    backbone: str
    replaced: tuple[Path, ...] = ()

    @property
    def checkpoint(self) -> Path:
        return self.path / f"{self.backbone}.safetensors"

    @property
    def state(self) -> Path:
        return self.path / "training-state.safetensors"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def curves(self) -> Path:
        return self.path / "curves.png"

    def is_unfinished(self) -> bool:
        """Whether a training began here and has not finished."""
        return is_file(self.state)

    def replacing(self, needed: Iterable[Path]) -> "TrainingFolder":
        """The same folder, with the checkpoints that this training replaces beside its own.

        Files that are needed, and an ensemble's members, are not replaced.
        """
        kept = {path.resolve() for path in needed}
        others = [self.path / f"{backbone}.safetensors" for backbone in BACKBONES if backbone != self.backbone]
        if exists(self.path / "ensemble.json"):
            others = []
        return replace(self, replaced=tuple(path for path in others if exists(path) and path.resolve() not in kept))

    def remove_replaced(self) -> None:
        """Remove the replaced checkpoints.

        Raises:
            OutputError: one cannot be removed.
        """
        for path in self.replaced:
            _remove(path, f"{printable(path)} of the earlier training")

    def taken(self) -> list[str]:
        """The names of files that a training left here, or that it would overwrite."""
        checkpoints = (self.path / f"{backbone}.safetensors" for backbone in BACKBONES)
        return [path.name for path in (self.state, self.history, self.curves, *checkpoints) if exists(path)]

    def check(self, resume: bool, overwrite: bool) -> None:
        """Refuse a training that the folder does not allow.

        Raises:
            InputError: the folder does not allow it. The message names the reason and the options to use instead.
        """
        out = printable(self.path)
        if exists(self.path) and not is_folder(self.path):
            raise InputError(f"{out} is a file: choose a folder with --out")
        if exists(self.path / "run.json"):
            raise InputError(f"{out} holds results of classify, which are not overwritten: choose another --out")
        if resume and overwrite:
            raise InputError("--resume continues a training and --overwrite starts a new one: use only one")
        if resume and not self.is_unfinished() and not is_file(self.checkpoint):
            raise InputError(f"{out} has no interrupted training to resume")
        if not resume and not overwrite and (taken := self.taken()):
            raise InputError(
                f"{out} already holds a training ({', '.join(taken)}): use --resume to continue, or --overwrite to "
                "start anew"
            )

    def forget_state(self) -> None:
        """Mark the training as finished.

        Raises:
            OutputError: the state cannot be removed.
        """
        _remove(self.state, f"the training has finished, but {printable(self.state)}")

    def provenance(self) -> dict[str, Any]:
        """The training's provenance, from its state, or from its checkpoint if it has finished.

        Raises:
            InputError: neither file holds it.
        """
        if self.is_unfinished():
            found = read_notes(self.state).get("provenance")
        else:
            found = dict(read_checkpoint(self.checkpoint).provenance)
        options = found.get("options") if isinstance(found, dict) else None
        if not isinstance(options, dict) or not isinstance(options.get("augmentation"), dict):
            found = None
        if found is None or not {"data_hash", "init"} <= found.keys():
            raise InputError(f"{printable(self.path)} has no training to resume: {ANEW}")
        return dict(found)


def check_same_options(before: Mapping[str, Any], options: Recipe, init: str | None) -> None:
    """Refuse to resume a training with different options.

    Args:
        before: the training's provenance.
        options: the options given now.
        init: SHA-256 of the initial weights named now; None if none are named, because the state holds them.

    Raises:
        InputError: the options differ. The message names the differences.
    """
    # An older state lacks newer options. The interrupted training used their defaults.
    defaults, given = _plain(Recipe().to_dict()), before["options"]
    had = {**defaults, **given, "augmentation": {**defaults["augmentation"], **given["augmentation"]}}
    now = _plain(options.to_dict())
    different = sorted(key for key in now if now[key] != had[key])
    if different:
        changed = ", ".join(f"{key} was {had[key]} and is {now[key]}" for key in different)
        raise InputError(f"the interrupted training had other options: {changed}; use the same, or {ANEW}")
    if init is not None and init != before["init"]:
        raise InputError(
            f"the interrupted training started from other weights than --init: leave --init out, or {ANEW}"
        )


def check_same_processes(before: Mapping[str, Any], processes: int) -> None:
    """Refuse to resume a training with a different number of processes, because its steps would differ.

    Raises:
        InputError: the numbers differ. The message names both.
    """
    had = before.get("processes", 1)
    if had != processes:
        began, now = (f"{count} process{'es' if count > 1 else ''}" for count in (had, processes))
        raise InputError(
            f"the interrupted training ran in {began}, and now there {'are' if processes > 1 else 'is'} {now}: "
            f"start as many with torchrun, or {ANEW}"
        )


def check_same_data(before: Mapping[str, Any], data_hash: str) -> None:
    """Refuse to resume a training with different images, labels or splits.

    Raises:
        InputError: they differ.
    """
    if data_hash != before["data_hash"]:
        raise InputError(f"the labelled images have changed since the training began: {ANEW}")


def _remove(path: Path, what: str) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{what} cannot be removed: {error.strerror or error}") from error


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """The options as JSON returns them: tuples become lists."""
    plain: dict[str, Any] = json.loads(json.dumps(options))
    return plain
