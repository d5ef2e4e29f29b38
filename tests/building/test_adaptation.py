"""What adapting to a laboratory teaches a last layer, and what it must not unlearn."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy
from conftest import Command, write_cells
from PIL import Image

from slidescreen import cells
from slidescreen.building import adaptation, crossfit, pooled, replay
from slidescreen.building.adaptation import judge, signed_cells
from slidescreen.building.build import build_ensemble
from slidescreen.building.joined import join
from slidescreen.building.new_layer import KnownMember, known_member, learn, seen_by
from slidescreen.building.options import EnsembleOptions
from slidescreen.building.signed_cells import enough, read_signed
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult
from slidescreen.ensembles.false_calls import FalseCalls
from slidescreen.ensembles.sufficiency import MeasuredOn
from slidescreen.errors import InputError
from slidescreen.files.writing import sha256_of
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.last_layer import LastLayer, last_layer
from slidescreen.models.member import Member
from slidescreen.models.trained_on import trained_on

ROOT = Path(__file__).parents[2]
TYPES = cells.CELL_TYPES
FEATURES = 24
CENTRES = np.random.default_rng(7).normal(0, 2.0, (len(TYPES), FEATURES))
SHIFT = np.random.default_rng(8).normal(0, 2.5, FEATURES)
CHECKPOINT = Checkpoint("efficientnet_b1", TYPES, Preprocessing(64))
OLD = Ensemble((Member(Path("a"), 1.0, "0", CHECKPOINT),))
NORMAL = ("neutrophil", "lymphocyte", "monocyte", "eosinophil")


def drawn(names: list[str], seed: int, shift: np.ndarray | float = 0.0) -> np.ndarray:
    places = [TYPES.index(name) for name in names]
    noise = np.random.default_rng(seed).normal(0, 1.0, (len(names), FEATURES))
    return (CENTRES[places] + noise + shift).astype(np.float32)


def home() -> KnownMember:
    """A member that knows its own cells well: the best linear layer for these centres."""
    names = [name for name in TYPES for _ in range(30)]
    features, truth = drawn(names, 0), np.repeat(np.arange(len(TYPES)), 30)
    layer = LastLayer(CENTRES.copy(), -(CENTRES**2).sum(axis=1) / 2)
    kept = replay.summarise([features], truth, len(TYPES))
    return known_member(layer, kept.means[0], kept.features[0], kept.truth)


def laboratory(names: list[str], seed: int = 1, slides: int = 6) -> tuple[np.ndarray, list[LabelledImage]]:
    images = [LabelledImage(Path(str(n)), name, f"S{n % slides}") for n, name in enumerate(names)]
    return drawn(["myeloblast" if n == "blast" else n for n in names], seed, SHIFT), images


def signed_of(member: KnownMember, features: np.ndarray, images: list[LabelledImage]) -> crossfit.SignedCells:
    return signed_cells(OLD, [member], [features], images)


def called(layer: LastLayer, features: np.ndarray) -> list[str]:
    return [TYPES[place] for place in layer.logits(features).argmax(axis=1).tolist()]


def taught(names: list[str], guard: float = 1.0) -> LastLayer:
    features, images = laboratory(names)
    member = home()
    signed = signed_of(member, features, images)
    return learn(member, signed.seen[0], signed.allowed, crossfit.guards(TYPES, guard))[0]


def recall(layer: LastLayer, name: str, shift: np.ndarray | float = SHIFT) -> float:
    return called(layer, drawn([name] * 200, 99, shift)).count(name) / 200


def test_signed_types_get_better_and_unsigned_ones_are_found_too() -> None:
    old, new = home().layer, taught(list(NORMAL) * 20)
    assert np.mean([recall(new, name) for name in NORMAL]) > np.mean([recall(old, name) for name in NORMAL]) + 0.1
    for name in ("myeloblast", "lymphoblast", "promyelocyte"):
        assert recall(new, name) >= recall(old, name) - 0.02
        assert recall(new, name) > 0.8


def test_one_signed_cell_in_ten_may_be_wrong() -> None:
    names = list(NORMAL) * 25
    features, images = laboratory(names)
    wrong = [
        LabelledImage(i.path, NORMAL[(NORMAL.index(i.label) + 1) % 4] if n % 10 == 0 else i.label, i.slide)
        for n, i in enumerate(images)
    ]
    member = home()
    signed = signed_of(member, features, wrong)
    layer, _ = learn(member, signed.seen[0], signed.allowed, crossfit.guards(TYPES, 1.0))
    assert np.mean([recall(layer, name) for name in NORMAL]) > 0.9
    assert recall(layer, "myeloblast") > 0.8


def test_cells_signed_as_blasts_teach_the_group_and_not_a_lineage() -> None:
    layer = taught([*NORMAL * 20, *["blast"] * 20])
    found = called(layer, drawn(["myeloblast"] * 200, 99, SHIFT))
    assert sum(name in cells.BLASTS for name in found) / 200 > 0.9


def test_the_same_cells_give_the_same_layer() -> None:
    one, other = taught(list(NORMAL) * 10), taught(list(NORMAL) * 10)
    assert np.array_equal(one.weight, other.weight)
    assert np.array_equal(one.bias, other.bias)


def test_it_is_judged_across_slides_and_names_unsigned_types() -> None:
    features, images = laboratory(list(NORMAL) * 20)
    member = home()
    signed = signed_of(member, features, images)
    found, members = judge(OLD, [member], signed, images)
    assert found.adopted
    assert found.slides == 6
    assert found.after > found.before
    assert found.low is not None
    assert 0 < found.low <= found.after - found.before
    assert found.after == signed.right(members[0].argmax(axis=1)).mean()
    assert set(found.unsigned) == set(TYPES) - set(NORMAL)
    assert set(found.left_out) == set(NORMAL)
    assert np.mean([after for _, after in found.left_out.values()]) >= np.mean(
        [before for before, _ in found.left_out.values()]
    )


def test_where_nothing_is_gained_the_old_ensemble_stays() -> None:
    member, names = home(), list(NORMAL) * 10
    images = [LabelledImage(Path(str(n)), name, f"S{n % 6}") for n, name in enumerate(names)]
    signed = signed_of(member, drawn(names, 1), images)
    found, _ = judge(OLD, [member], signed, images)
    assert not found.adopted


def test_a_cell_is_judged_without_the_cells_of_its_slide() -> None:
    features, images = laboratory(list(NORMAL) * 10, slides=5)
    signed = signed_of(home(), features, images)
    whole = crossfit.out_of_fold([home()], signed, 1.0)[0]
    here = np.asarray([image.slide == "S0" for image in images])
    allowed = signed.allowed.copy()
    allowed[here] = np.roll(allowed[here], 1, axis=1)  # labels of a slide that say nonsense
    nonsense = crossfit.SignedCells(signed.seen, allowed, signed.groups, (1.0,), OLD.rule, TYPES)
    misled = crossfit.out_of_fold([home()], nonsense, 1.0)[0]
    assert np.array_equal(misled[here], whole[here])
    assert np.abs(misled[~here] - whole[~here]).max() > 0.01  # the other slides are judged by what this one says


def test_error_rates_of_types_with_few_cells_are_those_known_before() -> None:
    def measured(diagonal: int, seen: dict[str, int]) -> ValidationResult:
        matrix = np.diag(np.full(len(TYPES), diagonal))
        calls = FalseCalls(0.0, np.full(len(TYPES), 1), np.full(len(TYPES), diagonal), 0.01)
        return ValidationResult(
            confusion_matrix=matrix,
            sure_matrix=matrix,
            false_calls={"blasts": calls},
            measured_on=MeasuredOn(seen, 5),
        )

    known = measured(300, dict.fromkeys(TYPES, 300))
    own = Ensemble(OLD.members, validation=measured(40, {"neutrophil": 40, "monocyte": 8}))
    joined = join(own, known, {"myeloblast"}).validation
    assert joined.confusion_matrix is not None
    place = {name: TYPES.index(name) for name in ("neutrophil", "monocyte", "myeloblast")}
    assert joined.confusion_matrix[place["neutrophil"], place["neutrophil"]] == 40
    assert joined.confusion_matrix[place["myeloblast"], place["myeloblast"]] == 340
    assert joined.false_calls["blasts"].called[place["neutrophil"]] == 40
    assert joined.false_calls["blasts"].called[place["monocyte"]] == 340
    assert joined.measured_on == MeasuredOn(
        {name: 40 if name == "neutrophil" else 308 if name == "monocyte" else 300 for name in TYPES}, 5
    )
    assert joined.unsigned == {"myeloblast"}
    assert "monocyte" in joined.borrowed
    assert "neutrophil" not in joined.borrowed


def export(folder: Path, counts: dict[str, int]) -> Path:
    """Two slides as an analyser exports them; the files' content does not matter here."""
    for name, count in counts.items():
        for number in range(count):
            path = folder / f"slide_{number % 2}" / "Signed slides" / name / f"{name}_{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{name} {number}".encode())
    return folder


def test_an_export_gives_its_slides_and_the_group_of_blasts(tmp_path: Path) -> None:
    said: list[str] = []
    folder = export(tmp_path, {"Segmented neutrophil": 30, "Lymphocyte": 20, "Blast": 10, "Basophil": 2, "Plasma": 3})
    found = read_signed(folder, LabelRules(), False, said.append)
    assert {image.slide for image in found} == {"slide_0", "slide_1"}
    assert {image.label for image in found} == {"neutrophil", "lymphocyte", "blast"}
    assert len(found) == 60
    assert any("2 basophil" in line for line in said)
    assert any("passed over: 3 images" in line for line in said)


@pytest.mark.parametrize("layout", ["Unsigned slides/{}", "{}/unsigned_slides"])
def test_the_classes_of_unsigned_slides_teach_nothing(tmp_path: Path, layout: str) -> None:
    said: list[str] = []
    export(tmp_path / "export", {"Lymphocyte": 20, "Monocyte": 20})
    for slide, name in ((slide, name) for slide in ("26-0003", "26-0004") for name in ("Lymphocyte", "Monocyte")):
        path = tmp_path / "export" / layout.format(slide) / name / "1.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(f"{slide} {name}".encode())
    found = read_signed(tmp_path / "export", LabelRules(), False, said.append)
    assert len(found) == 40
    assert said == ["passed over: 4 images of unsigned slides, whose classes are the analyser's"]


def test_an_export_of_unsigned_slides_alone_is_refused(tmp_path: Path) -> None:
    unsigned = tmp_path / "Unsigned slides"
    export(unsigned, {"Lymphocyte": 20, "Monocyte": 20})
    assert len(read_signed(unsigned, LabelRules(), False, lambda _: None)) == 40  # the inner container says "signed"
    for slide in unsigned.iterdir():
        (slide / "Signed slides").rename(slide / "cells")
    for data in (unsigned, unsigned / "slide_0" / "cells"):
        with pytest.raises(InputError, match="unsigned slides"):
            read_signed(data, LabelRules(), False, lambda _: None)


def test_cells_of_an_export_are_left_out_by_the_name_of_their_folder(tmp_path: Path) -> None:
    said: list[str] = []
    counts = {"Segmented neutrophil": 20, "Giant platelet": 7, "Lymphocyte": 20, "Monocyte": 6, "Plasma": 4}
    folder = export(tmp_path, counts)
    rules = LabelRules(left_out=frozenset({"monocyte", "giant platelets", "Plasma"}))
    assert {image.label for image in read_signed(folder, rules, False, said.append)} == {"neutrophil", "lymphocyte"}
    assert said == ["passed over: 17 images left out because of the label"]
    with pytest.raises(InputError, match=r"--leave-out 'Lymphcyte': no such label in .*did you mean 'Lymphocyte'"):
        read_signed(folder, LabelRules(left_out=frozenset({"Lymphcyte"})), False, said.append)


def test_numbered_class_folders_of_an_export_teach_their_type(tmp_path: Path) -> None:
    said: list[str] = []
    folder = export(
        tmp_path, {"01 Segmented neutrophil": 20, "02 Lymphocyte": 20, "03 Monocyte": 6, "04 Plasma cell": 4}
    )
    rules = LabelRules(left_out=frozenset({"monocyte"}))
    found = read_signed(folder, rules, False, said.append)
    assert {image.label for image in found} == {"neutrophil", "lymphocyte"}
    assert {image.slide for image in found} == {"slide_0", "slide_1"}
    assert said == [
        "passed over: 4 images in no folder of a cell type",
        "passed over: 6 images left out because of the label",
    ]


def test_files_of_an_export_that_may_not_be_opened_are_counted_by_themselves(tmp_path: Path) -> None:
    said: list[str] = []
    folder = export(tmp_path / "export", {"Lymphocyte": 20, "Monocyte": 20, "Plasma": 2})
    (tmp_path / "elsewhere.jpg").write_bytes(b"a cell")
    (folder / "slide_0" / "Signed slides" / "Monocyte" / "link.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    assert len(read_signed(folder, LabelRules(), False, said.append)) == 40
    assert said == [
        "passed over: 2 images in no folder of a cell type",
        "passed over: 1 image that cannot be opened",
    ]


def test_too_few_signed_cells_are_refused(tmp_path: Path) -> None:
    folder = export(tmp_path, {"Neutrophil": 30, "Lymphocyte": 4})
    with pytest.raises(InputError, match="too few signed cells to adapt to"):
        read_signed(folder, LabelRules(), False, lambda _: None)


def test_cells_of_one_slide_are_refused_before_any_is_opened() -> None:
    images = [LabelledImage(Path(f"{n}.png"), NORMAL[n % 2], "S1") for n in range(60)]
    with pytest.raises(InputError, match="all of one slide"):
        enough(images, Path("data"), lambda _: None)
    nameless = [replace(image, slide="") for image in images]
    assert enough(nameless, Path("data"), lambda _: None) == list(range(60))


@pytest.fixture
def adaptable(ensemble_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small ensemble with what its networks saw in training cells."""
    monkeypatch.setattr(adaptation, "half_precisions", lambda _: ())  # measuring in it takes seconds
    source = tmp_path / "source"
    shutil.copytree(ensemble_folder, source)
    features = [np.random.default_rng(0).normal(0, 1, (192, width)).astype(np.float32) for width in (1280, 1408)]
    kept = replay.summarise(features, np.repeat(np.arange(len(TYPES)), 12), len(TYPES))
    (source / "replay.safetensors").write_bytes(replay.packed(storage.load(source), kept))
    return source


def signed_slides(folder: Path) -> Path:
    """Four slides of two types that any network tells apart: the monocytes are green."""
    for slide in range(4):
        for number, name in enumerate(("Lymphocyte", "Monocyte")):
            path = folder / f"S{slide}" / "Signed slides" / name
            for cell in write_cells(path, 6, 1000 * number + 50 * slide, suffix=".png"):
                red, green, blue = Image.open(cell).convert("RGB").split()
                if name == "Monocyte":
                    Image.merge("RGB", (green, blue, red)).save(cell)
    return folder


def test_the_command_adapts_an_export_as_it_is(
    command: Command, ensemble_folder: Path, adaptable: Path, tmp_path: Path
) -> None:
    data = signed_slides(tmp_path / "export")
    missing = command("ensemble", "--adapt", ensemble_folder, "--data", data, "--out", "new")
    assert missing.code == 2
    assert "cannot be adapted" in missing.err
    broken = data / "S0" / "Signed slides" / "Monocyte" / "broken.jpg"
    broken.write_bytes(b"no image")
    done = command("ensemble", "--adapt", adaptable, "--data", data, "--out", "new")
    assert done.code == 3, done.err
    assert "broken.jpg: not an image" in done.err
    broken.unlink()
    assert "48 signed cells of 4 slides: 24 lymphocyte, 24 monocyte" in done.out
    assert "unchanged" not in done.out, done.out
    new = storage.load(Path("new"))
    assert new.validation.unsigned == set(TYPES) - {"lymphocyte", "monocyte"}
    assert "myeloblast" in Path("new/README.md").read_text(encoding="utf-8")
    assert replay.read(Path("new"), new).truth.tolist() == np.repeat(np.arange(len(TYPES)), 12).tolist()
    assert not Path("new", pooled.NAME).exists()
    signed = [sha256_of(cell) for cell in data.rglob("*.png")]
    for member in new.members:
        recorded = trained_on(member.checkpoint.provenance)
        assert len(recorded.images) == 48 == sum(map(recorded.holds, signed))
    again = command("ensemble", "--adapt", adaptable, "--data", data, "--out", "new")
    assert again.code == 2
    assert "already holds an ensemble" in again.err
    write_cells(data / "S4" / "Signed slides" / "Monocyte", 6, 5000, suffix=".png")
    later = command("ensemble", "--adapt", "new", "--data", data, "--out", "later")
    assert later.code == 2
    assert "new has already learnt 48 of the 54 signed cells" in later.err
    assert "--adapt default" in later.err
    assert not Path("later").exists()


@pytest.mark.parametrize("damaged", [("Monocyte",), ("Lymphocyte", "Monocyte")])
def test_too_few_readable_cells_are_refused_and_nothing_is_written(
    command: Command, adaptable: Path, tmp_path: Path, damaged: tuple[str, ...]
) -> None:
    data = signed_slides(tmp_path / "export")
    for name in damaged:
        for number, path in enumerate(data.glob(f"*/Signed slides/{name}/*")):
            path.write_text(f"version https://git-lfs.github.com/spec/v1 {name} {number}")
    done = command("ensemble", "--adapt", adaptable, "--data", data, "--out", "new")
    assert done.code == 2, done.err
    readable = 24 * (2 - len(damaged))
    assert f"too few readable signed cells to adapt to: {readable} of {2 - len(damaged)} types" in done.err
    assert not Path("new").exists()


def test_an_interrupted_adaptation_goes_on_and_ends_the_same_and_may_have_8_bit_networks(
    command: Command, adaptable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = signed_slides(tmp_path / "export")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(adaptation, "judge", interrupted)
        assert command("ensemble", "--adapt", adaptable, "--data", data, "--out", "new").code == 130
    assert not Path("new/ensemble.json").exists()
    assert Path("new", pooled.NAME).is_file()
    with monkeypatch.context() as patched:
        patched.setattr(pooled, "decode", interrupted)  # nothing is looked at again
        assert command("ensemble", "--adapt", adaptable, "--data", data, "--out", "new").code == 0
    assert not Path("new", pooled.NAME).exists()
    pytest.importorskip("nncf")
    done = command("ensemble", "--adapt", adaptable, "--data", data, "--out", "whole", "--int8")
    assert done.code == 0, done.err
    resumed, whole = (storage.load(Path(name)) for name in ("new", "whole"))
    assert [member.sha256 for member in resumed.members] == [member.sha256 for member in whole.members]
    assert resumed.validation.temperature == whole.validation.temperature
    found = whole.validation.precisions
    assert found["int8"].images == 48
    useful = any(agreed.tolerable for name, agreed in found.items() if "int8" in name)
    assert [member.int8 is not None for member in whole.members] == [useful or whole.validation.cascade is not None] * 2
    ran = command("classify", data, "--ensemble", "whole", "--precision", "int8", "--out", "run", "--quiet")
    assert (ran.code == 0) == found["int8"].tolerable, ran.err


def test_an_ensemble_made_of_checkpoints_can_be_adapted_where_it_saw_its_training_cells(
    command: Command, checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    def made(count: int, name: str, *more: str) -> Ensemble:
        paths = write_cells(tmp_path / "cells", count + 8)
        rows = [f"{path.name},{NORMAL[n % 2]},{'validation' if n < 8 else 'train'}" for n, path in enumerate(paths)]
        table = tmp_path / "cells" / "cells.csv"
        table.write_text("\n".join(["file,label,split", *rows]) + "\n")
        done = command("ensemble", checkpoints[0], "--data", table, "--out", name, "--allow-few-cells", *more)
        assert done.code == 0, done.err
        return storage.load(Path(name))

    enough = made(replay.LEAST_CELLS, "enough")
    kept = replay.read(Path("enough"), enough)
    assert np.bincount(kept.truth).tolist() == [40, 0, 0, 0, 0, 40]  # neutrophils and lymphocytes
    assert np.isfinite(kept.means[0]).all(axis=1).tolist() == [name in NORMAL[:2] for name in TYPES]
    few = made(replay.LEAST_CELLS - 1, "enough", "--overwrite")
    with pytest.raises(InputError, match="it has no replay"):
        replay.read(Path("enough"), few)


def test_an_ensemble_interrupted_at_its_last_look_is_made_whole_by_the_same_command(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    paths = write_cells(tmp_path, replay.LEAST_CELLS + 8)
    rows = [f"{path.name},{NORMAL[n % 2]},{'validation' if n < 8 else 'train'}" for n, path in enumerate(paths)]
    (tmp_path / "cells.csv").write_text("\n".join(["file,label,split", *rows]) + "\n")
    request = EnsembleOptions(checkpoints[:1], tmp_path / "new", tmp_path / "cells.csv", allow_few_cells=True)

    def interrupted(what: str, done: int, _of: int) -> None:
        if what == "looking at training cells" and done > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_ensemble(request, interrupted)
    assert not (request.out / "ensemble.json").exists()
    saved = build_ensemble(request, lambda *_: None)
    assert len(replay.read(request.out, saved).truth) == 80


def test_no_replay_is_made_where_no_type_has_enough_cells() -> None:
    features = [np.zeros((144, 3), np.float32)]
    assert replay.summarise(features, np.repeat(np.arange(len(TYPES)), 9), len(TYPES)) is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--adapt", "default", "x.safetensors"), "give it no checkpoints"),
        ((), "give checkpoints, or --adapt"),
        (("--adapt", "default", "--search"), "keeps the ensemble's vote"),
    ],
)
def test_what_does_not_go_with_adapting_is_refused(command: Command, arguments: tuple[str, ...], told: str) -> None:
    done = command("ensemble", "--data", "d", "--out", "o", *arguments)
    assert done.code == 2
    assert told in done.err


def test_what_a_network_saw_is_kept_and_refused_for_other_networks(tmp_path: Path) -> None:
    truth = np.repeat(np.arange(len(TYPES)), 12)
    kept = replay.summarise([drawn([TYPES[t] for t in truth.tolist()], 3)], truth, len(TYPES))
    (tmp_path / "replay.safetensors").write_bytes(replay.packed(OLD, kept))
    again = replay.read(tmp_path, OLD)
    assert np.array_equal(again.features[0], kept.features[0])
    assert np.array_equal(again.truth, kept.truth)
    assert np.allclose(again.means[0], kept.means[0])
    with pytest.raises(InputError, match="of other networks"):
        replay.read(tmp_path, Ensemble((Member(Path("b"), 1.0, "9", CHECKPOINT),)))


def test_adapting_again_starts_from_where_the_laboratory_was() -> None:
    member = home()
    features, images = laboratory(list(NORMAL) * 20)
    signed = signed_of(member, features, images)
    layer, shift = learn(member, signed.seen[0], signed.allowed, crossfit.guards(TYPES, 1.0))
    names = [name for name in TYPES for _ in range(30)]
    kept = replay.summarise([drawn(names, 0)], np.repeat(np.arange(len(TYPES)), 30), len(TYPES)).moved([shift])
    second = known_member(layer, kept.means[0], kept.features[0], kept.truth)
    _, further = learn(second, seen_by(second, features), signed.allowed, crossfit.guards(TYPES, 1.0))
    assert np.abs(further).max() < 0.1 * np.abs(shift).max()


def test_a_slide_with_many_blasts_keeps_them_after_adapting_to_normal_cells_alone(tmp_path: Path) -> None:
    old = storage.load(ROOT / "weights" / "default")
    configuration = EngineConfiguration(EngineKind.OPENVINO, Device.CPU, "fp32")
    normal, blasts = (
        [LabelledImage(path, "neutrophil") for path in sorted((ROOT / "sample_data" / slide).rglob("*.jpg"))]
        for slide in ("normal_01", "blasts_01")
    )
    looked = pooled.look_at(old.members, [*normal, *blasts], configuration, tmp_path, lambda *_: None, lambda _: None)
    stored = replay.read(ROOT / "weights" / "default", old)
    known = [
        known_member(last_layer(member.path), means, seen, stored.truth)
        for member, means, seen in zip(old.members, stored.means, stored.features, strict=True)
    ]
    cells_seen = signed_cells(old, known, looked.features, looked.images)
    was = old.combine([each.old for each in cells_seen.seen])
    here = np.asarray(["normal_01" in image.path.parts for image in looked.images])
    wanted = cells.indices(TYPES, (*NORMAL, "basophil"))
    signed = np.flatnonzero(here & np.isin(was.argmax(axis=1), wanted))
    labels = np.eye(len(TYPES), dtype=np.bool_)[was[signed].argmax(axis=1)]  # what is drawn is called right
    counts = labels.sum(axis=0)
    assert counts[wanted].sum() > 80
    asked = np.flatnonzero(~here)
    members = []
    for member, seen in zip(known, cells_seen.seen, strict=True):
        layer, _ = learn(member, seen.where(signed), labels, crossfit.guards(TYPES, min(crossfit.GUARDS)))
        assert not np.allclose(layer.weight, member.layer.weight)
        members.append(scipy.special.softmax(layer.logits(seen.features[asked]), axis=1))
    inside = cells.indices(TYPES, cells.BLASTS)
    leukocytes = cells.indices(TYPES, cells.LEUKOCYTES)

    def share(called: np.ndarray) -> float:
        return float(np.isin(called, inside).sum() / np.isin(called, leukocytes).sum())

    assert share(was[asked].argmax(axis=1)) > 0.4
    assert share(cells_seen.voted(members).argmax(axis=1)) > 0.9 * share(was[asked].argmax(axis=1))
