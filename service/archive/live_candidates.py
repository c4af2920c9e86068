"""Indexes which live articles are candidates of which rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from index.live.comparison import Comparison
from service.archive.candidates import Candidates

Array = npt.NDArray[Any]
_TRIPLE = np.dtype("V6")  # three float16 as one element: moving them so takes a quarter of the time


class Entering(NamedTuple):
    """Pairs sorted by source row: source (e,) uint32, target (e,) uint32, features (e,) of three float16 each."""

    source: Array
    target: Array
    features: Array

    @classmethod
    def nothing(cls) -> Entering:
        """No pairs."""
        return cls(np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, _TRIPLE))

    def of(self, row: int) -> Candidates | None:
        """The live articles that enter the list of a row, in no order; None for none."""
        begin = int(self.source.searchsorted(np.uint32(row)))
        if begin == self.source.size or self.source[begin] != row:
            return None
        end = int(self.source.searchsorted(np.uint32(row), "right"))
        return Candidates(self.target[begin:end], self.features[begin:end].view(np.float16).reshape(-1, 3))

    def changed(self, fresh: Mapping[int, Comparison], compared_at: Mapping[int, int]) -> Entering:
        """With the pairs of fresh comparisons, by row, instead of what those articles had before.

        `compared_at`: when (as a sequence number) each live row was compared, fresh ones included. A pair of two
        live articles is judged by the comparison made later, of whichever of the two.
        """
        kept = self._without(sorted(fresh), compared_at)
        source = np.concatenate([comparison.into for comparison in fresh.values()])
        target = np.repeat(np.array(list(fresh), np.uint32), [len(each.into) for each in fresh.values()])
        features = np.concatenate([_triples(comparison.into_features) for comparison in fresh.values()])
        pairs = zip(source.tolist(), target.tolist(), strict=True)
        timely = np.array([compared_at.get(one, 0) <= compared_at[other] for one, other in pairs], bool)
        order = np.flatnonzero(timely)[np.argsort(source[timely], kind="stable")]
        places = kept.source.searchsorted(source[order], "right")
        return Entering(
            *(np.insert(old, places, new[order]) for old, new in zip(kept, (source, target, features), strict=True))
        )

    def _without(self, rows: list[int], compared_at: Mapping[int, int]) -> Entering:
        """Less the pairs that lead to `rows`, and those from them that their new comparison has judged itself."""
        drop = np.isin(self.target, np.array(rows, np.uint32))
        for row in rows:
            begin, end = (int(self.source.searchsorted(np.uint32(row), side)) for side in ("left", "right"))
            for place in range(begin, end):
                drop[place] |= compared_at[row] > compared_at[int(self.target[place])]
        if not drop.any():
            return self
        return Entering(*(each.compress(~drop) for each in self))


def _triples(features: Array) -> Array:
    return np.ascontiguousarray(features, np.float16).view(_TRIPLE).reshape(-1)
