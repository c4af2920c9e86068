"""Pure: means of rows that belong together. A reader's lists are alike, so the reader is what counts as one."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEVEL = 0.95


class Mean(msgspec.Struct, frozen=True):
    """A figure, its standard error, its 95% interval, and the two-sided p (z) of its being 0."""

    value: float
    standard_error: float
    low: float
    high: float
    p_value: float

    def within(self, least: float, most: float) -> Mean:
        """The same with an interval that ends where the figure can go no further, as of a share at 0 and 1."""
        low, high = max(self.low, min(least, self.value)), min(self.high, max(most, self.value))
        return Mean(self.value, self.standard_error, low, high, self.p_value)


def clustered_mean(values: Array, units: npt.NDArray[Any]) -> Mean:
    """The mean of (n,) values, its error from the sums of each unit, (n,) of any sortable kind.

    With one row a unit it is the usual mean and error. No row: 0, and less than two units: an infinite error.
    *Source*: Liang and Zeger, 1986; Deng, Knoblich and Lu, "Applying the delta method in metric analytics", 2018.
    """
    mean = float(values.mean()) if len(values) else 0.0
    return with_error(mean, clustered_error(values - mean, units))


def clustered_error(deviations: Array, units: npt.NDArray[Any]) -> float:
    """Standard error of a mean whose rows deviate from it by (n,) `deviations` (their linear part, of a ratio)."""
    names, of = np.unique(units, return_inverse=True)
    if len(names) < 2:
        return math.inf
    sums = np.bincount(of, weights=deviations)
    return float(np.sqrt(len(names) / (len(names) - 1) * (sums**2).sum()) / len(deviations))


def with_error(value: float, standard_error: float) -> Mean:
    """The figure with its normal interval; a figure of 0 without any error has p = 1."""
    z = abs(value) / standard_error if standard_error else math.inf if value else 0.0
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * standard_error
    return Mean(value, standard_error, value - half, value + half, 2 * NormalDist().cdf(-z))
