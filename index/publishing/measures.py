"""Pure: how good one ranking is, given the gains of what was found and of all that was wanted; how alike two are.

`found`: gains in rank order, 0 for an article that nobody linked. `wanted`: gains of every linked article
among the candidates, ranked or not, in any order; never empty.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MEASURES = ("ndcg@10", "recall@10", "hit@5", "mrr")
CUT = 10
FIRST_SCREEN = 5
RBO_P = 0.9  # the first ten places carry 86% of the weight

Gains = npt.NDArray[np.float64] | Sequence[float]


def measured(ranked: Gains, wanted: Gains) -> tuple[float, float, float, float]:
    """The four `MEASURES` of one source, each 0-1."""
    return ndcg(ranked, wanted), recall(ranked, wanted), hit(ranked), reciprocal_rank(ranked)


def ndcg(ranked: Gains, wanted: Gains, k: int = CUT) -> float:
    """Normalised discounted cumulative gain of the first `k`, linear gain: sum of gain / log2(rank + 1), / ideal.

    *Source*: Järvelin and Kekäläinen, 2002. 0 when nothing linked is among the first `k`.
    """
    return _discounted(ranked, k) / _discounted(np.sort(wanted)[::-1], k)


def recall(ranked: Gains, wanted: Gains, k: int = CUT) -> float:
    """Share of the linked articles, whatever their grade, among the first `k`; with more than `k` below 1."""
    return np.count_nonzero(ranked[:k]) / len(wanted)


def hit(ranked: Gains, k: int = FIRST_SCREEN) -> float:
    """1 when at least one of the first `k` is linked, else 0."""
    return float(np.any(np.asarray(ranked[:k]) > 0))


def reciprocal_rank(ranked: Gains) -> float:
    """1 / rank of the first linked article; 0 when there is none in the ranking."""
    places = np.flatnonzero(np.asarray(ranked))
    return 1 / (int(places[0]) + 1) if len(places) else 0.0


def rank_biased_overlap(one: Sequence[object], other: Sequence[object], p: float = RBO_P) -> float:
    """Extrapolated rank-biased overlap of two rankings without repeats, 0-1; two empty ones are the same: 1.

    *Source*: Webber, Moffat and Zobel, "A similarity measure for indefinite rankings", 2010, equation 32.
    """
    short, long = sorted((one, other), key=len)
    s, length = len(short), len(long)
    if not s:
        return float(length == 0)
    x = [len(set(short[:depth]) & set(long[:depth])) for depth in range(length + 1)]
    agreed = sum(x[d] / d * p**d for d in range(1, length + 1))
    assumed = sum(x[s] * (d - s) / (s * d) * p**d for d in range(s + 1, length + 1))
    return float((1 - p) / p * (agreed + assumed) + ((x[length] - x[s]) / length + x[s] / s) * p**length)


def _discounted(gains: Gains, k: int) -> float:
    first = np.asarray(gains, np.float64)[:k]
    return float(np.sum(first / np.log2(np.arange(2, len(first) + 2))))
