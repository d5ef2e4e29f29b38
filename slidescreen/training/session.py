"""One training from the labelled images on the disk to the checkpoint on the disk."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from slidescreen.engine.allocator import keep_memory
from slidescreen.engine.devices import choose_device, usable_threads
from slidescreen.engine.options import Device
from slidescreen.errors import InputError, OutputError, memory_ran_out
from slidescreen.files.existence import exists, is_file, is_folder
from slidescreen.files.locking import locked
from slidescreen.files.writing import make_folder, printable, sha256_of, sweep
from slidescreen.models.checkpoints import load_network, read_metadata
from slidescreen.training.dataset import PixelStore
from slidescreen.training.folder import TrainingFolder, check_same_data
from slidescreen.training.initial_weights import InitialWeights, read_initial_weights
from slidescreen.training.loop import EpochObserver, Trainer
from slidescreen.training.options import TrainingOptions
from slidescreen.training.process_group import ProcessGroup, joined
from slidescreen.training.schedule import EpochResult
from slidescreen.training.state import ANEW
from slidescreen.training.training_images import read_training_images


class TrainingObserver(EpochObserver, Protocol):
    """Shows a person how a training goes."""

    def note(self, text: str) -> None: ...

    def reading(self, done: int, total: int) -> None: ...

    def start(self, trainer: Trainer) -> None: ...

    def finish(self, checkpoint: Path, best: EpochResult) -> None: ...


class Unwatched:
    """Shows nothing. The first of several processes shows the training."""

    def note(self, text: str) -> None: ...

    def reading(self, done: int, total: int) -> None: ...

    def start(self, trainer: Trainer) -> None: ...

    def batch(self, epoch: int, done: int, total: int, loss: float) -> None: ...

    def epoch(self, result: EpochResult, best: bool) -> None: ...

    def finish(self, checkpoint: Path, best: EpochResult) -> None: ...


def folder_of(request: TrainingOptions) -> TrainingFolder:
    """The folder in which a training keeps its files."""
    return TrainingFolder(request.out, request.recipe.backbone)


def run_training(request: TrainingOptions, display: TrainingObserver) -> None:
    """Train as asked, and leave the checkpoint, its history and its curves in the folder.

    With `resume`, a finished training stays as it is. Processes that torchrun started train together; the first of
    them shows and writes.

    Raises:
        InputError: the data, the options or the folder do not allow the training. Nothing was written.
        DivergedError: a loss or weights are no longer finite. The best checkpoint so far is kept.
        OutputError: a file could not be written. A training that had begun can resume.
    """
    keep_memory()
    device = choose_device(request.device)
    with joined(device.type == Device.CUDA) as group:
        _train(request, display if group.leads else Unwatched(), device, group)


def _train(request: TrainingOptions, display: TrainingObserver, device: torch.device, group: ProcessGroup) -> None:
    """One process's part of a training."""
    group.from_first(lambda: _check_places(request))
    request, teacher = group.in_turn(lambda: _with_teacher(request, device))
    initial = group.in_turn(lambda: _initial_weights(request, display))
    workers = request.threads or max(1, usable_threads() // group.local_size)
    if request.threads or group.size > 1:
        torch.set_num_threads(workers)
    images, provenance = group.from_first(
        lambda: read_training_images(request, workers, group.size, display.note, display.reading)
    )
    train = [image for image in images if image.split == "train"]
    validation = [image for image in images if image.split == "validation" and group.leads]
    with contextlib.ExitStack() as held:
        if group.from_first(lambda: _is_finished(request, provenance["data_hash"], display, held)):
            return

        def pixels_at(size: int) -> tuple[PixelStore, PixelStore]:
            preprocessing = replace(request.recipe.preprocessing, image_size=size)
            half = int(request.memory * 1e9) // 2 // group.local_size
            stores = [PixelStore(part, preprocessing, half, workers) for part in (train, validation)]
            if not stores[0].in_memory:
                display.note(f"at {size} pixels the images exceed --memory: they are decoded anew for each epoch")
            return stores[0], stores[1]

        folder = folder_of(request)
        if request.overwrite:
            folder = folder.replacing(filter(None, (request.init, request.teacher)))
        trainer = Trainer(
            request.recipe, train, validation, pixels_at, device, folder, provenance, teacher, group=group
        )
        group.in_turn(lambda: _begin(trainer, initial, request.resume, display))
        display.start(trainer)
        _run(trainer, display)
        if group.leads:
            folder.forget_state()
        display.finish(folder.checkpoint, trainer.best())


def _is_finished(
    request: TrainingOptions, data_hash: str, display: TrainingObserver, held: contextlib.ExitStack
) -> bool:
    """Prepare the folder and lock it for this training. Returns whether the training has already finished."""
    make_folder(request.out)
    held.enter_context(locked(request.out, display.note))
    folder = folder_of(request)
    folder.check(request.resume, request.overwrite)  # another training may have used it meanwhile
    sweep(request.out)
    if request.resume:
        check_same_data(folder.provenance(), data_hash)
        if not folder.is_unfinished():
            _show_finished(folder, display)
            return True
    return False


def _run(trainer: Trainer, display: TrainingObserver) -> None:
    """Train. If something stops the training, a message says how to resume."""
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
        if path and not is_file(path):
            raise InputError(f"{printable(path)} " + ("is no file" if exists(path) else "does not exist"))
    if request.init_partial and not request.init:
        raise InputError("--init-partial needs --init: name a file with --init")
    data, out = request.data.resolve(), request.out.resolve()
    if is_folder(data) and data in (out, *out.parents):
        raise InputError(
            f"the results would lie among the labelled images, in {printable(request.out)}: choose another --out"
        )


def _show_finished(folder: TrainingFolder, display: TrainingObserver) -> None:
    try:
        best = EpochResult.of(folder.provenance()["validation"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{printable(folder.checkpoint)} says nothing of its training: {ANEW}") from error
    display.note(f"the training in {printable(folder.path)} has finished: nothing is left to do")
    display.finish(folder.checkpoint, best)


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


def _initial_weights(request: TrainingOptions, display: TrainingObserver) -> InitialWeights | None:
    """The weights that --init gives to a new training."""
    if request.init is None:
        return None
    read_metadata(request.init)  # fails if the file is unreadable
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
    """Load the saved state, or start from initial or random weights."""
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
