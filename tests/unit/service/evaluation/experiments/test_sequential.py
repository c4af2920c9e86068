"""service/evaluation/experiments/sequential.py: the design's values; interval and p-value agree; faults are named."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ab_readers import synthetic_arms

from service.evaluation.experiments.effects import Effect, Moments, ratio_effect
from service.evaluation.experiments.sequential import (
    critical_z,
    sequential_interval,
    sequential_lift_interval,
    sequential_p_value,
)


def effect_of(z: float, n: int = 5000) -> Effect:
    return Effect(1, 1 + z / 10, z / 10, 0.1, 0.5, z / 10, None, n, n, 0.005, 0.005)


def test_the_interval_and_p_are_the_designs(data_dir: Path) -> None:
    control, treatment = synthetic_arms(data_dir)
    effect = ratio_effect(Moments.of(control), Moments.of(treatment))
    assert sequential_interval(effect, 5000) == pytest.approx((-0.0025134248, 0.0113640787), abs=1e-9)
    assert sequential_p_value(effect, 5000) == pytest.approx(0.6836217582, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("n", [10, 5000, 10**6])
def test_p_is_alpha_where_the_interval_touches_zero(alpha: float, n: int) -> None:
    z = critical_z(2 * n, 3000, alpha)
    assert sequential_interval(effect_of(z, n), 3000, alpha)[0] == pytest.approx(0, abs=1e-12)
    assert sequential_interval(effect_of(-z, n), 3000, alpha)[1] == pytest.approx(0, abs=1e-12)
    assert sequential_p_value(effect_of(z, n), 3000, alpha) == pytest.approx(alpha, rel=1e-9)


def test_no_difference_is_no_evidence() -> None:
    assert sequential_p_value(effect_of(0.0), 5000) == 1.0


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_lifts_interval_leaves_out_zero_where_the_differences_does(alpha: float) -> None:
    z = critical_z(10_000, 5000, alpha)
    low, high = sequential_interval(effect_of(1.0), 5000, alpha)
    assert high - low == pytest.approx(2 * z * 0.1)
    assert sequential_lift_interval(effect_of(z), 5000, alpha)[0] == pytest.approx(0, abs=1e-9)
    assert sequential_lift_interval(effect_of(-z), 5000, alpha)[1] == pytest.approx(0, abs=1e-9)
    assert sequential_lift_interval(effect_of(1.0), 5000, alpha) == effect_of(1.0).lift_within(z)


def test_the_interval_is_narrowest_for_its_size_near_n_star() -> None:
    """Of all N*, the one near N = 10,000 gives the fewest standard errors there."""
    at = {n_star: critical_z(10_000, n_star) for n_star in (100, 1000, 5000, 10_000, 20_000, 10**5, 10**6)}
    assert min(at, key=at.__getitem__) == 10_000
    # By hand: N rho^2 = 2 ln 20 + ln(2 ln 20 + 1) = 7.93615, and sqrt(2 * 8.93615 / 7.93615 * ln(2.98934 / .05)).
    assert at[10_000] == pytest.approx(3.03521, abs=1e-5)


@pytest.mark.parametrize(("n_star", "alpha"), [(0, 0.05), (5000, 0), (5000, 1), (-1, 0.05), (5000, -0.5)])
def test_a_time_or_level_that_cannot_be_is_named(n_star: int, alpha: float) -> None:
    for ask in (sequential_interval, sequential_p_value):
        with pytest.raises(ValueError, match=f"not {n_star} and {alpha}"):
            ask(effect_of(1.0), n_star, alpha)


def test_the_least_n_star_is_one() -> None:
    low, high = sequential_interval(effect_of(1.0), 1)
    assert math.isfinite(low)
    assert low < high
