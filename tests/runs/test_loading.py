"""The networks are loaded while finished slides are recalled, and only if there is a slide to classify."""

import json
import threading
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind
from slidescreen.errors import InputError
from slidescreen.runs import loading
from slidescreen.runs.ledger import Ledger


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that load networks from here on."""
    threads: list[str] = []
    sound = loading.load_engines

    def noted(*given: object) -> object:
        threads.append(threading.current_thread().name)
        return sound(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load_engines", noted)
    return threads


def unchanged(shown: str) -> str:
    return next((line for line in shown.splitlines() if "not classified again" in line), "")


def test_networks_are_loaded_while_finished_slides_are_recalled(
    command: Command, night: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command("classify", night, "--out", "run")
    write_cells(night / "new", 2, first_seed=70)
    loads.clear()
    begun = threading.Event()
    sound, waited = loading.load_engines, []

    def announced(*given: object) -> object:
        begun.set()
        return sound(*given)  # type: ignore[arg-type]

    recall = Ledger.recall

    def patient(*given: object) -> object:
        waited.append(begun.wait(60))
        return recall(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load_engines", announced)
    monkeypatch.setattr(Ledger, "recall", patient)
    shown = command("classify", night, "--out", "run")
    assert waited == [True] * 3
    assert "2 slides" in unchanged(shown.err)
    assert {slide["slide"] for slide in json.loads(Path("run/run.json").read_text())["slides"]} >= {"new"}
    assert len(loads) == 1


def test_nothing_is_loaded_for_slides_that_are_finished_or_wait(
    command: Command, night: Path, loads: list[str]
) -> None:
    command("classify", night, "--out", "run")
    loads.clear()
    command("classify", night, "--out", "run")
    write_cells(night / "new", 2, first_seed=70)
    assert "left for the next run: new" in command("classify", night, "--out", "run", "--settle", "3600").err
    assert not loads


def test_a_changed_slide_is_classified_though_nothing_was_loaded_ahead(
    command: Command, night: Path, loads: list[str]
) -> None:
    command("classify", night, "--out", "run")
    loads.clear()
    write_cells(night / "S0", 1, first_seed=80)
    assert "1 slide" in unchanged(command("classify", night, "--out", "run").err)
    assert loads == ["MainThread"]


@pytest.mark.parametrize("ahead", [True, False])
def test_a_network_that_cannot_be_loaded_ends_the_run_with_one_line(
    ahead: bool, command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not ahead:
        command("classify", night, "--out", "run")
        write_cells(night / "S0", 1, first_seed=80)

    def refuse(*_: object) -> None:
        raise InputError("no such network")

    monkeypatch.setattr(loading, "load_engines", refuse)
    shown = command("classify", night, "--out", "run")
    assert (shown.code, shown.err.splitlines()[-1]) == (2, "error: no such network")


@pytest.mark.parametrize(
    ("device", "threads", "expected"), [("cpu", 2, 2), ("cpu", 64, 8), ("cuda", 2, 2), ("cuda", 64, 64)]
)
def test_beside_a_gpu_all_threads_decode(device: str, threads: int, expected: int) -> None:
    configuration = EngineConfiguration(EngineKind.PYTORCH, Device(device), "fp32")
    assert loading.decoding_processes(configuration, threads) == expected
