"""Detects near-duplicates: wire copies, syndicated copies, corrected re-publications.

Decides by words, not by a model's cosine: the share of the shorter body found in the longer one, the share of all
they have in common, and the TF-IDF cosine, in which phrases of a series count little. Headlines are ignored: copies
get new ones, and series repeat theirs. A logistic model, stored as plain numbers, learned from planted copies by
scripts/training/train_duplicates.py.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import Article

SHINGLE_WORDS = 3  # a changed word costs three shingles of three words, but five of five
LEAST_SHINGLES = 20  # shorter bodies say too little: such articles are copies only when their heads agree too
COPY_FEATURES = ("containment", "resemblance", "lexical")

Shingles = frozenset[int]

_WORD = re.compile(r"\w+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, from the golden ratio: spreads sums over 64 bits


class CopyModel(msgspec.Struct, frozen=True):
    """Weights of `COPY_FEATURES`; `suspect` is the lexical cosine below which no planted copy was seen."""

    weights: tuple[float, float, float]
    bias: float
    suspect: float
    origin: str

    def probability(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(p, 3) -> (p,) in [0, 1]."""
        logits = features @ np.array(self.weights) + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))


def copy_probabilities(
    articles: Sequence[Article],
    pairs: Sequence[tuple[int, int]],
    lexical: npt.NDArray[np.floating],
    model: CopyModel,
) -> npt.NDArray[np.float64]:
    """(p,): for each pair of rows the probability that one is a copy of the other; `lexical` (p,) their cosines."""
    shingles = {row: body_shingles(articles[row].body) for row in sorted({row for pair in pairs for row in pair})}
    shared = np.array([shared_shingles(shingles[one], shingles[other]) for one, other in pairs]).reshape(-1, 2)
    probable = model.probability(np.column_stack([shared, lexical]))
    for at, (one, other) in enumerate(pairs):
        if min(len(shingles[one]), len(shingles[other])) < LEAST_SHINGLES:
            probable[at] = _brief_copies(articles[one], articles[other], shared[at, 0])
    return probable


def shared_shingles(ones: Shingles, others: Shingles) -> tuple[float, float]:
    """Containment (shared, of the shorter text's) and resemblance (shared, of all), 0-1; 0 for an empty text."""
    shared = len(ones & others)
    return shared / max(min(len(ones), len(others)), 1), shared / max(len(ones) + len(others) - shared, 1)


def body_shingles(text: str) -> Shingles:
    """64-bit hashes of the three-word shingles of a text, the same in every process.

    *Source*: Broder, On the resemblance and containment of documents, 1997.
    """
    words = np.array([_word_hash(word) for word in _WORD.findall(text.casefold())], np.uint64)
    count = len(words) - SHINGLE_WORDS + 1
    if count < 1:
        return frozenset()
    hashes = np.zeros(count, np.uint64)
    for at in range(SHINGLE_WORDS):
        hashes = hashes * _MULTIPLIER + words[at : at + count]
    return frozenset(hashes.tolist())


@lru_cache(100_000)
def _word_hash(word: str) -> int:
    return zlib.crc32(word.encode())


def _brief_copies(one: Article, other: Article, containment: float) -> bool:
    """Equal headline and standfirst, and a body that is missing or stands in the other's."""
    return _head(one) == _head(other) and (containment >= 0.5 or not one.body or not other.body)


def _head(article: Article) -> list[str]:
    return _WORD.findall(f"{article.headline} {article.standfirst}".casefold())
