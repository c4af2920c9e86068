"""Owns sketches: 256 bits a row that tell how alike two rows are, without their vectors.

Bit i says on which side of random hyperplane i a vector lies; two unit vectors at angle t differ in a share
t / pi of the bits. A web worker reads 32 bytes a row instead of 1,280 and compares them in a tenth of the time.

*Source*: Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

BITS = 256
_SEED = 2002
_BLOCK = 65_536

# Cosine by number of differing bits, unlike rows (more than half) as 0. Standard error .1 at cosine 0, .06 at .7.
COSINES = tuple(max(math.cos(math.pi * bits / BITS), 0.0) for bits in range(BITS + 1))


def sketch_rows(vectors: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint64]:
    """(n, d) rows of any length -> (n, 4) uint64; the same vector has the same sketch in every snapshot."""
    planes = np.random.default_rng(_SEED).standard_normal((vectors.shape[1], BITS), np.float32)
    found = np.empty((len(vectors), BITS // 8), np.uint8)
    for start in range(0, len(vectors), _BLOCK):
        block = np.asarray(vectors[start : start + _BLOCK], np.float32)
        found[start : start + _BLOCK] = np.packbits(block @ planes > 0, axis=1)
    return found.view("<u8")
