"""What `slidescreen train` refuses: exit code 2 and one line, before anything is read or written."""

import json
from pathlib import Path

import pytest
from conftest import Command, write_cells
from small_training import labelled

from slidescreen import cells
from slidescreen.errors import InputError
from slidescreen.training.folder import check_same_options
from slidescreen.training.options import Augmentation, Recipe, flag_of, settings_of, study_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("data") / "cells")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--learning-rate 0", "--learning-rate"),
        ("--learning-rate -0.1", "--learning-rate"),
        ("--learning-rate inf", "--learning-rate"),
        ("--learning-rate nan", "--learning-rate"),
        ("--drop-path nan", "--drop-path"),
        ("--colour nan", "--colour"),
        ("--memory nan", "--memory"),
        ("--memory inf", "--memory must be a number of GB, not inf"),
        ("--epochs 0", "--epochs"),
        ("--batch-size 1", "--batch-size"),
        ("--image-size 31", "--image-size"),
        ("--image-size 2049", "--image-size"),
        ("--seed 99999999999999999999", "--seed"),
        ("--threads 1000000", "--threads"),
        ("--progressive 4096:1", "--progressive needs sizes between 32 and 2048 pixels"),
        ("--progressive 31:1", "--progressive needs sizes between 32 and 2048 pixels"),
        ("--progressive 64:0", "--progressive needs sizes between 32 and 2048 pixels, and at least one epoch each"),
        ("--progressive 64:60", "--progressive has more epochs than --epochs"),
        ("--progressive 64", "--progressive must look like 96:4,160:2, not '64'"),
        ("--progressive 64:1,", "--progressive must look like 96:4,160:2"),
        ("--types some", "'some' is not one of 'all', 'leukocytes'"),
        ("--device tpu", "'tpu' is not one of 'auto', 'cuda', 'cpu'"),
        ("--init-partial", "--init-partial needs --init"),
        ("--init {data}", "labels.csv is not a safetensors file"),
        ("--init {folder}", "cells is no file"),
        ("--teacher none.safetensors", "none.safetensors does not exist"),
        ("--resume --overwrite", "use only one"),
        ("--resume", "has no interrupted training to resume"),
        ("--out {data}", "labels.csv is a file: choose a folder with --out"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(command: Command, data: Path, given: str, message: str) -> None:
    words = given.format(data=data, folder=data.parent).split()
    outcome = command("train", data, *words)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert message in outcome.err
    assert outcome.out == ""
    assert list(Path().iterdir()) == []


def test_the_results_of_a_night_are_not_mixed_with_a_trainings(command: Command, data: Path) -> None:
    Path("night").mkdir()
    Path("night/run.json").write_text("{}")
    Path("night/history.csv").write_text("a night\n")
    outcome = command("train", data, "--out", "night", "--overwrite")
    assert outcome.code == 2
    assert "night holds results of classify" in outcome.err
    assert Path("night/history.csv").read_text() == "a night\n"


def test_a_training_draws_no_curves_in_a_slide_whose_images_a_table_names(command: Command) -> None:
    write_cells(Path("night/S"), 2)
    Path("labels.csv").write_text("file,label\nnight/S/cell_000.jpg,monocyte\nnight/S/cell_001.jpg,lymphocyte\n")
    outcome = command("train", "labels.csv", "--out", "night/S/training")
    assert outcome.code == 2
    assert outcome.err == "error: --out must not lie inside night/S: the input is never written to\n"
    assert not Path("night/S/training").exists()


NUMBERS = [
    (options, name)
    for options in (Recipe, Augmentation)
    for name, (kind, _) in settings_of(options).items()
    if kind in (int, float)
]


@pytest.mark.parametrize(("options", "name"), NUMBERS, ids=lambda given: getattr(given, "__name__", given))
def test_numbers_outside_their_limits_and_no_numbers_are_refused(options: type, name: str) -> None:
    _, setting = settings_of(options)[name]
    for value in (float("nan"), float("inf"), -float("inf"), setting.low - 1, setting.high * 1.5 + 1):
        with pytest.raises(InputError, match=f"^{flag_of(name, setting)} must be "):
            options(**{name: value})
    for value in (setting.low, setting.high):
        assert getattr(options(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("backbone", "--backbone must be one of efficientnet_b1, efficientnetv2_b2, not odd"),
        ("optimizer", "--optimizer must be one of adam, adamw, not odd"),
        ("schedule", "--schedule must be one of plateau, onecycle, not odd"),
        ("balance", "--balance must be one of sampler, loss, none, not odd"),
        ("precision", "--precision must be one of auto, fp32, bf16, not odd"),
    ],
)
def test_a_value_that_is_no_choice_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        Recipe(**{name: "odd"})  # type: ignore[arg-type]


def test_the_study_recipe_keeps_what_the_study_left_open() -> None:
    plain = study_recipe(Recipe(seed=3, augmentation=Augmentation(rotation=90.0, flips=False)))
    assert plain.augmentation == Augmentation(rotation=90.0, flips=False, scale=1.0, colour=0.0, focus=0.0)
    assert (plain.seed, plain.cell_types, plain.balance) == (3, cells.LEUKOCYTES, "none")


def test_a_training_begun_before_an_option_existed_used_its_default() -> None:
    before = {"options": json.loads(json.dumps(Recipe().to_dict())), "init": None}
    del before["options"]["augmentation"]["stain_exchange"]
    del before["options"]["teacher_weight"]
    check_same_options(before, Recipe(), None)
    other = Recipe(augmentation=Augmentation(stain_exchange=0.5))
    with pytest.raises(InputError, match="other options: augmentation was"):
        check_same_options(before, other, None)
