"""Owns rows of weighted terms, TF-IDF rows of texts and of headlines, in four bytes a term.

One number a term: its distance from the term before it in the row, from 0 for the first, in the upper half, its
weight as float16 in the lower one. A distance that has no room is walked in steps of weight 0. Half of what scipy's
arrays take, and opening them reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

FARTHEST = 0xFFFF
PARTS = ("terms", "begins")

Packed = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int64]


class TermRows:
    """(n, v) rows of weights that float16 holds, terms rising; read by number. The arrays may be mapped."""

    def __init__(self, terms: Packed, begins: Rows, columns: int) -> None:
        """`terms` (t,); those of row r are from `begins[r]` to `begins[r + 1]`; `columns`: v."""
        self.terms, self.begins = terms, begins
        self.shape = (len(begins) - 1, columns)

    @classmethod
    def of(cls, rows: sparse.csr_matrix) -> TermRows:
        """Rows in memory."""
        terms, counts = packed(rows)
        return cls(terms, np.append(np.int64(0), np.cumsum(counts)), rows.shape[1])

    @classmethod
    def written(cls, path: Path, blocks: Iterable[sparse.csr_matrix], columns: int) -> TermRows:
        """Rows on disk, those of the blocks one below the other. Raises OSError."""
        counts = [np.zeros(1, np.int64)]
        with path.open("wb") as file:
            for block in blocks:
                terms, of_rows = packed(block)
                file.write(terms.data)
                counts.append(of_rows)
        begins = np.cumsum(np.concatenate(counts))
        terms = np.memmap(path, np.uint32, "r") if begins[-1] else np.zeros(0, np.uint32)
        return cls(np.asarray(terms), begins, columns)

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """What `opened` reads, by file name."""
        return {f"{name}.{part}.npy": getattr(self, part) for part in PARTS}

    @classmethod
    def opened(cls, folder: Path, name: str, columns: int) -> TermRows:
        """Rows in the files of a folder, mapped. Raises OSError, ValueError."""
        files = (folder / f"{name}.{part}.npy" for part in PARTS)
        terms, begins = (np.asarray(np.load(file, mmap_mode="r", allow_pickle=False)) for file in files)
        return cls(terms, begins, columns)

    def __getitem__(self, rows: npt.ArrayLike | slice) -> sparse.csr_matrix:
        """(k, v) CSR float32 of rows (k,). Raises ValueError where the arrays are none that `packed` makes."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[0]))
        rows = np.asarray(rows, np.int64)
        starts = self.begins[rows]
        counts = self.begins[rows + 1] - starts
        ends = np.cumsum(counts)
        begins = ends - counts
        terms = self.terms[np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - begins, counts)]
        walked = np.cumsum(terms >> 16, dtype=np.int64)
        before = np.append(np.int64(0), walked)[begins]
        columns = (walked - np.repeat(before, counts)).astype(np.int32)
        weights = (terms & FARTHEST).astype(np.uint16).view(np.float16).astype(np.float32)
        indptr = np.append(np.int64(0), ends)
        if len(columns) and columns.max() >= self.shape[1]:
            raise ValueError(f"a row of terms goes on to {columns.max()} of {self.shape[1]}")
        if not weights.all():  # steps on the way
            kept = np.flatnonzero(weights)
            columns, weights, indptr = columns[kept], weights[kept], np.searchsorted(kept, indptr)
        found = sparse.csr_matrix(
            (weights, columns, indptr.astype(np.int32)), shape=(len(rows), self.shape[1]), copy=False
        )
        found.has_sorted_indices = found.has_canonical_format = True
        return found


def packed(rows: sparse.csr_matrix) -> tuple[Packed, Rows]:
    """The terms (t,) of CSR rows (n, v), sorted, of `rounded` weights, one row after the other; how many each has."""
    first = np.zeros(len(rows.indices), bool)
    first[rows.indptr[:-1][np.diff(rows.indptr) > 0]] = True
    columns = rows.indices.astype(np.int64)
    gaps = np.where(first, columns, np.diff(columns, prepend=0))
    steps = np.maximum(gaps - 1, 0) // FARTHEST  # so that what is left is 1 to FARTHEST, or 0
    at = np.cumsum(steps + 1) - 1
    terms = np.full(int((steps + 1).sum()), FARTHEST << 16, np.uint32)
    weights = rows.data.astype(np.float16).view(np.uint16).astype(np.uint32)
    terms[at] = ((gaps - steps * FARTHEST) << 16).astype(np.uint32) | weights
    ends = np.append(np.int64(0), np.cumsum(steps + 1))[rows.indptr]
    return terms, np.diff(ends)


def rounded(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same rows, sorted, with weights that float16 holds; without those that are 0 then."""
    rows = sparse.csr_matrix((rows.data.astype(np.float16).astype(np.float32), rows.indices, rows.indptr), rows.shape)
    rows.eliminate_zeros()
    rows.sort_indices()
    return rows
