"""The only importer of faiss: build, search with a filter, write, read. Index type by size, recall measured.

Up to `FLAT_ROWS` every row is compared. Above, 4-bit codes of the rows (one for four components) lie in inverted
lists; the rows that the codes say are nearest are then compared exactly, from the vectors themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.snapshot.manifest import FileEntry, verify_file
from index.storage.arrays import by_distinct, parts

FLAT_ROWS = 100_000  # exact search up to here: 5 ms a query at 640 dimensions; above, inverted lists
SHARES = 64, 32, 16, 8, 4, 2  # one in so many lists is looked into: the fewest that find
WANTED = 0.99  # of the ten nearest rows of a sample,
GAIN = 0.004  # or after which twice as many find not even so many more: the codes allow no more
LEAST_PROBED = 16
REFINED, LEAST_REFINED = 2, 400  # so many times k rows, and at least so many, are compared exactly
EXACT_ROWS = 10_000  # of so few allowed rows each is compared
AT_ONCE = 32_768  # rows to be compared that are in memory at once: 84 MB at 640 dimensions
LISTS = 4  # so many times the square root of the rows
KMEANS = 5, 40  # rounds, and rows a list, that the lists are learned in and from
NEARBY = 8  # where at most one in so many lists is looked into, rows meet only those that look into theirs
GROWN, NEW = 1.5, 0.25  # an archive so much larger or smaller, or so much of it new: the lists are learned anew
RECALL_SAMPLE, EXACT_SAMPLE = 400, 100  # rows drawn as queries; where every row is compared, fewer tell as much
TIED = 1e-4  # cosines that differ by less are equal, as float16 has them
PART = 65_536  # rows read at once: 170 MB as float32 at 640 dimensions
WRITTEN = 1 << 20  # bytes at once
MOST_LISTS = 1 << 20
FILE = "index.faiss"

Floats = npt.NDArray[np.floating[Any]]
FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Meeting(NamedTuple):
    """Which of some rows look into each inverted list.

    Of list l they are `rows[begins[l]:begins[l + 1]]`; its own rows are `Nearest.order()[lists[l]:lists[l + 1]]`.
    """

    lists: Rows
    begins: Rows
    rows: Rows

    def of(self, start: int, stop: int) -> Rows:
        """Those that look, rising, into a list of the rows [start, stop) of `Nearest.order`."""
        first, last = np.searchsorted(self.lists, (start, stop - 1), side="right") - 1
        return np.unique(self.rows[self.begins[first] : self.begins[last + 1]])


class Nearest:
    """A faiss index over the rows of a snapshot, inner product of unit vectors."""

    def __init__(self, faiss_index: Any, kind: str, vectors: Floats) -> None:
        self._index = faiss_index
        self.kind = kind
        self._vectors = vectors

    @classmethod
    def build(cls, vectors: Floats, seed: int = 0) -> Nearest:
        """Index (n, d) unit rows: float16 flat up to 100,000, inverted lists of 4-bit codes above.

        They may be mapped, and must outlive the index.
        """
        n, d = vectors.shape
        if n <= FLAT_ROWS:
            flat = faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
            return cls(_filled(flat, vectors), "Flat,fp16", vectors)
        lists, codes = int(LISTS * np.sqrt(n)), d // next(size for size in (4, 5, 3, 2, 1) if d % size == 0)
        ivf = faiss.index_factory(d, f"IVF{lists},PQ{codes}x4fs", faiss.METRIC_INNER_PRODUCT)
        ivf.cp.niter, ivf.cp.max_points_per_centroid = KMEANS
        sample = np.random.default_rng(seed).choice(n, min(n, KMEANS[1] * lists), replace=False)
        ivf.train(np.asarray(vectors[np.sort(sample)], np.float32))
        return cls(_filled(ivf, vectors), f"IVF{lists},PQ{codes}x4fs", vectors)._looking_far_enough()

    @classmethod
    def carried(cls, path: Path, kind: str, now_of: Rows, vectors: Floats) -> Nearest | None:
        """The index of an earlier build with the rows of today: those that are new are added, those gone removed.

        How many lists are looked into is found anew. `now_of` (m,): the row that each of its rows has become,
        unchanged; -1 for none. None where there are no lists, or they are to be learned
        anew.
        """
        n = len(vectors)
        new = np.setdiff1d(np.arange(n), now_of)
        if not kind.startswith("IVF") or n <= FLAT_ROWS or len(new) > NEW * n:
            return None
        carried = cls.load(path, kind, vectors)
        index = carried._index
        if not 1 / GROWN <= n / (index.nlist / LISTS) ** 2 <= GROWN:
            return None
        gone = np.flatnonzero(now_of < 0)
        if len(gone):
            index.remove_ids(gone)
        for ids in _ids_of_lists(index):
            ids[:] = now_of[ids]
        for part in parts(len(new), PART):
            index.add_with_ids(np.ascontiguousarray(vectors[new[part]], np.float32), new[part])
        return carried._looking_far_enough()

    def _looking_far_enough(self) -> Nearest:
        """This index of inverted lists, which looks into as many as it takes."""
        queries, least = self._sample(10, seed=1)  # not those that `recall` asks by
        enough, recall = 0, -1.0
        for probed in dict.fromkeys(max(LEAST_PROBED, self._index.nlist // share) for share in SHARES):
            self._index.nprobe = probed
            before, recall = recall, self._share_of(queries, least, 10)
            if recall < before + GAIN:
                break
            enough = probed
            if recall >= WANTED:
                break
        self._index.nprobe = enough
        self.kind = f"{self.kind.partition(',nprobe')[0]},nprobe={self._index.nprobe}"
        return self

    @classmethod
    def read(cls, directory: Path, entry: FileEntry, kind: str, vectors: Floats) -> Nearest:
        """The index in a snapshot; its hash is checked before faiss sees a byte. Raises `DamagedSnapshot`."""
        verify_file(directory, FILE, entry)  # faiss files carry no checksum of their own
        return cls.load(directory / FILE, kind, vectors)

    @classmethod
    def load(cls, path: Path, kind: str, vectors: Floats) -> Nearest:
        """The index in a file that is known to be intact."""
        # No array is longer than the file, but faiss counts a table, too, that it does not make here: of 64 bytes for
        # each code of each list, whose centroid alone takes 4 for each component.
        faiss.set_deserialization_vector_byte_limit(max(16 * path.stat().st_size, 1 << 20))
        faiss.set_deserialization_loop_limit(MOST_LISTS)
        return cls(faiss.read_index(str(path)), kind, vectors)

    @property
    def exact(self) -> bool:
        """Whether every row is compared."""
        return not self.kind.startswith("IVF")

    def write(self, file: IO[bytes]) -> None:
        """What `read` reads, piece by piece. Raises OSError, which faiss's own way of writing loses at the end."""
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write, WRITTEN))

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
        nearest = np.full((len(queries), k), -1, np.int64)
        cosines = np.full((len(queries), k), -np.inf, np.float32)
        for run, distinct, places in by_distinct(rows, AT_ONCE):
            vectors = np.asarray(self._vectors[distinct], np.float32)
            for at, others, place in zip(range(run.start, run.stop), rows[run], places, strict=True):
                products = np.einsum("ij,j->i", vectors[place], queries[at])  # not by BLAS: the same in any company
                products[others < 0] = -np.inf
                best = np.argsort(-products, kind="stable")[:k]
                nearest[at, : len(best)], cosines[at, : len(best)] = others[best], products[best]
        nearest[cosines == -np.inf] = -1
        return nearest, cosines

    def order(self) -> Rows:
        """(n,) the rows by inverted list: those after one another are like one another."""
        return np.concatenate(list(_ids_of_lists(self._index)))

    def meeting(self, rows: Rows) -> Meeting | None:
        """Which of `rows` (e,) look into each list; None where they look into so many that each meets all."""
        index = self._index
        if index.nprobe * NEARBY > index.nlist:
            return None
        looked = [np.empty((0, index.nprobe), np.int32)]
        for part in parts(len(rows), PART):
            queries = np.asarray(self._vectors[rows[part]], np.float32)
            looked.append(index.quantizer.search(queries, index.nprobe)[1].astype(np.int32))
        lists, begins = np.concatenate(looked).reshape(-1), np.arange(len(rows) + 1) * index.nprobe
        by_list = sparse.csr_matrix((np.ones(len(lists), bool), lists, begins), (len(rows), index.nlist)).tocsc()
        sizes = [index.invlists.list_size(list_number) for list_number in range(index.nlist)]
        return Meeting(np.cumsum([0, *sizes]), by_list.indptr.astype(np.int64), rows[by_list.indices])

    def recall(self, k: int = 10, seed: int = 0) -> float:
        """Share of the true k nearest (exact float32 products) found, over a sample of rows; 0-1."""
        if not len(self._vectors):
            return 1.0
        k = min(k, len(self._vectors))
        return self._share_of(*self._sample(k, seed), k)

    def _sample(self, k: int, seed: int) -> tuple[FloatArray, FloatArray]:
        """Rows drawn as queries (q, d), and the cosine of the k-th nearest to each (q,), by comparing every pair."""
        n, size = len(self._vectors), EXACT_SAMPLE if self.exact else RECALL_SAMPLE
        sample = np.random.default_rng(seed).choice(n, min(n, size), replace=False)
        queries = np.asarray(self._vectors[np.sort(sample)], np.float32)
        best = np.full((len(queries), k), -np.inf, np.float32)
        for part in parts(n, PART):
            both = np.hstack([best, queries @ np.asarray(self._vectors[part], np.float32).T])
            best = -np.partition(-both, k - 1, axis=1)[:, :k]
        return queries, best.min(axis=1)

    def _share_of(self, queries: FloatArray, least: FloatArray, k: int) -> float:
        _, cosines = self.search(queries, k)
        return float((cosines >= least[:, None] - TIED).mean())


def _selector(allowed: npt.NDArray[np.bool_]) -> Any:
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _ids_of_lists(ivf: Any) -> Iterator[Rows]:
    """The rows in each inverted list that has any: what faiss holds, to read and to change."""
    lists = faiss.downcast_InvertedLists(ivf.invlists)
    for list_number in range(lists.nlist):
        if size := lists.list_size(list_number):
            yield faiss.rev_swig_ptr(lists.get_ids(list_number), size)


def _filled(empty: Any, vectors: Floats) -> Any:
    for part in parts(len(vectors), PART):
        empty.add(np.ascontiguousarray(vectors[part], np.float32))
    return empty


def one_thread_a_request() -> None:
    """Let concurrent searches run on one thread each (the search process; never after a fork)."""
    faiss.omp_set_num_threads(1)
