"""What several tests need: drawn cell images, a small ensemble with random weights, and the command."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from slidescreen import cells, footprint
from slidescreen.engine import decoder

if TYPE_CHECKING:
    from browser import Browser

settings.register_profile("slidescreen", deadline=None)  # a loaded machine is slow, and no test fails for that
settings.load_profile("slidescreen")
SIDE = 64


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]
Sabotage = Callable[[str, str], None]

SABOTAGED = """
import sys
sys.path[:] = sys.argv[1:]
import ctypes, os, shutil
from slidescreen.engine import decoder
sound = decoder.load
def load(path, preprocessings):
    if path.name == {name!r}:
        {fault}
    return sound(path, preprocessings)
decoder.load = load
decoder.serve()
"""


def draw_cell(seed: int, size: tuple[int, int] = (72, 70)) -> Image.Image:
    """A purple disc on a pale ground, different for each seed."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[1], : size[0]]
    centre = np.array(size) / 2 + generator.normal(0, 3, 2)
    radius = generator.uniform(12, 26)
    inside = np.hypot(columns - centre[0], rows - centre[1]) < radius
    pixels = np.full((size[1], size[0], 3), (240, 225, 205), np.float64)
    pixels[inside] = generator.uniform((70, 30, 100), (150, 110, 190))
    pixels += generator.normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_cells(folder: Path, count: int, first_seed: int = 0, suffix: str = ".jpg") -> list[Path]:
    """Images `cell_000…` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"cell_{number:03d}{suffix}" for number in range(count)]
    for number, path in enumerate(paths):
        draw_cell(first_seed + number).save(path)
    return paths


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Commands that tests start heed Ctrl-C, even where a shell that started the tests in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests neither use nor fill the cache of whoever runs them."""
    os.environ["SLIDESCREEN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    footprint.keep_libraries_in_cache()


@pytest.fixture(autouse=True)
def kept_machinery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process share networks and decoders, except where tests are about how these start."""
    if request.node.path.parent.name != "engine":
        from kept_machinery import kept_decoder, kept_networks

        monkeypatch.setattr("slidescreen.engine.openvino._recalled", kept_networks)
        monkeypatch.setattr("slidescreen.ensembles.pipeline.Decoder", kept_decoder)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint of each backbone with random weights, all 16 types, 64 pixels a side."""
    import torch

    from slidescreen.data.preprocessing import Preprocessing
    from slidescreen.models.backbones import BACKBONES
    from slidescreen.models.checkpoints import Checkpoint, build, save_checkpoint

    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    paths = []
    for backbone in BACKBONES:
        path = folder / f"{backbone}.safetensors"
        network = build(backbone, len(cells.CELL_TYPES))
        save_checkpoint(
            path, network.state_dict(), Checkpoint(backbone, cells.CELL_TYPES, Preprocessing(SIDE)), half=True
        )
        paths.append(path)
    return paths[0], paths[1]


@pytest.fixture(scope="session")
def ensemble_folder(checkpoints: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of both, with a confusion matrix as if measured."""
    from slidescreen.ensembles import ensemble as ensembles
    from slidescreen.ensembles import storage
    from slidescreen.models.member import member_of

    folder = tmp_path_factory.mktemp("ensemble")
    members = tuple(member_of(path, weight) for path, weight in zip(checkpoints, (0.4, 0.6), strict=True))
    matrix = np.full((16, 16), 1) + np.diag([200] * 16)
    validation = ensembles.ValidationResult(confusion_matrix=matrix)
    storage.save(folder, ensembles.Ensemble(members, validation=validation))
    return folder


@pytest.fixture
def sabotaged(monkeypatch: pytest.MonkeyPatch) -> Sabotage:
    """From now on decoder processes do something of their own with images of a name."""

    def sabotage(name: str, fault: str) -> None:
        monkeypatch.setattr(decoder, "_PROGRAM", SABOTAGED.format(name=name, fault=fault))

    return sabotage


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two slides of two images each, in an empty working folder."""
    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    for number in range(2):
        write_cells(Path(f"night/S{number}"), 2, first_seed=10 * number)
    return Path("night")


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, ensemble_folder: Path
) -> Command:
    """Runs `slidescreen` in this process, in an empty folder, and returns its exit code and output."""
    from slidescreen.cli import main

    def run(*arguments: str | os.PathLike[str]) -> Outcome:
        monkeypatch.setattr("sys.argv", ["slidescreen", *map(os.fspath, arguments)])
        monkeypatch.setenv("SLIDESCREEN_ENSEMBLE", str(ensemble_folder))
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setenv("SLIDESCREEN_DEBUG", "")  # set rather than deleted: what --debug sets is then undone too
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main()
        captured = capfd.readouterr()
        return Outcome(int(exit_info.value.code or 0), captured.out, captured.err)

    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    return run


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Browser"]:
    """Chromium; tests that need it are skipped where there is none."""
    from browser import chromium

    if shutil.which("chromium") is None:
        pytest.skip("needs Chromium")
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found
