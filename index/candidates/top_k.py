"""Keeps the k nearest rows of many rows, each pair as one sortable number.

A pair's key holds its cosine in the upper half and the other row in the lower one: the greater key is the nearer row
and, of equally near rows, the newer. Equal cosines therefore give equal rows in one order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NONE = np.iinfo(np.int64).min  # the key of no pair

FloatArray = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]

_LOWER = np.int64(0xFFFFFFFF)


def pair_keys(cosines: FloatArray, rows: Rows) -> Keys:
    """The keys of pairs, from float32 cosines and row numbers below 2^32 of one shape."""
    bits = np.ascontiguousarray(cosines, np.float32).view(np.int32).astype(np.int64)
    rising = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # the bits of a negative float fall as it rises
    keys: Keys = (rising << 32) | rows.astype(np.int64)
    return keys


def rows_of(keys: Keys) -> Rows:
    """The other row of each pair; -1 for `NONE`."""
    return np.where(keys == NONE, -1, keys & _LOWER)


def with_rows(keys: Keys, rows: Rows) -> Keys:
    """Keys of the same cosines with other rows; `NONE` where that is -1."""
    changed: Keys = np.where(rows < 0, NONE, (keys & ~_LOWER) | rows)
    return changed


def cosines_of(keys: Keys) -> FloatArray:
    """The float32 cosine of each pair; -inf for `NONE`."""
    rising = (keys >> 32).astype(np.int32)
    cosines = np.where(rising < 0, rising ^ 0x7FFFFFFF, rising).astype(np.int32).view(np.float32)
    return np.where(keys == NONE, np.float32(-np.inf), cosines)


def absorbed(best: Keys, floor: FloatArray, cosines: FloatArray, columns: Rows) -> Keys:
    """`best` (b, k) with what is better among new pairs, in any order.

    `cosines` (b, c) of each of the b rows with the rows `columns` (c,), -inf for none; those under `floor` (b,)
    are passed over.
    """
    if not len(columns):
        return best
    row, column = np.nonzero(cosines >= np.maximum(floor, np.float32(-2))[:, None])
    counts = np.bincount(row, minlength=len(best))
    width = int(counts.max(initial=0))
    if not width:
        return best
    entering = np.full((len(best), width), NONE, np.int64)
    entering[row, nth(counts)] = pair_keys(cosines[row, column], columns[column])
    both = np.hstack([best, entering])
    return np.partition(both, width, axis=1)[:, width:]


def nth(counts: Rows) -> Rows:
    """0, 1, ... as often as each of `counts` says: which of its row each of some pairs is, in order of their rows."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def lowest(best: Keys) -> FloatArray:
    """(b,) the least cosine that would enter lists (b, k): -inf where one is not full."""
    return cosines_of(best.min(axis=1))


def falling(best: Keys) -> Keys:
    """Each list (b, k) sorted, best first, `NONE` last."""
    ordered: Keys = np.sort(best, axis=1)[:, ::-1]
    return ordered
