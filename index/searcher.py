"""Owns searching one snapshot beyond its candidate table: filtered queries.

Only the search process imports this module: it needs faiss and scikit-learn.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from index.build import load_lexical
from index.nearest import Nearest
from index.neighbours import DEPTH, PairScorer
from index.relatedness import Relevance
from index.snapshot import FLAG_WITHDRAWN, Snapshot, verify_all

FloatArray = npt.NDArray[np.float32]


class Searcher:
    """Searches the snapshot it was opened on; safe for concurrent threads except while opening."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Verifies every file first. Raises `DamagedSnapshot`."""
        verify_all(snapshot.directory)
        self.snapshot = snapshot
        models = snapshot.manifest.models
        entry = snapshot.manifest.files["index.faiss"]
        self._nearest = Nearest.read(snapshot.directory, entry, models["index"])
        _, tfidf = load_lexical(snapshot.directory)
        relevance = msgspec.json.decode((snapshot.directory / "relevance.json").read_bytes(), type=Relevance)
        brief = np.load(snapshot.directory / "brief.npy", allow_pickle=False)
        self._scorer = PairScorer(snapshot.vectors, models["dense_dimension"], tfidf, brief, relevance)
        self._published = (snapshot.attributes["flags"] & FLAG_WITHDRAWN) == 0

    def similar_rows(
        self, row: int, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[npt.NDArray[np.uint32], FloatArray]:
        """The k most related rows among `allowed` (bool mask over rows): rows uint32, features (k, 3) float32.

        Features as in the candidate table: relevance, dense and lexical cosine; best relevance first.
        Never the row itself, a duplicate of it or a withdrawn article.
        """
        canonical = self.snapshot.attributes["canonical"]
        mask = self._published & (canonical != canonical[row])
        if allowed is not None:
            mask &= allowed
        query = np.asarray(self.snapshot.vectors[row : row + 1], np.float32)
        found, _ = self._nearest.search(query, max(k, DEPTH), mask)
        others = found[0][found[0] >= 0]
        _, baseline = self._scorer.score(row, self._nearest_candidates(query, row))
        features, _ = self._scorer.score(row, others, baseline)
        order = np.lexsort((-others, -features[:, 0]))[:k]
        return others[order].astype(np.uint32), features[order]

    def _nearest_candidates(self, query: FloatArray, row: int) -> npt.NDArray[np.int64]:
        """What the rebuild took the row's baseline from: its nearest published rows without itself."""
        others = self._published.copy()
        others[row] = False
        found, _ = self._nearest.search(query, DEPTH, others)
        nearest: npt.NDArray[np.int64] = found[0][found[0] >= 0]
        return nearest
