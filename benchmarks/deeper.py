"""Adapt a network's later blocks, and not only its last layer, to a laboratory: gains and losses. Prints Markdown.

    python -m benchmarks.deeper labs.csv --sources rvpbs

Networks learn from 20 cells of each type: all types, all but one, or normal types alone. Three ways are compared:
the network as shipped, a new last layer, and blocks from the fifth on with a new last layer. Both ways to learn have
the same targets, which leave unsigned types their whole old probability. Each network is asked alone, and two or more
vote too. Every cell is called.
"""

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.adaptation import LEAST, NORMAL, RULES, Draw, Laboratory, Places, drawn, looked_at
from benchmarks.verdict import EnsembleOption
from slidescreen import cells
from slidescreen.building import crossfit
from slidescreen.building.new_layer import learn
from slidescreen.building.turned import turned
from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.data.labels import read_labelled
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble, vote
from slidescreen.ensembles.location import default_ensemble
from slidescreen.models.checkpoints import load_network
from slidescreen.models.last_layer import LastLayer
from slidescreen.models.member import Member

_COUNT, _VIEWS = 20, 4
_KEPT = 4  # blocks that stay as they are
_BATCH, _RATE, _DECAY = 32, 3e-4, 1e-4
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trunk:
    """A network, and what its first blocks give for a laboratory's cells.

    Attributes:
        network: the network as shipped.
        taught: (T, 1 + V, C, H, W) of each taught cell and its views.
        asked: (A, C, H, W) of the asked cells.
    """

    network: Any
    taught: Tensor
    asked: Tensor


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images of several sources.")],
    ensemble: EnsembleOption = None,
    sources: Annotated[str, typer.Option(help="Joined by commas.")] = "raabin,rvpbs,bcisc,bm_pathbites",
    left_out: Annotated[str, typer.Option(help="Types to leave out in turn, joined by commas; all if empty.")] = "",
    networks: Annotated[str, typer.Option(help="The ensemble's members, from 0, joined by commas.")] = "0",
    steps: int = 50,
) -> None:
    """Accuracy, recall of types left out, and blasts found, by what the network learns."""
    members = [int(number) for number in networks.split(",")]
    print("| laboratory | signed | what is asked | network | as shipped | new last layer | later blocks too |")
    print("| --- | --- | --- | --- | ---: | ---: | ---: |")
    for source in sources.split(","):
        laboratory, draw = _laboratory(ensemble or default_ensemble(), data, source)
        blasts = _found_blasts(laboratory)
        asked = np.concatenate([draw.asked, blasts])
        trunks = {n: _seen(laboratory.old.members[n], laboratory, draw.taught, asked) for n in members}
        for signed, chosen, kind in _settings(laboratory, draw, left_out, len(blasts) > LEAST):
            given = {n: _asked(laboratory, n, trunks[n], draw.taught, chosen, asked, steps) for n in members}
            for name, ways in _with_vote(laboratory.old, given).items():
                for question, shares in _answers(laboratory, [way.argmax(axis=1) for way in ways], draw, kind):
                    row = (source, signed, question, name, *(f"{share:.3f}" for share in shares))
                    print(f"| {' | '.join(row)} |", flush=True)


def _with_vote(old: Ensemble, given: dict[int, tuple[Floats, ...]]) -> dict[str, tuple[Floats, ...]]:
    """The probabilities (A, K) of each way by network, and those of the networks' vote."""
    names = {old.members[number].checkpoint.backbone: ways for number, ways in given.items()}
    if len(given) == 1:
        return names
    weights = [old.members[number].weight for number in given]
    voted = tuple(vote(members, weights, old.rule) for members in zip(*given.values(), strict=True))
    return {**names, "vote": voted}


def _laboratory(folder: Path, data: Path, source: str) -> tuple[Laboratory, Draw]:
    images = [i for i in read_labelled(data, RULES) if i.source == source]
    types = storage.load(folder).cell_types
    kinds = np.asarray([types.index(i.label) if i.label in types else -1 for i in images])
    tested = [kind for kind in range(len(types)) if (kinds == kind).sum() >= LEAST]
    draw = drawn(kinds, tested, _COUNT, 0)
    blasts = np.flatnonzero([image.label in (*cells.BLASTS, cells.UNSPECIFIED_BLAST) for image in images])
    needed = np.unique(np.concatenate([draw.taught, draw.asked, blasts]))
    place_of = np.full(len(images), -1)
    place_of[needed] = np.arange(len(needed))
    laboratory = looked_at(folder, [images[place] for place in needed], place_of[draw.taught])
    return laboratory, Draw(place_of[draw.taught], place_of[draw.asked])


def _found_blasts(laboratory: Laboratory) -> Places:
    """The blasts that the ensemble as shipped calls blasts."""
    inside = cells.indices(laboratory.cells.cell_types, cells.BLASTS)
    return np.flatnonzero(laboratory.cells.allowed[:, inside].any(axis=1) & np.isin(laboratory.called, inside))


def _settings(
    laboratory: Laboratory, draw: Draw, left_out: str, with_blasts: bool
) -> Iterator[tuple[str, NDArray[np.bool_], int | str]]:
    """What is signed: in words, which taught cells (T,), and what is asked: a type left out, `all` or `blasts`."""
    types, kinds = laboratory.cells.cell_types, laboratory.cells.kinds
    yield "all types", np.ones(len(draw.taught), np.bool_), "all"
    for kind in np.unique(kinds[draw.asked]).tolist():
        if not left_out or types[kind] in left_out.split(","):
            yield f"all but {types[kind]}", kinds[draw.taught] != kind, kind
    if with_blasts:
        yield "normal types", np.isin(kinds[draw.taught], cells.indices(types, NORMAL)), "blasts"


def _answers(
    laboratory: Laboratory, found: Sequence[Places], draw: Draw, kind: int | str
) -> Iterator[tuple[str, list[float]]]:
    truth, types = laboratory.cells.kinds[draw.asked], laboratory.cells.cell_types
    cut = [called[: len(truth)] for called in found]
    if kind == "blasts":
        normal, inside = np.isin(truth, cells.indices(types, NORMAL)), cells.indices(types, cells.BLASTS)
        yield "accuracy on normal cells", [float((called == truth)[normal].mean()) for called in cut]
        yield "blasts found", [float(np.isin(called[len(truth) :], inside).mean()) for called in found]
        return
    yield "accuracy", [float((called == truth).mean()) for called in cut]
    if kind != "all":
        yield f"recall of {types[int(kind)]}", [float((called == truth)[truth == kind].mean()) for called in cut]


def _asked(
    laboratory: Laboratory,
    network: int,
    trunk: Trunk,
    taught: Places,
    chosen: NDArray[np.bool_],
    asked: Places,
    steps: int,
) -> tuple[Floats, ...]:
    """The probabilities (A, K) of the network as shipped, with a new last layer, and with new later blocks too."""
    known, seen = laboratory.known[network], laboratory.cells.seen[network]
    own = laboratory.cells.where(taught[chosen])
    guard = crossfit.guards(laboratory.cells.cell_types, 1.0)
    layer, shift = learn(known, own.seen[network], own.allowed, guard)
    base = own.seen[network].logits - known.layer.weight @ shift
    left = np.where(own.allowed.any(axis=0), 0.0, scipy.special.softmax(base, axis=2).mean(axis=1))
    targets = left + (1 - left.sum(axis=1, keepdims=True)) * own.allowed
    deep = _deepened(trunk, trunk.taught[torch.from_numpy(chosen)], targets, own.kinds, layer, steps)
    features = seen.features[asked]
    return tuple(scipy.special.softmax(each, axis=1) for each in (seen.logits[asked, 0], layer.logits(features), deep))


def _seen(member: Member, laboratory: Laboratory, taught: Places, asked: Places) -> Trunk:
    network: Any = load_network(member.path)[1]
    network.eval().float().to(memory_format=torch.channels_last)
    preprocessing = member.checkpoint.preprocessing
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (preprocessing.mean, preprocessing.std))

    def kept(places: Places, views: int) -> Tensor:
        found = []
        for place in places.tolist():
            content = read_bytes(laboratory.images[place].path)
            name = hashlib.sha256(content).hexdigest()
            pixels = np.array(turned(prepare(decode(content), preprocessing), views, name))
            maps = network.bn1(network.conv_stem((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std))
            for block in network.blocks[:_KEPT]:
                maps = block(maps)
            found.append(maps.half())
        return torch.stack(found)

    with torch.no_grad():
        return Trunk(network, kept(taught, _VIEWS), kept(asked, 0)[:, 0])


def _deepened(trunk: Trunk, maps: Tensor, targets: Floats, kinds: Places, layer: LastLayer, steps: int) -> Floats:
    """The logits (A, K) after learning. Normalisation statistics stay as they are."""
    torch.manual_seed(0)
    network = copy.deepcopy(trunk.network)
    head = network.get_classifier()
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(layer.weight))
        head.bias.copy_(torch.from_numpy(layer.bias))
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    free = [p for part in (network.blocks[_KEPT:], network.conv_head, network.bn2, head) for p in part.parameters()]
    for parameter in free:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(free, lr=_RATE, weight_decay=_DECAY)
    wanted = torch.from_numpy(targets).float()
    weights = torch.from_numpy(np.bincount(kinds)[kinds] ** -0.5).float()
    weights /= weights.mean()
    order = torch.randperm(len(maps))
    for step in range(steps):
        if len(order) < _BATCH:
            order = torch.cat([order, torch.randperm(len(maps))])
        chosen, order = order[:_BATCH], order[_BATCH:]
        logits = _logits(network, maps[chosen, torch.randint(0, maps.shape[1], (len(chosen),))])
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (1 - step / steps)
        loss = -(weights[chosen, None] * wanted[chosen] * torch.log_softmax(logits, 1)).sum(1).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    with torch.no_grad():
        return torch.cat([_logits(network, part) for part in torch.split(trunk.asked, 64)]).double().numpy()


def _logits(network: Any, maps: Tensor) -> Tensor:
    found = maps.float().contiguous(memory_format=torch.channels_last)
    for block in network.blocks[_KEPT:]:
        found = block(found)
    last = network.forward_head(network.bn2(network.conv_head(found)), pre_logits=True)
    logits: Tensor = network.get_classifier()(last)
    return logits


if __name__ == "__main__":
    typer.run(main)
