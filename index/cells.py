"""Owns the cells of a large archive: rows near one centroid, which are searched together.

Rows of one cell look for their candidates in the same cells nearby, so that what a search by inverted lists does row
by row becomes products of matrices, of exact vectors: a join. Which cells there are, the faiss index has learned.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.snapshot import save_array

NEAR, LEAST_NEAR = 16, 32  # one in so many cells is looked into, and at least so many: those nearest to the row's own

FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_FILES = ("cells.rows", "cells.order", "cells.starts", "cells.near")


class Cells(NamedTuple):
    """`cell_of` (n,) the cell of each row; `order` (n,) rows by cell, rising within each; `starts` (m + 1,) where
    each cell begins in it, and the end; `near` (m, p) the cells nearest to each, itself first.
    """

    cell_of: Rows
    order: Rows
    starts: Rows
    near: Rows

    @classmethod
    def of(cls, centroids: FloatArray, cell_of: Rows) -> Cells:
        """Of `centroids` (m, d) and the cell of each row (n,)."""
        m = len(centroids)
        counts = np.bincount(cell_of, minlength=m)
        similar = centroids @ centroids.T
        np.fill_diagonal(similar, np.inf)
        near = np.argsort(-similar, axis=1, kind="stable")[:, : max(LEAST_NEAR, m // NEAR)]
        return cls(cell_of, np.argsort(cell_of, kind="stable"), np.concatenate([[0], np.cumsum(counts)]), near)

    def around(self, cell: int) -> Rows:
        """The rows in the cells near one, rising."""
        parts = [self.order[self.starts[each] : self.starts[each + 1]] for each in self.near[cell].tolist()]
        return np.sort(np.concatenate(parts))

    def groups(self, rows: Rows) -> list[tuple[int, Rows]]:
        """Places in `rows`, by the cell that they lie in."""
        cells = self.cell_of[rows]
        order = np.argsort(cells, kind="stable")
        found, begins = np.unique(cells[order], return_index=True)
        parts = np.split(order, begins[1:]) if len(found) else []  # of no rows numpy makes one piece
        return list(zip(found.tolist(), parts, strict=True))

    def save(self, folder: Path) -> None:
        """Into files of a folder that `load` reads."""
        for name, array in zip(_FILES, self, strict=True):
            save_array(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: Path) -> Cells | None:
        """Those saved in a folder, memory-mapped; None where there are none."""
        if not (folder / f"{_FILES[-1]}.npy").exists():
            return None
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _FILES))
