"""Owns how two articles are compared: pair features and the calibrated relevance that they become.

Candidates are found by hybrid cosine (`index.found`), then compared exactly: meaning, words, the candidate's
headline and the time between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.article import UNDATED
from index.linkgraph import LinkGraph
from index.relatedness import Baseline, Relevance, baseline_of
from index.scratch import by_distinct, parts

OVERALL = 50
RECENT = 50
RECENT_DAYS = 30
DEPTH = 200  # found by vector before exact rescoring; 200 so that 50 copies of an article leave 150 others
LEAST_WAY = 0.01  # relevance below which a way through another article is not followed: no policy shows less
WEEK_SECONDS = 7 * 86_400
AT_ONCE = 32  # probes whose words are spread out at once
FEW = 8  # pairs of a probe for which its words are not worth spreading out
PAIRS, GATHERED = 65_536, 256  # rows whose vectors are read at once, and pairs that are multiplied
LEAST_LENGTH = np.float32(1e-12)

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


class PairScorer:
    """Pair features of the rows of one archive, and their relevance."""

    def __init__(
        self,
        vectors: npt.NDArray[np.floating[Any]],
        dense_dimension: int,
        tfidf: sparse.csr_matrix,
        headlines: sparse.csr_matrix,
        published_at: npt.NDArray[np.int64],
        brief: npt.NDArray[np.bool_],
        relevance: Relevance,
        links: LinkGraph | None = None,
        rows_in_links: Rows | None = None,
    ) -> None:
        """`vectors` (n, d + c) hybrid unit rows, of which the first d are dense; `tfidf` (n, v) unit rows.

        `headlines` (n, v): unit rows of the headlines alone. `published_at` (n,): epoch seconds or `UNDATED`.
        `brief` (n,): articles of few words. `links`: give the sixth pair feature, which a
        `relevance` learned with it needs and no other can take; `rows_in_links` (n,): where they count other rows
        than these, -1 for none.
        """
        self._dense = vectors[:, :dense_dimension]
        self._tfidf = tfidf
        self._headlines = headlines
        self._published_at = published_at
        self._weeks = _weeks(published_at)
        self._brief = brief
        self._relevance = relevance
        self._links = links
        self._rows_in_links = np.arange(len(published_at)) if rows_in_links is None else rows_in_links

    def probe(self, row: int) -> Probe:
        """A row as what others are compared with."""
        text = np.zeros(self._tfidf.shape[1], np.float32)
        span = slice(self._tfidf.indptr[row], self._tfidf.indptr[row + 1])
        text[self._tfidf.indices[span]] = self._tfidf.data[span]
        dense = np.asarray(self._dense[row], np.float32)
        return Probe(dense, text, int(self._published_at[row]), bool(self._brief[row]))

    def pair_features(self, probe: Probe, others: Rows) -> FloatArray:
        """(k, 5) float32, with links (k, 6), columns `PAIR_FEATURES`: the probe with each of `others`."""
        return self._features(probe, others, self._tfidf[others])

    def text_features(self, rows: Rows, others: Rows) -> FloatArray:
        """(p, 4) float32 of pairs of `rows` (p,), rising, and `others` (p,).

        Those of `pair_features` that depend on the two texts alone. Each pair's are the same to the bit whatever is
        asked beside it.
        """
        features = np.empty((len(rows), 4), np.float32)
        features[:, 0] = self._dense_of_pairs(rows, others)
        counts = np.unique(rows, return_inverse=True, return_counts=True)
        few = counts[2][counts[1]] < FEW if len(rows) else np.zeros(0, bool)
        features[few, 1:] = self._lexical_of_few(rows[few], others[few])
        features[~few, 1:] = self._lexical_of_many(rows[~few], others[~few])
        return _rounded(features)

    def _lexical_of_many(self, rows: Rows, others: Rows) -> FloatArray:
        """`_lexical` of pairs of `rows` (p,), rising, each of which has many: its text is spread out once."""
        features = np.empty((len(rows), 3), np.float32)
        sources, begins = np.unique(rows, return_index=True)
        bounds = np.append(begins, len(rows)).tolist()
        texts = _Texts(self._tfidf, min(AT_ONCE, len(sources)))
        for part in parts(len(sources), AT_ONCE):
            some, span = sources[part], slice(bounds[part.start], bounds[part.stop])
            with texts.of(some) as text:
                place = np.searchsorted(some, rows[span])
                features[span] = self._lexical(text, place, others[span], self._tfidf[others[span]])
        return features

    def _lexical_of_few(self, rows: Rows, others: Rows) -> FloatArray:
        """The same bits, of rows with few pairs each: terms are looked for among those of the text."""
        sources, own = np.unique(rows, return_inverse=True)
        texts, headlines = self._tfidf[sources], self._headlines[others]
        together = texts[own].multiply(self._tfidf[others])
        lexical = together @ np.ones(texts.shape[1], np.float32)  # added as `_lexical` does
        terms = _owners(texts) * texts.shape[1] + texts.indices
        pairs = _owners(headlines)
        wanted = own[pairs] * texts.shape[1] + headlines.indices
        at = np.searchsorted(terms, wanted)
        there = np.append(terms, -1)[at] == wanted
        found = np.where(there, np.append(texts.data, np.float32(0))[at], np.float32(0))
        cosines, shares = (
            np.bincount(pairs, each, len(rows)) for each in (headlines.data * found, headlines.data**2 * there)
        )
        return np.stack([lexical, cosines, shares], axis=1).astype(np.float32)

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
        texts = self._tfidf[others]
        features = self._features(probe, others, texts)
        back = features.copy()
        back[:, 2:4] = _rounded(np.stack(_headline_in(headline, texts), axis=1))
        if self._links:
            back[:, 5] = np.log1p(self._links.lately(self._published_at[others], np.full(len(others), row_in_links)))
        return features, back

    def _features(self, probe: Probe, others: Rows, texts: sparse.csr_matrix) -> FloatArray:
        return np.hstack([self._of_texts(probe, others, texts), self._of_moments(probe.published_at, others)])

    def _of_texts(self, probe: Probe, others: Rows, texts: sparse.csr_matrix) -> FloatArray:
        dense = _cosines(np.asarray(self._dense[others], np.float32), probe.dense[None])[:, None]
        lexical = self._lexical(probe.text, np.zeros(len(others), np.int64), others, texts)
        return _rounded(np.hstack([dense, lexical]))

    def _lexical(self, text: FloatArray, place: Rows, others: Rows, texts: sparse.csr_matrix) -> FloatArray:
        """(p, 3): lexical cosine, and the two of the headline, of each of `others`, whose rows are `texts` (p, v).

        `text` (s * v,): the rows of s probes one after another; `place` (p,): whose pair each is.
        """
        terms = self._tfidf.shape[1]
        columns = texts.indices + np.repeat(place.astype(texts.indices.dtype) * terms, np.diff(texts.indptr))
        there = sparse.csr_matrix((texts.data, columns, texts.indptr), shape=(len(others), len(text)), copy=False)
        return np.stack([there @ text, *self._headlines_in(text, place * terms, others)], axis=1)

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

    def _headlines_in(self, text: FloatArray, shift: Rows, others: Rows) -> tuple[FloatArray, FloatArray]:
        """(k,) and (k,): cosine of each headline with a text, and the share of its squared weight found there.

        `text` as in `_lexical`, each pair's from `shift` (k,) on. On the CSR arrays themselves: for rows of a dozen
        terms scipy's own row selection takes four times as long.
        """
        starts = self._headlines.indptr[others]
        counts = self._headlines.indptr[others + 1] - starts
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
        weights = self._headlines.data[places]
        found = text[self._headlines.indices[places] + np.repeat(shift, counts)]
        owners = np.repeat(np.arange(len(others)), counts)
        cosines, shares = (
            np.bincount(owners, each, len(others)) for each in (weights * found, weights**2 * (found > 0))
        )
        return cosines.astype(np.float32), shares.astype(np.float32)

    def _dense_of_pairs(self, rows: Rows, others: Rows) -> FloatArray:
        """(p,) of pairs of rows: those of a block share many, which are read and converted once."""
        cosines = np.empty(len(rows), np.float32)
        for run, distinct, places in by_distinct(others, PAIRS):
            sources, own = np.unique(rows[run], return_inverse=True)
            gathered, probes = (np.asarray(self._dense[each], np.float32) for each in (distinct, sources))
            length, of_probe = _lengths(gathered), _lengths(probes)
            for few in parts(len(places), GATHERED):
                one, other = places[few], own[few]
                lengths = length[one] * of_probe[other]
                cosines[run][few] = _products(gathered[one], probes[other]) / np.maximum(lengths, LEAST_LENGTH)
        return cosines


def _cosines(one: FloatArray, other: FloatArray) -> FloatArray:
    """(k,) of rows (k, d) with one (1, d); with a zero row: 0."""
    lengths = _lengths(one) * _lengths(other)
    return np.asarray(_products(one, np.broadcast_to(other, one.shape)) / np.maximum(lengths, LEAST_LENGTH))


def _lengths(rows: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(_products(rows, rows)))


def _products(one: FloatArray, other: FloatArray) -> FloatArray:
    """(k,) of rows (k, d), by sums in one order: BLAS gives other last bits for another number of rows."""
    return np.asarray(np.einsum("ij,ij->i", one, other), np.float32)


def _owners(rows: sparse.csr_matrix) -> Rows:
    """The row of each term."""
    return np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))


class _Texts:
    """Dense TF-IDF rows of a few probes at a time, one after another; the memory is used again."""

    def __init__(self, tfidf: sparse.csr_matrix, most: int) -> None:
        self._tfidf = tfidf
        self._text = np.zeros(most * tfidf.shape[1], np.float32)

    @contextmanager
    def of(self, rows: Rows) -> Iterator[FloatArray]:
        """(s * v,) of rows (s,)."""
        found = self._tfidf[rows]
        columns = found.indices + np.repeat(np.arange(len(rows)) * found.shape[1], np.diff(found.indptr))
        self._text[columns] = found.data
        yield self._text[: len(rows) * found.shape[1]]
        self._text[columns] = 0


def _headline_in(headline: FloatArray, texts: sparse.csr_matrix) -> tuple[FloatArray, FloatArray]:
    """(k,) and (k,): cosine of a headline (v,) with each text (k, v), and the share of its squared weight there.

    Of a text's thousand terms a dozen count, so they are looked for and not multiplied.
    """
    places = np.flatnonzero((headline > 0).take(texts.indices))
    owners = np.searchsorted(texts.indptr, places, side="right") - 1
    found, n = headline[texts.indices[places]], texts.shape[0]
    cosines, shares = (np.bincount(owners, each, n) for each in (found * texts.data[places], found**2))
    return cosines.astype(np.float32), shares.astype(np.float32)


def _rounded(features: FloatArray) -> FloatArray:
    """As float16 keeps them for the next build, so that both see the same."""
    return features.astype(np.float16).astype(np.float32)


def _weeks(published_at: int | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Weeks since 1970, NaN for `UNDATED`."""
    return np.where(np.equal(published_at, UNDATED), np.nan, np.divide(published_at, WEEK_SECONDS))
