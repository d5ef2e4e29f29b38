"""Draws the sample slides: `python sample_data/draw.py [--out DIR]` writes them, and labels.csv, into DIR.

Every image is drawn from its own seed, so that the same versions of numpy and pillow write the same bytes each
time, and any one image can be drawn alone.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cell_painter import draw_cell
from numpy.typing import NDArray
from PIL import Image
from recipes import RECIPES
from smear import CRISP, SOFT, Stain, vary

JPEG_QUALITY = 75  # of the analyser's own exports, which keep the colours at full resolution too

EXPORT_FOLDERS = {
    "neutrophil": "Segmented neutrophils",
    "lymphocyte": "Lymphocyte",
    "variant_lymphocyte": "Lymphocyte, variant",
    "monocyte": "Monocyte",
    "myeloblast": "Blast, no lineage spec",
    "erythroblast": "Erythroblast",
    "smudge_cell": "Smudge cells",
    "artefact": "Artefact",
}
"""What the analyser calls the folders of its classes."""


@dataclass(frozen=True)
class Slide:
    """A slide to draw: its stain, its cells by type, and where its images lie."""

    name: str
    seed: int
    stain: Stain
    cells: dict[str, int]
    folder: str = ""
    by_class: bool = False
    broken: bool = False


@dataclass(frozen=True)
class SampleCell:
    """One image to draw: where it goes (relative to the output folder), what it shows, and its seed."""

    file: str
    label: str
    slide: Slide
    seed: tuple[int, int]


SLIDES = (
    Slide(
        "normal_01",
        101,
        CRISP,
        {
            "neutrophil": 63,
            "band_neutrophil": 2,
            "eosinophil": 3,
            "basophil": 1,
            "monocyte": 7,
            "lymphocyte": 30,
            "smudge_cell": 3,
            "platelet": 1,
        },
        broken=True,
    ),
    Slide(
        "blasts_01",
        202,
        SOFT,
        {
            "neutrophil": 7,
            "monocyte": 3,
            "lymphocyte": 22,
            "variant_lymphocyte": 1,
            "myeloblast": 47,
            "erythroblast": 4,
            "smudge_cell": 6,
            "artefact": 1,
        },
        folder="Signed slides",
        by_class=True,
    ),
    Slide(
        "left_shift_01",
        303,
        CRISP,
        {
            "neutrophil": 30,
            "band_neutrophil": 14,
            "eosinophil": 2,
            "basophil": 1,
            "monocyte": 6,
            "lymphocyte": 16,
            "promyelocyte": 3,
            "myelocyte": 9,
            "metamyelocyte": 9,
            "erythroblast": 4,
            "smudge_cell": 2,
        },
        folder="images",
    ),
)


def sample_cells(slide: Slide) -> Iterator[SampleCell]:
    """The slide's cells in the order of their file names, the types well mixed."""
    labels = [label for label, count in slide.cells.items() for _ in range(count)]
    order = np.random.default_rng(slide.seed).permutation(len(labels))
    for number, index in enumerate(order, start=1):
        label = labels[index]
        folder = Path(slide.name, slide.folder, EXPORT_FOLDERS[label] if slide.by_class else "")
        yield SampleCell((folder / f"cell_{number:03d}.jpg").as_posix(), label, slide, (slide.seed, number))


def draw(cell: SampleCell) -> NDArray[np.uint8]:
    """The cell's image, (height, width, 3) bytes, before JPEG."""
    slide_stain = vary(np.random.default_rng(cell.slide.seed), cell.slide.stain, 0.5)
    return draw_cell(np.random.default_rng(cell.seed), RECIPES[cell.label], slide_stain)


def encode(image: NDArray[np.uint8]) -> bytes:
    """The image as the analyser would export it."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    return buffer.getvalue()


def write_broken(folder: Path, whole: bytes) -> None:
    """Two files such as real exports hold: a copy that broke off, and a text that calls itself a JPEG."""
    (folder / "cell_999.jpg").write_bytes(whole[: len(whole) * 2 // 5])
    (folder / "notes.jpg").write_text("Smear repeated, first one clotted.\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Draw every slide."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write into")
    out: Path = parser.parse_args(arguments).out
    rows: list[tuple[str, str, str]] = []
    for slide in SLIDES:
        data = b""
        for cell in sample_cells(slide):
            data = encode(draw(cell))
            path = out / cell.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            rows.append((cell.file, cell.label, slide.name))
        if slide.broken:
            write_broken(out / slide.name, data)
        sys.stdout.write(f"{slide.name}: {sum(slide.cells.values())} cells\n")
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("file", "label", "slide"), *rows])


if __name__ == "__main__":
    main()
