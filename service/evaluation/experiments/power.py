"""Pure: how many units a test needs, how long it takes, and what it can tell. Planned before it begins.

Two arms of the same size, two-sided, the variances of both arms (unpooled): n = (z_critical + z_power)^2
(v_c + v_t) / difference^2. *Source*: Kohavi, Tang and Xu, 2020, "Trustworthy online controlled experiments", ch. 17.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from service.evaluation.experiments import sequential


class Rule(Protocol):
    """When an effect is told."""

    def critical_z(self, units: float) -> float:
        """Standard errors from zero at which it is, with `units` (more than 0) an arm."""


@dataclass(frozen=True)
class FixedHorizon:
    """One look, at the number of units that was planned."""

    alpha: float = 0.05

    def critical_z(self, units: float) -> float:  # noqa: ARG002 - the same at every size
        """z of alpha / 2."""
        return float(-ndtri(self.alpha / 2))


@dataclass(frozen=True)
class AlwaysValid:
    """Looks at any time. Planned for a last look at the full number, so it often ends earlier."""

    n_star: int
    alpha: float = 0.05

    def critical_z(self, units: float) -> float:
        """Of both arms' units."""
        return sequential.critical_z(2 * units, self.n_star, self.alpha)


ONE_LOOK = FixedHorizon()


def units_for_rates(baseline: float, lift: float, power: float = 0.8, rule: Rule = ONE_LOOK) -> int:
    """Units an arm, to the nearest, that tell a rate of clicks per unit `baseline` (0-1) from `lift` (relative) more.

    Right for lists too where one unit sees one; readers who see several need `units_for_mean` and their spread.
    Raises ValueError unless both rates are between 0 and 1, the lift not 0 and the power between 0 and 1.
    """
    risen = baseline * (1 + lift)
    _require(0 < baseline < 1 and 0 < risen < 1, f"rates are between 0 and 1, not {baseline:g} and {risen:g}")
    return _units(_bernoulli(baseline) + _bernoulli(risen), risen - baseline, power, rule)


def units_for_mean(sd: float, difference: float, power: float = 0.8, rule: Rule = ONE_LOOK) -> int:
    """Units an arm, to the nearest, that tell means `difference` apart; `sd` is a unit's, the same in both arms.

    Of clicks per list, it is the sd of z = (y - R x) / xbar: an `Effect`'s standard error times sqrt(n / 2).
    Raises ValueError unless sd is above 0, the difference not 0 and the power between 0 and 1.
    """
    _require(sd > 0, f"a standard deviation is above 0, not {sd:g}")
    return _units(2 * sd**2, difference, power, rule)


def power_for_rates(baseline: float, lift: float, units: int, rule: Rule = ONE_LOOK) -> float:
    """The chance that `units` an arm (at least 1) tell a lift of a rate; with no lift, that they tell a false one."""
    risen = baseline * (1 + lift)
    z = (risen - baseline) / math.sqrt((_bernoulli(baseline) + _bernoulli(risen)) / units)
    critical = rule.critical_z(units)
    return float(ndtr(z - critical) + ndtr(-z - critical))


def detectable_lift(baseline: float, units: float, power: float = 0.8, rule: Rule = ONE_LOOK) -> float:
    """The least lift (relative, upwards) of a rate that `units` an arm tell; above 1 / baseline - 1 there is none.

    The positive root of difference^2 units = k (v_c + v_t), k = (z_critical + z_power)^2.
    """
    k = _total_z(power, rule, units) ** 2
    slope = k * (1 - 2 * baseline)
    root = math.sqrt(slope**2 + 8 * k * (units + k) * _bernoulli(baseline))
    return (slope + root) / (2 * (units + k)) / baseline


def detectable_difference(sd: float, units: float, power: float = 0.8, rule: Rule = ONE_LOOK) -> float:
    """The least difference of two means that `units` an arm tell."""
    return _total_z(power, rule, units) * sd * math.sqrt(2 / units)


def days_for(units: int, arms: int, daily_units: float, coverage: float = 1.0) -> int:
    """Whole days until `units` an arm have come, of `daily_units` new ones a day, a share `coverage` in the test."""
    return math.ceil(units * arms / (daily_units * coverage))


def _units(variances: float, difference: float, power: float, rule: Rule) -> int:
    _require(difference != 0, "an effect to plan for is not 0")
    _require(0 < power < 1, f"power is between 0 and 1, not {power:g}")

    def missing(units: float) -> float:
        return _total_z(power, rule, units) ** 2 * variances / difference**2 - units

    return max(1, round(_root(missing)))


def _root(missing: Callable[[float], float]) -> float:
    """Where a falling function of a number of units is 0."""
    most = 1.0
    while missing(most) > 0:
        most *= 2
    return float(brentq(missing, 1e-9, most))


def _total_z(power: float, rule: Rule, units: float) -> float:
    return rule.critical_z(units) + float(ndtri(power))


def _bernoulli(rate: float) -> float:
    return rate * (1 - rate)


def _require(met: bool, message: str) -> None:
    if not met:
        raise ValueError(message)
