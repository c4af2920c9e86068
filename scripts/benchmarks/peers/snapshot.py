"""Builds the snapshot that the benchmark serves: synthetic articles whose candidates are the nearest vectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from index.article import Article, Image
from index.publishing.store import Store
from index.snapshot.writer import Contents, write_snapshot
from scripts.benchmarks.bench_lookup import NOW
from scripts.benchmarks.peers.vectors import FloatArray, nearest_rows

CANDIDATES = 100
COPY = 0.99  # cosine from which a row counts as a copy of an earlier one
WEAKEST = -0.95  # relevance falls with this power of the place, as on digital.gov


def article_id(row: int) -> str:
    """The ID of a row's article."""
    return f"article-{row}"


def publish_table(store: Store, vectors: FloatArray) -> None:
    """Publish a snapshot whose row i is article i, its candidates the rows nearest to it by exact products.

    A copy does not stand in a list beside what it is a copy of.
    """
    n = len(vectors)
    table, cosines = _candidates(vectors)
    k = table.shape[1]
    features = np.empty((n, k, 3), np.float16)
    features[:, :, 0] = 0.36 * np.arange(1, k + 1) ** WEAKEST
    features[:, :, 1:] = cosines[:, :, None]
    own = np.arange(n, dtype=np.uint32)
    canonical = np.minimum(own, np.where(cosines[:, 0] > COPY, table[:, 0], own))
    canonical = canonical[canonical]
    contents = Contents(
        articles=[_article(row, n) for row in range(n)],
        vectors=vectors.astype(np.float16),
        neighbour_rows=table,
        neighbour_features=features,
        terms=np.zeros((n, 24), np.uint32),
        term_texts=["bus"],
        canonical=canonical,
        event=canonical,
        storyline=canonical,
        models={},
        counts={"rejected": 0},
    )
    partial = store.begin(f"peers-{n}")
    write_snapshot(partial, contents, f"peers-{n}", NOW, "bench")
    store.publish(partial, "default")


def _candidates(vectors: FloatArray) -> tuple[npt.NDArray[np.uint32], FloatArray]:
    """The rows nearest to each row and their cosines, both (rows, candidates)."""
    n = len(vectors)
    k = min(CANDIDATES, n - 1)
    table, cosines = np.empty((n, k), np.uint32), np.empty((n, k), np.float32)
    for rows, nearest in nearest_rows(vectors, np.arange(n), k):
        table[rows] = nearest
        cosines[rows] = np.einsum("bd,bkd->bk", vectors[rows], vectors[nearest])
    return table, cosines


def _article(row: int, n: int) -> Article:
    """Of so many articles in twenty years, one after the other."""
    return Article(
        id=article_id(row),
        url=f"https://paper.example/section{row % 20}/article-{row}",
        headline=f"Council votes to keep the number {row} bus after a long evening of argument",
        kicker="Transport",
        standfirst="The decision, carried by two votes, ends a year of petitions and three public meetings.",
        section=f"section{row % 20}",
        authors=("A. Reporter",),
        language="en",
        image=Image(f"https://paper.example/images/{row}.jpg", "A bus at a stop"),
        published_at=NOW - (n - row) * 20 * 365 * 86_400 // n,
    )
