"""A deterministic embedder without a model, for tests that need vectors but not their quality."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np


class HashingEmbedder:
    """Bag-of-words vectors by hashing: similar texts get similar vectors. `embedded` records every text asked for."""

    fingerprint = "hashing-64"
    dimension = 64

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> np.ndarray:
        self.embedded.extend(texts)
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            vectors[row, 0] = 0.01
            for word in text.lower().split():
                digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
                vectors[row, int.from_bytes(digest, "little") % self.dimension] += 1
            if progress is not None:
                progress(row + 1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
