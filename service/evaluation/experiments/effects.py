"""Pure: the effect of a variant on a metric, from the moments of its units.

The unit (a reader) is the unit of analysis: one unit gives one row, however many lists it saw. Lists of one reader
are alike, so a test that counts lists as if they were independent finds effects where there are none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Array = npt.NDArray[np.float64]
Arm = Literal["control", "treatment", "both"]

CLICKS, LISTS, EARLIER_CLICKS, EARLIER_LISTS = range(4)
Z95 = 1.959964  # two-sided, for intervals of one look
ROUNDING = 1e-12  # of the terms of a variance: what is left of it below this is rounding


class NoEffect(ValueError):
    """An effect that these units cannot tell: `arm` is whose fault it is, `reason` why."""

    def __init__(self, arm: Arm, reason: str) -> None:
        super().__init__(f"{'both arms have' if arm == 'both' else f'the {arm} has'} {reason}")
        self.arm = arm
        self.reason = reason


@dataclass(frozen=True)
class Moments:
    """What the tests need of n units.

    `mean`: (4,) float64 of a unit's y (clicks), x (lists), and the covariates py and px, the same from before the
    test. `cov`: (4, 4) float64, their sample covariances (ddof 1). Fewer than two units have covariances of zero.
    """

    n: int
    mean: Array
    cov: Array

    @classmethod
    def of(cls, units: npt.ArrayLike) -> Moments:
        """(n, 4) finite rows [y, x, py, px], one a unit; none gives zeros. Raises ValueError for anything else."""
        rows = np.asarray(units, np.float64)
        if rows.ndim != 2 or rows.shape[1] != 4 or not np.isfinite(rows).all():
            raise ValueError(f"units are finite rows [y, x, py, px], not of shape {rows.shape}")
        mean = rows.mean(axis=0) if len(rows) else np.zeros(4)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred / max(len(rows) - 1, 1))

    @classmethod
    def merged(cls, parts: Iterable[Moments]) -> Moments:
        """The moments of all units of disjoint sets; no set gives zeros. *Source*: Chan, Golub and LeVeque, 1979."""
        sets = list(parts)
        n = sum(part.n for part in sets)
        mean = sum((part.n * part.mean for part in sets), np.zeros(4)) / max(n, 1)
        scatter = np.zeros((4, 4))
        for part in sets:
            away = part.mean - mean
            scatter += (part.n - 1) * part.cov + part.n * np.outer(away, away)
        return cls(n, mean, scatter / max(n - 1, 1))


@dataclass(frozen=True)
class Effect:
    """Of a treatment against the control.

    `difference` = `treatment` - `control`, with its standard error; `p_value` is of z = difference / standard error,
    two-sided. `lift` = difference / control, relative (0.05: 5% more), None where the control is zero or less.
    `theta` is the covariate's coefficient, None without a covariate. `n_*`: units. `*_variance`: of an arm's figure,
    which is a mean.
    """

    control: float
    treatment: float
    difference: float
    standard_error: float
    p_value: float
    lift: float | None
    theta: float | None
    n_control: int
    n_treatment: int
    control_variance: float
    treatment_variance: float

    @property
    def lift_standard_error(self) -> float | None:
        """By the delta method: SE^2 = V_t / R_c^2 + R_t^2 V_c / R_c^4. None where there is no lift."""
        if self.lift is None:
            return None
        ratio = self.treatment / self.control
        return math.sqrt(self.treatment_variance + ratio**2 * self.control_variance) / self.control

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """Of the difference, for one look at a time fixed beforehand."""
        half = float(ndtri(1 - alpha / 2)) * self.standard_error
        return self.difference - half, self.difference + half

    def lift_interval(self, alpha: float = 0.05) -> tuple[float, float] | None:
        """Of the lift, for one look: see `lift_within`."""
        return self.lift_within(float(ndtri(1 - alpha / 2)))

    def lift_within(self, z: float) -> tuple[float, float] | None:
        """The lifts that a test at `z` standard errors does not reject: |R_t - (1 + lift) R_c| <= z SE of that.

        So it leaves out 0 exactly where the interval of the difference does. It ends at -1, as no figure is negative.
        None where all large lifts are possible, because the control's figure is within `z` of zero, and where an arm
        has no figure above zero, whose variance tells nothing. *Source*: Fieller, 1954.
        """
        c, t, v_c, v_t = self.control, self.treatment, self.control_variance, self.treatment_variance
        leading = c * c - z * z * v_c
        if c <= 0 or t <= 0 or leading <= ROUNDING * c * c:
            return None
        root = c * t + z * math.sqrt(c * c * v_t + t * t * v_c - z * z * v_c * v_t)
        return max((t * t - z * z * v_t) / root, 0.0) - 1, root / leading - 1  # no difference of near-equal numbers


def ratio_effect(control: Moments, treatment: Moments) -> Effect:
    """Of clicks per list, sum(y) / sum(x); Var(R) = [s_yy - 2 R s_xy + R^2 s_xx] / (n xbar^2), the delta method.

    The lift's interval is Fieller's, which agrees with the p-value, the difference's. Libraries differ: tea-tasting
    has that of the log of the ratio. Raises NoEffect where an arm has fewer than two units or no lists, or no unit
    differs from another.
    *Source*: Deng, Knoblich and Lu, 2018, "Applying the delta method in metric analytics".
    """
    _require_lists(control, treatment)
    return _effect(control, treatment, _clicks_per_list, None)


def mean_effect(control: Moments, treatment: Moments) -> Effect:
    """Of clicks per unit, the mean of y; the lift as in `ratio_effect`. Raises NoEffect as there; needs no lists."""
    return _effect(control, treatment, _clicks_per_unit, None)


def cuped_ratio_effect(control: Moments, treatment: Moments) -> Effect:
    """`ratio_effect`, less what the units' earlier clicks per list foretold.

    As CUPED of z = (y - R x) / xbar on the same of the earlier clicks: theta = cov / var over all units of both arms,
    each arm's variance from its own R. Theta is 0, and the effect `ratio_effect`'s, where an arm has no earlier
    lists or no unit's earlier clicks differ. *Source*: Deng, Xu, Kohavi and Walker, 2013, appendix B.
    """
    _require_lists(control, treatment)
    foretold = control.mean[EARLIER_LISTS] > 0 and treatment.mean[EARLIER_LISTS] > 0
    return _effect(control, treatment, _clicks_per_list, _earlier_clicks_per_list if foretold else _nothing)


def cuped_mean_effect(control: Moments, treatment: Moments) -> Effect:
    """`mean_effect`, less what the units' earlier clicks foretold: theta = cov(y, py) / var(py) over all units.

    Theta is 0 where no unit's earlier clicks differ. *Source*: Deng, Xu, Kohavi and Walker, 2013.
    """
    return _effect(control, treatment, _clicks_per_unit, _earlier_clicks_per_unit)


def ratio_standard_error(arm: Moments) -> float:
    """Of one arm's clicks per list, as in `ratio_effect`; for an arm with units and lists."""
    return math.sqrt(_variance(arm.cov, _clicks_per_list(arm).gradient) / arm.n)


class _Estimate(NamedTuple):
    """A function of the four means, and its gradient by them (4,): Var = gradient' cov gradient / n."""

    value: float
    gradient: Array


_Metric = Callable[[Moments], _Estimate]


def _effect(control: Moments, treatment: Moments, metric: _Metric, covariate: _Metric | None) -> Effect:
    for arm, moments in _named(control, treatment):
        if moments.n < 2:
            raise NoEffect(arm, "fewer than two units")
    everyone, foretold = Moments.merged((control, treatment)), covariate or _nothing
    theta, level = _theta(everyone, metric, foretold), foretold(everyone).value
    (r_c, v_c), (r_t, v_t) = (_adjusted(arm, metric, foretold, theta, level) for arm in (control, treatment))
    standard_error = math.sqrt(v_c + v_t)
    if standard_error == 0:
        raise NoEffect("both", "no unit that differs from another")
    return Effect(
        control=r_c,
        treatment=r_t,
        difference=r_t - r_c,
        standard_error=standard_error,
        p_value=2 * float(ndtr(-abs(r_t - r_c) / standard_error)),
        lift=(r_t - r_c) / r_c if r_c > 0 else None,
        theta=None if covariate is None else theta,
        n_control=control.n,
        n_treatment=treatment.n,
        control_variance=v_c,
        treatment_variance=v_t,
    )


def _theta(everyone: Moments, metric: _Metric, covariate: _Metric) -> float:
    """How much the metric moves with the covariate, over all units; 0 where the covariate does not vary."""
    by_covariate = covariate(everyone).gradient
    variance = _variance(everyone.cov, by_covariate)
    return float(metric(everyone).gradient @ everyone.cov @ by_covariate) / variance if variance else 0.0


def _adjusted(arm: Moments, metric: _Metric, covariate: _Metric, theta: float, level: float) -> tuple[float, float]:
    """An arm's metric, as if its covariate were at everyone's `level`, and the variance of that."""
    measured, foretold = metric(arm), covariate(arm)
    gradient = measured.gradient - theta * foretold.gradient
    return measured.value - theta * (foretold.value - level), _variance(arm.cov, gradient) / arm.n


def _variance(cov: Array, gradient: Array) -> float:
    """gradient' cov gradient; exactly 0 where only rounding is left of it."""
    terms = np.outer(gradient, gradient) * cov
    total = float(terms.sum())
    return total if total > ROUNDING * float(np.abs(terms).sum()) else 0.0


def _named(control: Moments, treatment: Moments) -> tuple[tuple[Arm, Moments], ...]:
    return ("control", control), ("treatment", treatment)


def _require_lists(control: Moments, treatment: Moments) -> None:
    for arm, moments in _named(control, treatment):
        if moments.n and not moments.mean[LISTS] > 0:
            raise NoEffect(arm, "no lists")


def _mean(moments: Moments, of: int) -> _Estimate:
    return _Estimate(float(moments.mean[of]), np.eye(4)[of])


def _ratio(moments: Moments, of: int, to: int) -> _Estimate:
    value = float(moments.mean[of] / moments.mean[to])
    return _Estimate(value, (np.eye(4)[of] - value * np.eye(4)[to]) / moments.mean[to])


def _clicks_per_unit(moments: Moments) -> _Estimate:
    return _mean(moments, CLICKS)


def _earlier_clicks_per_unit(moments: Moments) -> _Estimate:
    return _mean(moments, EARLIER_CLICKS)


def _clicks_per_list(moments: Moments) -> _Estimate:
    return _ratio(moments, CLICKS, LISTS)


def _earlier_clicks_per_list(moments: Moments) -> _Estimate:
    return _ratio(moments, EARLIER_CLICKS, EARLIER_LISTS)


def _nothing(_: Moments) -> _Estimate:
    """Foretells nothing."""
    return _Estimate(0.0, np.zeros(4))
