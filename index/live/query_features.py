"""Computes the vector and TF-IDF rows of an article that is not in a snapshot, as the snapshot has them.

Only the search process imports this module: it needs a model and scikit-learn.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article
from index.embedding.fusion import dense_rows, hybrid_rows
from index.embedding.vector_cache import VectorCache, cached_embed
from index.lexical.tfidf_lsa import LexicalModel
from index.relevance.pair_features import Probe
from index.text.digests import is_brief
from index.text.passages import embedded_texts, full_text
from index.types import Embedder

FloatArray = npt.NDArray[np.float32]


class ArticleEmbedder:
    """The dense model of a process, for one text at a time: it uses all cores, so two at once are no faster."""

    def __init__(self, embedder: Embedder, cache: VectorCache | None = None) -> None:
        """Without a `cache` every article is embedded anew."""
        self.fingerprint = embedder.fingerprint
        self._embedder = embedder
        self._cache = cache
        self._one_at_a_time = threading.Lock()

    def article(self, article: Article) -> FloatArray:
        """The dense unit row (1, d) of an article, through the cache. Raises `BadVectors`, OSError."""
        texts = embedded_texts(article)
        with self._one_at_a_time:
            if self._cache is None:
                return _mixed(self._embedder.embed(texts))
            return _mixed(cached_embed(self._cache, self._embedder, texts)[0])

    def draft(self, draft: Article) -> FloatArray:
        """The dense unit row (1, d) of a text that nobody may keep. Raises `BadVectors`."""
        with self._one_at_a_time:
            return _mixed(self._embedder.embed(embedded_texts(draft)))


def _mixed(vectors: FloatArray) -> FloatArray:
    return dense_rows(vectors[:1], vectors[1:], np.zeros(len(vectors) - 1, np.int64))


class Prepared(NamedTuple):
    """An article as others are compared with it.

    `vector` (d + c,): hybrid unit row, rounded as a snapshot stores it; `text`, `headline`: TF-IDF rows (1, v) CSR.
    """

    vector: FloatArray
    text: Any
    headline: Any
    probe: Probe


def prepared(article: Article, dense: FloatArray, lexical: LexicalModel, published_at: int | None) -> Prepared:
    """The article with its `dense` row (1, d), by the words of a snapshot's lexical model."""
    text, headline = lexical.tfidf([full_text(article)]), lexical.tfidf([article.headline])
    vector = hybrid_rows(dense, lexical.lsa(text))[0].astype(np.float16).astype(np.float32)
    moment = UNDATED if published_at is None else published_at
    probe = Probe(vector[: dense.shape[1]], text.toarray()[0], moment, is_brief(full_text(article)))
    return Prepared(vector, text, headline, probe)
