"""Owns the candidate table: each row's most related rows, overall and in the recent window.

Candidates are found by hybrid cosine, then rescored exactly: cosines of the full-article TF-IDF rows
and of both vector parts become a calibrated relevance, which decides what stays and in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.embed.lexical import unit_rows
from index.nearest import FLAT_ROWS, Nearest
from index.relatedness import Baseline, Relevance, baseline_of
from index.snapshot import NO_ROW

OVERALL = 50
RECENT = 50
RECENT_DAYS = 30
DEPTH = 200  # found by vector before exact rescoring; 200 so that 50 copies of an article leave 150 others
BLOCK = 1_024  # rows multiplied at once: 1,024 x 100,000 float32 = 400 MB at the most

FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]


class PairScorer:
    """Pair features of the rows of one archive, and their relevance."""

    def __init__(
        self,
        vectors: npt.NDArray[np.floating[Any]],
        dense_dimension: int,
        tfidf: sparse.csr_matrix,
        brief: npt.NDArray[np.bool_],
        relevance: Relevance,
    ) -> None:
        """`vectors` (n, d + c) hybrid unit rows, of which the first d are dense; `tfidf` (n, v) unit rows.

        `brief` (n,): articles of few words.
        """
        self._vectors = vectors
        self._dense_dimension = dense_dimension
        self._tfidf = tfidf
        self._brief = brief
        self._relevance = relevance

    def pair_features(self, row: int, others: Rows) -> FloatArray:
        """(k, 3) float32: dense, lexical and LSA cosine of a row with each of `others`."""
        gathered = np.asarray(self._vectors[np.append(others, row)], np.float32)
        dense, lsa = (
            unit_rows(gathered[:, : self._dense_dimension]),
            unit_rows(gathered[:, self._dense_dimension :]),
        )
        return np.stack([dense[:-1] @ dense[-1], self._lexical(row, others), lsa[:-1] @ lsa[-1]], axis=1)

    def score(self, row: int, others: Rows, baseline: Baseline | None = None) -> tuple[FloatArray, Baseline]:
        """(k, 3) float32: relevance, dense cosine, lexical cosine, rounded as the snapshot stores them.

        Rounded before anything is sorted by them, so that what looks equal later was equal then. Without a
        `baseline`, `others` are taken to be the row's nearest candidates and give it; it is returned.
        """
        features = self.pair_features(row, others)
        baseline = baseline or baseline_of(features)
        relevance = self._relevance.probability(features, baseline, self._brief[others] | self._brief[row])
        scored = np.stack([relevance, features[:, 0], features[:, 1]], axis=1)
        return scored.astype(np.float16).astype(np.float32), baseline

    def _lexical(self, row: int, others: Rows) -> FloatArray:
        source = np.zeros(self._tfidf.shape[1], np.float32)
        start, end = self._tfidf.indptr[row], self._tfidf.indptr[row + 1]
        source[self._tfidf.indices[start:end]] = self._tfidf.data[start:end]
        return np.asarray(self._tfidf[others] @ source, np.float32)


class Pairs(msgspec.Struct, frozen=True):
    """Scored candidates of every row, best first: rows (n, k) int64 with -1 as padding, features (n, k, 3)."""

    rows: Rows
    features: FloatArray
    baselines: Sequence[Baseline]


def find_pairs(
    vectors: FloatArray,
    nearest: Nearest,
    scorer: PairScorer,
    eligible: npt.NDArray[np.bool_],
    depth: int = DEPTH,
    baselines: Sequence[Baseline] | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Pairs:
    """The `depth` eligible rows most similar to each row (never itself), rescored and sorted by relevance.

    `baselines` (n,): those of an earlier, wider search; without them this search gives them.
    Exact up to 100,000 rows (blocked products), by the faiss index above.
    """
    n = len(vectors)
    k = min(depth, max(n - 1, 0))
    rows = np.full((n, k), -1, np.int64)
    features = np.zeros((n, k, 3), np.float32)
    found_baselines: list[Baseline] = []
    for start in range(0, n if k else 0, BLOCK):
        block = np.arange(start, min(start + BLOCK, n))
        found = _search_block(vectors, nearest, block, eligible, k)
        for row, others in zip(block, found, strict=True):
            scored, baseline = scorer.score(int(row), others, baselines[int(row)] if baselines else None)
            found_baselines.append(baseline)
            order = np.lexsort((-others, -scored[:, 0]))  # ties: the newer row first
            rows[row, : len(order)] = others[order]
            features[row, : len(order)] = scored[order]
        progress(int(block[-1]) + 1, n)
    return Pairs(rows, features, found_baselines)


def candidate_table(
    overall: Pairs, recent: Pairs, canonical: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.uint32], FloatArray]:
    """Rows (n, 100) uint32 and features (n, 100, 3): up to 50 overall and 50 more of the recent window.

    Without duplicates of the row itself; sorted by relevance, padded with `NO_ROW`.
    """
    n = len(canonical)
    table = np.full((n, OVERALL + RECENT), NO_ROW, np.uint32)
    features = np.zeros((n, OVERALL + RECENT, 3), np.float32)
    for row in range(n):
        first, first_features = _without_copies(overall, row, canonical, OVERALL, set())
        more, more_features = _without_copies(recent, row, canonical, RECENT, set(first.tolist()))
        rows = np.concatenate([first, more])
        scored = np.concatenate([first_features, more_features])
        order = np.lexsort((-rows, -scored[:, 0]))
        table[row, : len(rows)] = rows[order]
        features[row, : len(rows)] = scored[order]
    return table, features


def _without_copies(
    pairs: Pairs, row: int, canonical: npt.NDArray[np.uint32], most: int, known: set[int]
) -> tuple[Rows, FloatArray]:
    others = pairs.rows[row]
    keep = np.flatnonzero(others >= 0)
    keep = keep[canonical[others[keep]] != canonical[row]]
    if known:
        keep = keep[[int(other) not in known for other in others[keep]]]
    keep = keep[:most]
    return others[keep], pairs.features[row, keep]


def _search_block(
    vectors: FloatArray, nearest: Nearest, block: Rows, eligible: npt.NDArray[np.bool_], k: int
) -> list[Rows]:
    """For each row of the block, the rows found (up to k, without itself)."""
    if len(vectors) > FLAT_ROWS:
        found, _ = nearest.search(vectors[block], k + 1, eligible)
        return [others[(others >= 0) & (others != row)][:k] for row, others in zip(block, found, strict=True)]
    columns = np.flatnonzero(eligible)
    scores = vectors[block] @ vectors[columns].T
    own = np.searchsorted(columns, block)
    inside = (own < len(columns)) & (columns[np.minimum(own, len(columns) - 1)] == block) if len(columns) else own < 0
    scores[np.flatnonzero(inside), own[inside]] = -np.inf
    k = min(k, len(columns))
    if k == 0:
        return [np.empty(0, np.int64) for _ in block]
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    kept = np.take_along_axis(scores, top, axis=1) > -np.inf
    return [columns[places[keep]] for places, keep in zip(top, kept, strict=True)]
