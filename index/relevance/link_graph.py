"""Counts how often editors linked each pair of articles in the year before an article appeared.

A link counts as placed when the article that holds it was published. Only strictly earlier links are counted, so an
article's own links and later ones say nothing about it: links can be learned from, and lists measured on them,
without leakage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index.article import UNDATED
from index.relevance.links_file import Truth

YEAR_SECONDS = 365 * 86_400
FILES = ("links.rows.npy", "links.placed_at.npy")

Rows = npt.NDArray[np.int64]
Moments = npt.NDArray[np.int64]


class LinkGraph:
    """The dated links of one archive."""

    def __init__(self, linked: Rows, placed_at: Moments) -> None:
        """`linked` (m,) the row that each link leads to, `placed_at` (m,) when, in epoch seconds; in any order."""
        self._linked, self._placed_at = linked, placed_at
        self._moments, order = np.unique(placed_at, return_inverse=True)
        self._span = len(self._moments) + 1
        self._keys = np.sort(linked * self._span + order)  # by row, then by time

    @classmethod
    def of(cls, truth: Truth, published_at: Moments) -> LinkGraph:
        """The links of a links file, without those from or to an undated row of `published_at` (n,)."""
        links = np.array([(row, other) for row, linked in truth.items() for other in linked], np.int64).reshape(-1, 2)
        links = links[(published_at[links] != UNDATED).all(axis=1)]
        return cls(links[:, 1], published_at[links[:, 0]])

    def lately(self, moment: int | Moments, others: Rows) -> npt.NDArray[np.int64]:
        """(k,) how many links to each of `others` were placed in the 365 days before `moment`, itself excluded.

        `moment`: one, or one for each of `others`. 0 for `UNDATED`, which is before every link, and for a row of -1.
        """
        since, until = (np.searchsorted(self._moments, bound) for bound in (moment - YEAR_SECONDS, moment))
        first, end = (np.searchsorted(self._keys, others * self._span + place) for place in (since, until))
        return np.asarray(end - first, np.int64)

    def to_files(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays `FILES` of a snapshot."""
        return dict(zip(FILES, (self._linked, self._placed_at), strict=True))

    @classmethod
    def from_files(cls, directory: Path) -> LinkGraph:
        """The graph that a snapshot was built with."""
        linked, placed_at = (np.load(directory / name, allow_pickle=False) for name in FILES)
        return cls(linked, placed_at)
