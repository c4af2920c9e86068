"""Readers that do not exist: some click much, some little, each the same before the test and in it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from service.evaluation.experiments.effects import Moments

Array = npt.NDArray[np.float64]
CLICK_RATE = 0.1  # mean of Beta(1, 9): readers differ widely
LISTS = 5  # mean of 1 + Poisson(4)


def readers(
    rng: np.random.Generator, shape: tuple[int, ...], lift: float = 0.0, most_lists: int | None = None
) -> Array:
    """(*shape, 4) rows [y, x, py, px]; y, the clicks in the test, are `lift` (relative) more.

    `most_lists`: a reader sees 1 to so many lists, equally likely, in place of 1 + Poisson(4).
    """
    rate = rng.beta(1, 9, shape)
    lists = rng.integers(1, most_lists, shape, endpoint=True) if most_lists else 1 + rng.poisson(LISTS - 1, shape)
    earlier = rng.poisson(LISTS, shape)
    clicks = rng.binomial(lists, np.minimum(rate * (1 + lift), 1))
    return np.stack([clicks, lists, rng.binomial(earlier, rate), earlier], axis=-1).astype(np.float64)


def synthetic_arms(data_dir: Path) -> tuple[Array, Array]:
    """ab_synthetic.csv: (5000, 4) rows of the control and of the treatment."""
    columns = ("clicks", "impressions", "pre_clicks", "pre_impressions")
    arms: dict[str, list[list[float]]] = {"control": [], "treatment": []}
    with (data_dir / "experiments" / "ab_synthetic.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            arms[row["variant"]].append([float(row[column]) for column in columns])
    return np.array(arms["control"]), np.array(arms["treatment"])


def naive_p(control: Array, treatment: Array) -> float:
    """The test that must not be used: two proportions, as if every list had a reader of its own."""
    (y_c, x_c), (y_t, x_t) = control.sum(axis=0)[:2], treatment.sum(axis=0)[:2]
    pooled = (y_c + y_t) / (x_c + x_t)
    return float(2 * norm.sf(abs(y_t / x_t - y_c / x_c) / np.sqrt(pooled * (1 - pooled) * (1 / x_c + 1 / x_t))))


def bernoulli_moments(clicks: int, n: int) -> Moments:
    """Of n readers with a list each, `clicks` of which were clicked."""
    cov = np.zeros((4, 4))
    cov[0, 0] = clicks * (n - clicks) / n / (n - 1)
    return Moments(n, np.array([clicks / n, 1.0, 0.0, 0.0]), cov)
