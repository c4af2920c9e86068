"""Searches a snapshot beyond its candidate table.

Only the search process imports this module: it needs faiss and scikit-learn.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from index.lexical.archive_terms import load_lexical_model
from index.lexical.scoring_data import open_scoring_data
from index.live.pair_comparison import Mask, Near
from index.relevance.model import Baseline
from index.relevance.pair_features import DEPTH
from index.snapshot.article_store import Records
from index.snapshot.attributes import FLAG_WITHDRAWN
from index.snapshot.manifest import verify_all
from index.snapshot.reader import Snapshot
from index.vector_index.faiss_index import FILE, Nearest
from index.vector_index.protocol import VectorSearch, VectorSearchOf

FloatArray = npt.NDArray[np.float32]


class Searcher:
    """Searches the snapshot it was opened on; safe for concurrent threads except while opening.

    A part (`index.live.pair_comparison.Part`) whose places are the rows.
    """

    def __init__(self, snapshot: Snapshot, vector_search: VectorSearchOf | None = None) -> None:
        """Verifies every file first. `vector_search`: an engine's, instead of the snapshot's faiss file.

        Raises `DamagedSnapshot`, `VectorSearchUnavailable`.
        """
        verify_all(snapshot.directory)
        self.snapshot = snapshot
        self._nearest = (vector_search or in_file)(snapshot)
        self.lexical = load_lexical_model(snapshot.directory)
        facts = snapshot.attributes
        self.published_at = np.asarray(facts["published_at"], np.int64)
        dimension, terms = snapshot.manifest.models["dense_dimension"], len(self.lexical.terms)
        scoring = open_scoring_data(snapshot.directory, dimension, terms, self.published_at)
        self.relevance, self.links, self.scorer = scoring.relevance, scoring.links, scoring.scorer()
        self.records = Records(snapshot.directory)
        self.rows = np.arange(snapshot.rows)
        self.clusters = np.stack(
            [facts[level] for level in ("canonical", "event", "storyline")], axis=1, dtype=np.int64
        )
        self.baselines: FloatArray = np.load(snapshot.directory / "baselines.npy", allow_pickle=False)
        self.published: Mask = (facts["flags"] & FLAG_WITHDRAWN) == 0

    def similar_rows(
        self, row: int, k: int, allowed: Mask | None = None
    ) -> tuple[npt.NDArray[np.uint32], FloatArray]:
        """The k most related rows among `allowed` (bool mask over rows): rows uint32, features (k, 3) float32.

        Features as in the candidate table: relevance, dense and lexical cosine; best relevance first.
        Never the row itself, a duplicate of it or a withdrawn article.
        """
        canonical = self.clusters[:, 0]
        mask = self.published & (canonical != canonical[row])
        if allowed is not None:
            mask &= allowed
        others = self.nearest(self.vector(row), mask, max(k, DEPTH)).places
        features, _ = self.scorer.score(self.scorer.probe(row), others, Baseline(*self.baselines[row]))
        order = np.lexsort((-others, -features[:, 0]))[:k]
        return others[order].astype(np.uint32), features[order]

    def vector(self, row: int) -> FloatArray:
        """The hybrid unit row (d + c,) of a row."""
        return np.asarray(self.snapshot.vectors[row], np.float32)

    def nearest(self, vector: FloatArray, allowed: Mask, k: int) -> Near:
        """At most k places among `allowed` that are nearest to a hybrid unit row (d + c,).

        Raises `VectorSearchUnavailable`.
        """
        rows, cosines = self._nearest.search(vector[None], k, allowed)
        is_hit = rows[0] >= 0
        return Near(rows[0][is_hit], cosines[0][is_hit])


def in_file(snapshot: Snapshot) -> VectorSearch:
    """The search by the snapshot's own faiss file. Raises `DamagedSnapshot`."""
    manifest = snapshot.manifest
    entry, kind = manifest.files[FILE], manifest.models["index"]
    return Nearest.read(snapshot.directory, entry, kind, snapshot.vectors)
