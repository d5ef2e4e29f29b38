"""One of two processes that train the small network together, as torchrun would start it.

Run with a table of labelled images and a folder for results; the folder of tests is in PYTHONPATH.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from small_training import SMALL, Silent, build_small, request
from torch import nn

from slidescreen.cli import app
from slidescreen.errors import SlidescreenError
from slidescreen.training import history, learner
from slidescreen.training.learner import Learner
from slidescreen.training.options import Augmentation, Recipe
from slidescreen.training.session import run_training

RANK, PORTS = os.environ.get("RANK"), os.environ.get("PORTS", "").split()
PLAIN = replace(
    SMALL,
    batch_size=9,
    balance="loss",
    drop_rate=0.0,
    augmentation=Augmentation(rotation=0.0, flips=False, scale=1.0, colour=0.0, focus=0.0),
)
"""Without chance, and with parts of different sizes: 5 and 4 images."""


def build_plain(backbone: str, n_types: int, *_rates: float) -> nn.Module:
    """The small network without normalisation, which sees the images of its own process alone."""
    network = build_small(backbone, n_types)
    network.bn1 = nn.Identity()
    return network


def train(data: Path, out: Path, recipe: Recipe = SMALL, **changes: object) -> Silent:
    """A training of both processes, who meet anew for it."""
    os.environ["MASTER_PORT"] = PORTS.pop(0)
    display = Silent()
    run_training(request(data, out, recipe, **changes), display)
    return display


def main(data: Path, out: Path) -> None:
    told: dict[str, object] = {"shown": len(train(data, out / "whole").results)}
    sound = Learner.step

    def stopped(self: Learner, *arguments: object) -> float:
        if RANK == "1" and arguments[2] == 4:
            signal.raise_signal(signal.SIGTERM)
        return sound(self, *arguments)  # type: ignore[arg-type]

    Learner.step = stopped  # type: ignore[method-assign, assignment]
    try:
        train(data, out / "stopped")
    except KeyboardInterrupt:
        told["stopped"] = True
    Learner.step = sound  # type: ignore[method-assign]
    train(data, out / "stopped", resume=True)

    learner.build = build_plain
    train(data, out / "plain", PLAIN)
    learner.build = build_small

    for name, place, recipe in (("taken", "whole", SMALL), ("few", "few", replace(SMALL, batch_size=3))):
        try:
            train(data, out / place, recipe)
        except SlidescreenError as error:
            told[name] = [str(error), error.own]

    def lost(self: Learner, *arguments: object) -> float:
        if RANK == "1" and arguments[2] == 5:
            (out / "1.json").write_text(json.dumps(told))
            os._exit(9)
        return sound(self, *arguments)  # type: ignore[arg-type]

    Learner.step = lost  # type: ignore[method-assign, assignment]
    try:
        train(data, out / "lost")
    except SlidescreenError as error:
        told["lost"] = str(error)
    (out / f"{RANK}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, app._interrupt)
    learner.build = build_small
    history._draw_curves = lambda path, rows: history.write_text(path, repr(len(rows)))  # type: ignore[attr-defined]
    main(Path(sys.argv[1]), Path(sys.argv[2]))
