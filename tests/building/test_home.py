"""Recognising unfamiliar cells from the features of training cells."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_cell

from slidescreen import cells as cells_
from slidescreen.building.home import LEAST_CELLS, ShownCells, drawn, measure, usual_share
from slidescreen.building.labelled_images import not_shown, unknown_cells
from slidescreen.building.options import EnsembleOptions
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage
from slidescreen.ensembles import familiarity_file
from slidescreen.ensembles.familiarity import Familiarity, is_of_other_optics
from slidescreen.ensembles.member_predictions import MemberPredictions
from slidescreen.errors import InputError
from slidescreen.models.backbones import EARLY_FEATURES

LATE, TYPES = 40, 3
CENTRES = 6 * np.random.default_rng(9).normal(size=(TYPES, LATE))
SIDEWAYS = 0.8 * np.random.default_rng(10).normal(size=LATE)


def cells(count: int, seed: int, optics: float = 0.0, kind: bool = False) -> MemberPredictions:
    """Cells of three types and two members; from other optics, or of a kind between the types."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, TYPES, count)
    features = []
    for _ in range(2):
        early = random.normal(size=(count, EARLY_FEATURES)) + optics
        late = (CENTRES.mean(axis=0) if kind else CENTRES[truth]) + random.normal(size=(count, LATE))
        features.append(np.hstack([early, late]).astype(np.float32))
    images = tuple(LabelledImage(Path(f"{n}.png"), "monocyte", slide=f"S{n % 9}") for n in range(count))
    return MemberPredictions(images, truth, (), (), tuple(features))


@pytest.fixture(scope="module")
def home() -> Familiarity:
    found = measure({"fp32": cells(800, 1)}, {"fp32": cells(600, 2)})
    assert found is not None
    return found


def grades(home: Familiarity, seen: MemberPredictions) -> np.ndarray:
    return home.of_all(["fp32", "fp32"], seen.features)


def test_one_cell_at_home_in_twenty_is_beyond_the_cut(home: Familiarity) -> None:
    beyond = grades(home, cells(3000, 3)) >= 1
    assert 0.03 < beyond[:, 0].mean() < 0.08
    assert 0.01 < beyond[:, 1].mean() < 0.05


def test_other_optics_are_told_and_are_no_other_kind(home: Familiarity) -> None:
    beyond = grades(home, cells(500, 4, optics=1.5)) >= 1
    assert beyond[:, 0].mean() > 0.95
    assert beyond[:, 1].mean() < 0.08


def test_cells_of_other_optics_are_told_from_cells_of_another_kind(home: Familiarity) -> None:
    def share(seen: MemberPredictions) -> float:
        return float(is_of_other_optics(grades(home, seen)).mean())

    assert share(cells(500, 4, optics=1.5)) > 0.95
    assert share(cells(500, 5, kind=True)) < 0.05
    assert share(cells(3000, 3)) < 0.05


def test_another_kind_is_told(home: Familiarity) -> None:
    assert (grades(home, cells(500, 5, kind=True))[:, 1] >= 1).mean() > 0.95


def test_one_member_alone_tells_by_its_own_cut(home: Familiarity) -> None:
    near, far = cells(3000, 6), cells(500, 7, optics=1.5)
    assert 0.03 < (home.of_one(1, "int8", near.features[1])[:, 0] >= 1).mean() < 0.08
    assert (home.of_one(1, "int8", far.features[1])[:, 0] >= 1).mean() > 0.95


def test_a_precision_that_moves_the_features_is_measured_in_itself() -> None:
    def moved(predictions: MemberPredictions) -> MemberPredictions:
        return replace(predictions, features=tuple(f + np.float32(1.5) for f in predictions.features))

    seen, known, later = cells(800, 1), cells(600, 2), cells(3000, 3)
    found = measure({"fp32": seen, "bf16": moved(seen)}, {"fp32": known, "bf16": moved(known)})
    assert found is not None
    for precisions in (["bf16", "bf16"], ["fp32", "bf16"]):
        features = [
            moved(later).features[0] if precisions[0] == "bf16" else later.features[0],
            moved(later).features[1],
        ]
        assert 0.03 < (found.of_all(precisions, features)[:, 0] >= 1).mean() < 0.08
    assert (found.of_all(["fp32", "fp32"], moved(later).features)[:, 0] >= 1).mean() > 0.95


def test_without_training_cells_validation_cells_tell_one_another() -> None:
    found = measure({}, {"fp32": cells(600, 2)})
    assert found is not None
    assert found.measured_on == (0, 600)
    assert 0.02 < (grades(found, cells(3000, 3))[:, 0] >= 1).mean() < 0.08
    assert (grades(found, cells(500, 4, optics=1.5))[:, 0] >= 1).mean() > 0.95


def test_where_the_own_cells_are_measured_fewer_may_be_unfamiliar(home: Familiarity) -> None:
    found = measure({}, {"fp32": cells(600, 2)})
    assert found is not None
    assert found.most_unfamiliar == 0.35 < home.most_unfamiliar


def test_cells_of_one_slide_alone_can_be_measured() -> None:
    known = cells(600, 2)
    one = replace(known, images=tuple(replace(image, slide="S") for image in known.images))
    found = measure({}, {"fp32": one})
    assert found is not None
    assert 0.02 < (grades(found, cells(3000, 3))[:, 0] >= 1).mean() < 0.08


def near_a_type(count: int, seed: int) -> MemberPredictions:
    """Cells of a type without a class, near the first one that has a class."""
    seen = cells(count, seed)
    random = np.random.default_rng(seed)
    late = CENTRES[0] + SIDEWAYS + random.normal(size=(2, count, LATE))
    features = tuple(
        np.hstack([each[:, :EARLY_FEATURES], other]).astype(np.float32)
        for each, other in zip(seen.features, late, strict=True)
    )
    return replace(seen, features=features)


def shown(count: int) -> dict[str, ShownCells]:
    return {"fp32": ShownCells(("plasma_cell",) * count, near_a_type(count, 10).features)}


def test_cells_like_those_shown_are_told() -> None:
    before = measure({"fp32": cells(800, 1)}, {"fp32": cells(600, 2)})
    after = measure({"fp32": cells(800, 1)}, {"fp32": cells(600, 2)}, shown(40))
    assert before is not None
    assert after is not None
    assert after.shown == ("plasma_cell",)
    assert not_shown({"hairy_cell", "plasma_cell"}, after) == ["hairy_cell"]
    like, same = near_a_type(500, 11), cells(3000, 3)
    assert (grades(before, like)[:, 1] >= 1).mean() < 0.5
    assert (grades(after, like)[:, 1] >= 1).mean() > 0.9
    assert 0.01 < (grades(after, same)[:, 1] >= 1).mean() < 0.05
    assert (grades(after, cells(500, 5, kind=True))[:, 1] >= 1).mean() > 0.95  # another kind, never shown


def test_few_shown_cells_show_nothing(home: Familiarity) -> None:
    found = measure({"fp32": cells(800, 1)}, {"fp32": cells(600, 2)}, shown(9))
    assert found is not None
    assert found.shown == ()
    assert np.array_equal(grades(found, cells(50, 8)), grades(home, cells(50, 8)))


def test_what_was_shown_comes_back_from_its_file(tmp_path: Path) -> None:
    found = measure({"fp32": cells(800, 1)}, {"fp32": cells(600, 2)}, shown(40))
    assert found is not None
    path = tmp_path / "familiarity.safetensors"
    path.write_bytes(familiarity_file.content(found))
    again = familiarity_file.read(path, "hash", familiarity_file.figures(found), 2)
    seen = near_a_type(50, 12)
    assert again.shown == ("plasma_cell",)
    assert np.allclose(grades(again, seen), grades(found, seen), rtol=0.05)


def test_of_few_cells_nothing_is_made() -> None:
    few, many = {"fp32": cells(LEAST_CELLS - 1, 1)}, {"fp32": cells(600, 2)}
    assert measure(few, many) is None
    assert measure(many, few) is None


def test_it_comes_back_from_its_file(home: Familiarity, tmp_path: Path) -> None:
    path = tmp_path / "familiarity.safetensors"
    path.write_bytes(familiarity_file.content(home))
    found = familiarity_file.read(path, "hash", familiarity_file.figures(home), 2)
    seen = cells(50, 8)
    assert np.allclose(grades(found, seen), grades(home, seen), rtol=0.02)
    assert (found.most_unfamiliar, found.unknown, found.sha256) == (home.most_unfamiliar, home.unknown, "hash")


@pytest.mark.parametrize(
    ("change", "error"),
    [({"optics_cut": 0}, ValueError), ({"unknown": {}}, KeyError), ({"networks": []}, ValueError)],
)
def test_figures_that_cannot_be_are_refused(
    change: dict[str, object], error: type[Exception], home: Familiarity, tmp_path: Path
) -> None:
    path = tmp_path / "familiarity.safetensors"
    path.write_bytes(familiarity_file.content(home))
    with pytest.raises(error):
        familiarity_file.read(path, "", {**familiarity_file.figures(home), **change}, 2)


def test_a_damaged_file_is_refused(home: Familiarity, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        familiarity_file.read(tmp_path / "x", "", familiarity_file.figures(home), 2)


def test_training_cells_are_drawn_from_each_source() -> None:
    images = [LabelledImage(Path(f"{n}"), "monocyte", source="large" if n % 50 else "small") for n in range(5000)]
    found = [image.source for image in drawn(images)]
    assert (found.count("large"), found.count("small")) == (2000, 100)
    assert drawn(images) == drawn(images)


def test_a_usual_share_clusters_as_the_slides_do() -> None:
    images = cells(900, 1).images
    slides = np.asarray([image.slide for image in images])
    on_one_slide, everywhere = slides == "S3", np.arange(900) % 9 == np.arange(900) // 9 % 9
    clustered, even = usual_share(on_one_slide, images), usual_share(everywhere, images)
    assert clustered.rate == pytest.approx(even.rate, abs=0.002)
    assert clustered.correlation == pytest.approx(0.3, abs=0.01)
    assert even.correlation == 0.05
    nameless = [replace(image, slide="") for image in images]
    assert usual_share(on_one_slide, nameless).correlation == 0.05


def test_unknown_cells_are_those_of_the_labels_named_but_not_those_of_the_test_split(tmp_path: Path) -> None:
    rows = ["file,label,split"]
    for name, split in (("Plasma Cells", "train"), ("plasma_cell", "test"), ("dirt", "train"), ("monocyte", "train")):
        draw_cell(len(rows)).save(tmp_path / f"{len(rows)}.png")
        rows.append(f"{len(rows)}.png,{name},{split}")
    (tmp_path / "l.csv").write_text("\n".join(rows) + "\n")
    rules = LabelRules(frozenset({"plasma_cell", "dirt"}))
    options = EnsembleOptions(
        (Path("a"),), Path("o"), tmp_path / "l.csv", label_rules=rules, unknown=frozenset({"Plasma cell"})
    )
    assert [(image.path.name, image.label) for image in unknown_cells(options)] == [
        ("1.png", cells_.normalised("plasma cell"))
    ]
    assert unknown_cells(replace(options, unknown=frozenset())) == []
