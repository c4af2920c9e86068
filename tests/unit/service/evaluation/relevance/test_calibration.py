"""Reliability tables by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from service.evaluation.relevance.calibration import Bin, reliability


def test_two_bins_by_hand() -> None:
    found = reliability(np.array([0.9, 0.1, 0.7, 0.3]), np.array([True, False, False, False]), bins=2)
    assert found.bins == (Bin(pytest.approx(0.2), 0.0, 2), Bin(pytest.approx(0.8), 0.5, 2))
    assert found.error == pytest.approx((0.2 * 2 + 0.3 * 2) / 4)


def test_bins_are_the_quantile_bins_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    predicted = rng.random(1_000)
    linked = rng.random(1_000) < predicted**2
    observed, mean = calibration_curve(linked, predicted, n_bins=10, strategy="quantile")
    found = reliability(predicted, linked)
    assert [each.observed for each in found.bins] == pytest.approx(observed)
    assert [each.predicted for each in found.bins] == pytest.approx(mean)
    assert {each.n for each in found.bins} == {100}


def test_right_predictions_have_a_small_error_and_bold_ones_a_large() -> None:
    rng = np.random.default_rng(2)
    predicted = rng.random(20_000)
    linked = rng.random(20_000) < predicted
    assert reliability(predicted, linked).error < 0.02
    assert reliability(np.round(predicted), linked).error > 0.2


def test_fewer_pairs_than_bins_and_none_at_all() -> None:
    assert len(reliability(np.array([0.5, 0.6]), np.array([True, False])).bins) == 2
    assert reliability(np.zeros(0), np.zeros(0, bool)).bins == ()
    assert reliability(np.zeros(0), np.zeros(0, bool)).error == 0
