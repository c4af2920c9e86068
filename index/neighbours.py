"""Owns the candidate table: each row's most related rows, overall and in the recent window.

Candidates are found by hybrid cosine, then rescored exactly: meaning, words, the candidate's
headline and the time between the two become a calibrated relevance, which decides what stays and in which order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.article import UNDATED
from index.linkgraph import LinkGraph
from index.nearest import FLAT_ROWS, Nearest
from index.relatedness import Baseline, Relevance, baseline_of
from index.snapshot import NO_ROW

OVERALL = 50
RECENT = 50
RECENT_DAYS = 30
DEPTH = 200  # found by vector before exact rescoring; 200 so that 50 copies of an article leave 150 others
LEAST_WAY = 0.01  # relevance below which a way through another article is not followed: no policy shows less
WEEK_SECONDS = 7 * 86_400
BLOCK = 1_024  # rows multiplied at once: 1,024 x 100,000 float32 = 400 MB at the most

FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]


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
        back[:, 2], back[:, 3] = _headline_in(headline, texts)
        if self._links:
            back[:, 5] = np.log1p(self._links.lately(self._published_at[others], np.full(len(others), row_in_links)))
        return features, back

    def _features(self, probe: Probe, others: Rows, texts: sparse.csr_matrix) -> FloatArray:
        columns = [
            self._dense_cosines(probe.dense, others),
            texts @ probe.text,
            *self._headlines_in(probe.text, others),
            np.log1p(np.abs(self._weeks[others] - _weeks(probe.published_at))),
        ]
        if self._links:
            columns.append(np.log1p(self._links.lately(probe.published_at, self._rows_in_links[others])))
        return np.stack(columns, axis=1).astype(np.float32)

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
        relevance = self._relevance.probability(features, baseline, brief)
        scored = np.stack([relevance, features[:, 0], features[:, 1]], axis=1)
        return scored.astype(np.float16).astype(np.float32)

    def brief_pairs(self, probe: Probe, others: Rows) -> npt.NDArray[np.bool_]:
        """(k,) bool: whether the probe or the other is an article of few words."""
        return np.asarray(self._brief[others] | probe.brief, bool)

    def _headlines_in(self, text: FloatArray, others: Rows) -> tuple[FloatArray, FloatArray]:
        """(k,) and (k,): cosine of each headline with a text (v,), and the share of its squared weight found there.

        On the CSR arrays themselves: for rows of a dozen terms scipy's own row selection takes four times as long.
        """
        starts = self._headlines.indptr[others]
        counts = self._headlines.indptr[others + 1] - starts
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
        weights, found = self._headlines.data[places], text[self._headlines.indices[places]]
        owners = np.repeat(np.arange(len(others)), counts)
        cosines, shares = (
            np.bincount(owners, each, len(others)) for each in (weights * found, weights**2 * (found > 0))
        )
        return cosines.astype(np.float32), shares.astype(np.float32)

    def _dense_cosines(self, dense: FloatArray, others: Rows) -> FloatArray:
        gathered = np.asarray(self._dense[others], np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", gathered, gathered)) * np.sqrt(dense @ dense)
        return np.asarray(gathered @ dense / np.maximum(norms, 1e-12), np.float32)  # a zero row: 0


def _headline_in(headline: FloatArray, texts: sparse.csr_matrix) -> tuple[FloatArray, FloatArray]:
    """(k,) and (k,): cosine of a headline (v,) with each text (k, v), and the share of its squared weight there.

    Of a text's thousand terms a dozen count, so they are looked for and not multiplied.
    """
    places = np.flatnonzero((headline > 0).take(texts.indices))
    owners = np.searchsorted(texts.indptr, places, side="right") - 1
    found, n = headline[texts.indices[places]], texts.shape[0]
    cosines, shares = (np.bincount(owners, each, n) for each in (found * texts.data[places], found**2))
    return cosines.astype(np.float32), shares.astype(np.float32)


def _weeks(published_at: int | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Weeks since 1970, NaN for `UNDATED`."""
    return np.where(np.equal(published_at, UNDATED), np.nan, np.divide(published_at, WEEK_SECONDS))


class Pairs(msgspec.Struct, frozen=True):
    """Scored candidates of every row, best first: rows (n, k) int64 with -1 as padding, features (n, k, 3).

    `baselines` (n, 3) float32: the `Baseline` of each row, which loses nothing as float32.
    """

    rows: Rows
    features: FloatArray
    baselines: FloatArray


def find_pairs(
    vectors: FloatArray,
    nearest: Nearest,
    scorer: PairScorer,
    eligible: npt.NDArray[np.bool_],
    depth: int = DEPTH,
    baselines: FloatArray | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Pairs:
    """The `depth` eligible rows most similar to each row (never itself), rescored and sorted by relevance.

    `baselines` (n, 3): those of an earlier, wider search; without them this search gives them.
    Exact up to 100,000 rows (blocked products), by the faiss index above.
    """
    n = len(vectors)
    k = min(depth, max(n - 1, 0))
    rows = np.full((n, k), -1, np.int64)
    features = np.zeros((n, k, 3), np.float32)
    found_baselines = np.zeros((n, 3), np.float32)
    for start in range(0, n if k else 0, BLOCK):
        block = np.arange(start, min(start + BLOCK, n))
        found = _search_block(vectors, nearest, block, eligible, k)
        for row, others in zip(block, found, strict=True):
            known = None if baselines is None else Baseline(*baselines[row])
            scored, found_baselines[row] = scorer.score(scorer.probe(int(row)), others, known)
            order = np.lexsort((-others, -scored[:, 0]))  # ties: the newer row first
            rows[row, : len(order)] = others[order]
            features[row, : len(order)] = scored[order]
        progress(int(block[-1]) + 1, n)
    return Pairs(rows, features, found_baselines)


def by_way_of_others(pairs: Pairs, scorer: PairScorer, brief: npt.NDArray[np.bool_]) -> Pairs:
    """The pairs, where a brief article counts as related to a full one through the best article between them.

    relevance(a, c) is at least relevance(a, b) x relevance(b, c). For brief candidates only: a headline says
    little about what a longer article is about, while for full ones the direct answer is the better one (the
    product for all pairs costs .015 to .028 nDCG@10 on three archives). Found rows push out the least relevant.
    """
    rows, features = pairs.rows.copy(), pairs.features.copy()
    for row in np.flatnonzero(~brief).tolist():
        others, through = _through(pairs, row, brief)
        if not len(others):
            continue
        known = pairs.rows[row]
        scored, _ = scorer.score(scorer.probe(row), others, Baseline(*pairs.baselines[row]))
        scored[:, 0] = np.maximum(scored[:, 0], through)
        rest = (known >= 0) & ~np.isin(known, others)
        found = np.concatenate([others, known[rest]])
        values = np.concatenate([scored, pairs.features[row, rest]])
        order = np.lexsort((-found, -values[:, 0]))[: len(known)]
        rows[row, : len(order)], features[row, : len(order)] = found[order], values[order]
    return Pairs(rows, features, pairs.baselines)


def _through(pairs: Pairs, row: int, brief: npt.NDArray[np.bool_]) -> tuple[Rows, FloatArray]:
    """Brief rows that the row's most related rows lead to, and the relevance of the best way to each."""
    between = pairs.rows[row, :OVERALL]
    between = between[between >= 0]
    ends = pairs.rows[between, :OVERALL]
    ways = pairs.features[row, : len(between), :1] * pairs.features[between, :OVERALL, 0]
    useful = (ends >= 0) & (ends != row) & brief[ends] & (ways >= LEAST_WAY)
    others, places = np.unique(ends[useful], return_inverse=True)
    best = np.zeros(len(others), np.float32)
    np.maximum.at(best, places, ways[useful])
    return others, best.astype(np.float16).astype(np.float32)


def candidate_table(
    overall: Pairs, recent: Pairs, canonical: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.uint32], FloatArray]:
    """Rows (n, 100) uint32 and features (n, 100, 3): up to 50 overall and 50 more of the recent window.

    Without duplicates of the row itself; sorted by relevance, padded with `NO_ROW`.
    """
    n = len(canonical)
    table = np.full((n, OVERALL + RECENT), NO_ROW, np.uint32)
    features = np.zeros((n, OVERALL + RECENT, 3), np.float32)
    for row in range(n):
        first, first_features = _without_copies(overall, row, canonical, OVERALL, set())
        more, more_features = _without_copies(recent, row, canonical, RECENT, set(first.tolist()))
        rows = np.concatenate([first, more])
        scored = np.concatenate([first_features, more_features])
        order = np.lexsort((-rows, -scored[:, 0]))
        table[row, : len(rows)] = rows[order]
        features[row, : len(rows)] = scored[order]
    return table, features


def _without_copies(
    pairs: Pairs, row: int, canonical: npt.NDArray[np.uint32], most: int, known: set[int]
) -> tuple[Rows, FloatArray]:
    others = pairs.rows[row]
    keep = np.flatnonzero(others >= 0)
    keep = keep[canonical[others[keep]] != canonical[row]]
    if known:
        keep = keep[[int(other) not in known for other in others[keep]]]
    keep = keep[:most]
    return others[keep], pairs.features[row, keep]


def _search_block(
    vectors: FloatArray, nearest: Nearest, block: Rows, eligible: npt.NDArray[np.bool_], k: int
) -> list[Rows]:
    """For each row of the block, the rows found (up to k, without itself)."""
    if len(vectors) > FLAT_ROWS:
        found, _ = nearest.search(vectors[block], k + 1, eligible)
        return [others[(others >= 0) & (others != row)][:k] for row, others in zip(block, found, strict=True)]
    columns = np.flatnonzero(eligible)
    scores = vectors[block] @ vectors[columns].T
    own = np.searchsorted(columns, block)
    inside = (own < len(columns)) & (columns[np.minimum(own, len(columns) - 1)] == block) if len(columns) else own < 0
    scores[np.flatnonzero(inside), own[inside]] = -np.inf
    k = min(k, len(columns))
    if k == 0:
        return [np.empty(0, np.int64) for _ in block]
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    kept = np.take_along_axis(scores, top, axis=1) > -np.inf
    return [columns[places[keep]] for places, keep in zip(top, kept, strict=True)]
