"""Owns searching a snapshot alone, without what came since, for what is related to a draft."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from index.arrivals import Arrivals
from index.arrivals import ModelMismatch as ModelMismatch
from index.article import Article
from index.embed import Embedder
from index.prepared import ArticleEmbedder
from index.searcher import FloatArray, Searcher


class DraftSearcher:
    """Finds what is related to a text; safe for concurrent threads."""

    def __init__(self, searcher: Searcher, embedder: Embedder) -> None:
        """Raises `ModelMismatch`."""
        self._arrivals = Arrivals(searcher, ArticleEmbedder(embedder))

    def similar(
        self, draft: Article, now: int, k: int, allowed: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.uint32], FloatArray]:
        """The k most related rows among `allowed` (bool mask over rows), as `Searcher.similar_rows` gives them."""
        return self._arrivals.similar(draft, now, k, allowed, lambda _article, _canonical: True)
