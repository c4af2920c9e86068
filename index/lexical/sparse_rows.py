"""Stores sparse TF-IDF rows of texts and headlines in four bytes a term.

Each term is one number: its column in the upper 18 bits, its weight in the lower 14, as float16 without the sign and
the first bit of the exponent, which are 0 for weights from 0 to 2. Half of what scipy's arrays take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.storage.files import save_array, save_chunks

MOST_COLUMNS = 1 << 18
MOST_TERMS = 2**31 - 1  # that scipy counts in 32 bits
LEAST = np.float32(2**-14)  # the least weight that float16 holds in full; of real texts none was under .003
PARTS = ("packed", "begins")

_BITS = 14
_WEIGHT = (1 << _BITS) - 1
_EXPONENT = (127 - 15) << 23  # by which float32 counts from elsewhere than float16

Packed = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int64]


class TermRows:
    """(n, v) rows of `rounded` weights, terms rising; read by number. The arrays may be mapped."""

    def __init__(self, packed: Packed, begins: Rows, columns: int) -> None:
        """`packed` (t,); the terms of row r are from `begins[r]` to `begins[r + 1]`; `columns`: v.

        Raises ValueError for arrays that are not of one matrix, so that no row leads out of them.
        """
        if not _of_one_matrix(packed, begins, columns):
            raise ValueError("rows of terms whose numbers and beginnings do not belong together")
        self.packed, self.begins = packed, begins
        self.shape = (len(begins) - 1, columns)
        self._firsts = _firsts(begins)
        self._pieces = [self._piece(*rows) for rows in pairwise([*self._firsts, self.shape[0]])]

    @classmethod
    def of(cls, rows: sparse.csr_matrix) -> TermRows:
        """Rows in memory."""
        return cls(packed(rows), rows.indptr.astype(np.int64), rows.shape[1])

    @classmethod
    def written(cls, folder: Path, name: str, blocks: Iterable[sparse.csr_matrix], columns: int) -> TermRows:
        """Write the rows of the blocks, one below the other, to the files that `opened` reads. Raises OSError."""
        counts = [np.zeros(1, np.int64)]

        def terms() -> Iterator[Packed]:
            for block in blocks:
                yield packed(block)
                counts.append(np.diff(block.indptr).astype(np.int64))

        save_chunks(folder / f"{name}.packed.npy", terms(), "<u4")
        save_array(folder / f"{name}.begins.npy", np.cumsum(np.concatenate(counts)))
        return cls.opened(folder, name, columns)

    @classmethod
    def opened(cls, folder: Path, name: str, columns: int) -> TermRows:
        """Rows in the files of a folder, mapped; only `begins` is read. Raises OSError, ValueError."""
        files = (folder / f"{name}.{part}.npy" for part in PARTS)
        packed, begins = (np.asarray(np.load(file, mmap_mode="r", allow_pickle=False)) for file in files)
        return cls(packed, begins, columns)

    def __getitem__(self, rows: npt.ArrayLike | slice) -> sparse.csr_matrix:
        """(k, v) CSR float32 of rows (k,), which have fewer than 2^31 terms. Raises IndexError; ValueError for a row
        with a term beyond v.
        """
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[0]))
        copied = self._copied(np.atleast_1d(np.asarray(rows, np.int64)))
        columns, weights = copied.indices.view(np.uint32), copied.data.view(np.uint32)
        columns >>= _BITS
        weights &= _WEIGHT
        weights <<= 23 - 10  # from where float16 has its fraction to where float32 has
        weights += _EXPONENT
        if len(columns) and columns.max() >= self.shape[1]:
            raise ValueError(f"a row of terms names column {columns.max()} of {self.shape[1]}")
        copied.has_sorted_indices = copied.has_canonical_format = True
        return copied

    def _copied(self, rows: Rows) -> sparse.csr_matrix:
        """Rows whose `indices` and `data` are packed still."""
        if len(self._pieces) == 1 or not len(rows):
            return self._pieces[0][rows]
        at = np.searchsorted(self._firsts, rows, side="right") - 1
        runs = pairwise([0, *(np.flatnonzero(np.diff(at)) + 1), len(rows)])
        pieces = [self._pieces[at[start]][rows[start:stop] - self._firsts[at[start]]] for start, stop in runs]
        return sparse.vstack(pieces, "csr")

    def _piece(self, first: int, last: int) -> sparse.csr_matrix:
        """Rows [first, last) as scipy selects them fastest: what is packed as both of its arrays.

        They are put in their place one by one: given to it at once, a small piece of a large file would be copied.
        """
        begins = self.begins[first : last + 1]
        terms = self.packed[begins[0] : begins[-1]]
        piece = sparse.csr_matrix((last - first, self.shape[1]), dtype=np.float32)
        piece.data, piece.indices = terms.view(np.float32), terms.view(np.int32)
        piece.indptr = (begins - begins[0]).astype(np.int32)
        return piece


def packed(rows: sparse.csr_matrix) -> Packed:
    """The terms (t,) of CSR rows (n, v), sorted, `rounded`, one row after the other. Raises ValueError for others."""
    weights = rows.data.astype(np.float16)
    if rows.shape[1] > MOST_COLUMNS or not ((weights >= LEAST) & (weights < 2)).all():
        raise ValueError(f"rows of terms have at most {MOST_COLUMNS} columns, and weights from {LEAST} to 2")
    terms: Packed = (rows.indices.astype(np.uint32) << _BITS) | weights.view(np.uint16)
    return terms


def rounded(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same rows, sorted, with weights that float16 holds; without those below `LEAST` then."""
    weights = rows.data.astype(np.float16).astype(np.float32)
    matrix = sparse.csr_matrix(
        (np.where(weights < LEAST, 0, weights), rows.indices, rows.indptr), rows.shape, copy=True
    )
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def _of_one_matrix(packed: Packed, begins: Rows, columns: int) -> bool:
    if packed.dtype != np.uint32 or begins.dtype != np.int64 or packed.ndim != 1 or begins.ndim != 1:
        return False
    counts = np.diff(begins)
    is_whole = len(begins) > 0 and begins[0] == 0 and begins[-1] == len(packed)
    return bool(is_whole and ((counts >= 0) & (counts <= columns)).all())


def _firsts(begins: Rows) -> list[int]:
    """The first rows of pieces of at most `MOST_TERMS` terms."""
    firsts = [0]
    while begins[-1] - begins[firsts[-1]] > MOST_TERMS:
        firsts.append(int(np.searchsorted(begins, begins[firsts[-1]] + MOST_TERMS, side="right")) - 1)
    return firsts
