"""The options of every command: their defaults, their closed choices, and how `--help` shows them."""

import re
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import Command

from slidescreen.building.options import EnsembleOptions, RejectionTargets
from slidescreen.cells import Blast
from slidescreen.cli.app import app
from slidescreen.cli.shared import Format
from slidescreen.data.label_options import LabelOptions, LabelRules, Split
from slidescreen.engine.options import Device, EngineKind, EngineOptions, Precision
from slidescreen.ensembles.voting_rule import VotingRule
from slidescreen.exchange.options import ExportFormat, ExportOptions
from slidescreen.models.backbones import Backbone
from slidescreen.reporting.page_cells import PageCells
from slidescreen.runs.options import ClassifyOptions, ReportOptions
from slidescreen.training.options import (
    Balance,
    CellTypeSet,
    Optimizer,
    Recipe,
    Schedule,
    TrainingOptions,
    TrainingPrecision,
)

GROUP: Any = typer.main.get_command(app)
PARAMETERS: dict[str, dict[str, Any]] = {
    name: {parameter.name: parameter for parameter in command.params} for name, command in GROUP.commands.items()
}
PATH = Path("x")

# What each command hands on: for each of its options the object that has the default.
LABELS = {
    "leave_out": (LabelRules(), "left_out"),
    "unspecified_blasts": (LabelRules(), ""),
    "drop_duplicates": (LabelOptions(), ""),
}
CLASSIFY, TRAINING, RECIPE = ClassifyOptions(PATH, PATH, PATH), TrainingOptions(PATH, PATH), Recipe()
EXPORT = dict.fromkeys(("orders", "order_pattern", "sum_accessions", "codes"), (ExportOptions(()), ""))
DEFAULTS: dict[str, dict[str, tuple[object, str]]] = {
    "classify": {
        **EXPORT,
        "export": (CLASSIFY, ""),
        **dict.fromkeys(("slide_depth", "overwrite", "force", "settle", "keep"), (CLASSIFY, "")),
        **dict.fromkeys(("log_file", "history", "batch_size", "workers", "page_cells", "ray"), (CLASSIFY, "")),
        "image_timeout": (CLASSIFY, "time_limit"),
        **dict.fromkeys(("device", "precision", "threads", "fast"), (EngineOptions(), "")),
        "engine": (EngineOptions(), "kind"),
    },
    "report": {
        **LABELS,
        **EXPORT,
        "export": (ReportOptions((PATH,)), ""),
        **dict.fromkeys(("truth", "out", "ensemble", "device", "page_cells"), (ReportOptions((PATH,)), "")),
        "split": (LabelOptions(), ""),
    },
    "train": {
        **LABELS,
        **dict.fromkeys(("init", "init_partial", "teacher", "resume", "overwrite"), (TRAINING, "")),
        **dict.fromkeys(("device", "threads", "memory"), (TRAINING, "")),
        **dict.fromkeys(("image_size", "white_balance"), (RECIPE.preprocessing, "")),
        **dict.fromkeys(("rotation", "flips", "scale", "colour", "focus"), (RECIPE.augmentation, "")),
        **dict.fromkeys(("stain_exchange", "surroundings"), (RECIPE.augmentation, "")),
        **dict.fromkeys(("backbone", "epochs", "batch_size", "optimizer", "learning_rate"), (RECIPE, "")),
        **dict.fromkeys(("schedule", "plateau_factor", "plateau_patience", "patience", "seed"), (RECIPE, "")),
        **dict.fromkeys(("balance", "balance_power", "label_smoothing", "weight_average"), (RECIPE, "")),
        **dict.fromkeys(("weight_decay", "drop_rate", "drop_path_rate", "precision", "teacher_weight"), (RECIPE, "")),
    },
    "ensemble": {
        **LABELS,
        **dict.fromkeys(("search", "rule", "device", "overwrite", "int8"), (EnsembleOptions((PATH,), PATH, PATH), "")),
        **dict.fromkeys(("allow_few_cells", "adapt", "unknown"), (EnsembleOptions((PATH,), PATH, PATH), "")),
        "weight": (EnsembleOptions((PATH,), PATH, PATH), "weights"),
        "target_accuracy": (RejectionTargets(), "accuracy"),
        "most_unidentified": (RejectionTargets(), ""),
    },
}
# Arguments, what the command line alone decides, and what has no default but a word for it.
WITHOUT = {
    "classify": {"path", "out", "ensemble", "thresholds", "list_only", "verbose", "quiet", "output"},
    "report": {"sources", "slide", "explain", "spreadsheet", "uncertain", "corrections"},
    "train": {"data", "out", "types", "study", "progressive"},
    "ensemble": {"checkpoints", "out", "data"},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_default_is_that_of_the_commands_options(name: str) -> None:
    assert set(DEFAULTS[name]) | WITHOUT[name] == set(PARAMETERS[name])
    for option, (holder, field) in DEFAULTS[name].items():
        default = frozenset() if option in ("leave_out", "unknown") else PARAMETERS[name][option].default
        assert default == getattr(holder, field or option), option


def test_all_types_are_the_recipes_default() -> None:
    assert PARAMETERS["train"]["types"].default.cell_types == RECIPE.cell_types


CHOICES: list[tuple[str, str, type[StrEnum]]] = [
    ("classify", "device", Device),
    ("classify", "engine", EngineKind),
    ("classify", "precision", Precision),
    ("classify", "output", Format),
    ("classify", "export", ExportFormat),
    ("report", "export", ExportFormat),
    ("classify", "page_cells", PageCells),
    ("report", "device", Device),
    ("report", "page_cells", PageCells),
    ("report", "split", Split),
    ("report", "unspecified_blasts", Blast),
    ("train", "backbone", Backbone),
    ("train", "types", CellTypeSet),
    ("train", "optimizer", Optimizer),
    ("train", "schedule", Schedule),
    ("train", "balance", Balance),
    ("train", "precision", TrainingPrecision),
    ("train", "unspecified_blasts", Blast),
    ("train", "device", Device),
    ("ensemble", "rule", VotingRule),
    ("ensemble", "unspecified_blasts", Blast),
    ("ensemble", "device", Device),
]


@pytest.mark.parametrize(("name", "option", "choices"), CHOICES)
def test_a_value_that_is_no_choice_is_refused_with_those_that_are(
    command: Command, name: str, option: str, choices: type[StrEnum]
) -> None:
    flag = PARAMETERS[name][option].opts[0]
    required = ["--data", "labels.csv", "--out", "new"] if name == "ensemble" else []
    outcome = command(name, "source", *required, flag, "odd")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert flag in outcome.err
    assert "odd" in outcome.err
    for choice in choices:
        assert re.search(rf"\b{choice}\b", outcome.err)
    assert list(Path().iterdir()) == []


def shown(command: Command, *words: str) -> str:
    outcome = command(*words, "--help")
    assert outcome.code == 0
    return outcome.out


@pytest.mark.parametrize("name", PARAMETERS)
def test_help_lists_every_choice(command: Command, name: str) -> None:
    text = shown(command, name)
    for choice in chain.from_iterable(choices for of, _, choices in CHOICES if of == name):
        assert re.search(rf"\b{choice}\b", text), choice


@pytest.mark.parametrize("words", [[], *([name] for name in PARAMETERS)])
def test_help_shows_no_types_and_says_what_every_option_does(command: Command, words: list[str]) -> None:
    assert not re.findall(r"<\w+>|\{\w+\}|\b(?:int|float) range\b", shown(command, *words))
    for parameter in PARAMETERS[words[0]].values() if words else GROUP.params:
        assert parameter.help


def test_help_begins_with_what_a_first_time_user_needs(command: Command) -> None:
    flags = re.findall(r"^│ (--[a-z-]+)", shown(command, "classify"), re.MULTILINE)
    assert flags[:6] == ["--out", "--list", "--ensemble", "--overwrite", "--verbose", "--quiet"]
    commands = re.findall(r"^│ ([a-z]+) ", shown(command), re.MULTILINE)
    assert commands[:4] == ["classify", "report", "train", "ensemble"]


def test_help_of_a_number_says_its_limits(command: Command) -> None:
    text = " ".join(shown(command, "train").split())
    assert "Label smoothing (0 to 0.5). [default: 0.1]" in text
    assert "Train for at most this many epochs (1 or more). [default: 50]" in text


def test_the_reference_lists_every_choice() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "options.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| `(--[a-z-]+)` \| (.+) \|$", page, re.MULTILINE)
    told = {
        (name, flag): re.findall(r"`([\w]+)`", values)
        for commands, flag, values in rows
        for name in re.findall(r"`(\w+)`", commands)
    }
    for name, option, choices in CHOICES:
        assert told[name, PARAMETERS[name][option].opts[0]] == list(choices)
    assert set(told) == {(name, PARAMETERS[name][option].opts[0]) for name, option, _ in CHOICES}
