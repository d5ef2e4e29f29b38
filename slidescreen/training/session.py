"""One training from the labelled images on the disk to the checkpoint on the disk."""

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import timm
import torch
from torch import nn

from slidescreen import __version__
from slidescreen.data.duplicates import without_duplicates
from slidescreen.data.labels import LabelledImage, read_labelled
from slidescreen.data.splits import with_split
from slidescreen.engine.allocator import keep_memory
from slidescreen.engine.devices import choose_device, usable_threads
from slidescreen.errors import InputError, OutputError, memory_ran_out
from slidescreen.files.locking import locked
from slidescreen.files.writing import make_folder, printable, sha256_of, sweep
from slidescreen.models.checkpoints import load_network, read_metadata
from slidescreen.training.dataset import PixelStore, check_files, data_hash
from slidescreen.training.folder import TrainingFolder, check_same_data, check_same_options
from slidescreen.training.initial_weights import InitialWeights, read_initial_weights
from slidescreen.training.loop import EpochObserver, Trainer
from slidescreen.training.options import Recipe, TrainingOptions
from slidescreen.training.schedule import EpochResult


class TrainingObserver(EpochObserver, Protocol):
    """Shows a person how a training goes."""

    def note(self, text: str) -> None: ...

    def reading(self, done: int, total: int) -> None: ...

    def start(self, trainer: Trainer) -> None: ...

    def finish(self, checkpoint: Path, best: EpochResult) -> None: ...


def folder_of(request: TrainingOptions) -> TrainingFolder:
    """Where a training keeps its files."""
    return TrainingFolder(request.out, request.recipe.backbone)


def run_training(request: TrainingOptions, display: TrainingObserver) -> None:
    """Train as asked, and leave the checkpoint, its history and its curves in the folder.

    A training that has finished is left as it is by `resume`.

    Raises:
        InputError: the data, the options or the folder do not allow it; nothing was written then.
        DivergedError: a loss or weights became no finite numbers; the best checkpoint so far is kept.
        OutputError: something could not be written; a training that had begun can go on.
    """
    keep_memory()
    device = choose_device(request.device)
    _check_places(request)
    request, teacher = _with_teacher(request, device)
    initial = _initial_weights(request, display)
    init = sha256_of(request.init) if request.init else None
    if request.resume:
        check_same_options(folder_of(request).provenance(), request.recipe, init)
    if request.threads:
        torch.set_num_threads(request.threads)
    workers = request.threads or usable_threads()
    images, provenance = _images(request, display, workers)
    provenance["init"] = init
    train = [image for image in images if image.split == "train"]
    validation = [image for image in images if image.split == "validation"]
    _check_support(train, validation, request.recipe, display)
    make_folder(request.out)
    with locked(request.out, display.note):
        folder_of(request).check(request.resume, request.overwrite)  # another training may have been there meanwhile
        sweep(request.out)
        if request.resume:
            check_same_data(folder_of(request).provenance(), provenance["data_hash"])
            if not folder_of(request).is_unfinished():
                _show_finished(folder_of(request), display)
                return

        def pixels_at(size: int) -> tuple[PixelStore, PixelStore]:
            preprocessing = replace(request.recipe.preprocessing, image_size=size)
            half = int(request.memory * 1e9) // 2
            stores = [PixelStore(part, preprocessing, half, workers) for part in (train, validation)]
            if not stores[0].in_memory:
                display.note(f"at {size} pixels the images exceed --memory: they are decoded anew for each epoch")
            return stores[0], stores[1]

        trainer = Trainer(request.recipe, train, validation, pixels_at, device, folder_of(request), provenance, teacher)
        _begin(trainer, initial, request.resume, display)
        display.start(trainer)
        _run(trainer, display)
        folder_of(request).forget_state()
        display.finish(folder_of(request).checkpoint, trainer.best())


def _run(trainer: Trainer, display: TrainingObserver) -> None:
    """Train; if something stops it, the message says how to resume."""
    try:
        trainer.run(display)
    except KeyboardInterrupt:
        display.note(f"stopped in epoch {trainer.epoch + 1}: {_way_on(trainer)}")
        raise
    except OutputError as error:
        raise OutputError(f"{error}; when that is fixed, {_way_on(trainer)}") from error
    except (MemoryError, OSError, RuntimeError) as error:
        if not memory_ran_out(error):
            raise
        raise OutputError(
            f"memory ran out; free some, or give less --memory, and {_way_on(trainer)}; "
            "or start anew with a smaller --batch-size or --image-size"
        ) from error


def _way_on(trainer: Trainer) -> str:
    return "--resume continues" if trainer.folder.is_unfinished() else "give the same command again"


def _check_places(request: TrainingOptions) -> None:
    """Refuse files and folders that cannot be used, before anything is read."""
    folder_of(request).check(request.resume, request.overwrite)
    for path in (request.init, request.teacher):
        if path and not path.is_file():
            raise InputError(f"{printable(path)} " + ("is no file" if path.exists() else "does not exist"))
    if request.init_partial and not request.init:
        raise InputError("--init-partial needs --init: name a file with --init")
    data, out = request.data.resolve(), request.out.resolve()
    if data.is_dir() and data in (out, *out.parents):
        raise InputError(
            f"the results would lie among the labelled images, in {printable(request.out)}: choose another --out"
        )


def _show_finished(folder: TrainingFolder, display: TrainingObserver) -> None:
    provenance = folder.provenance()
    display.note(f"the training in {printable(folder.path)} has finished: nothing is left to do")
    display.finish(folder.checkpoint, EpochResult.of(provenance["validation"]))


def _with_teacher(request: TrainingOptions, device: torch.device) -> tuple[TrainingOptions, nn.Module | None]:
    """The teacher's network, and the request with its hash among the options."""
    if request.teacher is None:
        return request, None
    checkpoint, network = load_network(request.teacher)
    options, name = request.recipe, printable(request.teacher)
    if checkpoint.cell_types != options.cell_types:
        raise InputError(f"the teacher {name} knows other cell types than this training: see --types")
    own = options.preprocessing
    if replace(checkpoint.preprocessing, image_size=own.image_size) != own:
        raise InputError(f"the teacher {name} was trained on differently prepared images: see --white-balance")
    placed = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return replace(request, recipe=replace(options, teacher=sha256_of(request.teacher))), placed


def _images(
    request: TrainingOptions, display: TrainingObserver, workers: int
) -> tuple[list[LabelledImage], dict[str, Any]]:
    """The images to learn from and to validate on, and where they came from."""
    wanted = set(request.recipe.cell_types)
    read = read_labelled(request.data, request.label_rules, display.note)
    images = [image for image in read if image.label in wanted]
    if len(images) < len(read):
        display.note(f"{len(read) - len(images)} images left out: this network does not learn their types")
    images, split = with_split(images, request.recipe.seed)
    found = check_files(images, workers, display.reading)
    for path, reason in list(found.unreadable.items())[:5]:
        display.note(f"left out: {printable(path)}: {reason}")
    if len(found.unreadable) > 5:
        display.note(f"left out: {len(found.unreadable) - 5} more unreadable images")
    images = [image for image in images if image.path in found.digests]
    kept = without_duplicates(images, found.digests, request.drop_duplicates)
    # By content: neither the order of the rows nor the place of the files may change what is learnt.
    kept.sort(key=lambda image: (found.digests[image.path], image.label, image.source))
    display.note(f"split {split}: {_counts(kept)}")
    provenance = {
        "data_hash": data_hash(kept, found.digests),
        "split": split,
        "images": dict(Counter(image.split for image in kept)),
        "train_images_by_type": dict(Counter(i.label for i in kept if i.split == "train")),
        "seed": request.recipe.seed,
        "options": request.recipe.to_dict(),
        "versions": _versions(),
    }
    return kept, provenance


def _counts(images: Sequence[LabelledImage]) -> str:
    counts = Counter(image.split for image in images)
    return ", ".join(f"{counts[name]} {name}" for name in ("train", "validation", "test") if counts[name])


def _check_support(
    train: Sequence[LabelledImage], validation: Sequence[LabelledImage], options: Recipe, display: TrainingObserver
) -> None:
    if not train or not validation:
        raise InputError("training needs images in both the train and the validation split")
    learnt, asked = ({image.label for image in part} for part in (train, validation))
    if len(learnt) < 2:
        raise InputError(f"training needs images of two cell types or more; all of the train split are {learnt.pop()}")
    absent = [name for name in options.cell_types if name not in learnt]
    if absent:
        display.note(f"no training images of {', '.join(absent)}: the network will never call them")
    unasked = [name for name in options.cell_types if name in learnt - asked]
    if unasked:
        display.note(f"no validation images of {', '.join(unasked)}: the best epoch is chosen without them")


def _initial_weights(request: TrainingOptions, display: TrainingObserver) -> InitialWeights | None:
    """What --init gives to a training that begins."""
    if request.init is None:
        return None
    read_metadata(request.init)  # it can be read
    if request.resume:
        return None
    options = request.recipe
    initial = read_initial_weights(request.init, options.backbone, options.cell_types, request.init_partial)
    display.note(
        f"{initial.taken} of {initial.of} tensors taken from {printable(request.init)}; "
        f"its last layer serves {len(initial.rows)} of {len(options.cell_types)} cell types"
    )
    return initial


def _begin(trainer: Trainer, initial: InitialWeights | None, resume: bool, display: TrainingObserver) -> None:
    """Take up the saved state, or start from initial weights or from random ones."""
    if resume:
        changed = trainer.resume()
        display.note(f"resumed in epoch {trainer.epoch + 1}, batch {trainer.next_batch + 1}")
        if changed:
            display.note(
                f"changed since the training began, so figures may differ in their last digits: {', '.join(changed)}"
            )
    elif initial:
        initial.put_into(trainer.learner.network)
        trainer.learner.start_average()


def _versions() -> dict[str, str]:
    return {
        "slidescreen": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "numpy": np.__version__,
    }
