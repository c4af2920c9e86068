"""Owns the vectors that are already paid for: by digest of text, model fingerprint and recipe.

Append-only shards, each written to a temporary name, fsynced, renamed: a build killed at any moment
resumes from its last flush. A shard that fails its checksum is dropped and its texts are embedded
again. One writer at a time (the store's lock).

A shard: magic, dimension and row count; n keys of 16 bytes; n x d little-endian float32; BLAKE2b-256
of all before it. Vectors stay on disk; an open cache holds the keys.
"""

from __future__ import annotations

import logging
import os
import struct
from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.clean import RECIPE
from index.embed import BadVectors, Embedder, checked_unit_rows

FloatArray = npt.NDArray[np.float32]

KEY_BYTES = 16
FLUSH_EVERY = 512  # texts: about half a minute of work on two cores, 0.8 MB a shard
_DIGEST_BYTES = 32
_HEADER = struct.Struct("<4sIQ")
_MAGIC = b"VEC1"
_SUFFIX = ".vectors"

log = logging.getLogger(__name__)


class VectorCache:
    """The vectors of one model under `directory`; other models' vectors live beside it untouched."""

    def __init__(self, directory: Path, fingerprint: str, dimension: int) -> None:
        """Opens and checks every shard. `dropped` counts those that were damaged and are gone."""
        self.fingerprint = fingerprint
        self.dimension = dimension
        self.dropped = 0
        self._salt = f"{fingerprint}\0{RECIPE}\0{dimension}\0".encode()
        self._directory = directory / blake2b(self._salt, digest_size=8).hexdigest()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._shards: list[Path] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        self._open_shards()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def key(self, text: str) -> bytes:
        """16 bytes that name this text under this model and recipe."""
        return blake2b(self._salt + text.encode(), digest_size=KEY_BYTES).digest()

    def put(self, keys: Sequence[bytes], vectors: npt.ArrayLike) -> None:
        """Store unit rows under distinct keys, durably. Raises `BadVectors`, OSError (nothing stored)."""
        if not keys:
            return
        rows = checked_unit_rows(vectors, len(keys), self.dimension)
        content = _HEADER.pack(_MAGIC, self.dimension, len(keys)) + b"".join(keys)
        content += rows.astype("<f4", copy=False).tobytes()
        digest = blake2b(content, digest_size=_DIGEST_BYTES).digest()
        path = self._directory / f"{digest[:12].hex()}{_SUFFIX}"
        _write_durably(path, content + digest)
        self._remember(path, keys)

    def get(self, keys: Sequence[bytes]) -> FloatArray:
        """(n, dimension) float32 rows in the order of `keys`. Raises KeyError for one not stored."""
        found = np.empty((len(keys), self.dimension), dtype=np.float32)
        wanted: dict[int, list[tuple[int, int]]] = defaultdict(list)  # shard: (position, row in the shard)
        for position, key in enumerate(keys):
            shard, row = self._places[key]
            wanted[shard].append((position, row))
        for shard, pairs in wanted.items():
            positions, rows = np.array(pairs).T
            found[positions] = self._rows(self._shards[shard])[rows]
        return found

    def _rows(self, path: Path) -> npt.NDArray[np.float32]:
        with path.open("rb") as file:
            _, dimension, n = _HEADER.unpack(file.read(_HEADER.size))
        offset = _HEADER.size + n * KEY_BYTES
        return np.memmap(path, dtype="<f4", mode="r", offset=offset, shape=(n, dimension))

    def _open_shards(self) -> None:
        for leftover in self._directory.glob("*.tmp"):
            leftover.unlink()
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            keys = _checked_keys(path.read_bytes(), self.dimension)
            if keys is None:
                log.warning("dropped damaged vector shard %s: its texts are embedded again", path.name)
                path.unlink()
                self.dropped += 1
            else:
                self._remember(path, keys)

    def _remember(self, path: Path, keys: Sequence[bytes]) -> None:
        number = len(self._shards)
        self._shards.append(path)
        self._places.update((key, (number, row)) for row, key in enumerate(keys))


def cached_embed(
    cache: VectorCache,
    embedder: Embedder,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
    flush_every: int = FLUSH_EVERY,
) -> tuple[FloatArray, int]:
    """(n, dimension) unit rows in the order of `texts`, and how many distinct texts were embedded now.

    Only what the cache lacks is embedded, each distinct text once, and stored every `flush_every`
    texts. `progress` hears done and total of the missing ones. Raises `BadVectors`, OSError.
    """
    if cache.fingerprint != embedder.fingerprint:
        raise BadVectors(f"a cache of {cache.fingerprint} was asked to hold vectors of {embedder.fingerprint}")
    keys = [cache.key(text) for text in texts]
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in cache}
    # Longest first: batches of like lengths, and a progress bar whose forecast errs on the late side.
    order = sorted(missing, key=lambda key: -len(missing[key]))
    for start in range(0, len(order), flush_every):
        chunk = order[start : start + flush_every]
        heard = _heard_from(progress, start, len(order))
        cache.put(chunk, embedder.embed([missing[key] for key in chunk], heard))
    return cache.get(keys), len(order)


def _heard_from(progress: Callable[[int, int], None] | None, start: int, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    return lambda done: progress(start + done, total)


def _checked_keys(content: bytes, dimension: int) -> list[bytes] | None:
    """The keys of an intact shard; None for a damaged one."""
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if len(body) < _HEADER.size or blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    magic, found_dimension, n = _HEADER.unpack_from(body)
    if magic != _MAGIC or found_dimension != dimension:
        return None
    if len(body) != _HEADER.size + n * (KEY_BYTES + 4 * dimension):
        return None
    start = _HEADER.size
    return [body[at : at + KEY_BYTES] for at in range(start, start + n * KEY_BYTES, KEY_BYTES)]


def _write_durably(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
