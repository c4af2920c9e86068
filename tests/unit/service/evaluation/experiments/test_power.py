"""service/evaluation/experiments/power.py: the design's sizes; size, power and detectable effect are each other's
inverse."""

from __future__ import annotations

import math

import pytest
from scipy.stats import norm

from service.evaluation.experiments.power import (
    AlwaysValid,
    FixedHorizon,
    days_for,
    detectable_difference,
    detectable_lift,
    power_for_rates,
    units_for_mean,
    units_for_rates,
)
from service.evaluation.experiments.sequential import critical_z

RULES = [FixedHorizon(), FixedHorizon(0.01), AlwaysValid(10_000), AlwaysValid(500, 0.1)]


def test_the_sizes_are_the_designs() -> None:
    assert units_for_rates(0.1, 0.02) == 356_331
    assert units_for_rates(0.04, 0.05) == 154_301


def test_a_mean_needs_the_textbooks_number() -> None:
    z = norm.isf(0.025) + norm.isf(0.2)
    assert units_for_mean(2.0, 0.1) == round(2 * z**2 * 4 / 0.01) == 6279
    assert units_for_mean(2.0, -0.1) == 6279
    assert units_for_mean(2.0, 0.1, 0.9) == round(2 * (norm.isf(0.025) + norm.isf(0.1)) ** 2 * 4 / 0.01)


def test_one_look_needs_z_of_half_alpha_at_every_size() -> None:
    assert FixedHorizon().critical_z(10) == pytest.approx(1.959964, abs=1e-6)
    assert FixedHorizon(0.01).critical_z(10**6) == pytest.approx(norm.isf(0.005))


def test_any_look_needs_the_sequential_intervals_z_of_both_arms() -> None:
    assert AlwaysValid(10_000).critical_z(5000) == critical_z(10_000, 10_000, 0.05)
    assert AlwaysValid(10_000, 0.01).critical_z(50) == critical_z(100, 10_000, 0.01)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_the_size_detects_what_it_was_for(rule: object, power: float) -> None:
    n = units_for_rates(0.1, 0.05, power, rule)
    assert detectable_lift(0.1, n, power, rule) == pytest.approx(0.05, rel=1e-3)
    assert power_for_rates(0.1, 0.05, n, rule) == pytest.approx(power, abs=1e-3)
    n = units_for_mean(3.0, 0.2, power, rule)
    assert detectable_difference(3.0, n, power, rule) == pytest.approx(0.2, rel=1e-3)


def test_a_lift_that_is_detectable_satisfies_the_formula() -> None:
    lift = detectable_lift(0.3, 500)
    risen = 0.3 * (1 + lift)
    z = (risen - 0.3) / math.sqrt((0.3 * 0.7 + risen * (1 - risen)) / 500)
    assert z == pytest.approx(norm.isf(0.025) + norm.isf(0.2))


def test_a_difference_that_is_detectable_satisfies_the_formula() -> None:
    assert detectable_difference(2.0, 6279) == pytest.approx(0.1, abs=1e-5)


def test_no_lift_is_told_as_often_as_alpha() -> None:
    assert power_for_rates(0.1, 0.0, 1000) == pytest.approx(0.05)
    assert power_for_rates(0.1, 0.0, 1000, FixedHorizon(0.2)) == pytest.approx(0.2)


def test_a_fall_is_told_with_the_variance_that_it_leaves() -> None:
    z = norm.isf(0.025) + norm.isf(0.2)
    n = units_for_rates(0.1, -0.05)
    assert n == round(z**2 * (0.1 * 0.9 + 0.095 * 0.905) / 0.005**2)
    assert power_for_rates(0.1, -0.05, n) == pytest.approx(0.8, abs=1e-4)


def test_a_huge_effect_needs_a_unit() -> None:
    assert units_for_mean(0.1, 100.0) == 1


def test_days_are_whole_and_enough() -> None:
    assert days_for(154_301, 2, 20_000) == 16
    assert days_for(100, 2, 100) == 2
    assert days_for(100, 3, 100, 0.5) == 6
    assert days_for(101, 2, 100) == 3


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: units_for_rates(0.0, 0.1), "rates are between 0 and 1, not 0 and 0"),
        (lambda: units_for_rates(1.0, -0.1), "rates are between 0 and 1, not 1 and 0.9"),
        (lambda: units_for_rates(0.5, 1.0), "rates are between 0 and 1, not 0.5 and 1"),
        (lambda: units_for_rates(0.5, -1.0), "rates are between 0 and 1, not 0.5 and 0"),
        (lambda: units_for_rates(0.5, 0.0), "an effect to plan for is not 0"),
        (lambda: units_for_rates(0.5, 0.1, 1.0), "power is between 0 and 1, not 1"),
        (lambda: units_for_rates(0.5, 0.1, 0.0), "power is between 0 and 1, not 0"),
        (lambda: units_for_mean(0.0, 0.1), "a standard deviation is above 0, not 0"),
        (lambda: units_for_mean(1.0, 0.0), "an effect to plan for is not 0"),
    ],
)
def test_what_cannot_be_planned_is_named(ask: object, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        ask()
