"""Pure: whether the arms got their shares of the units. Where they did not, no effect of the test can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from scipy.stats import chisquare

THRESHOLD = 0.001  # below it the effects are hidden; the usual choice: Fabijan et al., 2019
LEAST_EXPECTED = 100  # units of an arm in a day: chi-square is wrong by less than twice that far out in its tail


def sample_ratio_mismatch(counts: Sequence[int], weights: Sequence[float]) -> float:
    """p that `counts` of units by arm differ this much from the shares `weights` by chance; 1 where there are none.

    Weights need not sum to 1. Chi-square, so rough below about five units an arm. Raises ValueError unless there are
    as many counts (>= 0) as weights (> 0), at least two. *Source*: Fabijan et al., 2019, "Diagnosing sample ratio
    mismatch in online controlled experiments".
    """
    observed, shares = np.asarray(counts), np.asarray(weights)
    if len(observed) != len(shares) or len(observed) < 2 or not ((observed >= 0).all() and (shares > 0).all()):
        raise ValueError(f"arms need a count (0 or more) and a weight (more than 0) each, not {counts} and {weights}")
    if not observed.any():
        return 1.0
    return float(chisquare(observed, observed.sum() * shares / shares.sum()).pvalue)


def mismatched_days(days: Mapping[date, Sequence[int]], weights: Sequence[float]) -> list[date]:
    """The days whose counts by arm differ from the shares, at `THRESHOLD` for all days together (Bonferroni).

    Days on which an arm should have less than `LEAST_EXPECTED` units tell nothing. The units must be those that are
    new on the day: whether others come again is the variants' doing.
    """
    smallest = min(weights) / sum(weights)
    large_enough = {day: counts for day, counts in days.items() if sum(counts) * smallest >= LEAST_EXPECTED}
    return [
        day
        for day, counts in large_enough.items()
        if sample_ratio_mismatch(counts, weights) < THRESHOLD / len(large_enough)
    ]
