"""Slides in, calls out: with an engine that reads its answer from the pixels, so that order can be checked."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

from slidescreen import cells
from slidescreen.data.calls import Call, Status, reported_twice
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.data.slides import CellImage, Slide, discover
from slidescreen.engine.interface import MemberEngines
from slidescreen.engine.loading import DecodedImage, load
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult
from slidescreen.ensembles.pipeline import Pipeline
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member


class GreyReader:
    """An image of grey value 10 k + 5 is of type k, with probability `sure`."""

    def __init__(self, sure: float = 0.9) -> None:
        self.sure = sure
        self.batches: list[int] = []

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.batches.append(len(pixels))
        result = np.full((len(pixels), 16), (1 - self.sure) / 15)
        result[np.arange(len(pixels)), pixels.reshape(len(pixels), -1).mean(axis=1).astype(int) // 10] = self.sure
        return result


def ensemble(threshold: float = 0.0, members: int = 2) -> Ensemble:
    checkpoint = Checkpoint("efficientnet_b1", cells.CELL_TYPES, Preprocessing(32, white_balance=False))
    member = Member(Path("x"), 0.5, "0", checkpoint)
    return Ensemble((member,) * members, validation=ValidationResult(rejection_threshold=threshold))


def slide_of(folder: Path, types: list[int]) -> None:
    """Images of a disc on a ground, their mean grey by their type."""
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:40, :40]
    disc = np.hypot(rows - 20, columns - 20) < 6
    for number, kind in enumerate(types):
        grey = 10 * kind + 5 + 60 * (disc - disc.mean())
        pixels = np.rint(np.repeat(grey[..., None], 3, axis=2)).astype(np.uint8)
        pixels[0, 0] = divmod(number, 256)[1]  # no two files alike
        Image.fromarray(pixels).save(folder / f"{number:04d}.png")


def run(root: Path, batch_size: int = 8, **engine: float) -> tuple[dict[str, tuple[Call, ...]], GreyReader, int]:
    reader = GreyReader(**engine)
    done: list[int] = []
    pipeline = Pipeline(ensemble(threshold=0.5), MemberEngines([reader, reader], ""), batch_size, 3, done.append)
    return {slide.name: calls for slide, calls in pipeline.run(discover(root))}, reader, sum(done)


def test_what_shows_no_cell_is_unidentified_however_sure_the_networks_are(tmp_path: Path) -> None:
    slide_of(tmp_path / "S", [3, 4])
    Image.new("RGB", (360, 363), (45, 45, 45)).save(tmp_path / "S" / "0001a.png")
    found, _, _ = run(tmp_path, sure=0.99)
    first, blank, last = (found["S"][place] for place in (0, 2, 1))
    assert [(call.status, call.reason) for call in (first, last)] == [(Status.CLASSIFIED, "")] * 2
    assert (blank.status, blank.cell_type) == (Status.UNIDENTIFIED, "")
    assert blank.reason == "blank or nearly blank: nothing is stained"
    assert blank.probability == pytest.approx(0.99)  # what the networks made of it stays on record


def test_calls_come_in_the_order_of_the_images_whatever_the_batches(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    wanted = {f"S{n:02d}": generator.integers(0, 16, size).tolist() for n, size in enumerate([1, 13, 0, 7, 30, 2])}
    for name, types in wanted.items():
        slide_of(tmp_path / name, types)
    found, _, done = run(tmp_path)
    assert {n: [cells.CELL_TYPES.index(c.cell_type) for c in calls] for n, calls in found.items()} == wanted
    assert list(found) == sorted(found)
    assert done == 53


def test_linear_algebra_has_one_thread_beside_the_engines_and_all_of_them_afterwards(tmp_path: Path) -> None:
    """Its other threads wait busily after each product, and would take processor time from the engines."""
    seen: list[int] = []

    class Watcher(GreyReader):
        def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
            seen.extend(blas_threads())
            return super().probabilities(pixels)

    def blas_threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    slide_of(tmp_path / "S", [3, 4])
    reader = Watcher()
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        list(Pipeline(ensemble(), MemberEngines([reader, reader], ""), 8, 1).run(discover(tmp_path)))
        assert blas_threads() == before
    assert set(seen) <= {1}
    assert len(seen) == 2 * len(before)


def test_batches_fill_across_slides(tmp_path: Path) -> None:
    for number in range(10):
        slide_of(tmp_path / f"S{number}", [number] * 3)
    _, reader, _ = run(tmp_path, batch_size=8)
    assert reader.batches[::2] == [8, 8, 8, 6]


def test_one_bad_image_never_stops_a_slide(tmp_path: Path) -> None:
    slide_of(tmp_path / "S", [1, 2, 3])
    (tmp_path / "S" / "0001.png").write_bytes(b"no image")
    (tmp_path / "S" / "0005.jpg").touch()
    found, _, done = run(tmp_path)
    assert [(c.status.value, c.cell_type, bool(c.reason)) for c in found["S"]] == [
        ("classified", "band_neutrophil", False),
        ("unreadable", "", True),
        ("classified", "basophil", False),
        ("unreadable", "", True),
    ]
    assert done == 4


def test_copies_within_a_slide_count_once_and_across_slides_each(tmp_path: Path) -> None:
    for name in ("A", "B"):
        slide_of(tmp_path / name, [4])
        (tmp_path / name / "copy.png").write_bytes((tmp_path / name / "0000.png").read_bytes())
    found, _, _ = run(tmp_path)
    assert [[c.status for c in calls] for calls in found.values()] == [[Status.CLASSIFIED, Status.DUPLICATE]] * 2


def test_of_copies_the_one_in_a_class_folder_counts_and_keeps_its_reported_type(tmp_path: Path) -> None:
    """Whichever comes first by name: "All cells" and "Zz" enclose the class folder."""
    export = tmp_path / "S" / "Signed slides"
    slide_of(export / "Monocyte", [4, 5])
    for other in ("All cells", "Zz"):
        slide_of(export / other, [4, 5, 6])
    found, _, _ = run(tmp_path, batch_size=2)
    calls = {call.image.removeprefix("Signed slides/"): call for call in found["S"]}
    counted = {name: call.reported_type for name, call in calls.items() if call.status is Status.CLASSIFIED}
    assert counted == {"Monocyte/0000.png": "monocyte", "Monocyte/0001.png": "monocyte", "All cells/0002.png": ""}
    assert calls["Monocyte/0000.png"].cell_type == cells.CELL_TYPES[4]
    assert calls["Monocyte/0000.png"].probability == pytest.approx(0.9)
    assert calls["Zz/0001.png"].copy_of == "Signed slides/Monocyte/0001.png"
    assert [call.image for call in found["S"]] == sorted(call.image for call in found["S"])


def test_one_picture_in_two_class_folders_counts_in_the_first_and_is_told(tmp_path: Path) -> None:
    for folder in ("Monocyte", "Basophil", "All cells"):
        slide_of(tmp_path / "S" / "Signed slides" / folder, [4])
    found, _, _ = run(tmp_path)
    assert {call.image.split("/")[1]: call.status for call in found["S"]} == {
        "All cells": Status.DUPLICATE,
        "Basophil": Status.CLASSIFIED,
        "Monocyte": Status.DUPLICATE,
    }
    ((counted, first_type, copy, second_type),) = reported_twice(found["S"])
    assert (first_type, second_type) == ("basophil", "monocyte")
    assert (counted, copy) == ("Signed slides/Basophil/0000.png", "Signed slides/Monocyte/0000.png")


def test_an_unsure_ensemble_abstains(tmp_path: Path) -> None:
    slide_of(tmp_path / "S", [4])
    found, _, _ = run(tmp_path, sure=0.4)
    (call,) = found["S"]
    assert (call.status, call.cell_type) == (Status.UNIDENTIFIED, "")
    assert call.probability == pytest.approx(0.4)


def test_a_refused_file_is_not_opened(tmp_path: Path) -> None:
    image = CellImage(tmp_path / "missing.png", "missing.png", refusal="a link")
    pipeline = Pipeline(ensemble(), MemberEngines([GreyReader(), GreyReader()], ""), 4, 1)
    ((_, (call,)),) = pipeline.run([Slide("S", tmp_path, (image,))])
    assert (call.status, call.reason) == (Status.UNREADABLE, "a link")


class DeadShare:
    """Reads images but those of slide B from the sixth on, which it waits for until it is stopped."""

    def __init__(self, preprocessings: Sequence[Preprocessing], _: float) -> None:
        self.preprocessings, self.stopped = preprocessings, threading.Event()

    def __call__(self, path: Path) -> DecodedImage:
        if path.parent.name == "B" and int(path.stem) >= 5:
            self.stopped.wait(20)
        return load(path, self.preprocessings)

    def stop(self) -> None:
        self.stopped.set()

    close = stop


@pytest.mark.parametrize("workers", [1, 4])
def test_a_folder_that_no_longer_answers_costs_the_rest_of_its_slide_but_not_the_night(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slidescreen.ensembles.pipeline.Decoder", DeadShare)
    for name in ("A", "B", "C"):
        slide_of(tmp_path / name, [4] * 40)
    (tmp_path / "B" / "0030.png").unlink()
    (tmp_path / "B" / "0030.png").symlink_to("/etc/hostname")
    pipeline = Pipeline(ensemble(), MemberEngines([GreyReader(), GreyReader()], ""), 4, workers, time_limit=0.5)
    started = time.monotonic()
    found = {slide.name: [call.reason for call in calls] for slide, calls in pipeline.run(discover(tmp_path))}
    assert time.monotonic() - started < 10
    assert found["A"] == found["C"] == [""] * 40
    assert found["B"][:8] == [""] * 5 + ["could not be read within 0.5 s"] * 3
    assert set(found["B"][8:30] + found["B"][31:]) == {"not tried: the 3 images before it could not be read in time"}
    assert "link" in found["B"][30]


def test_a_defect_of_the_engine_is_not_swallowed(tmp_path: Path) -> None:
    slide_of(tmp_path / "S", [1])

    def fail(_: object) -> None:
        raise RuntimeError("broken")

    pipeline = Pipeline(ensemble(members=1), MemberEngines([SimpleNamespace(probabilities=fail)], ""), 4, 1)
    with pytest.raises(RuntimeError, match="broken"):
        list(pipeline.run(discover(tmp_path)))


@pytest.mark.parametrize("slides", [24, pytest.param(500, marks=pytest.mark.soak)])
def test_memory_and_open_files_do_not_grow_with_the_number_of_slides(slides: int, tmp_path: Path) -> None:
    """Links to the images of one slide of 200, so that the disk does not grow either."""
    slide_of(tmp_path / "S", [n % 16 for n in range(200)])
    (whole,) = discover(tmp_path)
    copies = [Slide(f"S{n}", whole.folder, whole.images) for n in range(slides)]
    pipeline = Pipeline(ensemble(), MemberEngines([GreyReader(), GreyReader()], ""), 16, 2)
    process = Path("/proc/self")
    held, files = [], []
    for _, calls in pipeline.run(copies):
        assert len(calls) == 200
        held.append(int((process / "statm").read_text().split()[1]))
        files.append(len(list((process / "fd").iterdir())))
    early = slides // 4
    assert max(held[early:]) <= 1.05 * max(held[:early])
    assert max(files[early:]) <= max(files[:early])
