"""Defines the protocol of every embedder and the array types; imports no model library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
UNIT_TOLERANCE = 1e-3  # a row stored as float16 has a norm within 5e-4 of one


class BadVectors(Exception):
    """An embedder or a file gave vectors that break the contract; nothing was stored."""


class UntrustedModel(Exception):
    """The weights on disk are not the ones the project vouches for."""

    def __init__(self, model: str, found: str, expected: str) -> None:
        super().__init__(
            f"the weights of {model} have sha256 {found}, expected {expected}: reinstall the package, "
            "or name a folder of your own instead"
        )
        self.model, self.found, self.expected = model, found, expected


class Embedder(Protocol):
    """Turns texts into unit vectors.

    Two embedders with one `fingerprint` give one text the same vector (to 1e-5, whatever it is
    embedded with); vectors of different fingerprints are never compared. A text longer than the
    model's window is the normalised mean of its windows: no token is dropped. The empty text has a
    vector, the one that the model gives to no tokens.
    """

    @property
    def fingerprint(self) -> str:
        """Names weights, backend and window; cheap: nothing is loaded."""

    @property
    def dimension(self) -> int:
        """Length of a vector; cheap: nothing is loaded."""

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> FloatArray:
        """(n, dimension) float32 unit rows in the order of `texts`; (0, dimension) for none.

        `progress` hears how many of these texts are done so far. Raises `BadVectors`.
        """


def checked_unit_rows(array: npt.ArrayLike, n: int, d: int) -> FloatArray:
    """`array` as (n, d) contiguous float32. Raises `BadVectors` unless it is finite unit rows."""
    rows = np.asarray(array)
    if rows.shape != (n, d):
        raise BadVectors(f"expected vectors of shape ({n}, {d}), got {rows.shape}")
    if rows.dtype.kind != "f":
        raise BadVectors(f"expected floating-point vectors, got {rows.dtype}")
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    norms = np.linalg.norm(rows, axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= UNIT_TOLERANCE))  # NaN compares false, so it is wrong too
    if wrong.size:
        raise BadVectors(f"row {wrong[0]} of {n} is not a unit vector (norm {norms[wrong[0]]})")
    return rows
