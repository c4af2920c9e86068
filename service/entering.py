"""Owns which live articles enter whose lists: pairs (a row, a live article that is related to it), by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from index.comparison import Comparison
from service.ranking import Candidates

Array = npt.NDArray[Any]


class Entering(NamedTuple):
    """Pairs sorted by source row: source (e,) uint32, target (e,) uint32, features (e, 3) float16."""

    source: Array
    target: Array
    features: Array

    @classmethod
    def nothing(cls) -> Entering:
        """No pairs."""
        return cls(np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros((0, 3), np.float16))

    def of(self, row: int) -> Candidates | None:
        """The live articles that enter the list of a row, in no order; None for none."""
        begin = int(self.source.searchsorted(np.uint32(row)))
        if begin == self.source.size or self.source[begin] != row:
            return None
        end = int(self.source.searchsorted(np.uint32(row), "right"))
        return Candidates(self.target[begin:end], self.features[begin:end])

    def changed(self, fresh: Mapping[int, Comparison], compared_at: Mapping[int, int]) -> Entering:
        """With the pairs of fresh comparisons, by row, instead of what those articles had before.

        `compared_at`: when (as a sequence number) each live row was compared, fresh ones included. A pair of two
        live articles is judged by the comparison made later, of whichever of the two.
        """
        rows = np.array(sorted(fresh), np.uint32)
        keep = ~np.isin(self.target, rows)
        source = np.concatenate([self.source[keep], *(fresh[row].into for row in rows.tolist())])
        target = np.concatenate(
            [self.target[keep], *(np.full(len(fresh[r].into), r, np.uint32) for r in rows.tolist())]
        )
        features = np.concatenate([self.features[keep], *(fresh[row].into_features for row in rows.tolist())])
        outdated = np.flatnonzero(np.isin(source, rows))
        pairs = zip(source[outdated].tolist(), target[outdated].tolist(), strict=True)
        outdated = (
            outdated[[compared_at[one] > compared_at[other] for one, other in pairs]] if outdated.size else outdated
        )
        if outdated.size:
            source, target, features = (np.delete(each, outdated, axis=0) for each in (source, target, features))
        order = np.argsort(source, kind="stable")
        return Entering(source[order], target[order], features[order])
