"""Which layers to quantise to 8-bit integers: agreement with float32 and speed. Prints Markdown.

    pip install nncf
    python -m benchmarks.int8 cells.csv --leave-out plasma_cell

Cells of the training split calibrate the post-training quantisation. Cells of the validation split judge it.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import openvino
import typer
from numpy.typing import NDArray
from scipy import special

from slidescreen.data.images import Pixels, decode, prepare, read_bytes
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage, read_labelled
from slidescreen.data.splits import chosen
from slidescreen.engine.conversion import to_openvino
from slidescreen.engine.exactness import macro_f1
from slidescreen.engine.quantisation import CALIBRATION_CELLS, LEFT_ALONE, Layers, ends, gates, quantised
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble

_BATCH = 8


WAYS: dict[str, tuple[Layers, ...]] = {
    "all layers": (),
    "but for the gates": (gates,),
    "… the first and the last layer": (gates, ends),
    "… and the depthwise convolutions": LEFT_ALONE,
}
"""Ways to quantise: the layers that stay as they are."""


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images with their split.")],
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="Pass over images of this label.")] = None,
    calibration: Annotated[int, typer.Option(help="Cells that the ranges are taken from.")] = CALIBRATION_CELLS,
) -> None:
    """Calls changed, macro F1 and time of one thread, for several ways to quantise."""
    model = storage.load(ensemble or default_ensemble())
    images = read_labelled(data, LabelRules(frozenset(leave_out or ())))
    judged = [i for i in chosen(images, "validation") if i.label in model.cell_types]
    trained = [i for i in images if i.split == "train"]
    drawn = [trained[n] for n in np.random.default_rng(0).choice(len(trained), calibration, replace=False)]
    truth = np.asarray([model.cell_types.index(image.label) for image in judged])
    found: dict[str, list[NDArray[np.float64]]] = {"float32": [], **{name: [] for name in WAYS}}
    seconds = dict.fromkeys(found, 0.0)
    for member in model.members:
        pixels, others = (_pixels(part, member.checkpoint.preprocessing) for part in (judged, drawn))
        for name in found:
            graph = quantised(member.path, others, WAYS[name]) if name in WAYS else to_openvino(member.path)
            probabilities, took = _run(graph, pixels)
            found[name].append(probabilities)
            seconds[name] += took
    print(f"{len(judged)} validation images, {calibration} training images for the ranges, one thread.\n")
    print("| arithmetic | calls changed | macro F1 | probability, largest difference | ms an image |")
    print("| --- | ---: | ---: | ---: | ---: |")
    exact = model.combine(found["float32"])
    for name, members in found.items():
        voted = model.combine(members)
        changed = (voted.argmax(axis=1) != exact.argmax(axis=1)).mean()
        f1 = macro_f1(truth, voted)
        print(
            f"| {name} | {changed:.2%} | {f1:.4f} ({f1 - macro_f1(truth, exact):+.4f}) "
            f"| {np.abs(voted - exact).max():.2g} | {1000 * seconds[name]:.1f} |"
        )


def _pixels(images: Iterable[LabelledImage], preprocessing: Any) -> Pixels:
    return np.stack([prepare(decode(read_bytes(image.path)), preprocessing) for image in images])


def _run(graph: openvino.Model, pixels: Pixels) -> tuple[NDArray[np.float64], float]:
    """Probabilities (N, K), and seconds an image."""
    graph.reshape([_BATCH, *pixels.shape[1:]])
    options = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
    request = openvino.Core().compile_model(graph, "CPU", options).create_infer_request()
    whole = np.concatenate([pixels, np.zeros((-len(pixels) % _BATCH, *pixels.shape[1:]), np.uint8)])
    request.infer([whole[:_BATCH]])
    started = time.perf_counter()
    logits = [request.infer([whole[n : n + _BATCH]])[0].copy() for n in range(0, len(whole), _BATCH)]
    took = (time.perf_counter() - started) / len(whole)
    return np.asarray(special.softmax(np.concatenate(logits)[: len(pixels)].astype(np.float64), axis=1)), took


if __name__ == "__main__":
    typer.run(main)
