"""One training from the labelled images on the disk to the checkpoint on the disk."""

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import timm
import torch
from torch import nn

from slidescreen import __version__
from slidescreen.allocator import keep_memory
from slidescreen.engine.devices import choose_device, usable_threads
from slidescreen.errors import InputError
from slidescreen.files import make_folder, printable, sha256_of
from slidescreen.labels import LabelledImage, LabelRules, read_labelled, with_split, without_duplicates
from slidescreen.networks import initialise, load_network
from slidescreen.training.dataset import PixelStore, data_hash, survey
from slidescreen.training.history import write_history
from slidescreen.training.loop import EpochResult, Trainer, Watcher
from slidescreen.training.options import TrainingOptions
from slidescreen.training.state import read_notes

_STATE = "training-state.safetensors"


@dataclass(frozen=True)
class Request:
    """What the user asked for. `memory` is in bytes."""

    data: Path
    out: Path
    options: TrainingOptions
    init: Path | None
    teacher: Path | None
    resume: bool
    overwrite: bool
    left_out: frozenset[str]
    unspecified_blasts: str | None
    drop_duplicates: bool
    device: str
    threads: int | None
    memory: int

    @property
    def checkpoint_path(self) -> Path:
        return self.out / f"{self.options.backbone}.safetensors"

    @property
    def state_path(self) -> Path:
        return self.out / _STATE


class Display(Watcher, Protocol):
    """Shows a person how a training goes."""

    def note(self, text: str) -> None: ...

    def reading(self, done: int, total: int) -> None: ...

    def start(self, trainer: Trainer) -> None: ...

    def finish(self, checkpoint: Path, best: EpochResult) -> None: ...


def run_training(request: Request, display: Display) -> None:
    """Train as asked, and leave the checkpoint, its history and its curves in the folder.

    Raises:
        InputError: the data, the options or the folder do not allow it; nothing was written then.
    """
    keep_memory()
    device = choose_device(request.device)
    request, teacher = _with_teacher(request, device)
    if request.threads:
        torch.set_num_threads(request.threads)
    _check_folder(request)
    workers = request.threads or usable_threads()
    images, provenance = _images(request, display, workers)
    train = [image for image in images if image.split == "train"]
    validation = [image for image in images if image.split == "validation"]
    _check_support(train, validation, request.options, display)
    make_folder(request.out)

    def pixels_at(size: int) -> tuple[PixelStore, PixelStore]:
        preprocessing = replace(request.options.preprocessing, image_size=size)
        stores = [PixelStore(part, preprocessing, request.memory // 2, workers) for part in (train, validation)]
        if not stores[0].in_memory:
            display.note(f"at {size} pixels the images exceed --memory: they are decoded anew for each epoch")
        return stores[0], stores[1]

    trainer = Trainer(
        request.options, train, validation, pixels_at, device,
        request.checkpoint_path, request.state_path, provenance, teacher,
    )  # fmt: skip
    _begin(trainer, request, display)
    display.start(trainer)
    trainer.run(_Recorder(request.out, trainer, display))
    request.state_path.unlink(missing_ok=True)
    display.finish(request.checkpoint_path, max(trainer.history, key=lambda row: (row.image_size, row.macro_f1)))


def _with_teacher(request: Request, device: torch.device) -> tuple[Request, nn.Module | None]:
    """The teacher's network, and the request with its hash among the options."""
    if request.teacher is None:
        return request, None
    checkpoint, network = load_network(request.teacher)
    options, name = request.options, printable(request.teacher)
    if checkpoint.cell_types != options.cell_types:
        raise InputError(f"the teacher {name} knows other cell types than this training: see --types")
    own = options.preprocessing
    if replace(checkpoint.preprocessing, image_size=own.image_size) != own:
        raise InputError(f"the teacher {name} was trained on differently prepared images: see --white-balance")
    placed = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return replace(request, options=replace(options, teacher=sha256_of(request.teacher))), placed


@dataclass(frozen=True)
class _Recorder:
    """Keeps the history on the disk as epochs end."""

    folder: Path
    trainer: Trainer
    display: Display

    def batch(self, epoch: int, done: int, total: int, loss: float) -> None:
        self.display.batch(epoch, done, total, loss)

    def epoch(self, result: EpochResult, best: bool) -> None:
        write_history(self.folder, self.trainer.history)
        self.display.epoch(result, best)


def _check_folder(request: Request) -> None:
    out = printable(request.out)
    if request.resume and not request.state_path.is_file():
        finished = " (the training there has finished)" if request.checkpoint_path.is_file() else ""
        raise InputError(f"{out} holds no interrupted training to resume{finished}")
    if not request.resume and not request.overwrite and (
        request.state_path.exists() or request.checkpoint_path.exists()
    ):  # fmt: skip
        raise InputError(f"{out} already holds a training: say --resume to go on, or --overwrite to start anew")
    if request.init and not request.init.is_file():
        raise InputError(f"{printable(request.init)} does not exist")


def _images(request: Request, display: Display, workers: int) -> tuple[list[LabelledImage], dict[str, Any]]:
    """The images to learn from and to validate on, and where they came from."""
    rules = LabelRules(request.left_out, request.unspecified_blasts)
    wanted = set(request.options.cell_types)
    read = read_labelled(request.data, rules)
    images = [image for image in read if image.label in wanted]
    if len(images) < len(read):
        display.note(f"{len(read) - len(images)} images are of types this network does not learn, and are left out")
    images, split = with_split(images, request.options.seed)
    found = survey(images, workers, display.reading)
    for path, reason in list(found.unreadable.items())[:5]:
        display.note(f"left out: {printable(path)}: {reason}")
    if len(found.unreadable) > 5:
        display.note(f"left out: {len(found.unreadable) - 5} more unreadable images")
    images = [image for image in images if image.path in found.digests]
    kept = without_duplicates(images, found.digests, request.drop_duplicates)
    display.note(f"split {split}: {_counts(kept)}")
    provenance = {
        "data_hash": data_hash(kept, found.digests),
        "split": split,
        "images": dict(Counter(image.split for image in kept)),
        "train_images_by_type": dict(Counter(i.label for i in kept if i.split == "train")),
        "seed": request.options.seed,
        "options": request.options.to_dict(),
        "init": sha256_of(request.init) if request.init else None,
        "versions": _versions(),
    }
    return kept, provenance


def _counts(images: Sequence[LabelledImage]) -> str:
    counts = Counter(image.split for image in images)
    return ", ".join(f"{counts[name]} {name}" for name in ("train", "validation", "test") if counts[name])


def _check_support(
    train: Sequence[LabelledImage], validation: Sequence[LabelledImage], options: TrainingOptions, display: Display
) -> None:
    if not train or not validation:
        raise InputError("training needs images in both the train and the validation split")
    absent = [name for name in options.cell_types if name not in {image.label for image in train}]
    if absent:
        display.note(f"no training images of {', '.join(absent)}: the network will never name them")


def _begin(trainer: Trainer, request: Request, display: Display) -> None:
    """Take up the saved state, or start from --init or from random weights."""
    if request.resume:
        notes = read_notes(request.state_path)
        _check_unchanged(notes, trainer)
        trainer.resume()
        display.note(f"resumed in epoch {trainer.epoch + 1}, batch {trainer.next_batch}")
    elif request.init:
        taken, of = initialise(trainer.network, request.init)
        trainer.start_average()
        display.note(f"{taken} of {of} tensors taken from {printable(request.init)}")


def _check_unchanged(notes: dict[str, Any], trainer: Trainer) -> None:
    if notes["data_hash"] != trainer.provenance["data_hash"]:
        raise InputError(
            "the labelled images have changed since this training was interrupted: say --overwrite to start anew"
        )
    # An option that a later release added counts as its default: so the interrupted training had it.
    before = {**_plain(TrainingOptions().to_dict()), **notes["options"]}
    now = _plain(trainer.options.to_dict())
    different = sorted(key for key in now if now[key] != before[key])
    if different:
        changed = ", ".join(f"{key} was {before[key]} and is {now[key]}" for key in different)
        raise InputError(f"the interrupted training had other options: {changed}")


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back: tuples become lists."""
    import json

    plain: dict[str, Any] = json.loads(json.dumps(options))
    return plain


def _versions() -> dict[str, str]:
    return {
        "slidescreen": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "numpy": np.__version__,
    }
