"""The only importer of faiss: build, search with a filter, write, read. Index type by size, recall measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from index.cells import Cells
from index.snapshot import FileEntry, verify_file

FLAT_ROWS = 100_000  # exact search up to here: 5 ms a query at 640 dimensions; above, inverted lists
RECALL_SAMPLE = 200
PART = 65_536
MOST_LISTS = 1 << 20

Floats = npt.NDArray[np.floating[Any]]
FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Nearest:
    """A faiss index over the rows of a snapshot, inner product of unit vectors."""

    def __init__(self, faiss_index: Any, kind: str) -> None:
        self._index = faiss_index
        self.kind = kind

    @classmethod
    def build(cls, vectors: Floats, seed: int = 0) -> Nearest:
        """Index (n, d) unit rows: float16 flat up to 100,000, IVF with 8-bit codes above. They may be mapped."""
        n, d = vectors.shape
        if n <= FLAT_ROWS:
            flat = faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
            return cls(_filled(flat, vectors), "Flat,fp16")
        lists = int(4 * np.sqrt(n))
        ivf = faiss.index_factory(d, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
        sample = np.random.default_rng(seed).choice(n, min(n, 50 * lists), replace=False)
        ivf.train(np.asarray(vectors[np.sort(sample)], np.float32))
        ivf.nprobe = max(16, lists // 40)
        return cls(_filled(ivf, vectors), f"IVF{lists},SQ8,nprobe={ivf.nprobe}")

    @classmethod
    def read(cls, directory: Path, entry: FileEntry, kind: str) -> Nearest:
        """The index in a snapshot; its hash is checked before faiss sees a byte. Raises `DamagedSnapshot`."""
        verify_file(directory, "index.faiss", entry)  # faiss files carry no checksum of their own
        faiss.set_deserialization_vector_byte_limit(max(entry.bytes, 1 << 20))  # no file holds more than it is long
        faiss.set_deserialization_loop_limit(MOST_LISTS)
        return cls(faiss.read_index(str(directory / "index.faiss")), kind)

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
        parameters = None if allowed is None else self._parameters(allowed)
        scores, rows = self._index.search(np.ascontiguousarray(queries, np.float32), k, params=parameters)
        scores[rows < 0] = -np.inf
        return rows, scores

    def cells(self, n: int) -> Cells | None:
        """The cells of the n rows that were indexed; None for an index without inverted lists."""
        if not self.kind.startswith("IVF"):
            return None
        lists = faiss.extract_index_ivf(self._index)
        quantizer = lists.quantizer
        cell_of = np.empty(n, np.int64)
        for cell in range(lists.nlist):
            size = lists.invlists.list_size(cell)
            if size:  # of an empty list faiss has no array
                cell_of[faiss.rev_swig_ptr(lists.invlists.get_ids(cell), size)] = cell
        return Cells.of(quantizer.reconstruct_n(0, lists.nlist), cell_of)

    def recall(self, vectors: Floats, k: int = 10, seed: int = 0) -> float:
        """Share of the true k nearest (exact float32 products) found, over a sample of rows; 0-1."""
        n = len(vectors)
        if n == 0:
            return 1.0
        sample = np.random.default_rng(seed).choice(n, min(n, RECALL_SAMPLE), replace=False)
        queries = np.asarray(vectors[sample], np.float32)
        truth = np.hstack([queries @ part.T for part in _parts(vectors)])
        k = min(k, n)
        cut = -np.partition(-truth, k - 1, axis=1)[:, k - 1]
        found, _ = self.search(queries, k)
        scores = np.take_along_axis(truth, np.maximum(found, 0), axis=1)
        return float(((scores >= cut[:, None] - 1e-3) & (found >= 0)).mean())  # 1e-3: float16 ties

    def _parameters(self, allowed: npt.NDArray[np.bool_]) -> Any:
        bitmap = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(bitmap)
        if self.kind.startswith("IVF"):
            return faiss.SearchParametersIVF(sel=selector, nprobe=self._index.nprobe)
        return faiss.SearchParameters(sel=selector)


def _filled(empty: Any, vectors: Floats) -> Any:
    for part in _parts(vectors):
        empty.add(part)
    return empty


def _parts(vectors: Floats) -> Iterator[FloatArray]:
    """The rows as float32, so many at a time that they take 170 MB at 640 dimensions."""
    for start in range(0, len(vectors), PART):
        yield np.ascontiguousarray(vectors[start : start + PART], np.float32)


def one_thread_a_request() -> None:
    """Let concurrent searches run on one thread each (the search process; never after a fork)."""
    faiss.omp_set_num_threads(1)
