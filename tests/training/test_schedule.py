"""What the epochs so far decide: size, rate, best, end."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_training import SMALL, Silent, build_small, labelled, request

from slidescreen.data.preprocessing import Preprocessing
from slidescreen.models.checkpoints import read_checkpoint
from slidescreen.training import learner
from slidescreen.training.loop import Trainer
from slidescreen.training.options import Recipe, Stage
from slidescreen.training.schedule import EpochResult, best_epoch, next_image_size, next_rate
from slidescreen.training.session import run_training


def course(options: Recipe, scores: list[float]) -> list[EpochResult]:
    """The epochs of a training whose macro F1 takes these values, as far as it goes."""
    history: list[EpochResult] = []
    for score in scores:
        size = next_image_size(options, history)
        if size is None:
            break
        history.append(EpochResult(len(history) + 1, size, options.learning_rate, 1.0, 1.0, score, score))
    return history


def options_of(size: int, epochs: int, patience: int, *stages: tuple[int, int]) -> Recipe:
    return Recipe(
        preprocessing=Preprocessing(size), epochs=epochs, patience=patience, stages=tuple(Stage(*s) for s in stages)
    )


def test_early_stopping_in_a_stage_goes_on_to_the_next_size() -> None:
    options = options_of(128, 12, 2, (64, 5), (96, 3))
    history = course(options, [0.9] + [0.1] * 11)
    # Two epochs without gain end the first stage and, from its own first epoch on, each later one.
    assert [row.image_size for row in history] == [64] * 3 + [96] * 3 + [128] * 3
    assert next_image_size(options, history) is None
    assert best_epoch(options, history).epoch == 7


def test_a_stage_that_gains_has_all_its_epochs_and_the_last_what_remains() -> None:
    options = options_of(128, 9, 2, (64, 4), (96, 2))
    sizes = [row.image_size for row in course(options, [0.1 * n for n in range(9)])]
    assert sizes == [64] * 4 + [96] * 2 + [128] * 3


def test_epochs_that_a_stopped_stage_leaves_go_to_the_last_size() -> None:
    options = options_of(128, 10, 2, (64, 6))
    sizes = [row.image_size for row in course(options, [0.9, 0.1, 0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])]
    assert sizes == [64] * 3 + [128] * 7


def test_a_smaller_size_after_a_larger_one_is_a_stage_as_any_other() -> None:
    options = options_of(64, 6, 10, (128, 2), (96, 2))
    history = course(options, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert [row.image_size for row in history] == [128, 128, 96, 96, 64, 64]
    assert best_epoch(options, history).epoch == 5


def test_stages_of_one_size_are_one() -> None:
    options = options_of(96, 6, 10, (64, 1), (64, 2), (96, 1))
    assert options.plan() == (Stage(64, 3), Stage(96, 3))
    history = course(options, [0.1, 0.9, 0.2, 0.3, 0.8, 0.4])
    assert best_epoch(options, history[:3]).epoch == 2
    assert best_epoch(options, history).epoch == 5


def test_a_size_that_comes_back_is_a_stage_of_its_own() -> None:
    options = options_of(64, 3, 10, (64, 1), (96, 1))
    history = course(options, [0.9, 0.5, 0.1])
    assert best_epoch(options, history) is history[2]


def test_stages_that_take_all_epochs_leave_none_for_the_image_size() -> None:
    options = options_of(128, 4, 1, (64, 2), (96, 2))
    assert [row.image_size for row in course(options, [0.9, 0.1, 0.1, 0.1, 0.1])] == [64, 64, 96, 96]
    assert [row.image_size for row in course(options, [0.1, 0.2, 0.3, 0.4, 0.5])] == [64, 64, 96, 96]


@given(
    st.lists(st.tuples(st.sampled_from([32, 64, 96]), st.integers(1, 4)), max_size=4),
    st.integers(0, 5),
    st.integers(1, 4),
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=25, max_size=25),
)
def test_every_training_ends_at_its_last_size(
    stages: list[tuple[int, int]], rest: int, patience: int, scores: list[float]
) -> None:
    epochs = sum(count for _, count in stages) + rest
    if not epochs:
        return
    options = options_of(128, epochs, patience, *stages)
    history = course(options, scores)
    assert next_image_size(options, history) is None
    assert 1 <= len(history) <= epochs
    assert history[-1].image_size == options.plan()[-1].image_size
    sizes = [row.image_size for row in history]
    changes = [size for n, size in enumerate(sizes) if n == 0 or sizes[n - 1] != size]
    assert changes == [stage.image_size for stage in options.plan()]
    assert best_epoch(options, history).image_size == history[-1].image_size


def test_the_rate_falls_when_validation_stands_still() -> None:
    """A plateau of more than `plateau_patience` epochs halves the rate once."""
    options = Recipe(preprocessing=Preprocessing(32), epochs=9, plateau_patience=1, patience=5)
    history, rates, rate = [EpochResult(1, 32, 0.0005, 1, 1, 0.5, 0.5)], [], 0.0005
    for number in range(2, 7):
        assert next_image_size(options, history) == 32
        history.append(EpochResult(number, 32, rate, 1, 1, 0.5, 0.4))
        rate = next_rate(options, rate, history)
        rates.append(rate)
    assert rates == [0.0005, 0.00025, 0.00025, 0.000125, 0.000125]
    assert next_image_size(options, history) is None


def test_the_rate_in_the_history_is_that_of_the_last_step_even_when_no_step_follows_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A one-cycle rate changes with each step; stopped after the last, a resumed epoch takes none."""
    monkeypatch.setattr(learner, "build", build_small)
    data, options = labelled(tmp_path / "cells"), replace(SMALL, schedule="onecycle")
    whole, rest = Silent(), Silent()
    run_training(request(data, tmp_path / "whole", options), whole)
    with pytest.raises(KeyboardInterrupt):
        run_training(request(data, tmp_path / "out", options), Silent((1, 3)))
    run_training(request(data, tmp_path / "out", options, resume=True), rest)
    assert [row.learning_rate for row in rest.results] == [row.learning_rate for row in whole.results[1:]]


def test_a_training_that_stops_early_in_a_stage_leaves_the_checkpoint_of_its_last_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "build", build_small)
    scores = iter([0.9, 0.1, 0.1, 0.3, 0.4, 0.2, 0.1])
    judged = Trainer._judge
    monkeypatch.setattr(Trainer, "_judge", lambda *args: replace(judged(*args), macro_f1=next(scores)))
    display = Silent()
    options = replace(SMALL, epochs=9, patience=2, preprocessing=Preprocessing(48), stages=(Stage(32, 5),))
    run_training(request(labelled(tmp_path / "cells"), tmp_path / "out", options), display)
    assert [row.image_size for row in display.results] == [32, 32, 32, 48, 48, 48, 48]
    checkpoint = read_checkpoint(tmp_path / "out" / "efficientnet_b1.safetensors")
    assert (checkpoint.preprocessing.image_size, checkpoint.provenance["epochs"]) == (48, 5)
    assert [row.epoch for row in display.finished] == [5]


def test_what_is_called_best_in_the_end_is_what_the_checkpoint_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last size is not the largest, too."""
    monkeypatch.setattr(learner, "build", build_small)
    display, options = Silent(), replace(SMALL, stages=(Stage(64, 2),))
    run_training(request(labelled(tmp_path / "cells"), tmp_path / "out", options), display)
    checkpoint = read_checkpoint(tmp_path / "out" / "efficientnet_b1.safetensors")
    assert [row.epoch for row in display.finished] == [3] == [checkpoint.provenance["epochs"]]
    assert checkpoint.preprocessing.image_size == 32
