"""Opens what pairs of an archive's articles are scored by: from a snapshot, or from a build's folder of inputs.

The search process and the worker processes of a build both read through this module; large arrays are memory-mapped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.lexical.sparse_rows import PARTS, TermRows
from index.relevance.link_graph import FILES as LINK_FILES
from index.relevance.link_graph import LinkGraph
from index.relevance.model import Relevance
from index.relevance.pair_features import ArticleFeatures, PairScorer
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot

VECTORS = "vectors.npy"
TFIDF, HEADLINES = "tfidf", "headlines"  # stems of the files of TF-IDF rows
BRIEF = "brief.npy"
RELEVANCE = "relevance.json"


class ScoringData(NamedTuple):
    """The articles' features, the relevance model, and, where the model uses it, the graph of editors' links."""

    articles: ArticleFeatures
    relevance: Relevance
    links: LinkGraph | None

    def scorer(self) -> PairScorer:
        """The scorer of these articles' pairs."""
        return PairScorer(self.articles, self.relevance, self.links)


def open_scoring_data(
    directory: Path, dense_dimension: int, terms: int, published_at: npt.NDArray[np.int64]
) -> ScoringData:
    """What a snapshot's pairs are scored by; `terms`: of the lexical model, the columns of the TF-IDF rows.

    `directory`: a snapshot's, or one with the same files. Raises `DamagedSnapshot`.
    """
    relevance = msgspec.json.decode((directory / RELEVANCE).read_bytes(), type=Relevance)
    links = LinkGraph.from_files(directory) if relevance.link_weight is not None else None
    return ScoringData(open_features(directory, dense_dimension, terms, published_at), relevance, links)


def open_features(
    directory: Path, dense_dimension: int, terms: int, published_at: npt.NDArray[np.int64]
) -> ArticleFeatures:
    """The features of a snapshot's articles, in row order; arguments as of `open_scoring_data`.

    Raises `DamagedSnapshot`.
    """
    vectors = np.asarray(np.load(directory / VECTORS, mmap_mode="r", allow_pickle=False))
    tfidf, headlines = (open_term_rows(directory, name, terms) for name in (TFIDF, HEADLINES))
    brief = np.load(directory / BRIEF, allow_pickle=False)
    return ArticleFeatures(vectors, dense_dimension, tfidf, headlines, published_at, brief)


def scoring_files(directory: Path) -> list[Path]:
    """The files that `open_scoring_data` reads."""
    rows = (f"{name}.{part}.npy" for name in (TFIDF, HEADLINES) for part in PARTS)
    paths = (directory / name for name in (VECTORS, BRIEF, RELEVANCE, *rows, *LINK_FILES))
    return [path for path in paths if path.exists()]


def load_scorer(snapshot: Snapshot, relevance: Relevance, tfidf: Any, links: LinkGraph | None = None) -> PairScorer:
    """The scorer of a snapshot's pairs by another relevance model than its own; `tfidf` (n, v): its TF-IDF rows.

    Raises `DamagedSnapshot`.
    """
    dimension = snapshot.manifest.models["dense_dimension"]
    published_at = np.asarray(snapshot.attributes["published_at"], np.int64)
    return PairScorer(open_features(snapshot.directory, dimension, tfidf.shape[1], published_at), relevance, links)


def open_term_rows(directory: Path, name: str, terms: int) -> Any:
    """The TF-IDF rows (n, v) of a snapshot: `TermRows`; of format 1, CSR float32. Raises `DamagedSnapshot`."""
    if not (directory / f"{name}.indptr.npy").exists():
        try:
            return TermRows.opened(directory, name, terms)
        except (OSError, ValueError) as error:
            raise DamagedSnapshot(directory, f"{name}: {error}") from error
    data, indices, indptr = (
        np.load(directory / f"{name}.{part}.npy", mmap_mode="r", allow_pickle=False)
        for part in ("data", "indices", "indptr")
    )
    return sparse.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, terms), copy=False)
