"""Pure: a list that now and then shows a story from beyond it, and the probability of all that it shows.

The probabilities are what off-policy evaluation weighs clicks with: service/evaluation/experiments/off_policy.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def explored(
    shown: Sequence[Item], pool: Sequence[Item], epsilon: float, fixed: int, draw: Callable[[], float]
) -> tuple[list[Item], list[float]]:
    """The list, with probability `epsilon` (0-1) one of its lower stories exchanged for one of `pool`; propensities.

    Position (from `fixed` on, counted from 0) and story are drawn uniformly: `draw` is uniform in [0, 1). `pool` has
    no story twice and none of the list. Propensities: for each story of the answer, the probability that it stands
    where it stands. Without lower stories or pool nothing is exchanged, and each is 1.
    """
    items, lower = list(shown), max(len(shown) - fixed, 0)
    propensities = [
        propensity(position, True, len(shown), len(pool), epsilon, fixed) for position in range(len(items))
    ]
    if lower and pool and draw() < epsilon:
        position = fixed + int(draw() * lower)
        items[position] = pool[int(draw() * len(pool))]
        propensities[position] = propensity(position, False, len(shown), len(pool), epsilon, fixed)
    return items, propensities


def propensity(position: int, own: bool, shown: int, pool: int, epsilon: float, fixed: int) -> float:
    """P(a story stands at this position): the list's own story, or any one of the `pool` stories beyond `shown`."""
    lower = shown - fixed
    if position < fixed or not pool:
        return 1.0 if own else 0.0
    return 1 - epsilon / lower if own else epsilon / (lower * pool)
