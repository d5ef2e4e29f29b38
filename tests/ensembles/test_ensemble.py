"""Voting, and the ensemble folder."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slidescreen import cells
from slidescreen.ensembles import ensemble as ensembles
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity import Familiarity, UsualShare
from slidescreen.ensembles.sufficiency import MeasuredOn
from slidescreen.errors import InputError, OutputError
from slidescreen.files.legal_names import legal_name
from slidescreen.models.checkpoints import load_weights, read_checkpoint, save_checkpoint
from slidescreen.models.member import Member, member_of
from slidescreen.statistics.scaling import apply_temperature

rows = arrays(np.float64, (4, 3), elements=st.floats(0.001, 1)).map(lambda a: a / a.sum(axis=1, keepdims=True))


def test_soft_voting_is_the_weighted_mean() -> None:
    a, b = np.array([[0.9, 0.1]]), np.array([[0.3, 0.7]])
    assert np.allclose(ensembles.vote([a, b], [0.4, 0.6], "soft"), [[0.54, 0.46]])


def test_hard_voting_counts_calls_by_weight() -> None:
    a, b = np.array([[0.9, 0.1]]), np.array([[0.49, 0.51]])
    assert np.allclose(ensembles.vote([a, b], [0.4, 0.6], "hard"), [[0.4, 0.6]])


@given(rows, rows, st.floats(0.01, 1), st.floats(0.05, 20))
def test_votes_are_probabilities_and_temperature_changes_no_call(
    a: np.ndarray, b: np.ndarray, weight: float, temperature: float
) -> None:
    voted = ensembles.vote([a, b], [weight, 1 - weight], "soft")
    sharp = apply_temperature(voted, temperature)
    assert np.allclose(sharp.sum(axis=1), 1)
    best = voted.argmax(axis=1)
    assert np.allclose(sharp[np.arange(4), best], sharp.max(axis=1))


def test_the_studys_weights_are_the_default(checkpoints: tuple[Path, Path]) -> None:
    members = [member_of(path, 1).checkpoint for path in checkpoints]
    assert ensembles.default_weights(members) == [0.4, 0.6]
    assert ensembles.default_weights(members[::-1]) == [0.6, 0.4]
    assert ensembles.default_weights([members[0]] * 2) == [0.5, 0.5]


def test_an_ensemble_comes_back_as_it_was_saved(ensemble_folder: Path) -> None:
    loaded = storage.load(ensemble_folder)
    assert loaded.weights == (0.4, 0.6)
    assert loaded.validation.confusion_matrix is not None
    assert loaded.validation.confusion_matrix[3, 3] == 201
    assert [m.checkpoint.backbone for m in loaded.members] == ["efficientnet_b1", "efficientnetv2_b2"]


@pytest.mark.parametrize("corrected", [None, frozenset(), frozenset({"blasts", "myelocyte"})])
def test_what_is_corrected_comes_back_too(
    corrected: frozenset[str] | None, ensemble_folder: Path, tmp_path: Path
) -> None:
    loaded = storage.load(ensemble_folder)
    saved = replace(loaded, validation=replace(loaded.validation, corrected=corrected))
    storage.save(tmp_path / "E", saved)
    assert storage.load(tmp_path / "E").validation.corrected == corrected


def test_what_it_was_measured_on_comes_back_as_saved(ensemble_folder: Path, tmp_path: Path) -> None:
    seen = MeasuredOn({"neutrophil": 15, "myeloblast": 5}, 2)
    loaded = storage.load(ensemble_folder)
    storage.save(tmp_path / "E", replace(loaded, validation=replace(loaded.validation, measured_on=seen)))
    assert storage.load(tmp_path / "E").measured_on == seen
    written = json.loads((tmp_path / "E" / "ensemble.json").read_text())["validation"]["measured_on"]
    assert written["shortfalls"] == ["20 of 500 cells", "5 of 50 blasts", "15 of 300 other leukocytes", "2 of 3 slides"]


def test_an_older_ensemble_was_measured_on_what_its_confusion_matrix_holds(copy: Path) -> None:
    validation = json.loads((copy / "ensemble.json").read_text())["validation"]
    del validation["measured_on"]
    change(copy, validation=validation)
    assert storage.load(copy).measured_on.shortfalls() == ()
    change(copy, validation={**validation, "confusion_matrix": np.diag([2] * 16).tolist()})
    assert storage.load(copy).measured_on.shortfalls() == (
        "32 of 500 cells",
        "4 of 50 blasts",
        "20 of 300 other leukocytes",
    )
    change(copy, validation={**validation, "confusion_matrix": None})
    assert storage.load(copy).measured_on.shortfalls()[0] == "0 of 500 cells"


@pytest.fixture
def copy(ensemble_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ensemble_folder, tmp_path / "copy"))


def change(folder: Path, **changes: object) -> None:
    path = folder / "ensemble.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_changed_member_is_refused(copy: Path) -> None:
    with (copy / "efficientnet_b1.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="SHA-256 differs"):
        storage.load(copy)


def test_a_missing_member_is_refused(copy: Path) -> None:
    (copy / "efficientnet_b1.safetensors").unlink()
    with pytest.raises(InputError, match="is missing from the ensemble"):
        storage.load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 9}, "format version 9"),
        ({"rule": "loud"}, "voting rule must be one of soft, hard"),
        ({"members": "none"}, "damaged"),
        ({"members": []}, "at least one"),
        ({"members": [{"file": "../x", "weight": 1, "sha256": ""}]}, "not a plain file name"),
        ({"cell_types": ["monocyte"]}, "different cell types"),
        ({"validation": {}}, "damaged: 'confusion_matrix' is missing"),
    ],
)
def test_a_damaged_description_is_one_clear_error(copy: Path, changes: dict[str, object], message: str) -> None:
    change(copy, **changes)
    with pytest.raises(InputError, match=message):
        storage.load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confusion_matrix": [[1, 2], [3, 4]]}, "confusion matrix is not of 16 types"),
        ({"confusion_matrix": np.full((16, 16), -1).tolist()}, "confusion matrix is not of 16 types"),
        ({"sure_matrix": np.full((16, 16), 10_000).tolist()}, "it counts more certain calls than calls"),
        ({"sure_matrix": "many"}, "damaged"),
        ({"offsets": [0.1] * 15}, "offsets must be a number for each of 16 types"),
        ({"offsets": [float("nan")] * 16}, "offsets must be a number for each of 16 types"),
        ({"offsets": ["high"] * 16}, "damaged"),
        ({"measured_on": {"cells": "many", "slides": 1}}, "damaged"),
        ({"measured_on": {"cells": {"monocyte": 3}}}, "damaged: 'slides' is missing"),
    ],
)
def test_a_damaged_calibration_is_one_clear_error(copy: Path, changes: dict[str, object], message: str) -> None:
    validation = json.loads((copy / "ensemble.json").read_text())["validation"]
    change(copy, validation={**validation, **changes})
    with pytest.raises(InputError, match=message):
        storage.load(copy)


def test_offsets_come_back_as_saved_and_move_calls_and_older_ensembles_have_none(copy: Path, tmp_path: Path) -> None:
    validation = json.loads((copy / "ensemble.json").read_text())["validation"]
    validation.pop("offsets", None)
    change(copy, validation=validation)
    older = storage.load(copy)
    assert older.validation.offsets == ()
    offsets = (0.5, *[0.0] * 14, -0.5)
    newer = replace(older, validation=replace(older.validation, temperature=2.0, offsets=offsets))
    storage.save(tmp_path / "E", newer)
    loaded = storage.load(tmp_path / "E")
    assert loaded.validation.offsets == offsets
    even = np.full((1, 16), 1 / 16)
    expected = np.exp(offsets) / np.exp(offsets).sum()
    assert np.allclose(loaded.combine([even, even]), expected)
    assert np.allclose(older.combine([even, even]), even)


def test_in_cells_of_other_optics_offsets_take_nothing_from_blasts_and_their_odds_double(copy: Path) -> None:
    ensemble = storage.load(copy)
    blasts = cells.indices(ensemble.cell_types, cells.BLASTS)
    offsets = tuple(-1.0 if kind in blasts else 0.5 for kind in range(16))
    shifted = replace(ensemble, validation=replace(ensemble.validation, temperature=1.0, offsets=offsets))
    even = np.full((2, 16), 1 / 16)
    found = shifted.combine([even, even], np.array([False, True]))
    assert found[0, blasts].sum() < 0.05
    assert found[1, blasts].sum() == pytest.approx(4 / 18)
    assert np.array_equal(found[0], shifted.combine([even, even])[0])
    assert np.array_equal(found, shifted.alone(even, np.array([False, True])))
    plain = replace(ensemble, validation=replace(ensemble.validation, temperature=1.0, offsets=()))
    found = plain.combine([even, even], np.array([False, True]))
    np.testing.assert_allclose(found[:, blasts].sum(axis=1), [2 / 16, 4 / 18])


def test_an_ensemble_measured_without_sure_calls_still_corrects(copy: Path) -> None:
    validation = json.loads((copy / "ensemble.json").read_text())["validation"]
    validation.pop("sure_matrix", None)
    change(copy, validation=validation)
    validation = storage.load(copy).validation
    assert validation.graded_matrix is validation.confusion_matrix is not None


@pytest.mark.parametrize("entry", [{}, "none", {"images": 2, "calls_changed": "few"}])
def test_damaged_figures_of_a_precision_are_one_clear_error(copy: Path, entry: object) -> None:
    validation = json.loads((copy / "ensemble.json").read_text())["validation"]
    change(copy, validation={**validation, "precisions": {"bf16": entry}})
    with pytest.raises(InputError, match="damaged"):
        storage.load(copy)


def test_a_folder_without_an_ensemble_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not an ensemble"):
        storage.load(tmp_path)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, 2.0), (float("nan"), 1.0)])
def test_weights_that_make_no_sense_are_refused(checkpoints: tuple[Path, Path], weights: tuple[float, float]) -> None:
    members = tuple(member_of(path, w) for path, w in zip(checkpoints, weights, strict=True))
    with pytest.raises(InputError, match="weights must be"):
        ensembles.Ensemble(members)


def test_members_whose_names_differ_by_case_or_are_illegal_elsewhere_do_not_meet(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    """On Windows `B1` and `b1` are one file, and `a:b` is none."""
    places = [tmp_path / "1" / "b1.safetensors", tmp_path / "2" / "B1.safetensors", tmp_path / "3" / "a:b.safetensors"]
    for place in places:
        place.parent.mkdir()
        shutil.copy(checkpoints[0], place)
    saved = storage.save(tmp_path / "out", Ensemble(tuple(member_of(place, 1.0) for place in places)))
    names = [member.path.name for member in saved.members]
    assert names[:2] == ["b1.safetensors", "2-B1.safetensors"]
    assert names[2] == legal_name("a:b", ".safetensors")
    assert len(storage.load(tmp_path / "out").members) == 3


def test_members_that_lie_in_the_folder_already_are_not_written_over(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    other, own = tmp_path / "other" / "x.safetensors", tmp_path / "out" / "x.safetensors"
    for source, place in zip(checkpoints, (other, own), strict=True):
        place.parent.mkdir()
        shutil.copy(source, place)
    members = tuple(member_of(place, 1.0) for place in (other, own))
    storage.save(tmp_path / "out", Ensemble(members))
    assert [m.sha256 for m in storage.load(tmp_path / "out").members] == [m.sha256 for m in members]


def test_a_checkpoint_that_lies_in_the_folder_and_is_no_member_keeps_its_place(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    """Weeks of training may be in it. What an ensemble that is replaced wrote makes room."""
    own, member = tmp_path / "out" / "x.safetensors", tmp_path / "x.safetensors"
    own.parent.mkdir()
    shutil.copy(checkpoints[1], own)
    shutil.copy(checkpoints[0], member)
    before = own.read_bytes()
    for _ in range(2):
        (saved,) = storage.save(tmp_path / "out", Ensemble((member_of(member, 1.0),))).members
        assert saved.path.name == "2-x.safetensors"
    assert own.read_bytes() == before


def changed(checkpoint: Path, folder: Path) -> Member:
    """A newer training's network, in a file of the same name."""
    weights = load_weights(checkpoint)
    weights["classifier.bias"] = weights["classifier.bias"] + 1
    folder.mkdir(exist_ok=True)
    save_checkpoint(folder / checkpoint.name, weights, read_checkpoint(checkpoint), half=False)
    return member_of(folder / checkpoint.name, 1.0)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("error", [OutputError("No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["write_text", "familiarity_file.content"])
def test_an_ensemble_that_cannot_be_replaced_stays_as_it_is(
    copy: Path,
    checkpoints: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
) -> None:
    (copy / "notes.txt").write_text("ours")
    before = content_of(copy)
    new = Ensemble(
        (changed(checkpoints[0], tmp_path / "new"),),
        familiarity=Familiarity({}, 1.0, 1.0, 0.1, UsualShare(0.02, 0.1), (0, 0)),
    )
    seen = []

    def fail(*_: object) -> None:
        seen.append(storage.load(copy))  # as a night that starts in between
        raise error

    monkeypatch.setattr(f"slidescreen.ensembles.storage.{step}", fail)
    with pytest.raises(type(error)):
        storage.save(copy, new)
    assert len(seen) == 1
    assert content_of(copy) == before


def test_an_interrupt_after_the_last_step_leaves_the_new_ensemble(
    copy: Path, checkpoints: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Ensemble((changed(checkpoints[0], tmp_path / "new"),))

    def written_then_interrupted(path: Path, text: str) -> None:
        path.write_text(text)
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "write_text", written_then_interrupted)
    with pytest.raises(KeyboardInterrupt):
        storage.save(copy, new)
    assert storage.load(copy).members[0].sha256 == new.members[0].sha256


def test_a_replaced_ensemble_leaves_nothing_behind_and_names_do_not_grow(
    copy: Path, checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    (copy / "notes.txt").write_text("ours")
    source, names = checkpoints[0], []
    for number in range(4):
        member = changed(source, tmp_path / str(number))
        (saved,) = storage.save(copy, Ensemble((member,)), replay=b"%d" % number).members
        assert storage.load(copy).members[0].sha256 == member.sha256
        assert len(content_of(copy)) == 4, content_of(copy).keys()  # with the replay, ensemble.json and the notes
        names.append(saved.path.name)
        source = saved.path
    assert names == [f"{start}efficientnet_b1.safetensors" for start in ("2-", "3-", "2-", "3-")]


def test_a_checkpoint_that_a_training_wrote_into_the_folder_is_not_removed_with_the_ensemble(
    checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    own = Path(shutil.copytree(checkpoints[0].parent, tmp_path / "out")) / checkpoints[0].name
    before = own.read_bytes()
    storage.save(own.parent, Ensemble((member_of(own, 1.0),)))
    storage.save(own.parent, Ensemble((changed(checkpoints[0], tmp_path / "new"),)))
    assert own.read_bytes() == before


def test_an_ensemble_saved_where_it_lies_keeps_its_files(copy: Path) -> None:
    before = content_of(copy)
    storage.save(copy, storage.load(copy))
    assert content_of(copy) == before


def test_the_files_of_an_ensemble_of_an_earlier_release_stay_when_it_is_replaced(
    copy: Path, checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    """It did not note which of them it wrote itself."""
    described = json.loads((copy / "ensemble.json").read_text())
    del described["written"]
    (copy / "ensemble.json").write_text(json.dumps(described))
    (copy / "replay.safetensors").write_bytes(b"of the old networks")
    before = content_of(copy)
    storage.save(copy, Ensemble((changed(checkpoints[0], tmp_path / "new"),)))
    after = content_of(copy)
    assert before.keys() - after.keys() == {"replay.safetensors"}
    assert after[checkpoints[0].name] == before[checkpoints[0].name]
