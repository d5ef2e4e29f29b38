"""The images that an ensemble is measured on: never those that its members were trained on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Command
from PIL import Image

from slidescreen.building.build import build_ensemble
from slidescreen.building.labelled_images import images_of, unknown_cells
from slidescreen.building.options import EnsembleOptions
from slidescreen.cells import CELL_TYPES, LEUKOCYTES
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member
from slidescreen.training.options import Recipe, TrainingOptions
from slidescreen.training.training_images import read_training_images

Row = tuple[str, str, str]
TYPES = ("neutrophil", "lymphocyte", "monocyte", "myeloblast")
SLIDES, OF_A_SLIDE = 40, 15


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that differ in every byte, fifteen from each of forty slides."""
    place = tmp_path_factory.mktemp("lab")
    generator = np.random.default_rng(1)
    for number in range(SLIDES * OF_A_SLIDE):
        Image.fromarray(generator.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(place / f"{number}.png")
    return place


def rows_of(blasts: bool = False) -> list[Row]:
    """Labels drawn at random. With `blasts`, every fourth slide has cells of the label blast too."""
    draw = np.random.default_rng(3)
    rows = []
    for slide in range(SLIDES):
        words = [*TYPES, "blast", "blast"] if blasts and slide % 4 == 0 else list(TYPES)
        for cell in range(OF_A_SLIDE):
            rows.append((f"{slide * OF_A_SLIDE + cell}.png", str(draw.choice(words)), f"S{slide}"))
    return rows


def table(folder: Path, name: str, rows: Sequence[Sequence[str]], header: str = "file,label,slide") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    return path


def trained(data: Path, rules: LabelRules = LabelRules(), **recipe: object) -> tuple[set[str], set[str], Member]:
    """The names of the images that a training learns from and validates on, and its checkpoint as a member."""
    options = replace(Recipe(), **recipe)
    images, provenance = read_training_images(
        TrainingOptions(data, data.parent / "out", options, label_rules=rules), 1, 1, lambda _: None, lambda *_: None
    )
    checkpoint = Checkpoint(options.backbone, CELL_TYPES, Preprocessing(32), provenance)
    member = Member(Path(f"{options.backbone}.safetensors"), 1.0, "", checkpoint)
    return names(images, "train"), names(images, "validation"), member


def names(images: Sequence[LabelledImage], split: str | None = None) -> set[str]:
    return {image.path.name for image in images if split in (None, image.split)}


def measured(
    data: Path, *members: Member, rules: LabelRules = LabelRules(), note: Callable[[str], None] = lambda _: None
) -> tuple[set[str], set[str]]:
    """The names of the images that `ensemble` measures on, and of the training split."""
    options = EnsembleOptions((Path("any"),), Path("out"), data, label_rules=rules)
    validation, train = images_of(options, Ensemble(members), note)
    return names(validation), names(train)


def test_the_table_of_the_training_gives_the_split_of_the_training(folder: Path) -> None:
    data = table(folder, "same.csv", rows_of())
    train, validation, member = trained(data, seed=2)
    assert measured(data, member) == (validation, train)


def without_first(rows: list[Row]) -> list[Row]:
    return rows[1:]


def by_label(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row[1])


def unchanged(rows: list[Row]) -> list[Row]:
    return rows


def without_slides(rows: list[Row]) -> list[Row]:
    return [(file, label, "") for file, label, _ in rows]


@pytest.mark.parametrize("change", [without_first, by_label, unchanged, without_slides])
@pytest.mark.parametrize(
    ("learning", "measuring"),
    [
        (LabelRules(), LabelRules(frozenset({"blast"}))),
        (LabelRules(), LabelRules(unspecified_blasts="myeloblast")),
        (LabelRules(frozenset({"monocyte"})), LabelRules(unspecified_blasts="myeloblast")),
    ],
)
def test_no_change_of_the_table_or_the_options_measures_on_images_that_a_member_was_trained_on(
    folder: Path, change: Callable[[list[Row]], list[Row]], learning: LabelRules, measuring: LabelRules
) -> None:
    rows = rows_of(blasts=True)
    train, validation, member = trained(table(folder, "learn.csv", rows), learning)
    found, _ = measured(table(folder, "measure.csv", change(rows)), member, rules=measuring)
    assert not found & train
    assert len(found & validation) > 0.95 * len(validation)


def test_members_of_different_seeds_are_measured_on_slides_that_none_was_trained_on(folder: Path) -> None:
    data = table(folder, "seeds.csv", rows_of())
    one, other = trained(data, seed=0), trained(data, seed=3)
    found, _ = measured(data, one[2], other[2])
    assert found == one[1] & other[1] != set()


def test_images_that_no_member_knows_are_split_anew(folder: Path) -> None:
    rows = rows_of()
    _, _, member = trained(table(folder, "old.csv", rows[:300]))
    validation, train = measured(table(folder, "new.csv", rows[300:]), member)
    assert 40 < len(validation) < 80
    assert len(train) == 300 - len(validation)


def test_other_cells_of_a_slide_that_was_trained_on_are_not_measured_on(folder: Path) -> None:
    rows = rows_of()
    _, _, member = trained(table(folder, "half.csv", rows[::2]))
    found, _ = measured(table(folder, "whole.csv", rows), member)
    learnt = {int(name.split(".")[0]) // OF_A_SLIDE for name in trained(folder / "half.csv")[0]}
    assert learnt.isdisjoint(int(name.split(".")[0]) // OF_A_SLIDE for name in found)
    assert found


def given(rows: Sequence[Row], splits: Sequence[str]) -> list[tuple[str, ...]]:
    return [(*row, splits[int(row[2][1:]) % len(splits)]) for row in rows]


def test_a_validation_split_that_a_member_was_trained_on_is_refused(folder: Path) -> None:
    header = "file,label,slide,split"
    _, _, member = trained(table(folder, "a.csv", given(rows_of(), ("train", "validation", "train")), header))
    other = table(folder, "b.csv", given(rows_of(), ("train", "train", "validation")), header)
    with pytest.raises(InputError, match=r"b1\.safetensors was trained on 195 of the 195 images of the validation"):
        measured(other, member)


def test_the_split_column_of_the_training_must_not_be_left_away_later(folder: Path) -> None:
    rows = rows_of()
    data = table(folder, "s.csv", given(rows, ("train", "validation", "test")), "file,label,slide,split")
    _, validation, member = trained(data)
    assert measured(data, member)[0] == validation
    with pytest.raises(InputError, match="give the table with this column"):
        measured(table(folder, "n.csv", rows), member)


def test_with_a_checkpoint_that_records_no_images_the_doubt_is_told(folder: Path) -> None:
    data = table(folder, "old.csv", rows_of())
    _, validation, member = trained(data, seed=3)
    notes: list[str] = []
    assert measured(data, without_record(member), note=notes.append)[0] == validation
    assert any("does not record the images" in note for note in notes)


def test_an_unreadable_image_is_left_out_with_a_note_and_moves_no_other(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes((folder / "0.png").read_bytes()[:300])
    rows = [(str(folder / file), label, slide) for file, label, slide in rows_of()]
    for slide in ("S0", "S1", "S2", "S3", "S4", "S5"):
        data = table(tmp_path, "cells.csv", [*rows, ("cut.png", "monocyte", slide)])
        _, validation, member = trained(data)
        for record in (member, without_record(member)):
            notes: list[str] = []
            assert measured(data, record, note=notes.append)[0] == validation
            assert sum("cut.png" in note for note in notes) == 1


def without_record(member: Member) -> Member:
    kept = {name: value for name, value in member.checkpoint.provenance.items() if name != "trained_on"}
    return replace(member, checkpoint=replace(member.checkpoint, provenance=kept))


def test_unreadable_cells_without_a_class_are_left_out_with_a_note(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG no more")
    rows = [(str(folder / "0.png"), "plasma cell"), ("cut.png", "plasma cell"), (str(folder / "1.png"), "monocyte")]
    data = table(tmp_path, "cells.csv", rows, "file,label")
    notes: list[str] = []
    rules = LabelRules(frozenset({"plasma cell"}))
    options = EnsembleOptions((Path("any"),), Path("out"), data, label_rules=rules, unknown=rules.left_out)
    assert names(unknown_cells(options, notes.append)) == {"0.png"}
    assert len(notes) == 1
    assert "cut.png" in notes[0]


def test_images_of_types_that_the_networks_do_not_know_are_left_out_with_a_note(folder: Path) -> None:
    rows = [(f"{number}.png", "erythroblast" if number < 7 else "monocyte", "") for number in range(60)]
    member = Member(Path("a"), 1.0, "", Checkpoint("efficientnet_b1", LEUKOCYTES, Preprocessing(32)))
    notes: list[str] = []
    validation, train = measured(table(folder, "erythroblasts.csv", rows), member, note=notes.append)
    assert (validation | train).isdisjoint({f"{number}.png" for number in range(7)})
    assert "7 images left out: the networks do not know their types" in notes


def test_labels_without_a_class_that_teach_nothing_are_named(
    folder: Path, tmp_path: Path, checkpoints: tuple[Path, Path]
) -> None:
    labels = ["monocyte"] * 8 + ["Plasma cell"] * 9 + ["hairy cell"] * 10
    rows = [(str(folder / f"{n}.png"), label, "validation" if n < 4 else "train") for n, label in enumerate(labels)]
    data = table(tmp_path, "cells.csv", rows, "file,label,split")
    asked = frozenset({"plasma_cell", "Hairy cell"})
    notes: list[str] = []
    options = EnsembleOptions(
        checkpoints[:1], tmp_path / "new", data, label_rules=LabelRules(asked), unknown=asked, allow_few_cells=True
    )
    build_ensemble(options, lambda *_: None, notes.append)
    why = "teaches nothing: that takes 10 readable cells with this label, not in the test split, and 200 training cells"
    assert [note for note in notes if "--unknown" in note] == [
        f"--unknown 'Hairy cell' {why}",  # there are too few training cells
        f"--unknown 'plasma_cell' {why}",
    ]


def test_an_ensemble_is_made_with_its_own_exit_code_if_images_could_not_be_read(
    command: Command, folder: Path, tmp_path: Path, checkpoints: tuple[Path, Path]
) -> None:
    (tmp_path / "cut.png").write_bytes(b"no image")
    rows = [*((str(folder / f"{n}.png"), "monocyte", "validation") for n in range(4)), ("cut.png", "monocyte", "train")]
    data = table(tmp_path, "cells.csv", rows, "file,label,split")
    done = command("ensemble", checkpoints[0], "--data", data, "--out", "new", "--allow-few-cells")
    assert done.code == 3, done.err
    assert "cut.png: not an image" in done.err
    assert Path("new/ensemble.json").exists()
