"""What `slidescreen train` refuses: exit code 2 and one line, before anything is read or written."""

import inspect
from pathlib import Path

import pytest
from conftest import Command
from small_training import labelled

from slidescreen.cli.train import train
from slidescreen.errors import InputError
from slidescreen.training.options import LIMITS, Augmentation, Recipe, Stage, flag_of


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
        ("--progressive 64:0", "--progressive needs sizes between 32 and 2048 pixels, and one epoch or more"),
        ("--progressive 64:60", "the epochs of --progressive are more than --epochs"),
        ("--progressive 64", "--progressive must look like 96:4,160:2, not '64'"),
        ("--progressive 64:1,", "--progressive must look like 96:4,160:2"),
        ("--types some", "--types must be all or leukocytes"),
        ("--device tpu", "'tpu' is not one of 'auto', 'cuda', 'cpu'"),
        ("--init-partial", "--init-partial says how --init is taken"),
        ("--init {data}", "labels.csv is no safetensors file"),
        ("--init {folder}", "cells is no file"),
        ("--teacher none.safetensors", "none.safetensors does not exist"),
        ("--resume --overwrite", "say one of them"),
        ("--resume", "holds no interrupted training to resume"),
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
    assert "night holds the results of classify" in outcome.err
    assert Path("night/history.csv").read_text() == "a night\n"


def test_the_command_line_and_the_options_know_the_same_limits() -> None:
    flags = {}
    for name, parameter in inspect.signature(train).parameters.items():
        option = parameter.annotation.__metadata__[0]
        flags["--" + name.replace("_", "-")] = (option.min, option.max) if hasattr(option, "min") else None
    for name, (low, high) in LIMITS.items():
        given = flags[flag_of(name)]
        assert given is not None
        assert given[0] == low
        assert given[1] in (high, None)


@pytest.mark.parametrize("name", LIMITS)
def test_numbers_outside_their_limits_and_no_numbers_are_refused(name: str) -> None:
    low, high = LIMITS[name]
    inside = "augmentation" if hasattr(Augmentation, name) else ""
    for value in (float("nan"), float("inf"), -float("inf"), low - 1, high * 1.5 + 1):
        changes = {inside: Augmentation(**{name: value})} if inside else {name: value}  # type: ignore[arg-type]
        with pytest.raises(InputError, match=f"^{flag_of(name)} must be between"):
            Recipe(**changes)  # type: ignore[arg-type]
    for value in (low, high):
        stages = () if name == "epochs" else (Stage(32, 1),)
        changes = {inside: Augmentation(**{name: value})} if inside else {name: value}  # type: ignore[arg-type]
        assert Recipe(stages=stages, **changes)  # type: ignore[arg-type]
