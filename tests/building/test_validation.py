"""What an ensemble learns of itself on the validation split."""

import statistics
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import Command

from slidescreen import cells
from slidescreen.building import validation
from slidescreen.building.options import RejectionTargets
from slidescreen.building.precisions import find_cascade, measure
from slidescreen.building.validation import calibrate, corrected_names, search_weights
from slidescreen.data.labels import LabelledImage
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.member_predictions import MemberPredictions
from slidescreen.ensembles.sufficiency import MeasuredOn
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member

TYPES = cells.CELL_TYPES
CHECKPOINT = Checkpoint("efficientnet_b1", TYPES, Preprocessing(64))
PAIR = Ensemble((Member(Path("a"), 0.4, "0", CHECKPOINT), Member(Path("b"), 0.6, "1", CHECKPOINT)))


def probabilities(truth: np.ndarray, sharpness: float, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(len(truth), len(TYPES))) + sharpness * np.eye(len(TYPES))[truth]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def predictions(*sharpness: float, count: int = 800) -> MemberPredictions:
    truth = np.arange(count) % len(TYPES)
    images = tuple(LabelledImage(Path(str(n)), TYPES[t], f"S{n % 10}") for n, t in enumerate(truth.tolist()))
    return MemberPredictions(images, truth, tuple(probabilities(truth, s, n) for n, s in enumerate(sharpness)))


def test_the_search_gives_the_better_member_the_greater_weight() -> None:
    weights = search_weights(predictions(1.0, 4.0), "soft")
    assert sum(weights) == pytest.approx(1)
    assert weights[1] > weights[0]
    assert search_weights(predictions(4.0, 1.0), "soft")[0] > 0.5


def test_the_search_tries_each_combination_once() -> None:
    for count in (1, 2, 3, 4):
        every = [w for w in product(range(6), repeat=count) if sum(w) == 5]
        assert list(validation._parts(5, count)) == every


def test_a_search_that_would_take_hours_is_refused_before_a_checkpoint_is_read(command: Command) -> None:
    names = [f"{number}.safetensors" for number in range(7)]
    done = command("ensemble", *names, "--search", "--data", "cells.csv", "--out", "new")
    assert done.code == 2
    assert "--search takes at most 6 checkpoints, not 7: give --weight instead" in done.err


def test_the_threshold_reaches_the_accuracy_and_gives_up_no_more_than_allowed() -> None:
    found = predictions(3.0, 3.5)
    generous = calibrate(PAIR, found, RejectionTargets(0.97, 0.5))
    combined = generous.combine(found.members)
    kept = combined.max(axis=1) >= generous.validation.rejection_threshold
    assert (combined.argmax(axis=1) == found.truth)[kept].mean() >= 0.97
    assert generous.validation.confusion_matrix is not None
    assert generous.validation.confusion_matrix.sum() == kept.sum()
    strict = calibrate(PAIR, found, RejectionTargets(0.9999, 0.05))
    assert strict.validation.measured["unidentified"] == pytest.approx(0.05 * 800, abs=1)


def rounded(exact: MemberPredictions, *seeds: int | None) -> MemberPredictions:
    """The same, but for a tenth of the calls of members that have a seed: these are any."""
    members = []
    for member, seed in zip(exact.members, seeds, strict=True):
        changed = member.copy()
        if seed is not None:
            changed[::10] = np.random.default_rng(seed).dirichlet(np.full(len(TYPES), 0.01), len(changed[::10]))
        members.append(changed)
    return replace(exact, members=tuple(members))


def test_bfloat16_that_does_no_harm_is_measured_for_all_members_alone() -> None:
    exact = predictions(3.0, 3.0)
    found = measure(PAIR, exact, rounded(exact, None, None), "bf16")
    assert list(found) == ["bf16"]
    assert found["bf16"].calls_changed == 0
    assert found["bf16"].images == 800


def test_where_bfloat16_harms_one_member_the_other_alone_is_measured_too() -> None:
    exact = predictions(3.0, 3.0)
    first = measure(PAIR, exact, rounded(exact, 1, None), "bf16")
    assert list(first) == ["bf16", "fp32+bf16"]
    assert not first["bf16"].harmless
    assert first["fp32+bf16"].calls_changed == 0
    assert list(measure(PAIR, exact, rounded(exact, None, 1), "bf16")) == ["bf16", "bf16+fp32"]


def test_of_three_members_as_many_as_bear_bfloat16_are_measured_in_it() -> None:
    trio = Ensemble((*PAIR.members, Member(Path("c"), 0.5, "2", CHECKPOINT)))
    exact = predictions(3.0, 3.0, 3.0)
    assert list(measure(trio, exact, rounded(exact, None, 1, None), "bf16")) == ["bf16", "bf16+fp32+bf16"]


def test_where_bfloat16_harms_each_member_no_more_than_that_is_kept() -> None:
    exact = predictions(3.0, 3.0)
    assert list(measure(PAIR, exact, rounded(exact, 1, 2), "bf16")) == ["bf16"]


def test_the_member_that_decides_most_alone_classifies_first() -> None:
    exact = predictions(3.5, 7.0)
    found = find_cascade(PAIR, exact, exact)
    assert found is not None
    assert found.first == 1
    assert found.agreement.calls_changed <= 0.001
    alone = PAIR.alone(exact.members[1])
    assert found.decided == found.decides(alone, TYPES).mean() > 0.5


def test_no_member_decides_alone_where_it_is_surely_wrong_or_votes_are_hard() -> None:
    exact = predictions(3.0, 3.0)
    opposed = tuple(np.roll(member, 1, axis=1) ** 4 for member in exact.members)
    opposed = tuple(member / member.sum(axis=1, keepdims=True) for member in opposed)
    assert find_cascade(PAIR, exact, replace(exact, members=opposed)) is None
    assert find_cascade(replace(PAIR, rule="hard"), exact, exact) is None


def test_how_sure_it_is_on_slides_is_kept_as_what_is_usual() -> None:
    found = predictions(2.0, 2.0)
    calibrated = calibrate(PAIR, found, RejectionTargets())
    confidence = calibrated.combine(found.members).max(axis=1)
    slides = np.arange(800) % 10
    means = [confidence[slides == n].mean() for n in range(10)]
    given_up = [100 * (confidence[slides == n] < calibrated.validation.rejection_threshold).mean() for n in range(10)]
    usual = calibrated.validation.usual
    assert usual["mean_probability"] == pytest.approx((statistics.mean(means) - 3 * statistics.stdev(means), 1.0))
    most = statistics.mean(given_up) + 3 * statistics.stdev(given_up)
    assert usual["unidentified_percent"] == pytest.approx((0.0, most))


def part(found: MemberPredictions, count: int) -> MemberPredictions:
    members = tuple(member[:count] for member in found.members)
    return MemberPredictions(found.images[:count], found.truth[:count], members, tuple([(0.5,) * 7] * count))


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_of_few_cells_nothing_extreme_is_learnt(count: int) -> None:
    """Cells that are all called right, as twenty normal ones are, or all wrong."""
    right = part(predictions(4.0, 4.0), count)
    wrong = replace(right, truth=(right.truth + 1) % len(TYPES))
    for found, low, high in ((right, 0.25, 1.0), (wrong, 1.0, 20.0)):
        validation = calibrate(PAIR, found, RejectionTargets()).validation
        assert low < validation.temperature <= high
        assert validation.rejection_threshold < 0.05
        assert max(map(abs, validation.offsets)) < 0.5
        assert {group: each.certainty for group, each in validation.false_calls.items()} == dict.fromkeys(
            cells.TESTED_GROUPS, 0.0
        )
        assert all(each.correlation < 0.003 for each in validation.false_calls.values())
        assert validation.usual == {}


def test_what_it_was_measured_on_is_kept() -> None:
    found = calibrate(PAIR, predictions(2.0, 2.0, count=24), RejectionTargets()).measured_on
    assert found == MeasuredOn({name: 2 if n < 8 else 1 for n, name in enumerate(TYPES)}, 10)


def test_slides_are_asked_for_only_where_all_cells_name_theirs() -> None:
    images = predictions(2.0, count=800).images
    assert MeasuredOn.of(images).shortfalls() == ()
    on_two = [replace(image, slide=f"S{n % 2}") for n, image in enumerate(images)]
    assert MeasuredOn.of(on_two).shortfalls() == ("2 of 3 slides",)
    partly = [*on_two[1:], replace(on_two[0], slide="")]
    assert MeasuredOn.of(partly) == MeasuredOn(MeasuredOn.of(on_two).cells, None)
    assert MeasuredOn.of(partly).shortfalls() == ()
    assert MeasuredOn.of(()).shortfalls()[0] == "0 of 500 cells"


def test_of_too_few_slides_nothing_is_usual() -> None:
    found = predictions(2.0, 2.0)
    one = tuple(replace(image, slide="S") for image in found.images)
    assert calibrate(PAIR, replace(found, images=one), RejectionTargets()).validation.usual == {}


def test_the_temperature_makes_the_probabilities_honest() -> None:
    found = predictions(2.0, 2.0)
    flattened = tuple(p**0.4 / (p**0.4).sum(axis=1, keepdims=True) for p in found.members)
    calibrated = calibrate(PAIR, replace(found, members=flattened), RejectionTargets())
    assert calibrated.validation.temperature < 0.7
    combined = calibrated.combine(flattened)
    assert combined.max(axis=1).mean() == pytest.approx((combined.argmax(axis=1) == found.truth).mean(), abs=0.03)


def test_what_is_called_too_often_is_called_less() -> None:
    """Cells that a network calls by chance variant lymphocytes as often as lymphocytes, of which they are a tenth."""
    lymphocyte, variant = (TYPES.index(name) for name in ("lymphocyte", "variant_lymphocyte"))
    truth = np.tile([lymphocyte] * 9 + [variant], 300)
    evidence = np.random.default_rng(0).normal(np.where(truth == lymphocyte, 0.7, -0.7), 1.0)
    even = np.full((len(truth), len(TYPES)), 1e-4)
    even[:, lymphocyte] = 1 / (1 + np.exp(-1.4 * evidence))
    even[:, variant] = 1 - even[:, lymphocyte]
    even /= even.sum(axis=1, keepdims=True)
    images = tuple(LabelledImage(Path(str(n)), TYPES[t], f"S{n % 10}") for n, t in enumerate(truth.tolist()))
    calibrated = calibrate(PAIR, MemberPredictions(images, truth, (even, even)), RejectionTargets(0.0, 0.0))
    before, after = ((p.argmax(axis=1) == truth).mean() for p in (even, calibrated.combine([even, even])))
    assert after > before + 0.05
    assert calibrated.validation.offsets[lymphocyte] > 0 > calibrated.validation.offsets[variant]
    figures = calibrated.validation.measured["models"]
    assert [row["accuracy"] for row in figures] == pytest.approx([before, before, after])


def test_promyelocytes_called_blasts_on_some_slides_do_not_count_as_clustering_of_false_blasts() -> None:
    """Ten slides of 60 neutrophils and 40 promyelocytes; on two of them every promyelocyte is called a blast."""
    neutrophil, promyelocyte, blast = (TYPES.index(n) for n in ("neutrophil", "promyelocyte", "myeloblast"))
    truth = np.tile(np.repeat([neutrophil, promyelocyte], [60, 40]), 10)
    slides = np.repeat(np.arange(10), 100)
    called = np.where((truth == promyelocyte) & (slides < 2), blast, truth)
    images = tuple(
        LabelledImage(Path(str(n)), TYPES[t], f"S{s}") for n, (t, s) in enumerate(zip(truth, slides, strict=True))
    )
    certain = 0.9 * np.eye(len(TYPES))[called] + 0.1 / len(TYPES)
    found = calibrate(PAIR, MemberPredictions(images, truth, (certain, certain)), RejectionTargets(0.0, 0.0)).validation
    assert found.false_calls["blasts"].correlation < 0.05
    assert set(found.false_calls) == set(cells.TESTED_GROUPS)


def test_a_correction_is_offered_where_it_helps_on_slides_left_out() -> None:
    """Bands are called neutrophils on every slide alike; eosinophils basophils on some slides, all or none."""
    neutrophil, band, eosinophil, basophil = (
        TYPES.index(n) for n in ("neutrophil", "band_neutrophil", "eosinophil", "basophil")
    )
    truth = np.tile(np.repeat([neutrophil, band, eosinophil, basophil], [60, 30, 20, 20]), 10)
    slides = np.repeat(np.arange(10), 130)
    called = truth.copy()
    called[(truth == band) & (np.arange(len(truth)) % 3 == 0)] = neutrophil
    called[(truth == eosinophil) & (slides == 0)] = basophil
    names = [f"S{number}" for number in slides]
    found = corrected_names(truth, called, names, TYPES)
    assert found is not None
    assert {"neutrophil", "band_neutrophil"} <= found
    assert not {"eosinophil", "basophil"} & found
    unsure = np.where((called == neutrophil) & (truth == neutrophil) & (np.arange(len(truth)) % 3 == 0), -1, called)
    assert "neutrophil" not in (corrected_names(truth, unsure, names, TYPES) or ())  # the uncalled ones weigh more
    assert corrected_names(truth[:500], called[:500], names[:500], TYPES) is None
    assert corrected_names(truth, called, [""] * len(truth), TYPES) is None
