"""Owns duplicates: wire copies, syndicated copies, corrected re-publications.

Decided on the words, not on a model's cosine (cut-offs do not transfer between models): two articles
are copies when most of the five-word shingles of the shorter body stand in the longer one.
Same-event clusters and storylines have their columns in the snapshot and are not computed yet:
until then an article's event and storyline are its duplicate cluster.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from index.article import Article

SHINGLE_WORDS = 5
# Measured on the planted copies of the sample newsroom and on digitalgov: see README, "Duplicates".
COPY_SHARE = 0.6
LEAST_SHINGLES = 20  # shorter bodies are copies only when headline and standfirst agree too
SUSPECT_LEXICAL = 0.5  # full-article TF-IDF cosine from which a pair is looked at; copies lie above .8

_WORD = re.compile(r"\w+")


def canonical_rows(
    articles: Sequence[Article], rows: npt.NDArray[np.int64], features: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint32]:
    """(n,) uint32: for each row the newest row of its duplicate cluster (its own row when it has no copy).

    `rows` (n, k) and `features` (n, k, 3) are the scored candidates of `index.neighbours.find_pairs`.
    """
    parents = np.arange(len(articles))
    shingles: dict[int, set[int]] = {}
    left, places = np.nonzero((features[:, :, 2] >= SUSPECT_LEXICAL) & (rows >= 0))
    for row, other in zip(left.tolist(), rows[left, places].tolist(), strict=True):
        if _root(parents, row) != _root(parents, other) and _are_copies(articles, row, other, shingles):
            low, high = sorted((_root(parents, row), _root(parents, other)))
            parents[low] = high
    return np.array([_root(parents, row) for row in range(len(articles))], np.uint32)


def copy_share(body: str, other: str) -> float:
    """Share of the five-word shingles of the shorter text that stand in the longer one, 0-1."""
    return _share(_shingles(body), _shingles(other))


def _are_copies(articles: Sequence[Article], row: int, other: int, shingles: dict[int, set[int]]) -> bool:
    for each in (row, other):
        if each not in shingles:
            shingles[each] = _shingles(articles[each].body)
    if min(len(shingles[row]), len(shingles[other])) < LEAST_SHINGLES:
        return _head(articles[row]) == _head(articles[other])
    return _share(shingles[row], shingles[other]) >= COPY_SHARE


def _share(one: set[int], other: set[int]) -> float:
    shorter = min(len(one), len(other))
    return len(one & other) / shorter if shorter else 0.0


def _shingles(text: str) -> set[int]:
    words = _WORD.findall(text.casefold())
    return {hash(tuple(words[at : at + SHINGLE_WORDS])) for at in range(len(words) - SHINGLE_WORDS + 1)}


def _head(article: Article) -> list[str]:
    return _WORD.findall(f"{article.headline} {article.standfirst}".casefold())


def _root(parents: npt.NDArray[np.int64], row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row
