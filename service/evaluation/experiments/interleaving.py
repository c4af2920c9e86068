"""Pure: which of two policies readers preferred, from the clicks on lists that both made together.

service/experiments/team_draft.py made the lists; a click counts for the team of the story. The gain over an A/B test
comes from stories that both policies show and from readers who compare: policies without a common story, before
readers who all click alike, need as many lists as there.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from service.evaluation.experiments.cluster_robust import Mean, clustered_mean


class Preference(msgspec.Struct, frozen=True):
    """What interleaved lists say. `effect`: clicks for a less clicks for b, a list; above 0 readers prefer a.

    `units_for_a` and `units_for_b`: readers who clicked more for the one; `sign_p_value`: that it was a coin that
    divided them, exactly (two-sided), for few readers the safer test.
    """

    lists: int
    units: int
    clicks_a: int
    clicks_b: int
    effect: Mean
    units_for_a: int
    units_for_b: int
    sign_p_value: float


def preference(clicks_a: npt.NDArray[Any], clicks_b: npt.NDArray[Any], units: npt.NDArray[Any]) -> Preference:
    """From (n,) clicked stories of each team and (n,) unit of all exposed lists, those without a click among them.

    Clicks are of distinct stories of a list; stories without a team are in neither. Identical rankers have an effect
    of exactly 0, and so has no list at all; p is then 1.
    """
    difference = np.asarray(clicks_a, np.float64) - clicks_b
    names, of = np.unique(units, return_inverse=True)
    by_unit = np.bincount(of, weights=difference, minlength=len(names))
    for_a, for_b = int((by_unit > 0).sum()), int((by_unit < 0).sum())
    return Preference(
        lists=len(difference),
        units=len(names),
        clicks_a=int(np.sum(clicks_a)),
        clicks_b=int(np.sum(clicks_b)),
        effect=clustered_mean(difference, units),
        units_for_a=for_a,
        units_for_b=for_b,
        sign_p_value=float(binomtest(for_a, for_a + for_b).pvalue) if for_a + for_b else 1.0,
    )
