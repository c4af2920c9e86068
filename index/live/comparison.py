"""Stores the result of comparing one live article with a snapshot and the other live articles, as bytes.

Web workers read it: imports numpy and nothing that embeds, searches or learns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

SKETCH_BYTES = 32

Array = npt.NDArray[Any]


class Comparison(NamedTuple):
    """Pairs of one live article with rows of the snapshot and with live rows (see `snapshot.FIRST_LIVE_ROW`).

    `rows` (k,) uint32, `features` (k, 3) float16: its own candidates as in the candidate table, best relevance
    first, of equals the higher row. `into` (m,) uint32, `into_features` (m, 3) float16: the rows whose lists it
    enters, in no order; relevance from their side. `sketch`: 32 bytes as in sketches.npy. `terms`: at most 24
    characteristic words as people write them, most characteristic first. `canonical`, `event`, `storyline`: a row
    that stands for its cluster, its own when it is alone.
    """

    rows: Array
    features: Array
    into: Array
    into_features: Array
    sketch: bytes
    terms: tuple[str, ...]
    canonical: int
    event: int
    storyline: int

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads: 10 bytes a pair, its words and little else."""
        pairs = (_packed(self.rows, "<u4"), _packed(self.features, "<f2"), _packed(self.into, "<u4"),
                 _packed(self.into_features, "<f2"))  # fmt: skip
        clusters = (self.canonical, self.event, self.storyline)
        return msgspec.msgpack.encode(_Packed(*pairs, self.sketch, self.terms, clusters))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Comparison:
        """Read-only arrays. Raises ValueError for anything that `to_bytes` does not write."""
        try:
            stored = msgspec.msgpack.decode(raw, type=_Packed)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"no comparison: {error}") from error
        if len(stored.sketch) != SKETCH_BYTES:
            raise ValueError(f"no comparison: a sketch of {len(stored.sketch)} bytes")
        if not all(0 <= row < 1 << 32 for row in stored.clusters):
            raise ValueError("no comparison: a cluster is no row")
        rows, features = _pairs(stored.rows, stored.features)
        into, into_features = _pairs(stored.into, stored.into_features)
        return cls(rows, features, into, into_features, stored.sketch, stored.terms, *stored.clusters)


class _Packed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    rows: bytes
    features: bytes
    into: bytes
    into_features: bytes
    sketch: bytes
    terms: tuple[str, ...]
    clusters: tuple[int, int, int]


def _packed(array: Array, dtype: str) -> bytes:
    return array.astype(dtype).tobytes()


def _pairs(rows: bytes, features: bytes) -> tuple[Array, Array]:
    """(k,) uint32 and (k, 3) float16. Raises ValueError."""
    packed = np.frombuffer(rows, "<u4")
    return packed, np.frombuffer(features, "<f2").reshape(len(packed), 3)
