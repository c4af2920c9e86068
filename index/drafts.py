"""Owns searching a snapshot for what is no row of it: a draft, embedded and compared like an article.

Only the search process imports this module: it needs a model, faiss and scikit-learn.
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from index.article import Article
from index.clean import full_text, head_text, passages
from index.embed import Embedder
from index.embed.hybrid import dense_rows, hybrid_rows
from index.neighbours import DEPTH, Probe
from index.searcher import FloatArray, Searcher
from index.words import brief_articles, load_lexical


class ModelMismatch(Exception):
    """The dense model at hand is not the one that the snapshot's vectors come from: they cannot be compared."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"the search process holds the model {found}, the snapshot was built with {wanted}")


class DraftSearcher:
    """Finds what is related to a text; safe for concurrent threads."""

    def __init__(self, searcher: Searcher, embedder: Embedder) -> None:
        """Raises `ModelMismatch`."""
        wanted = searcher.snapshot.manifest.models["dense"]
        if embedder.fingerprint != wanted:
            raise ModelMismatch(embedder.fingerprint, wanted)
        self._searcher = searcher
        self._embedder = embedder
        self._lexical, _ = load_lexical(searcher.snapshot.directory)
        self._one_at_a_time = threading.Lock()  # a model uses all cores for one text: two at once are no faster

    def similar(
        self, draft: Article, now: int, k: int, allowed: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.uint32], FloatArray]:
        """The k most related rows among `allowed` (bool mask over rows), as `Searcher.similar_rows` gives them."""
        query, probe = self._prepared(draft, now)
        searcher = self._searcher
        _, baseline = searcher.scorer.score(probe, searcher.nearest_rows(query, searcher.published, DEPTH))
        others = searcher.nearest_rows(query, searcher.published & allowed, max(k, DEPTH))
        features, _ = searcher.scorer.score(probe, others, baseline)
        order = np.lexsort((-others, -features[:, 0]))[:k]
        return others[order].astype(np.uint32), features[order]

    def _prepared(self, draft: Article, now: int) -> tuple[FloatArray, Probe]:
        """The hybrid unit row (1, d + c) and what pairs with the draft are scored by; it counts as published now."""
        texts = [head_text(draft), *passages(draft).texts]
        with self._one_at_a_time:
            vectors = self._embedder.embed(texts)
        dense = dense_rows(vectors[:1], vectors[1:], np.zeros(len(texts) - 1, np.int64))
        tfidf = self._lexical.tfidf([full_text(draft)])
        probe = Probe(dense[0], tfidf.toarray()[0], now, bool(brief_articles([draft])[0]))
        return hybrid_rows(dense, self._lexical.lsa(tfidf)), probe
