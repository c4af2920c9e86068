"""Owns what every system is compared on: one snapshot's articles and vectors, and who may be a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article
from index.lexical.archive_terms import load_lexical
from index.lexical.tfidf_lsa import unit_rows
from index.snapshot.article_store import read_articles
from index.snapshot.attributes import FLAG_WITHDRAWN
from index.snapshot.reader import Snapshot

Rule = Literal["older", "all"]
RULES: tuple[Rule, ...] = get_args(Rule)
DEPTH = 100  # places of a ranking that are kept and measured

Rows = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


class Corpus(msgspec.Struct, frozen=True):
    """A snapshot in memory, articles in row order: by date, undated first.

    `published_at` (n,) epoch seconds or `UNDATED`; `eligible` (n,) bool: not withdrawn; `vectors` (n, d + c)
    hybrid unit rows, `dense` (n, d) and `lsa` (n, c) their parts as unit rows; `tfidf` (n, v) CSR unit rows.
    """

    snapshot: Snapshot
    articles: Sequence[Article]
    published_at: npt.NDArray[np.int64]
    eligible: npt.NDArray[np.bool_]
    vectors: FloatArray
    dense: FloatArray
    lsa: FloatArray
    tfidf: Any


def open_corpus(directory: Path) -> Corpus:
    """The corpus of a published snapshot. Raises `DamagedSnapshot`."""
    snapshot = Snapshot.open(directory)
    vectors = np.asarray(snapshot.vectors, np.float32)
    dimension = snapshot.manifest.models["dense_dimension"]
    return Corpus(
        snapshot=snapshot,
        articles=list(read_articles(directory)),
        published_at=np.asarray(snapshot.attributes["published_at"], np.int64),
        eligible=(snapshot.attributes["flags"] & FLAG_WITHDRAWN) == 0,
        vectors=vectors,
        dense=unit_rows(vectors[:, :dimension]),
        lsa=unit_rows(vectors[:, dimension:]),
        tfidf=load_lexical(directory)[1],
    )


def candidates(corpus: Corpus, row: int, rule: Rule) -> Rows:
    """Rows that a list under `row` may hold by this rule, newest first."""
    return np.flatnonzero(allowed(corpus, row, rule))[::-1]


def allowed(corpus: Corpus, row: int, rule: Rule) -> npt.NDArray[np.bool_]:
    """(n,) bool: the candidates of `row`; never the row itself or a withdrawn article.

    `older`: published not later than the source; nothing that is undated, and nothing for an undated source.
    """
    mask = corpus.eligible.copy()
    mask[row] = False
    if rule == "older":
        mask &= (corpus.published_at <= corpus.published_at[row]) & (corpus.published_at != UNDATED)
    return mask


def best(rows: Rows, scores: npt.NDArray[Any], k: int = DEPTH) -> Rows:
    """The `k` rows with the highest scores, best first; of equals the one that came first in `rows`."""
    return rows[np.argsort(-scores, kind="stable")[:k]]
