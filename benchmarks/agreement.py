"""How exactly each engine and precision agrees with plain float32 PyTorch, on labelled images. Prints Markdown.

    python -m benchmarks.agreement cells.csv --split validation --leave-out plasma_cell

OpenVINO emulates arithmetic that a processor lacks. Emulation is slow, and as exact as the real arithmetic.
"""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.by_source import images_of
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.exactness import agreement, macro_f1
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble
from slidescreen.ensembles.member_predictions import MemberPredictions, predict

REFERENCE = EngineConfiguration(EngineKind.PYTORCH, Device.CPU, "fp32")


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images.")],
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
    split: str = "validation",
    leave_out: Annotated[list[str] | None, typer.Option(help="Pass over images of this label.")] = None,
    precisions: Annotated[str, typer.Option(help="Of OpenVINO, joined by commas.")] = "fp32,bf16",
) -> None:
    """Largest difference of a probability, changed calls, change of macro F1 and of any slide's blasts."""
    model = storage.load(ensemble or default_ensemble())
    images = images_of(model, data, split, leave_out)

    def by(configuration: EngineConfiguration) -> MemberPredictions:
        return predict(model, load_engines(model.members, configuration), images, lambda *_: None)

    expected = by(REFERENCE)
    exact = model.combine(expected.members)
    before = macro_f1(expected.truth, exact)
    print(f"{len(images)} images of the {split} split, against PyTorch in float32.\n")
    print("| engine | probability, largest difference | calls changed | macro F1 | a slide's blasts, largest change |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for precision in precisions.split(","):
        found = agreement(
            exact,
            model.combine(by(EngineConfiguration(EngineKind.OPENVINO, Device.CPU, precision)).members),
            expected.truth,
            [image.slide for image in images],
            model.cell_types,
            model.validation.rejection_threshold,
        )
        print(
            f"| OpenVINO, {precision} | {found.largest_difference:.1e} "
            f"| {round(found.calls_changed * found.images)} ({found.calls_changed:.2%}) "
            f"| {before + found.macro_f1_change:.4f} ({found.macro_f1_change:+.4f}) "
            f"| {found.blasts_change:.2f} percentage points |",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(main)
