"""Holds the articles that came after a snapshot in growing arrays, laid out as the snapshot's files."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.article import Article
from index.clustering.assignment import Clusters
from index.live.pair_comparison import Mask, Near
from index.live.query_features import Prepared
from index.relevance.link_graph import LinkGraph
from index.relevance.model import Baseline, Relevance
from index.relevance.pair_features import ArticleFeatures, PairScorer, Rows
from index.snapshot.attributes import FIRST_LIVE_ROW

FloatArray = npt.NDArray[np.float32]

LEAST_ROOM = 256  # places; more than that many, and more than half of all, are not left to outdated versions


class Segment(NamedTuple):
    """Live articles as of one moment, a part (`index.live.pair_comparison.Part`); it never changes, so threads may
    share it.

    A place in it is one version of one article; only `present` ones count. `rows`, `published_at` (n,) int64,
    `vectors` (n, d + c), `clusters` (n, 3) int64, `baselines` (n, 3) float32, `present` (n,) bool; `articles` has
    n or more.
    """

    rows: Rows
    published_at: Rows
    vectors: FloatArray
    clusters: npt.NDArray[np.int64]
    baselines: FloatArray
    present: Mask
    articles: list[Article]
    scorer: PairScorer

    def nearest(self, vector: FloatArray, allowed: Mask, k: int) -> Near:
        """At most k places among `allowed` (n,) that are nearest to a hybrid unit row (d + c,)."""
        places = np.flatnonzero(allowed)
        cosines = (self.vectors @ vector)[places]
        order = np.argsort(-cosines, kind="stable")[:k]
        return Near(places[order], cosines[order])

    def vector(self, place: int) -> FloatArray:
        """The hybrid unit row (d + c,) at a place."""
        return np.asarray(self.vectors[place])

    def place_of(self, row: int) -> int | None:
        """The place of the present version of a row's article."""
        positions = np.flatnonzero((self.rows == row) & self.present)
        return int(positions[0]) if len(positions) else None


class Growing:
    """Makes one `Segment` after the other, each with an article more or less; one thread at a time."""

    def __init__(
        self, dimension: int, dense_dimension: int, terms: int, relevance: Relevance, links: LinkGraph | None
    ) -> None:
        """`dimension` d + c of the hybrid vectors, `terms` v of the TF-IDF rows, the rest as for `PairScorer`."""
        self._dense_dimension, self._relevance, self._links = dense_dimension, relevance, links
        self._rows, self._published_at = _Array((), np.int64), _Array((), np.int64)
        self._vectors, self._baselines = _Array((dimension,), np.float32), _Array((3,), np.float32)
        self._clusters, self._brief = _Array((3,), np.int64), _Array((), np.bool_)
        self._texts, self._headlines = _Matrix(terms), _Matrix(terms)
        self._articles: list[Article] = []
        self._places: dict[int, int] = {}  # of the present version, by row

    def put(self, row: int, article: Article, as_prepared: Prepared, baseline: Baseline, clusters: Clusters) -> None:
        """Add an article, instead of its older version."""
        self._make_room()
        self._places[row] = len(self._articles)
        self._articles.append(article)
        self._texts.extend(as_prepared.text)
        self._headlines.extend(as_prepared.headline)
        probe = as_prepared.probe
        values = (row, probe.published_at, as_prepared.vector, baseline, clusters, probe.brief)
        for array, value in zip(self._arrays(), values, strict=True):
            array.extend(np.asarray(value)[None])

    def drop(self, row: int) -> None:
        """Remove an article, if it is there."""
        self._places.pop(row, None)

    def segment(self) -> Segment:
        """The articles as of now."""
        rows, published_at, vectors, baselines, clusters, brief = (array.view for array in self._arrays())
        texts, headlines = self._texts.view, self._headlines.view
        present = np.zeros(len(rows), bool)
        present[list(self._places.values())] = True
        articles = ArticleFeatures(vectors, self._dense_dimension, texts, headlines, published_at, brief)
        rows_in_links = np.where(rows < FIRST_LIVE_ROW, rows, -1)
        scorer = PairScorer(articles, self._relevance, self._links, rows_in_links)
        return Segment(rows, published_at, vectors, clusters, baselines, present, self._articles, scorer)

    def _arrays(self) -> tuple[_Array, ...]:
        return self._rows, self._published_at, self._vectors, self._baselines, self._clusters, self._brief

    def _make_room(self) -> None:
        """Leave outdated versions behind once they are the most of it; segments made before keep theirs."""
        kept = sorted(self._places.values())
        if len(self._articles) <= max(LEAST_ROOM, 2 * len(kept)):
            return
        for array in self._arrays():
            array.keep(kept)
        for matrix in (self._texts, self._headlines):
            matrix.keep(kept)
        self._articles = [self._articles[place] for place in kept]
        rows = self._rows.view.tolist()
        self._places = {row: place for place, row in enumerate(rows)}


class _Array:
    """Rows of one shape and type, growing at the end; views that were given out never change."""

    def __init__(self, shape: tuple[int, ...], dtype: type) -> None:
        self._buffer: npt.NDArray[Any] = np.empty((LEAST_ROOM, *shape), dtype)
        self._length = 0

    @property
    def view(self) -> npt.NDArray[Any]:
        return self._buffer[: self._length]

    def extend(self, rows: npt.NDArray[Any]) -> None:
        length = self._length + len(rows)
        if length > len(self._buffer):
            wider = np.empty((2 * length, *self._buffer.shape[1:]), self._buffer.dtype)
            wider[: self._length] = self.view
            self._buffer = wider
        self._buffer[self._length : length] = rows
        self._length = length

    def keep(self, places: list[int]) -> None:
        kept = self.view[places]
        self._buffer, self._length = kept, len(kept)


class _Matrix:
    """Sparse rows, growing at the end like `_Array`."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._begin()

    def _begin(self) -> None:
        self._data, self._indices, self._ends = _Array((), np.float32), _Array((), np.int32), _Array((), np.int32)
        self._ends.extend(np.zeros(1, np.int32))

    @property
    def view(self) -> Any:
        """(n, v) CSR float32, not copied."""
        parts = self._data.view, self._indices.view, self._ends.view
        return sparse.csr_matrix(parts, shape=(len(parts[2]) - 1, self._columns), copy=False)

    def extend(self, rows: Any) -> None:
        self._ends.extend(rows.indptr[1:] + self._ends.view[-1])
        self._data.extend(rows.data)
        self._indices.extend(rows.indices)

    def keep(self, places: list[int]) -> None:
        kept = self.view[places]
        self._begin()
        self.extend(kept)
