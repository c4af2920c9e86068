"""Embeds an archive in batches, joins dense and lexical parts, and writes the vectors to disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.article import Article
from index.clustering.events import background_of
from index.embedding.fusion import dense_rows, hybrid_rows
from index.embedding.vector_cache import VectorCache, cached_embed
from index.execution.executor import Engine
from index.ingest.merge import Progress
from index.lexical.archive_terms import Lexical
from index.lexical.scoring_data import VECTORS
from index.storage.arrays import new_array, parts
from index.text.passages import head_text, passages
from index.types import Embedder

FloatArray = npt.NDArray[np.float32]


class Vectors(NamedTuple):
    """`hybrid` (n, d + c) float16 unit rows, the file `VECTORS`.

    `background`: the mean cosine of all pairs of dense rows. `embedded`: texts that were embedded now; `left_out`:
    passages of huge bodies that were not.
    """

    hybrid: npt.NDArray[np.float16]
    background: float
    embedded: int
    left_out: int


def archive_vectors(
    articles: Sequence[Article],
    lexical: Lexical,
    cache: VectorCache,
    embedder: Embedder,
    engine: Engine,
    folder: Path,
    progress: Progress,
) -> Vectors:
    """The vectors of the articles; what the cache lacks is embedded. `progress` hears of articles.

    `folder`: of the new snapshot, where the vectors are left.

    Raises `BadVectors`, OSError.
    """
    n = len(articles)
    vectors = new_array(folder / VECTORS, (n, embedder.dimension + lexical.model.dimension), "<f2")
    total, embedded, left_out = np.zeros((1, embedder.dimension)), 0, 0
    progress("embed", 0, n)
    for part in parts(n):

        def heard(done: int, texts: int, part: slice = part) -> None:
            progress("embed", part.start + (part.stop - part.start) * done // max(texts, 1), n)

        texts, owners, more = _texts(articles[part])
        rows, new = cached_embed(cache, embedder, texts, heard, engine=engine)
        heads = part.stop - part.start
        dense = dense_rows(rows[:heads], rows[heads:], owners)
        vectors[part] = hybrid_rows(dense, lexical.model.lsa(lexical.tfidf[part]))
        total = np.vstack([total, dense]).sum(axis=0, keepdims=True)
        embedded, left_out = embedded + new, left_out + more
        progress("embed", part.stop, n)
    return Vectors(np.asarray(vectors), background_of(total / max(n, 1)), embedded, left_out)


def _texts(articles: Sequence[Article]) -> tuple[list[str], npt.NDArray[np.int64], int]:
    """The heads of the articles and then their passages; which article each passage is of; how many were left out."""
    heads, bodies, owners, left_out = [], list[str](), list[int](), 0
    for row, article in enumerate(articles):
        pieces, beyond = passages(article)
        heads.append(head_text(article))
        bodies.extend(pieces)
        owners.extend([row] * len(pieces))
        left_out += beyond
    return heads + bodies, np.array(owners, np.int64), left_out
