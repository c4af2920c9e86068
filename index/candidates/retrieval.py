"""Retrieves each article's nearest candidates by hybrid cosine, or reuses those of the last build.

A row whose inputs did not change (`index.candidates.incremental.row_digests`) keeps the candidates of the last build
and is compared only with the rows that came since. A row that lost so many candidates that fewer than it needs are
left is searched again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.candidates.top_k import NONE, absorbed, cosines_of, falling, lowest, pair_keys, rows_of, with_rows
from index.relevance.pair_features import PairScorer
from index.vector_index.protocol import VectorSearch

SPARE = 8  # of a list of k + k / SPARE, so many can be withdrawn before the row is searched again
COLUMNS = 4_096  # rows multiplied with a block at once
TEXT_FEATURES = 4

FloatArray = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]
Half = npt.NDArray[np.float16]


class Found(NamedTuple):
    """Candidates of b rows: `keys` (b, k) of `index.candidates.top_k`, falling; `features` (b, k, 4) float16 of the
    two texts."""

    keys: Keys
    features: Half


class Carried(NamedTuple):
    """What an earlier build found for b rows, in the numbers of today, and what comes in since.

    `known` (b,): rows that have not changed; `keys` (b, k), `NONE` where a candidate was lost, of others all `NONE`;
    `features` (b, k, 4) of the same pairs; `entering` (b, w): the keys of `entering_keys`.
    """

    known: npt.NDArray[np.bool_]
    keys: Keys
    features: Half
    entering: Keys


class Among(NamedTuple):
    """A set of rows to choose candidates from.

    `columns` (c,) rising; `depth`: how many are needed a row. With `search`, a row's candidates are what that finds;
    else it is compared with each.
    """

    columns: Rows
    depth: int
    search: VectorSearch | None = None

    @property
    def width(self) -> int:
        """How many are kept a row."""
        return self.depth + self.depth // SPARE


def find(
    vectors: npt.NDArray[np.floating],
    scorer: PairScorer,
    among: Among,
    rows: Rows,
    carried: Carried | None = None,
) -> Found:
    """The candidates of `rows` (b,), rising, among `among`; never the row itself."""
    found = Found(
        np.full((len(rows), among.width), NONE, np.int64),
        np.zeros((len(rows), among.width, TEXT_FEATURES), np.float16),
    )
    fresh = np.ones(len(rows), bool)
    if carried is not None:
        fresh = ~carried.known | ((carried.keys != NONE).sum(axis=1) < among.depth)
    found.keys[fresh] = _search(vectors, rows[fresh], among)
    lacking = fresh[:, None] & (found.keys != NONE)
    if carried is not None and not fresh.all():
        kept = np.flatnonzero(~fresh)
        found.keys[kept], found.features[kept], lacking[kept] = _met(carried, kept)
    at, place = np.nonzero(lacking)
    found.features[at, place] = scorer.text_features(rows[at], rows_of(found.keys[at, place]))
    return found


def _search(vectors: npt.NDArray[np.floating], rows: Rows, among: Among) -> Keys:
    if among.search is None or not len(rows):
        return falling(nearest_rows(vectors, rows, among.columns, among.width))
    allowed = None
    if len(among.columns) < len(vectors):
        allowed = np.zeros(len(vectors), bool)
        allowed[among.columns] = True
    queries = np.asarray(vectors[rows], np.float32)
    others, cosines = among.search.search(queries, among.width + 1, allowed)
    keys = np.where((others < 0) | (others == rows[:, None]), NONE, pair_keys(cosines, np.maximum(others, 0)))
    lacking = max(0, among.width + 1 - keys.shape[1])
    return falling(np.pad(keys, ((0, 0), (0, lacking)), constant_values=NONE))[:, : among.width]


def entering_keys(vectors: npt.NDArray[np.floating], rows: Rows, keys: Keys, entering: Rows) -> Keys:
    """(b, w) keys, falling, of those of `entering` (e,), rising, that enter the lists `keys` (b, k) of `rows`.

    Who is farther than the farthest in a list does not enter it: such rows were left out then.
    """
    least = np.where(keys == NONE, np.iinfo(np.int64).max, keys).min(axis=1)
    new = nearest_rows(vectors, rows, entering, keys.shape[1], cosines_of(least))
    new = falling(np.where(new < least[:, None], NONE, new))  # of equal cosines an older row may have been left out
    return new[:, : int((new != NONE).sum(axis=1).max(initial=0))]


def _met(carried: Carried, at: Rows) -> tuple[Keys, Half, npt.NDArray[np.bool_]]:
    """The lists `at` (b,) of those carried, with those entering; and who lacks features."""
    keys = carried.keys[at]
    both = np.hstack([keys, carried.entering[at]])
    order = np.argsort(both, axis=1)[:, ::-1][:, : keys.shape[1]]
    merged = np.take_along_axis(both, order, axis=1)
    features = _taken(carried.features[at], np.minimum(order, keys.shape[1] - 1))
    lacking = (order >= keys.shape[1]) & (merged != NONE)
    features[lacking | (merged == NONE)] = 0
    return merged, features, lacking


def nearest_rows(
    vectors: npt.NDArray[np.floating], rows: Rows, columns: Rows, k: int, floor: FloatArray | None = None
) -> Keys:
    """(b, k) keys, in no order, of the k among `columns` nearest to each of `rows`, by exact float32 products.

    `floor` (b,): cosines under which others do not count.
    """
    best = np.full((len(rows), k), NONE, np.int64)
    if not len(rows):
        return best
    queries = np.asarray(vectors[rows], np.float32)
    for start in range(0, len(columns), COLUMNS):
        part = columns[start : start + COLUMNS]
        cosines = _cosines(vectors, queries, rows, part)
        least = lowest(best) if floor is None else np.maximum(lowest(best), floor)
        if start == 0 and len(part) > k:  # else all of them would enter
            least = np.maximum(least, -np.partition(-cosines, k - 1, axis=1)[:, k - 1])
        best = absorbed(best, least, cosines, part)
    return best


def _cosines(vectors: npt.NDArray[np.floating], queries: FloatArray, rows: Rows, columns: Rows) -> FloatArray:
    """(b, c) of queries, which are `rows`, and `columns` (rising); -inf where they are one row."""
    first, last = int(columns[0]), int(columns[-1])
    is_contiguous = last - first + 1 == len(columns)
    others = np.asarray(vectors[first : last + 1] if is_contiguous else vectors[columns], np.float32)
    cosines: FloatArray = queries @ others.T
    at = np.searchsorted(columns, rows)
    own = np.flatnonzero((at < len(columns)) & (columns[np.minimum(at, len(columns) - 1)] == rows))
    cosines[own, at[own]] = -np.inf
    return cosines


def renumbered(keys: Keys, new_rows: Rows) -> Keys:
    """The same pairs where row r has become `new_rows[r]`, -1 for one that is no candidate any more."""
    old = rows_of(keys)
    return with_rows(keys, np.where(old < 0, -1, new_rows[old]))


def _taken(features: Half, order: Rows) -> Half:
    """Features (b, k, 4) in the order (b, j) of places in their lists; a pair's four are moved as one number."""
    packed = np.ascontiguousarray(features).view(np.int64)[:, :, 0]
    return np.take_along_axis(packed, order, axis=1)[:, :, None].view(np.float16)
