"""Computes the features of a pair of articles and its relevance.

Candidates come from hybrid cosine (`index.candidates.retrieval`) and are then compared exactly: meaning, words, the
candidate's headline and the time between the two.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from index.article import UNDATED
from index.relevance.link_graph import LinkGraph
from index.relevance.model import Baseline, Relevance, baseline_of
from index.relevance.text_features import Texts, common_of_pairs, common_with, headline_in

OVERALL = 50
RECENT = 50
RECENT_DAYS = 30
DEPTH = 200  # found by vector before exact rescoring; 200 so that 50 copies of an article leave 150 others
LEAST_WAY = 0.01  # relevance below which a way through another article is not followed: no policy shows less
WEEK_SECONDS = 7 * 86_400

FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Probe(NamedTuple):
    """An article, of the archive or a draft, as others are compared with it.

    `dense` (d,) of any length; `text` (v,) its TF-IDF row; `published_at` epoch seconds or `UNDATED`; `brief`: few
    words.
    """

    dense: FloatArray
    text: FloatArray
    published_at: int
    brief: bool


class ArticleFeatures(NamedTuple):
    """What n articles are compared by, in row order; the arrays may be memory-mapped.

    `vectors` (n, d + c): hybrid unit rows, of which the first `dense_dimension` (d) components are dense. `tfidf`,
    `headlines` (n, v): unit TF-IDF rows of the full texts and of the headlines alone, `TermRows` or CSR.
    `published_at` (n,): epoch seconds or `UNDATED`. `brief` (n,): articles of few words.
    """

    vectors: npt.NDArray[np.floating[Any]]
    dense_dimension: int
    tfidf: Any
    headlines: Any
    published_at: npt.NDArray[np.int64]
    brief: npt.NDArray[np.bool_]


class PairScorer:
    """Pair features of the rows of one archive, and their relevance."""

    def __init__(
        self,
        articles: ArticleFeatures,
        relevance: Relevance,
        links: LinkGraph | None = None,
        rows_in_links: Rows | None = None,
    ) -> None:
        """`links`: give the sixth pair feature, which a `relevance` learned with it needs and no other can take;
        `rows_in_links` (n,): where they count other rows than these, -1 for none.
        """
        self._texts = Texts(articles.vectors[:, : articles.dense_dimension], articles.tfidf, articles.headlines)
        self._published_at = articles.published_at
        self._weeks = _weeks(articles.published_at)
        self._brief = articles.brief
        self._relevance = relevance
        self._links = links
        self._rows_in_links = np.arange(len(self._weeks)) if rows_in_links is None else rows_in_links

    def probe(self, row: int) -> Probe:
        """A row as what others are compared with."""
        own = self._texts.of(np.array([row]))
        return Probe(own.dense[0], own.words.toarray()[0], int(self._published_at[row]), bool(self._brief[row]))

    def pair_features(self, probe: Probe, others: Rows) -> FloatArray:
        """(k, 5) float32, with links (k, 6), columns `PAIR_FEATURES`: the probe with each of `others`."""
        return self._features(probe, others, self._texts.of(others))

    def text_features(self, rows: Rows, others: Rows) -> FloatArray:
        """(p, 4) float32 of pairs of `rows` (p,), rising, and `others` (p,).

        Those of `pair_features` that depend on the two texts alone.
        """
        return common_of_pairs(self._texts, rows, others)

    def moment_features(self, rows: Rows, others: Rows) -> FloatArray:
        """(..., 1) float32, with links (..., 2): the others of `pair_features`, for pairs of `rows` and `others`.

        The shapes of the two broadcast to (...).
        """
        return self._of_moments(self._published_at[rows], others)

    def both_ways(
        self, probe: Probe, headline: FloatArray, others: Rows, row_in_links: int
    ) -> tuple[FloatArray, FloatArray]:
        """`pair_features` of the probe with each of `others`, and of each of `others` with the probe.

        `headline` (v,): TF-IDF row of the probe's headline; `row_in_links`: its row in the links, -1 for none. Little
        dearer than one way: cosines and time are the same both ways.
        """
        texts = self._texts.of(others)
        features = self._features(probe, others, texts)
        back = features.copy()
        back[:, 2:4] = headline_in(headline, texts.words)
        if self._links:
            back[:, 5] = np.log1p(self._links.lately(self._published_at[others], np.full(len(others), row_in_links)))
        return features, back

    def _features(self, probe: Probe, others: Rows, texts: Texts) -> FloatArray:
        common = common_with(probe.dense, probe.text, texts)
        return np.hstack([common, self._of_moments(probe.published_at, others)])

    def _of_moments(self, moments: int | npt.NDArray[np.int64], others: Rows) -> FloatArray:
        columns = [np.log1p(np.abs(self._weeks[others] - _weeks(moments)))]
        if self._links:
            columns.append(np.log1p(self._links.lately(moments, self._rows_in_links[others])))
        return np.stack(columns, axis=-1).astype(np.float32)

    def score(self, probe: Probe, others: Rows, baseline: Baseline | None = None) -> tuple[FloatArray, Baseline]:
        """(k, 3) float32: relevance, dense cosine, lexical cosine, rounded as the snapshot stores them.

        Rounded before anything is sorted by them, so that what looks equal later was equal then. Without a
        `baseline`, `others` are taken to be the probe's nearest candidates and give it; it is returned.
        """
        features = self.pair_features(probe, others)
        baseline = baseline_of(features) if baseline is None else baseline
        return self.rated(features, baseline, self.brief_pairs(probe, others)), baseline

    def rated(self, features: FloatArray, baseline: Baseline, brief: npt.NDArray[np.bool_]) -> FloatArray:
        """What `score` gives, of pair features that are known already; `brief` (k,) as of `brief_pairs`."""
        return np.stack([self.relevance(features, baseline, brief), features[:, 0], features[:, 1]], axis=1)

    def relevance(self, features: FloatArray, baseline: Baseline, brief: npt.NDArray[np.bool_]) -> FloatArray:
        """The first of what `rated` gives, of features (..., 5 or 6), and `brief` (...)."""
        return self._relevance.probability(features, baseline, brief).astype(np.float16).astype(np.float32)

    def brief_pairs(self, probe: Probe, others: Rows) -> npt.NDArray[np.bool_]:
        """(k,) bool: whether the probe or the other is an article of few words."""
        return np.asarray(self._brief[others] | probe.brief, bool)

    def brief_rows(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Of rows in an array of any shape, whether they are articles of few words."""
        return np.asarray(self._brief[rows], bool)


def _weeks(published_at: int | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Weeks since 1970, NaN for `UNDATED`."""
    return np.where(np.equal(published_at, UNDATED), np.nan, np.divide(published_at, WEEK_SECONDS))
