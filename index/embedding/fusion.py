"""Joins an article's dense and lexical parts in one vector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from index.lexical.tfidf_lsa import unit_rows

FloatArray = npt.NDArray[np.float32]

# Share of the dense cosine in the hybrid cosine. Of digitalgov's links .906 are among the first 200 found at .3,
# .893 at .5; the founding page's headline-only teasers, on a subject foreign to the archive, need .5.
DENSE_WEIGHT = 0.5
# Share of the head (headline and standfirst) in the dense vector; not tuned yet.
HEAD_WEIGHT = 0.3


def dense_rows(heads: FloatArray, passages: FloatArray, owners: npt.NDArray[np.int64]) -> FloatArray:
    """(n, d) unit rows: the weighted sum of each article's head and the mean of its passages.

    `owners` (p,) names the article of each passage; an article without passages is its head.
    """
    sums = np.zeros_like(heads)
    np.add.at(sums, owners, passages)
    means = unit_rows(sums)
    mixed = HEAD_WEIGHT * heads + (1 - HEAD_WEIGHT) * means
    return unit_rows(np.where(np.any(sums, axis=1, keepdims=True), mixed, heads).astype(np.float32))


def hybrid_rows(dense: FloatArray, lexical: FloatArray) -> FloatArray:
    """(n, d + c) unit rows; the cosine of two is the weighted mean of their two cosines.

    An article without known terms has an empty lexical part and counts by its dense part alone.
    """
    parts = [np.sqrt(DENSE_WEIGHT) * dense, np.sqrt(1 - DENSE_WEIGHT) * lexical]
    return unit_rows(np.hstack(parts).astype(np.float32))
