"""Owns which rows are candidates of a row: the nearest by hybrid cosine, found anew or carried over.

Carried over: a row that did not change in what it is compared by (`index.carry.row_digests`) keeps the candidates
that the last build found, and only meets the rows that came since. A row that lost so many that fewer than it needs
are left is searched again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.best import NONE, absorbed, cosines_of, falling, lowest, pair_keys, rows_of
from index.cells import Cells
from index.neighbours import PairScorer

SPARE = 8  # of a list of k + k / SPARE, so many can be withdrawn before the row is searched again
COLUMNS = 4_096  # rows multiplied with a block at once
TEXT_FEATURES = 4

FloatArray = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]
Half = npt.NDArray[np.float16]


class Found(NamedTuple):
    """Candidates of b rows: `keys` (b, k) of `index.best`, falling; `features` (b, k, 4) float16 of the two texts."""

    keys: Keys
    features: Half


class Carried(NamedTuple):
    """What an earlier build found for the rows of a block.

    `known` (b,): rows that have not changed since; `found` of all b rows, those of others being empty; `entering`
    (e,): rows that can be candidates now and could not then.
    """

    known: npt.NDArray[np.bool_]
    found: Found
    entering: Rows


class Among(NamedTuple):
    """A set of rows to choose candidates from.

    `columns` (c,) rising; `depth`: how many are needed a row. With `cells`, a row's candidates are looked for in the
    cells near its own.
    """

    columns: Rows
    depth: int
    cells: Cells | None = None

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
    """The candidates of `rows` (b,) among `among`; never the row itself."""
    best = np.full((len(rows), among.width), NONE, np.int64)
    fresh = np.ones(len(rows), bool)
    if carried is not None:
        fresh = ~carried.known | ((carried.found.keys != NONE).sum(axis=1) < among.depth)
        kept = np.flatnonzero(~fresh)
        best[kept] = _meet(vectors, carried.found.keys[kept], rows[kept], carried.entering)
    best[fresh] = _search(vectors, rows[fresh], among)
    keys = falling(best)
    return Found(keys, _text_features(scorer, rows, keys, None if carried is None else carried.found, fresh))


def _search(vectors: npt.NDArray[np.floating], rows: Rows, among: Among) -> Keys:
    if among.cells is None:
        return nearest_rows(vectors, rows, among.columns, among.width)
    best = np.full((len(rows), among.width), NONE, np.int64)
    for cell, places in among.cells.groups(rows):
        columns = np.intersect1d(among.cells.around(cell), among.columns, assume_unique=True)
        best[places] = nearest_rows(vectors, rows[places], columns, among.width)
    return best


def nearest_rows(vectors: npt.NDArray[np.floating], rows: Rows, columns: Rows, k: int) -> Keys:
    """(b, k) keys, in no order, of the k among `columns` nearest to each of `rows`, by exact float32 products."""
    best = np.full((len(rows), k), NONE, np.int64)
    if not len(rows):
        return best
    queries = np.asarray(vectors[rows], np.float32)
    for start in range(0, len(columns), COLUMNS):
        part = columns[start : start + COLUMNS]
        best = absorbed(best, lowest(best), _cosines(vectors, queries, rows, part), part)
    return best


def _meet(vectors: npt.NDArray[np.floating], keys: Keys, rows: Rows, entering: Rows) -> Keys:
    """Lists with those of `entering` that are nearer than the farthest in them: what is farther was left out then."""
    if not len(rows):
        return keys
    queries = np.asarray(vectors[rows], np.float32)
    least = np.where(keys == NONE, np.iinfo(np.int64).max, keys).min(axis=1)
    floor = cosines_of(least)
    for start in range(0, len(entering), COLUMNS):
        part = entering[start : start + COLUMNS]
        keys = absorbed(keys, floor, _cosines(vectors, queries, rows, part), part)
        floor = np.maximum(floor, lowest(keys))
    return np.where(keys < least[:, None], NONE, keys)  # of equal cosines an older row may have been left out then


def _cosines(vectors: npt.NDArray[np.floating], queries: FloatArray, rows: Rows, columns: Rows) -> FloatArray:
    """(b, c) of queries, which are `rows`, and `columns` (rising); -inf where they are one row."""
    first, last = int(columns[0]), int(columns[-1])
    whole = last - first + 1 == len(columns)
    others = np.asarray(vectors[first : last + 1] if whole else vectors[columns], np.float32)
    cosines: FloatArray = queries @ others.T
    at = np.searchsorted(columns, rows)
    own = np.flatnonzero((at < len(columns)) & (columns[np.minimum(at, len(columns) - 1)] == rows))
    cosines[own, at[own]] = -np.inf
    return cosines


def _text_features(
    scorer: PairScorer, rows: Rows, keys: Keys, carried: Found | None, fresh: npt.NDArray[np.bool_]
) -> Half:
    """(b, k, 4) of each pair: those that were carried over keep theirs."""
    features = np.zeros((*keys.shape, TEXT_FEATURES), np.float16)
    for at, row in enumerate(rows.tolist()):
        some = int((keys[at] != NONE).sum())
        lacking = np.arange(some)
        if carried is not None and not fresh[at]:
            old = np.flip(carried.keys[at])  # rising
            places = np.minimum(np.searchsorted(old, keys[at, :some]), len(old) - 1)
            there = old[places] == keys[at, :some]
            features[at, :some][there] = carried.features[at, len(old) - 1 - places[there]]
            lacking = np.flatnonzero(~there)
        if len(lacking):
            features[at, lacking] = scorer.text_features(row, rows_of(keys[at, lacking]))
    return features


def renumbered(found: Found, new_rows: Rows) -> Found:
    """The same lists where row r has become `new_rows[r]`, -1 for one that is no candidate any more."""
    old = rows_of(found.keys)
    new = np.where(old < 0, -1, new_rows[old])
    keys = np.where(new < 0, NONE, pair_keys(cosines_of(found.keys), np.maximum(new, 0)))
    order = np.argsort(keys, axis=1, kind="stable")[:, ::-1]
    return Found(
        np.take_along_axis(keys, order, axis=1),
        np.take_along_axis(found.features, order[:, :, None], axis=1),
    )
