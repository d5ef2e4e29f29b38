"""Training: the options it obeys, the traps it refuses, and an interruption that leaves no trace."""

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Command, draw_cell
from safetensors.torch import load_file, save_file
from small_training import OPTIONS, SMALL, TYPES, Silent, build_small, labelled, request

from slidescreen import cells
from slidescreen.data.labels import LabelledImage
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.errors import InputError
from slidescreen.models.backbones import BACKBONES
from slidescreen.models.checkpoints import Checkpoint, build, read_checkpoint, save_checkpoint
from slidescreen.training import learner
from slidescreen.training.augmentation import augment
from slidescreen.training.dataset import class_weights, epoch_order, group_weights
from slidescreen.training.folder import TrainingFolder
from slidescreen.training.options import Augmentation, Recipe, Stage, study_recipe
from slidescreen.training.session import run_training
from slidescreen.training.state import read_notes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("data") / "cells")


def test_an_interrupted_training_ends_as_if_it_had_not_stopped(data: Path, tmp_path: Path) -> None:
    run_training(request(data, tmp_path / "whole"), Silent())
    for stop_at in ((0, 2), (1, 1)):
        out = tmp_path / f"stopped{stop_at[0]}"
        with pytest.raises(KeyboardInterrupt):
            run_training(request(data, out), Silent(stop_at))
        run_training(request(data, out, resume=True), Silent())
        whole, stopped = (load_file(f / "efficientnet_b1.safetensors") for f in (tmp_path / "whole", out))
        assert all(torch.equal(whole[name], stopped[name]) for name in whole)
        rows = [list(csv.DictReader((f / "history.csv").open())) for f in (tmp_path / "whole", out)]
        assert [{**r, "seconds": ""} for r in rows[0]] == [{**r, "seconds": ""} for r in rows[1]]


def test_an_option_that_a_later_release_added_does_not_stop_a_training_from_going_on(
    data: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_training(request(data, tmp_path / "out"), Silent((0, 1)))
    path = tmp_path / "out" / "training-state.safetensors"
    notes = read_notes(path)
    del notes["provenance"]["options"]["teacher_weight"]
    save_file(load_file(path), path, metadata={"training": json.dumps(notes)})
    with pytest.raises(InputError, match=r"teacher_weight was 0.5 and is 0.9"):
        run_training(request(data, tmp_path / "out", replace(OPTIONS, teacher_weight=0.9), resume=True), Silent())
    display = Silent()
    run_training(request(data, tmp_path / "out", resume=True), display)
    assert len(display.results) == 2


def test_a_training_leaves_a_checkpoint_its_history_and_its_curves(data: Path, tmp_path: Path) -> None:
    options = replace(
        OPTIONS, backbone="efficientnetv2_b2", epochs=1, balance="loss", schedule="onecycle", optimizer="adamw"
    )
    run_training(request(data, tmp_path / "out", options), Silent())
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")) == [
        "curves.png",
        "efficientnetv2_b2.safetensors",
        "history.csv",
    ]
    checkpoint = read_checkpoint(tmp_path / "out" / "efficientnetv2_b2.safetensors")
    assert checkpoint.cell_types == TYPES
    assert checkpoint.preprocessing == Preprocessing(32)
    assert checkpoint.provenance["images"] == {"train": 24, "validation": 6}
    assert len(checkpoint.provenance["data_hash"]) == 64


def test_a_teacher_is_followed_even_against_the_labels(data: Path, tmp_path: Path) -> None:
    teacher = _constant_teacher(tmp_path / "teacher.safetensors", says=1)
    options = replace(OPTIONS, epochs=4, teacher_weight=1.0, learning_rate=0.01, balance="none")
    taught, untaught = Silent(), Silent()
    run_training(request(data, tmp_path / "taught", options, teacher=teacher), taught)
    run_training(request(data, tmp_path / "untaught", options), untaught)
    # Labels are evenly spread over three types, so to name one type always is learnt from the teacher alone.
    assert taught.results[-1].train_loss < 0.5 * untaught.results[-1].train_loss
    checkpoint = read_checkpoint(tmp_path / "taught" / "efficientnet_b1.safetensors")
    assert checkpoint.provenance["options"]["teacher"] == hashlib.sha256(teacher.read_bytes()).hexdigest()


def test_a_teacher_of_other_types_or_other_images_is_refused(data: Path, tmp_path: Path) -> None:
    teacher = _constant_teacher(tmp_path / "teacher.safetensors", says=0)
    for options, message in (
        (replace(OPTIONS, cell_types=TYPES[:2]), "other cell types"),
        (replace(OPTIONS, preprocessing=Preprocessing(32, white_balance=False)), "differently prepared"),
    ):
        with pytest.raises(InputError, match=message):
            run_training(request(data, tmp_path / "out", options, teacher=teacher), Silent())
    assert not (tmp_path / "out").exists()


def _constant_teacher(path: Path, says: int) -> Path:
    """A checkpoint whose network always names the type at `says`."""
    network = build("efficientnet_b1", len(TYPES))
    state = network.state_dict()
    state["classifier.weight"].zero_()
    state["classifier.bias"].copy_(10.0 * torch.eye(len(TYPES))[says])
    save_checkpoint(path, state, Checkpoint("efficientnet_b1", TYPES, OPTIONS.preprocessing, {}), half=False)
    return path


def test_progressive_sizes_are_obeyed(data: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, preprocessing=Preprocessing(48), stages=(Stage(32, 1),))
    display = Silent()
    run_training(request(data, tmp_path / "out", options), display)
    assert [result.image_size for result in display.results] == [32, 48]
    assert read_checkpoint(tmp_path / "out" / "efficientnet_b1.safetensors").preprocessing.image_size == 48


def test_a_checkpoint_says_the_size_it_was_best_at(data: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, preprocessing=Preprocessing(48), stages=(Stage(32, 1),))
    with pytest.raises(KeyboardInterrupt):
        run_training(request(data, tmp_path / "out", options), Silent((1, 1)))
    assert read_checkpoint(tmp_path / "out" / "efficientnet_b1.safetensors").preprocessing.image_size == 32


def test_a_pixel_store_too_large_for_memory_gives_the_same_training(data: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, epochs=1)
    display = Silent()
    run_training(request(data, tmp_path / "a", options), Silent())
    run_training(request(data, tmp_path / "b", options, memory=1e-8), display)
    a, b = (load_file(tmp_path / name / "efficientnet_b1.safetensors") for name in "ab")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any("exceed --memory" in note for note in display.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resume": True}, "no interrupted training to resume"),
        ({"init": Path("none.safetensors")}, "none.safetensors does not exist"),
        ({"device": "tpu"}, "--device must be one of auto, cuda, cpu"),
        ({"data": Path("nothing.csv")}, "nothing.csv does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    data: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_training(replace(request(data, tmp_path / "out"), **changes), Silent())  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["efficientnet_b1.safetensors", "efficientnetv2_b2.safetensors", "curves.png"])
def test_an_earlier_training_is_not_overwritten_unasked(data: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=rf"already holds a training \({name}\).*--overwrite"):
        run_training(request(data, tmp_path), Silent())


def test_a_resumed_training_must_have_the_same_options_and_images(data: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_training(request(data, tmp_path / "out"), Silent((0, 1)))
    other = replace(OPTIONS, learning_rate=0.1)
    with pytest.raises(InputError, match=r"learning_rate was 0\.0005 and is 0\.1"):
        run_training(request(data, tmp_path / "out", other, resume=True), Silent())
    changed = labelled(tmp_path / "changed")
    changed.write_text(changed.read_text().replace("1.png,lymphocyte", "1.png,neutrophil"))
    with pytest.raises(InputError, match="images have changed"):
        run_training(request(changed, tmp_path / "out", resume=True), Silent())


def test_copies_across_splits_are_refused_with_their_names(tmp_path: Path) -> None:
    data = labelled(tmp_path / "cells", "copy.png,neutrophil,S9,validation\n")
    (data.parent / "copy.png").write_bytes((data.parent / "3.png").read_bytes())
    with pytest.raises(InputError, match=r"two splits: .*3\.png and .*copy\.png"):
        run_training(request(data, tmp_path / "out"), Silent())
    run_training(request(data, tmp_path / "out", replace(OPTIONS, epochs=1), drop_duplicates=True), Silent())


def test_unreadable_training_images_are_left_out_and_named(tmp_path: Path) -> None:
    data = labelled(tmp_path / "cells")
    (data.parent / "7.png").write_bytes(b"no image")
    display = Silent()
    run_training(request(data, tmp_path / "out", replace(OPTIONS, epochs=1)), display)
    assert any("7.png: not an image" in note for note in display.notes)


def test_a_training_that_replaces_one_of_another_backbone_leaves_no_network_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "build", build_small)
    data, out = labelled(tmp_path / "cells"), tmp_path / "out"
    out.mkdir()
    old, new = out / "efficientnet_b1.safetensors", out / "efficientnetv2_b2.safetensors"
    old.write_bytes(b"an earlier network")
    asked = request(data, out, replace(SMALL, epochs=1, backbone="efficientnetv2_b2"), overwrite=True)
    before = []

    class Watcher(Silent):
        def start(self, *started: object) -> None:
            before.append(old.exists())

    run_training(asked, Watcher())
    assert before == [True]  # until the new one is there
    assert new.exists()
    assert not old.exists()


@pytest.mark.parametrize("needed", ["init", "ensemble"])
def test_a_network_that_is_needed_is_not_replaced(needed: str, tmp_path: Path) -> None:
    for backbone in BACKBONES:
        (tmp_path / f"{backbone}.safetensors").write_bytes(b"")
    folder, init = TrainingFolder(tmp_path, "efficientnet_b1"), []
    assert [path.name for path in folder.replacing(init).replaced] == ["efficientnetv2_b2.safetensors"]
    if needed == "ensemble":
        (tmp_path / "ensemble.json").touch()
    else:
        init = [tmp_path / "." / "efficientnetv2_b2.safetensors"]
    assert folder.replacing(init).replaced == ()


def test_a_training_ends_with_its_own_exit_code_if_images_could_not_be_read(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "build", build_small)
    data = labelled(tmp_path / "cells")
    asked = ("train", data, "--out", "out", "--epochs", "1", "--image-size", "32", "--device", "cpu", "--overwrite")
    assert command(*asked).code == 0
    (data.parent / "7.png").write_bytes(b"no image")
    done = command(*asked)
    assert done.code == 3
    assert "7.png: not an image" in done.err
    assert Path("out/efficientnet_b1.safetensors").exists()


def test_the_studys_recipe_switches_every_addition_off() -> None:
    plain = study_recipe(Recipe())
    assert (plain.optimizer, plain.learning_rate, plain.batch_size) == ("adam", 0.0005, 32)
    assert plain.cell_types == cells.LEUKOCYTES
    assert plain.augmentation == Augmentation(180.0, True, 1.0, 0.0, 0.0)
    assert (plain.balance, plain.label_smoothing, plain.weight_average) == ("none", 0.0, 0.0)
    assert not plain.preprocessing.white_balance


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backbone": "resnet50"}, "--backbone must be one of efficientnet_b1, efficientnetv2_b2, not resnet50"),
        ({"optimizer": "sgd"}, "--optimizer"),
        ({"epochs": 2, "stages": (Stage(32, 3),)}, "--progressive"),
    ],
)
def test_wrong_options_name_what_is_allowed(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**wrong)  # type: ignore[arg-type]


def batch(count: int = 4, side: int = 48) -> torch.Tensor:
    pixels = np.stack([np.asarray(draw_cell(n, (side, side))) for n in range(count)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def test_augmentation_is_drawn_from_its_generator_alone() -> None:
    twice = [augment(batch(), Augmentation(), torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*twice)
    assert not torch.equal(twice[0], augment(batch(), Augmentation(), torch.Generator().manual_seed(8)))
    assert twice[0].min() >= 0
    assert twice[0].max() <= 1


def test_augmentation_of_strength_zero_changes_nothing() -> None:
    off = Augmentation(rotation=0, flips=False, scale=1, colour=0, focus=0)
    assert torch.equal(augment(batch(), off, torch.Generator()), batch())


def test_flips_alone_are_exact_mirror_images() -> None:
    flips = Augmentation(rotation=0, flips=True, scale=1, colour=0, focus=0)
    original = batch(16)
    for before, after in zip(original, augment(original, flips, torch.Generator().manual_seed(0)), strict=True):
        mirrors = [before, before.flip(1), before.flip(2), before.flip(1, 2)]
        assert min(float((after - mirror).abs().max()) for mirror in mirrors) < 1e-4


def test_colour_and_focus_keep_the_cell_where_it_is() -> None:
    painted = augment(batch(8), Augmentation(0, False, 1, 1, 1), torch.Generator().manual_seed(1))
    for before, after in zip(batch(8), painted, strict=True):
        pair = torch.stack([before.mean(0).flatten(), after.mean(0).flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.8


def test_focus_both_softens_and_sharpens() -> None:
    def detail(images: torch.Tensor) -> torch.Tensor:
        return images.diff(dim=3).abs().mean((1, 2, 3))

    changed = augment(batch(16), Augmentation(0, False, 1, 0, 3), torch.Generator().manual_seed(1))
    ratio = detail(changed) / detail(batch(16))
    assert ratio.min() < 0.9
    assert ratio.max() > 1.1


IMAGES = [LabelledImage(Path(str(n)), "monocyte" if n < 90 else "basophil", source="A") for n in range(100)]


def test_balanced_drawing_sees_rare_types_more_often() -> None:
    weights = group_weights(IMAGES, 0.5)
    drawn = np.concatenate([epoch_order(100, weights, 0, epoch) for epoch in range(200)])
    share = (drawn >= 90).mean()
    assert share == pytest.approx(10**0.5 / (10**0.5 + 90**0.5), abs=0.01)
    assert np.allclose(group_weights(IMAGES, 0), 1)


def test_an_epoch_without_balance_sees_every_image_once() -> None:
    assert sorted(epoch_order(50, None, 1, 2)) == list(range(50))
    assert not np.array_equal(epoch_order(50, None, 1, 2), epoch_order(50, None, 1, 3))


def test_loss_weights_are_one_on_average_and_zero_for_absent_types() -> None:
    weights = class_weights(IMAGES, ("monocyte", "basophil", "eosinophil"), 1.0)
    assert weights[2] == 0
    assert weights[1] / weights[0] == pytest.approx(9)
    assert (weights[:2] * [90, 10]).sum() == pytest.approx(100)


def test_weights_may_start_from_a_local_file(data: Path, tmp_path: Path, checkpoints: tuple[Path, Path]) -> None:
    display = Silent()
    run_training(request(data, tmp_path / "out", replace(OPTIONS, epochs=1), init=checkpoints[0]), display)
    assert any("tensors taken from" in note for note in display.notes)
    assert read_checkpoint(tmp_path / "out" / "efficientnet_b1.safetensors").provenance["init"]


def test_saving_a_checkpoint_keeps_the_old_one_when_it_fails(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_training(request(data, tmp_path / "out", replace(OPTIONS, epochs=1)), Silent())
    path = tmp_path / "out" / "efficientnet_b1.safetensors"
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    from slidescreen.errors import OutputError

    with pytest.raises(OutputError, match="No space"):
        save_checkpoint(path, load_file(path), read_checkpoint(path), half=True)
    assert path.read_bytes() == before
