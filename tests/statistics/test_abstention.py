"""Abstaining below a confidence: what it leaves, and where to draw the line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidescreen.statistics import calibration

quick = settings(max_examples=30, deadline=None, derandomize=True, database=None)
answers = st.lists(st.tuples(st.integers(0, 10).map(lambda v: v / 10), st.booleans()), min_size=1, max_size=40)


@quick
@given(answers)
def test_every_point_is_what_keeping_those_cells_gives(pairs):
    confidence, correct = map(np.array, zip(*pairs, strict=True))
    curve = calibration.risk_coverage(confidence, correct)
    assert curve.thresholds.tolist() == sorted(set(confidence), reverse=True)
    for threshold, coverage, risk in zip(curve.thresholds, curve.coverage, curve.risk, strict=True):
        kept = confidence >= threshold
        assert coverage == pytest.approx(kept.mean())
        assert risk == pytest.approx(np.mean(~correct[kept]))
    assert curve.coverage[-1] == 1


@quick
@given(answers, st.sampled_from([0.0, 0.5, 0.75, 0.9, 1.0]))
def test_the_line_is_the_lowest_that_reaches_the_target(pairs, target):
    confidence, correct = map(np.array, zip(*pairs, strict=True))
    found = calibration.rejection_threshold(confidence, correct, target)
    reaching = [value for value in set(confidence) if correct[confidence >= value].mean() >= target]
    if not reaching:
        assert found is None
        return
    lowest = min(reaching)
    assert found.threshold == (0.0 if lowest == confidence.min() else lowest)
    kept = confidence >= found.threshold
    assert found.coverage == pytest.approx(kept.mean())
    assert found.accuracy == pytest.approx(correct[kept].mean())
    assert found.accuracy >= target


def test_the_line_by_hand():
    confidence = [0.9, 0.8, 0.7, 0.6, 0.5]
    correct = [True, True, False, True, False]
    assert calibration.rejection_threshold(confidence, correct, 0.75) == calibration.RejectionThreshold(0.6, 0.8, 0.75)
    assert calibration.rejection_threshold(confidence, correct, 0.9) == calibration.RejectionThreshold(0.8, 0.4, 1.0)


def test_a_target_that_all_cells_reach_rejects_none_not_even_later_ones():
    found = calibration.rejection_threshold([0.4, 0.9], [True, True], 0.99)
    assert found == calibration.RejectionThreshold(0.0, 1.0, 1.0)


def test_a_target_that_no_line_reaches_gives_none():
    assert calibration.rejection_threshold([0.9, 0.8], [False, True], 0.9) is None
    assert calibration.rejection_threshold([], [], 0.9) is None


def test_without_cells_there_is_no_curve():
    curve = calibration.risk_coverage([], [])
    assert len(curve.thresholds) == len(curve.coverage) == len(curve.risk) == 0


@pytest.mark.parametrize("target", [-0.1, 1.1, 95, np.nan])
def test_a_target_that_is_no_fraction_is_refused(target):
    with pytest.raises(ValueError, match="target_accuracy must be from 0 to 1, received"):
        calibration.rejection_threshold([0.5], [True], target)


def test_confidences_in_percent_are_refused():
    with pytest.raises(ValueError, match="confidence must be from 0 to 1, received 87"):
        calibration.risk_coverage([87, 45], [True, False])
