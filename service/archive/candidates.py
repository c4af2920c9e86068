"""The candidates of an article: rows of related articles with their features."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy.typing as npt

Array = npt.NDArray[Any]


class Candidates(NamedTuple):
    """Rows (k,) uint32 and features (k, 3) float32 (relevance, dense, lexical).

    By falling relevance, of equals the newer first.
    """

    rows: Array
    features: Array

    def cosines(self, index: int) -> tuple[float, float]:
        """The dense and the lexical cosine of the candidate at an index."""
        _, dense, lexical = self.features[index].tolist()
        return dense, lexical
