"""Computes sketches: 256 bits a row that tell how alike two rows are, without their vectors.

Bit i says on which side of hyperplane i a vector lies; two unit vectors at angle t differ in a share t / pi of the
bits. A web worker reads 32 bytes a row instead of 1,280 and compares them in a tenth of the time. Sketches can be
compared only if they come from the same hyperplanes, so each snapshot keeps its own.

*Source*: Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BITS = 256
PLANES = "sketches.planes.npy"
_SEED = 2002
_BLOCK = 65_536

# Cosine by number of differing bits, unlike rows (more than half) as 0. Standard error .1 at cosine 0, .06 at .7.
COSINES = tuple(max(math.cos(math.pi * bits / BITS), 0.0) for bits in range(BITS + 1))


FloatArray = npt.NDArray[np.float32]


def random_planes(dimension: int) -> FloatArray:
    """(d, 256) normals of random hyperplanes; the same for a dimension with one version of numpy.

    Another version may draw others, so that what is compared with stored sketches uses `planes_of`.
    """
    return np.random.default_rng(_SEED).standard_normal((dimension, BITS), np.float32)


def planes_of(directory: Path, dimension: int) -> FloatArray:
    """(d, 256) the hyperplanes of a snapshot's sketches; of one without the file, those that are drawn today.

    Raises OSError, ValueError.
    """
    path = directory / PLANES
    return np.asarray(np.load(path, allow_pickle=False)) if path.exists() else random_planes(dimension)


def sketch_rows(vectors: npt.NDArray[np.floating[Any]], planes: FloatArray) -> npt.NDArray[np.uint64]:
    """(n, d) rows of any length, (d, 256) hyperplanes -> (n, 4) uint64."""
    sketches = np.empty((len(vectors), BITS // 8), np.uint8)
    for start in range(0, len(vectors), _BLOCK):
        block = np.asarray(vectors[start : start + _BLOCK], np.float32)
        sketches[start : start + _BLOCK] = np.packbits(block @ planes > 0, axis=1)
    return sketches.view("<u8")
