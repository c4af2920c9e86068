"""Pure: how sure the figures are. Bootstrap intervals, paired randomisation tests, Holm's correction.

The unit is the source article: its measures are one row. Every random draw comes from a seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
SEED = 20_261_124
BLOCK = 4_000_000  # random numbers at a time: 32 MB

Array = npt.NDArray[np.float64]


def bootstrap_intervals(values: Array, seed: int = SEED, resamples: int = RESAMPLES, level: float = 0.95) -> Array:
    """(n, m) values of n sources -> (m, 2) percentile intervals of the m means; one source gives its value twice.

    All columns see the same resamples. *Source*: Efron and Tibshirani, 1993, ch. 13. Raises ValueError for n = 0.
    """
    n = len(values)
    if not n:
        raise ValueError("no source to resample")
    means = [_counts(draws, n) @ values / n for draws in _draws(np.random.default_rng(seed), n, n, resamples)]
    tail = (1 - level) / 2
    return np.asarray(np.quantile(np.concatenate(means), (tail, 1 - tail), axis=0).T)


def sign_flip_p(differences: Array, seed: int = SEED, flips: int = RESAMPLES) -> Array:
    """(n, m) paired differences -> (m,) two-sided p of a mean difference at least this large by chance.

    Under the null the sign of each difference is a coin's. p = (1 + b) / (1 + flips), b of the random sign
    patterns being at least as extreme. *Source*: Fisher, 1935; Smucker, Allan and Carterette, 2007.
    """
    n = len(differences)
    least = np.abs(differences.sum(axis=0)) - 1e-9  # sums of the same numbers differ in the last digits
    extreme = np.zeros(differences.shape[1], np.int64)
    for coins in _draws(np.random.default_rng(seed), 2, n, flips):
        extreme += (np.abs((2.0 * coins - 1) @ differences) >= least).sum(axis=0)
    return np.asarray((1 + extreme) / (1 + flips))


def holm(p: Sequence[float]) -> list[float]:
    """p adjusted for their number, in the given order: step-down Bonferroni. *Source*: Holm, 1979."""
    adjusted = [0.0] * len(p)
    largest = 0.0
    for step, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - step) * p[place]))
        adjusted[place] = largest
    return adjusted


def _draws(rng: np.random.Generator, below: int, n: int, times: int) -> Iterator[npt.NDArray[np.int64]]:
    """`times` rows of n integers in [0, below), in blocks."""
    rows = max(1, BLOCK // max(n, 1))
    for start in range(0, times, rows):
        yield rng.integers(0, below, (min(rows, times - start), n))


def _counts(draws: npt.NDArray[np.int64], n: int) -> Array:
    """(b, n) draws of sources -> (b, n) how often each was drawn."""
    offsets = np.arange(len(draws))[:, None] * n
    return np.bincount((draws + offsets).ravel(), minlength=draws.size).reshape(draws.shape).astype(np.float64)
