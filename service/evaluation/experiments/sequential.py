"""Pure: intervals and p-values that hold at every look, so that a test may be read every day and stopped at any time.

The asymptotic confidence sequence of a mean, here of a difference whose standard error shrinks as 1 / sqrt(N):
N = units of both arms, s^2 = SE^2 N, and rho^2 says at how many units the interval is to be narrowest.
*Source*: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, 2021, arXiv 2103.06476, eq. 2.2 and appendix B.2.
"""

from __future__ import annotations

import math

from service.evaluation.experiments.effects import Effect


def sequential_interval(effect: Effect, n_star: int, alpha: float = 0.05) -> tuple[float, float]:
    """Of the difference: covers it at all times at once with probability 1 - alpha, for large samples.

    `n_star`: units (of both arms) at which it is tightest, fixed before the test, such as the number planned for.
    Raises ValueError unless n_star >= 1 and 0 < alpha < 1.
    """
    half = critical_z(_units(effect), n_star, alpha) * effect.standard_error
    return effect.difference - half, effect.difference + half


def sequential_lift_interval(effect: Effect, n_star: int, alpha: float = 0.05) -> tuple[float, float] | None:
    """The same of the lift: see `Effect.lift_within`."""
    return effect.lift_within(critical_z(_units(effect), n_star, alpha))


def sequential_p_value(effect: Effect, n_star: int, alpha: float = 0.05) -> float:
    """Always valid, in (0, 1]: at most alpha exactly where `sequential_interval` of that alpha leaves out zero.

    Under no effect, the chance that it is ever at most alpha is at most alpha. Only rho^2 depends on `alpha`.
    """
    spread = _units(effect) * _rho_squared(n_star, alpha)
    z_squared = (effect.difference / effect.standard_error) ** 2
    return min(1.0, math.sqrt(spread + 1) * math.exp(-z_squared * spread / (2 * (spread + 1))))


def critical_z(n: float, n_star: int, alpha: float = 0.05) -> float:
    """How many standard errors from zero a difference must be to be told at n units (more than 0) of both arms.

    sqrt(2 (N rho^2 + 1) / (N rho^2) ln(sqrt(N rho^2 + 1) / alpha)): 1.96 would be the fixed horizon's.
    """
    spread = n * _rho_squared(n_star, alpha)
    return math.sqrt(2 * (spread + 1) / spread * math.log(math.sqrt(spread + 1) / alpha))


def _rho_squared(n_star: int, alpha: float) -> float:
    """[-2 ln alpha + ln(-2 ln alpha + 1)] / N*, nearly the best for N* units."""
    if n_star < 1 or not 0 < alpha < 1:
        raise ValueError(f"n_star is at least 1 and alpha between 0 and 1, not {n_star} and {alpha}")
    return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / n_star


def _units(effect: Effect) -> int:
    return effect.n_control + effect.n_treatment
