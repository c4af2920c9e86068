"""The only importer of faiss: build, search with a filter, write, read. Index type by size, recall measured.

Up to `FLAT_ROWS` every row is compared. Above, 4-bit codes of the rows (one for four components) lie in inverted
lists; the rows that the codes say are nearest are then compared exactly, from the vectors themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from index.scratch import parts
from index.snapshot import FileEntry, verify_file

FLAT_ROWS = 100_000  # exact search up to here: 5 ms a query at 640 dimensions; above, inverted lists
PROBED = 8  # one in so many lists is looked into
REFINED, LEAST_REFINED = 2, 400  # so many times k rows, and at least so many, are compared exactly
EXACT_ROWS = 10_000  # of so few allowed rows each is compared
AT_ONCE = 64  # queries whose rows are read at once
KMEANS = 5, 40  # rounds, and rows a list, that the lists are learned in and from
RECALL_SAMPLE = 200
PART = 65_536  # rows read at once: 170 MB as float32 at 640 dimensions
MOST_LISTS = 1 << 20
FILE = "index.faiss"

Floats = npt.NDArray[np.floating[Any]]
FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Nearest:
    """A faiss index over the rows of a snapshot, inner product of unit vectors."""

    def __init__(self, faiss_index: Any, kind: str, vectors: Floats) -> None:
        self._index = faiss_index
        self.kind = kind
        self._vectors = vectors

    @classmethod
    def build(cls, vectors: Floats, seed: int = 0) -> Nearest:
        """Index (n, d) unit rows: float16 flat up to 100,000, inverted lists of 4-bit codes above. May be mapped."""
        n, d = vectors.shape
        if n <= FLAT_ROWS:
            flat = faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
            return cls(_filled(flat, vectors), "Flat,fp16", vectors)
        lists, codes = int(4 * np.sqrt(n)), d // next(size for size in (4, 5, 3, 2, 1) if d % size == 0)
        ivf = faiss.index_factory(d, f"IVF{lists},PQ{codes}x4fs", faiss.METRIC_INNER_PRODUCT)
        ivf.cp.niter, ivf.cp.max_points_per_centroid = KMEANS
        sample = np.random.default_rng(seed).choice(n, min(n, KMEANS[1] * lists), replace=False)
        ivf.train(np.asarray(vectors[np.sort(sample)], np.float32))
        ivf.nprobe = max(16, lists // PROBED)
        return cls(_filled(ivf, vectors), f"IVF{lists},PQ{codes}x4fs,nprobe={ivf.nprobe}", vectors)

    @classmethod
    def read(cls, directory: Path, entry: FileEntry, kind: str, vectors: Floats) -> Nearest:
        """The index in a snapshot; its hash is checked before faiss sees a byte. Raises `DamagedSnapshot`."""
        verify_file(directory, FILE, entry)  # faiss files carry no checksum of their own
        return cls.load(directory, kind, vectors)

    @classmethod
    def load(cls, directory: Path, kind: str, vectors: Floats) -> Nearest:
        """The index in a folder that is known to be intact."""
        path = directory / FILE
        # No array is longer than the file, but faiss counts a table, too, that it does not make here: of 64 bytes for
        # each code of each list, whose centroid alone takes 4 for each component.
        faiss.set_deserialization_vector_byte_limit(max(16 * path.stat().st_size, 1 << 20))
        faiss.set_deserialization_loop_limit(MOST_LISTS)
        return cls(faiss.read_index(str(path)), kind, vectors)

    @property
    def exact(self) -> bool:
        """Whether every row is compared."""
        return not self.kind.startswith("IVF")

    def to_bytes(self) -> bytes:
        """What `read` reads."""
        return bytes(faiss.serialize_index(self._index).tobytes())

    def search(
        self, queries: FloatArray, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Rows, FloatArray]:
        """The k most similar rows of each query and their cosines, (q, k) each; -1 and -inf where there are fewer.

        `allowed` (n,) restricts the rows. Threads: as set by `one_thread_a_request`.
        """
        k = min(k, self._index.ntotal)
        if k == 0:
            return np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
        queries = np.ascontiguousarray(queries, np.float32)
        if self.exact:
            parameters = None if allowed is None else faiss.SearchParameters(sel=_selector(allowed))
            cosines, rows = self._index.search(queries, k, params=parameters)
            cosines[rows < 0] = -np.inf
            return rows, cosines
        if allowed is not None and len(few := np.flatnonzero(allowed)) <= max(k, EXACT_ROWS):
            return self._compared(queries, np.tile(few, (len(queries), 1)), k)
        wanted = min(max(REFINED * k, LEAST_REFINED), self._index.ntotal)
        selector = None if allowed is None else _selector(allowed)
        parameters = faiss.SearchParametersIVF(sel=selector, nprobe=self._index.nprobe)
        return self._compared(queries, self._index.search(queries, wanted, params=parameters)[1], k)

    def _compared(self, queries: FloatArray, rows: Rows, k: int) -> tuple[Rows, FloatArray]:
        """The k best of `rows` (q, r), -1 for none, by exact products of queries (q, d); padded with -1 and -inf."""
        found = np.full((len(queries), k), -1, np.int64)
        cosines = np.full((len(queries), k), -np.inf, np.float32)
        for start in range(0, len(queries), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            distinct, place = np.unique(some, return_inverse=True)  # a row that several found is read once
            vectors = np.asarray(self._vectors[distinct], np.float32)
            for at, (others, places) in enumerate(zip(some, place.reshape(some.shape), strict=True), start):
                products = np.einsum("ij,j->i", vectors[places], queries[at])  # not by BLAS: the same in any company
                products[others < 0] = -np.inf
                best = np.argsort(-products, kind="stable")[:k]
                found[at, : len(best)], cosines[at, : len(best)] = others[best], products[best]
        found[cosines == -np.inf] = -1
        return found, cosines

    def order(self) -> Rows:
        """(n,) the rows by inverted list: those after one another are like one another."""
        lists = faiss.extract_index_ivf(self._index).invlists
        sizes = [lists.list_size(each) for each in range(lists.nlist)]
        parts = [faiss.rev_swig_ptr(lists.get_ids(each), size) for each, size in enumerate(sizes) if size]
        return np.concatenate(parts).astype(np.int64)

    def recall(self, vectors: Floats, k: int = 10, seed: int = 0) -> float:
        """Share of the true k nearest (exact float32 products) found, over a sample of rows; 0-1."""
        n = len(vectors)
        if n == 0:
            return 1.0
        sample = np.random.default_rng(seed).choice(n, min(n, RECALL_SAMPLE), replace=False)
        queries = np.asarray(vectors[sample], np.float32)
        k = min(k, n)
        found, _ = self.search(queries, k)
        scores = np.full(found.shape, -np.inf, np.float32)
        best = np.full((len(queries), k), -np.inf, np.float32)
        for part in parts(n, PART):
            truth = queries @ np.asarray(vectors[part], np.float32).T
            best = -np.partition(-np.hstack([best, truth]), k - 1, axis=1)[:, :k]
            query, place = np.nonzero((found >= part.start) & (found < part.stop))
            scores[query, place] = truth[query, found[query, place] - part.start]
        return float((scores >= best.min(axis=1)[:, None] - 1e-3).mean())  # 1e-3: float16 ties


def _selector(allowed: npt.NDArray[np.bool_]) -> Any:
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _filled(empty: Any, vectors: Floats) -> Any:
    for part in parts(len(vectors), PART):
        empty.add(np.ascontiguousarray(vectors[part], np.float32))
    return empty


def one_thread_a_request() -> None:
    """Let concurrent searches run on one thread each (the search process; never after a fork)."""
    faiss.omp_set_num_threads(1)
