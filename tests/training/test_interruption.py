"""A training that is cut off, whenever and however, ends as if it had not been."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_training import SMALL, Silent, build_small, labelled, request, results

from slidescreen.errors import InputError, OutputError
from slidescreen.training import history, initial_weights, learner, loop, state
from slidescreen.training.options import Stage
from slidescreen.training.session import run_training

OPTIONS = replace(SMALL, schedule="onecycle", stages=(Stage(32, 1), Stage(40, 1)), balance="none")
TRACED = ("training/loop.py", "training/state.py", "training/history.py", "training/learner.py", "files.py")
TRACED += ("training/interrupts.py", "training/session.py", "networks.py", "training/schedule.py")


class PowerCut(BaseException):
    """Nothing more is written after it."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "build", build_small)
    monkeypatch.setattr(initial_weights, "build", build_small)
    # Drawn in a moment, and different with every epoch, as the true one is.
    monkeypatch.setattr(history, "_draw_curves", lambda path, rows: history.write_text(path, repr(len(rows))))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture
def undisturbed(data: Path, tmp_path: Path) -> dict[str, bytes]:
    run_training(request(data, tmp_path / "undisturbed", OPTIONS), Silent())
    return results(tmp_path / "undisturbed")


def finish(data: Path, out: Path) -> None:
    """Give the command again, with --resume where a training began: one that has finished stays as it is."""
    begun = (out / "training-state.safetensors").is_file() or (out / "efficientnet_b1.safetensors").is_file()
    run_training(request(data, out, OPTIONS, resume=begun), Silent())


@contextmanager
def at_line(number: int, act: Callable[[], None]) -> Iterator[list[int]]:
    """Act when the training's own modules come to their line of this number; the list counts them."""
    lines = [0]

    def trace(frame: FrameType, event: str, _: object) -> object:
        if not frame.f_code.co_filename.endswith(TRACED):
            return None
        if event == "line":
            lines[0] += 1
            if lines[0] == number:
                act()
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(former)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def cut_power() -> None:
    raise PowerCut


def break_in() -> None:
    raise KeyboardInterrupt


def lines_of_a_training(data: Path, out: Path) -> int:
    with at_line(0, break_in) as lines:
        run_training(request(data, out, OPTIONS), Silent())
    return lines[0]


def check_lines(data: Path, tmp_path: Path, undisturbed: dict[str, bytes], step: int, shift: int) -> None:
    """Cut a training off at every `step`th line, by turns in three ways, and compare what it ends as."""
    last = lines_of_a_training(data, tmp_path / "counted")
    for turn, number in enumerate(range(1 + shift % step, last, step)):
        out = tmp_path / f"cut{number}"
        act = (interrupt, cut_power, break_in)[turn % 3]
        with at_line(number, act), pytest.raises((KeyboardInterrupt, PowerCut)):
            run_training(request(data, out, OPTIONS), Silent())
        finish(data, out)
        assert results(out) == undisturbed, f"{act.__name__} at line {number} of {last}"


def test_cut_off_at_any_line_it_ends_as_an_undisturbed_training(
    data: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    check_lines(data, tmp_path, undisturbed, step=149, shift=7)


@pytest.mark.soak
def test_cut_off_at_every_line_it_ends_as_an_undisturbed_training(
    data: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    for shift in range(3):  # as many ways, so each meets lines of every part
        check_lines(data, tmp_path / str(shift), undisturbed, step=3, shift=shift)


@pytest.mark.parametrize("save_every", [0.0, 600.0])
def test_cut_off_again_and_again_it_ends_as_an_undisturbed_training(
    data: Path, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, save_every: float
) -> None:
    """Whether its state is saved after every step or after every epoch alone."""
    monkeypatch.setattr(loop, "SAVE_EVERY", save_every)
    generator, out = np.random.default_rng(20), tmp_path / "out"
    for turn in range(20):
        act = (interrupt, cut_power, break_in)[turn % 3]
        with at_line(int(generator.integers(200, 600)), act), pytest.raises((KeyboardInterrupt, PowerCut)):
            finish(data, out)
    finish(data, out)
    assert results(out) == undisturbed


@pytest.mark.parametrize("write", range(1, 14))
def test_a_full_disk_at_any_write_costs_nothing(
    data: Path, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """Tables and curves can wait for the next epoch, or for the end; without state or checkpoint nothing goes on."""
    out, sound, writes, display = tmp_path / "out", os.fsync, [], Silent()

    def fail_once(handle: int) -> None:
        writes.append(handle)
        if len(writes) == write:
            raise OSError(errno.ENOSPC, "No space left on device")
        sound(handle)

    monkeypatch.setattr(os, "fsync", fail_once)
    told = "No space left on device"
    try:
        run_training(request(data, out, OPTIONS), display)
    except OutputError as error:
        way_on = "give the same command again" if write == 1 else "--resume continues"
        assert str(error).endswith(f"{told}; when that is fixed, {way_on}")  # noqa: PT017
        finish(data, out)
    else:
        assert any(note.endswith(f"{told}; it is tried again later") for note in display.notes)
    assert results(out) == undisturbed


def test_a_table_that_can_never_be_written_is_an_error_in_the_end_and_costs_no_training(
    data: Path, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, display, sound = tmp_path / "out", Silent(), Path.replace

    def refuse(source: Path, target: Path) -> Path:
        if target.name == "history.csv":
            raise PermissionError(errno.EACCES, "Permission denied")
        return sound(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(
            OutputError, match=r"history\.csv: Permission denied; when that is fixed, --resume continues"
        ):
            run_training(request(data, out, OPTIONS), display)
    assert len(display.results) == OPTIONS.epochs
    finish(data, out)
    assert results(out) == undisturbed


def test_signals_wait_while_the_state_is_saved(
    data: Path, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone who presses Ctrl-C once more, while the first is being heeded, does no harm."""
    sound, saved = loop.save_state, []

    def save_impatiently(*arguments: object) -> None:
        interrupt()
        sound(*arguments)  # type: ignore[arg-type]
        saved.append(arguments)

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(loop, "save_state", save_impatiently)
        with pytest.raises(KeyboardInterrupt):
            run_training(request(data, out, OPTIONS), Silent())
    assert len(saved) == 2  # the first state, and the one with which the interrupt was heeded
    finish(data, out)
    assert results(out) == undisturbed


def test_resuming_a_finished_training_changes_nothing(data: Path, tmp_path: Path) -> None:
    out, display, first = tmp_path / "out", Silent(), Silent()
    run_training(request(data, out, OPTIONS), first)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()}
    run_training(request(data, out, OPTIONS, resume=True), display)
    assert {name: (out / name).read_bytes() for name in before} == {name: kept for name, (kept, _) in before.items()}
    assert (out / "efficientnet_b1.safetensors").stat().st_mtime_ns == before["efficientnet_b1.safetensors"][1]
    assert any("has finished: nothing is left to do" in note for note in display.notes)
    assert display.finished == [replace(first.finished[0], seconds=0.0)]


def test_a_lost_checkpoint_is_written_again_from_the_state(
    data: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_training(request(data, out, OPTIONS), Silent((2, 1)))
    for name in ("efficientnet_b1.safetensors", "history.csv"):
        (out / name).unlink()
    (out / ".slidescreen-0123456789abcdef.tmp").write_bytes(b"half a line")
    finish(data, out)
    assert results(out) == undisturbed


def stopped(data: Path, out: Path) -> Path:
    with pytest.raises(KeyboardInterrupt):
        run_training(request(data, out, OPTIONS), Silent((1, 1)))
    return out


def test_a_finished_training_too_goes_on_with_its_own_options_and_images_only(
    data: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    out = tmp_path / "undisturbed"
    with pytest.raises(InputError, match=r"other options: epochs was 3 and is 9; .*--overwrite"):
        run_training(request(data, out, replace(OPTIONS, epochs=9), resume=True), Silent())
    other = labelled(tmp_path / "other", count=40)
    with pytest.raises(InputError, match=r"images have changed since .*--overwrite"):
        run_training(request(other, out, OPTIONS, resume=True), Silent())
    assert results(out) == undisturbed


def test_initial_weights_need_not_be_named_again_but_must_not_change(data: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    run_training(request(data, started, OPTIONS), Silent())
    one, other = started / "efficientnet_b1.safetensors", tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, other)
    for out, changes in ((tmp_path / "whole", {}), (tmp_path / "out", {"init": one})):
        with pytest.raises(KeyboardInterrupt):
            run_training(request(data, out, OPTIONS, init=one), Silent((1, 1)))
        run_training(request(data, out, OPTIONS, resume=True, **changes), Silent())
    assert results(tmp_path / "whole") == results(tmp_path / "out")
    assert results(tmp_path / "whole") != results(started)
    with pytest.raises(InputError, match="started from other weights than --init"):
        run_training(request(data, tmp_path / "out", OPTIONS, resume=True, init=other), Silent())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content.replace(b'format_version\\": 2', b'format_version\\": 7'), "another release"),
        (lambda content: content[:-100], "is damaged .*--overwrite"),
        (lambda content: content.replace(b"next_batch", b"next_botch"), "is damaged .*next_batch.*--overwrite"),
        (lambda content: content.replace(b'loss_sum\\": ', b'loss_sum\\":['), "is damaged .*--overwrite"),
        (lambda content: content.replace(b"optimizer/0/", b"optimizer/x/"), "is damaged .*--overwrite"),
        (lambda content: content.replace(b"optimizer/0/", b"optimizer/9/"), "is damaged .*--overwrite"),
        (lambda content: content.replace(b'options\\": {', b'options\\": 1'), "--overwrite"),
        (lambda content: content.replace(b"augmentation", b"augmentatian"), "no training to resume"),
        (lambda content: content[:20], "not a safetensors file"),
        (lambda content: content[:0], "not a safetensors file"),
    ],
)
def test_a_state_that_cannot_be_used_is_one_clear_error(
    data: Path, tmp_path: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    path = stopped(data, tmp_path / "out") / "training-state.safetensors"
    damaged = damage(path.read_bytes())
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=message):
        run_training(request(data, tmp_path / "out", OPTIONS, resume=True), Silent())
    assert path.read_bytes() == damaged


def test_restored_numbers_lie_in_memory_as_they_did(tmp_path: Path) -> None:
    """Else a processor may add them in another order, and the last digits differ."""
    first, second = (learner.Learner(OPTIONS, torch.device("cpu")) for _ in range(2))
    pixels, labels = np.zeros((2, 32, 32, 3), np.uint8), np.array([0, 1])
    first.step(pixels, labels, 0, 0.1)
    state.save_state(tmp_path / "state", first.networks, {}, first.optimizer, {})
    state.restore_state(tmp_path / "state", second.networks, second.optimizer)
    pairs = zip(first.network.parameters(), second.network.parameters(), strict=True)
    for before, after in ((first.optimizer.state[one], second.optimizer.state[other]) for one, other in pairs):
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert all(before[name].stride() == after[name].stride() for name in before)


def test_resume_and_overwrite_exclude_each_other(data: Path, tmp_path: Path) -> None:
    out = stopped(data, tmp_path / "out")
    with pytest.raises(InputError, match="--resume continues a training and --overwrite starts a new one"):
        run_training(request(data, out, OPTIONS, resume=True, overwrite=True), Silent())


def test_two_trainings_do_not_share_a_folder(data: Path, tmp_path: Path) -> None:
    from slidescreen.files.locking import locked

    out = stopped(data, tmp_path / "out")
    before = results(out)
    with locked(out), pytest.raises(InputError, match="is in use by process"):
        run_training(request(data, out, OPTIONS, resume=True), Silent())
    assert results(out) == before


def test_a_training_of_the_other_backbone_does_not_replace_a_history_unasked(data: Path, tmp_path: Path) -> None:
    run_training(request(data, tmp_path, OPTIONS), Silent())
    other = replace(OPTIONS, backbone="efficientnetv2_b2")
    with pytest.raises(InputError, match="already holds a training"):
        run_training(request(data, tmp_path, other), Silent())


def test_the_order_of_the_rows_changes_nothing_and_their_sources_do(data: Path, tmp_path: Path) -> None:
    """Interrupted with one table, resumed with another of the same images."""
    rows = data.read_text().splitlines()
    turned, sourced = data.with_name("turned.csv"), data.with_name("sourced.csv")
    turned.write_text("\n".join([rows[0], *reversed(rows[1:])]) + "\n")
    sourced.write_text("\n".join([f"{rows[0]},source", *(f"{row},{n % 2}" for n, row in enumerate(rows[1:]))]) + "\n")
    options = replace(OPTIONS, balance="sampler")
    run_training(request(data, tmp_path / "whole", options), Silent())
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_training(request(data, out, options), Silent((1, 1)))
    with pytest.raises(InputError, match="images have changed"):
        run_training(request(sourced, out, options, resume=True), Silent())
    run_training(request(turned, out, options, resume=True), Silent())
    assert results(out) == results(tmp_path / "whole")


def test_what_is_not_as_when_the_training_began_is_said(data: Path, tmp_path: Path) -> None:
    out, same, other = stopped(data, tmp_path / "out"), Silent((2, 1)), Silent()
    with pytest.raises(KeyboardInterrupt):
        run_training(request(data, out, OPTIONS, resume=True), same)
    run_training(request(data, out, OPTIONS, resume=True, threads=2), other)
    torch.set_num_threads(1)
    assert not any("last digits" in note for note in same.notes)
    assert any(note.endswith("last digits: threads 1 → 2") for note in other.notes)
