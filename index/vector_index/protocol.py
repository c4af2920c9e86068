"""Defines what the search process needs of a vector index: the snapshot's faiss file, or a vector database.

Implemented by `index.vector_index.faiss_index.Nearest` and `service.search.pgvector.VectorTable`;
tests/contract/test_nearest.py holds both to the same values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from index.snapshot.reader import Snapshot

FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class VectorSearchUnavailable(Exception):
    """The engine is away, late, or lacks the snapshot; says which. What needs it is done without, declared."""


class VectorSearch(Protocol):
    """Searches the vectors of one snapshot; safe for concurrent threads."""

    def search(
        self, queries: FloatArray, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Rows, FloatArray]:
        """The k most similar rows of each unit query (q, d) and their cosines, (q, k) each, best first.

        `allowed` (n,) restricts the rows. Where there are fewer, -1 and -inf. Raises `VectorSearchUnavailable`.
        """


VectorSearchOf = Callable[[Snapshot], VectorSearch]
"""Opens the search of a snapshot. Raises `DamagedSnapshot`, `VectorSearchUnavailable`."""
