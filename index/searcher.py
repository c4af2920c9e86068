"""Owns searching one snapshot beyond its candidate table: filtered queries.

Only the search process imports this module: it needs faiss and scikit-learn.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from index.linkgraph import LinkGraph
from index.nearest import Nearest
from index.neighbours import DEPTH, Rows
from index.relatedness import Relevance
from index.snapshot import FLAG_WITHDRAWN, Snapshot, verify_all
from index.words import load_lexical, load_scorer

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
        links = LinkGraph.from_files(snapshot.directory) if relevance.link_weight is not None else None
        self.scorer = load_scorer(snapshot, relevance, tfidf, links)
        self.published = (snapshot.attributes["flags"] & FLAG_WITHDRAWN) == 0

    def similar_rows(
        self, row: int, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[npt.NDArray[np.uint32], FloatArray]:
        """The k most related rows among `allowed` (bool mask over rows): rows uint32, features (k, 3) float32.

        Features as in the candidate table: relevance, dense and lexical cosine; best relevance first.
        Never the row itself, a duplicate of it or a withdrawn article.
        """
        canonical = self.snapshot.attributes["canonical"]
        mask = self.published & (canonical != canonical[row])
        if allowed is not None:
            mask &= allowed
        query = np.asarray(self.snapshot.vectors[row : row + 1], np.float32)
        others = self.nearest_rows(query, mask, max(k, DEPTH))
        probe = self.scorer.probe(row)
        everybody = self.published.copy()  # what the rebuild took the row's baseline from
        everybody[row] = False
        _, baseline = self.scorer.score(probe, self.nearest_rows(query, everybody, DEPTH))
        features, _ = self.scorer.score(probe, others, baseline)
        order = np.lexsort((-others, -features[:, 0]))[:k]
        return others[order].astype(np.uint32), features[order]

    def nearest_rows(self, query: FloatArray, allowed: npt.NDArray[np.bool_], k: int) -> Rows:
        """At most k rows among `allowed` that are nearest to a hybrid unit row (1, d)."""
        found, _ = self._nearest.search(query, k, allowed)
        rows: Rows = found[0][found[0] >= 0]
        return rows
