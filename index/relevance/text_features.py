"""Computes the first four pair features, those of vectors and words.

Bitwise independent of batch composition: sums run in one order, never by BLAS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.storage.arrays import by_distinct, parts

AT_ONCE = 32  # probes whose words are spread out at once
FEW = 8  # pairs of a probe for which its words are not worth spreading out
READ, GATHERED = 16_384, 256  # rows whose vectors and words are read at once, and pairs whose vectors are multiplied
LEAST_LENGTH = np.float32(1e-12)

FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Texts(NamedTuple):
    """Of an archive, or of some rows of it: `dense` (n, d) vectors of any length; `words`, `headlines` (n, v) TF-IDF
    rows of the full texts and of the headlines alone, `TermRows` or CSR.
    """

    dense: npt.NDArray[np.floating[Any]]
    words: Any
    headlines: Any

    def of(self, rows: Rows) -> Texts:
        """Those of some rows, in memory: float32 and CSR."""
        return Texts(np.asarray(self.dense[rows], np.float32), self.words[rows], self.headlines[rows])


def common_of_pairs(texts: Texts, rows: Rows, others: Rows) -> FloatArray:
    """(p, 4) float32 of pairs of `rows` (p,), rising, and `others` (p,). Those of a block share many: read once."""
    features = np.empty((len(rows), 4), np.float32)
    for run, distinct, places in by_distinct(others, READ):
        sources, own, counts = np.unique(rows[run], return_inverse=True, return_counts=True)
        probes, read = texts.of(sources), texts.of(distinct)
        features[run, 0] = _dense_of_pairs(probes.dense, own, read.dense, places)
        few = counts[own] < FEW
        for some, lexical in ((few, _lexical_of_few), (~few, _lexical_of_many)):
            features[run][some, 1:] = lexical(probes.words, own[some], read, places[some])
    return _rounded(features)


def common_with(dense: FloatArray, text: FloatArray, others: Texts) -> FloatArray:
    """(k, 4) float32 of a probe, its vector (d,) and TF-IDF row (v,), with each of `others` (k,), in memory."""
    k = len(others.dense)
    lengths = _lengths(others.dense) * _lengths(dense[None])
    products = _products(others.dense, np.broadcast_to(dense, others.dense.shape))
    cosines = products / np.maximum(lengths, LEAST_LENGTH)
    lexical = _lexical(text, np.zeros(k, np.int64), others.words, others.headlines, np.arange(k))
    return _rounded(np.hstack([cosines[:, None], lexical]))


def headline_in(headline: FloatArray, texts: sparse.csr_matrix) -> FloatArray:
    """(k, 2): cosine of a headline (v,) with each text (k, v), and the share of its squared weight there.

    Of a text's thousand terms a dozen count, so they are looked for and not multiplied.
    """
    places = np.flatnonzero((headline > 0).take(texts.indices))
    owners = np.searchsorted(texts.indptr, places, side="right") - 1
    weights, n = headline[texts.indices[places]], texts.shape[0]
    columns = (np.bincount(owners, products, n) for products in (weights * texts.data[places], weights**2))
    return _rounded(np.stack([column.astype(np.float32) for column in columns], axis=1))


def _dense_of_pairs(probes: FloatArray, own: Rows, read: FloatArray, places: Rows) -> FloatArray:
    """(p,) cosines of pairs of rows `own` of some vectors and `places` of others; with a zero row: 0."""
    cosines = np.empty(len(places), np.float32)
    of_probe, length = _lengths(probes), _lengths(read)
    for few in parts(len(places), GATHERED):
        one, other = places[few], own[few]
        lengths = length[one] * of_probe[other]
        cosines[few] = _products(read[one], probes[other]) / np.maximum(lengths, LEAST_LENGTH)
    return cosines


def _lexical_of_many(probes: sparse.csr_matrix, own: Rows, read: Texts, places: Rows) -> FloatArray:
    """(p, 3): `_lexical` of pairs of rows `own`, rising, of the probes, each of which has many, with `places`."""
    features = np.empty((len(own), 3), np.float32)
    spread = _Spread(probes, AT_ONCE)
    sources, begins = np.unique(own, return_index=True)
    bounds = np.append(begins, len(own)).tolist()
    for part in parts(len(sources), AT_ONCE):
        some, span = sources[part], slice(bounds[part.start], bounds[part.stop])
        with spread.of(some) as text:
            place, there = np.searchsorted(some, own[span]), places[span]
            features[span] = _lexical(text, place, read.words[there], read.headlines, there)
    return features


def _lexical_of_few(probes: sparse.csr_matrix, own: Rows, read: Texts, places: Rows) -> FloatArray:
    """The same bits, of probes with few pairs each: terms are looked for among those of the probe."""
    terms = probes.shape[1]
    together = probes[own].multiply(read.words[places])
    lexical = together @ np.ones(terms, np.float32)  # added as `_lexical` does
    of_probes = _owners(probes) * terms + probes.indices
    headlines, pairs = _terms_of(read.headlines, places)
    wanted = own[pairs] * terms + read.headlines.indices[headlines]
    at = np.searchsorted(of_probes, wanted)
    there = np.append(of_probes, -1)[at] == wanted
    weights = np.where(there, np.append(probes.data, np.float32(0))[at], np.float32(0))
    return np.stack([lexical, *_in_common(read.headlines.data[headlines], weights, pairs, len(own))], axis=1)


def _lexical(text: FloatArray, place: Rows, texts: sparse.csr_matrix, headlines: Any, others: Rows) -> FloatArray:
    """(p, 3): lexical cosine, and the two of the headline, of pairs of probes and other articles.

    `text` (s * v,): the rows of s probes one after another; `place` (p,): whose pair each is; `texts` (p, v);
    `others` (p,): the row of each other in `headlines`.
    """
    terms = texts.shape[1]
    columns = texts.indices + np.repeat(place.astype(texts.indices.dtype) * terms, np.diff(texts.indptr))
    there = sparse.csr_matrix((texts.data, columns, texts.indptr), shape=(len(others), len(text)), copy=False)
    at, pairs = _terms_of(headlines, others)
    headline_weights = text[
        headlines.indices[at] + np.repeat(place * terms, np.bincount(pairs, minlength=len(others)))
    ]
    return np.stack([there @ text, *_in_common(headlines.data[at], headline_weights, pairs, len(others))], axis=1)


def _terms_of(rows: sparse.csr_matrix, some: Rows) -> tuple[Rows, Rows]:
    """Places of the terms of some rows, one row after the other, and whose each is.

    For rows of a dozen terms scipy's own row selection takes four times as long.
    """
    starts = rows.indptr[some].astype(np.int64)
    counts = rows.indptr[some + 1] - starts
    ends = np.cumsum(counts)
    places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return places, np.repeat(np.arange(len(some)), counts)


def _in_common(weights: FloatArray, others: FloatArray, pairs: Rows, n: int) -> tuple[FloatArray, FloatArray]:
    """(n,) and (n,): cosine of headlines with texts, and the share of their squared weight that is there.

    Of the terms of n headlines: `weights` there, `found` in the text, `pairs`: whose each is.
    """
    cosines, shares = (np.bincount(pairs, products, n) for products in (weights * others, weights**2 * (others > 0)))
    return cosines.astype(np.float32), shares.astype(np.float32)


def _owners(rows: sparse.csr_matrix) -> Rows:
    """The row of each term."""
    return np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))


def _lengths(rows: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(_products(rows, rows)))


def _products(one: FloatArray, other: FloatArray) -> FloatArray:
    """(k,) of rows (k, d)."""
    return np.asarray(np.einsum("ij,ij->i", one, other), np.float32)


def _rounded(features: FloatArray) -> FloatArray:
    """As float16 keeps them for the next build, so that both see the same."""
    return features.astype(np.float16).astype(np.float32)


class _Spread:
    """Rows spread out, a few at a time, one after another; the memory is used again."""

    def __init__(self, rows: sparse.csr_matrix, most: int) -> None:
        self._rows = rows
        self._text = np.zeros(min(most, rows.shape[0]) * rows.shape[1], np.float32)

    @contextmanager
    def of(self, some: Rows) -> Iterator[FloatArray]:
        """(s * v,) of rows (s,)."""
        known = self._rows[some]
        columns = known.indices + _owners(known) * known.shape[1]
        self._text[columns] = known.data
        yield self._text[: len(some) * known.shape[1]]
        self._text[columns] = 0
