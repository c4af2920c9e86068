"""Owns the baselines: what a newsroom could have without this engine, on the same text of the same articles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bm25s
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from index.text.passages import full_text
from service.evaluation.relevance.corpus import Corpus, FloatArray

# Lucene's defaults, as Elasticsearch and OpenSearch have them; not tuned on any links.
BM25_K1 = 1.2
BM25_B = 0.75
# English, for both: on digitalgov it takes TF-IDF from .470 to .485 nDCG@10 and BM25 from .425 to .439.
STOP_WORDS = "english"
SMALL_ARCHIVE = 20  # articles; in fewer, words that occur in one article only are kept

Scorer = Callable[[int], FloatArray]  # a source row -> (n,) scores of every row


def baselines(corpus: Corpus) -> dict[str, Scorer]:
    """The baselines by name; each scores all rows, the source among them.

    `bm25`: the full article as query, every word as often as it occurs. `tfidf`: cosine of words and pairs of
    words, sublinear. `lsa`: cosine of the snapshot's truncated SVD. `dense`: cosine of its embeddings alone.
    """
    texts = [full_text(article) for article in corpus.articles]
    return {
        "bm25": _bm25(texts),
        "tfidf": _tfidf(texts),
        "lsa": lambda row: corpus.lsa @ corpus.lsa[row],
        "dense": lambda row: corpus.dense @ corpus.dense[row],
    }


def _bm25(texts: list[str]) -> Scorer:
    """BM25 in Lucene's variant. *Source*: Robertson and Zaragoza, 2009; variants: Kamphuis et al., 2020."""
    analyse = TfidfVectorizer(stop_words=STOP_WORDS).build_analyzer()
    words = [analyse(text) for text in texts]
    model = bm25s.BM25(k1=BM25_K1, b=BM25_B, method="lucene", backend="numpy")
    model.index(words, show_progress=False)
    return lambda row: np.asarray(model.get_scores(words[row] or [""]), np.float32)


def _tfidf(texts: list[str]) -> Scorer:
    rows = _vectorizer(len(texts)).fit_transform(texts)
    return lambda row: np.asarray(rows @ rows[row].toarray().ravel(), np.float32)


def _vectorizer(articles: int) -> Any:
    least = 2 if articles >= SMALL_ARCHIVE else 1
    return TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, min_df=least, stop_words=STOP_WORDS, dtype=np.float32
    )
