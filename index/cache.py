"""Owns the vectors that are already paid for: by digest of text, model fingerprint and recipe.

Append-only shards, each written to a temporary name, fsynced, renamed: a build killed at any moment
resumes from its last flush. A shard that fails its checksum is dropped and its texts are embedded
again. Several processes may read and add at once, a rebuild and the search process; one at a time may
`compact`, which removes shards: who has them open finds the vectors in their new place.

Vectors stay on disk, in shards (`index.shards`); an open cache holds the keys.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.clean import RECIPE
from index.embed import BadVectors, Embedder, checked_unit_rows
from index.engine import Engine, Local
from index.places import NOWHERE, Places
from index.shards import KEY_BYTES, SUFFIX, intact_keys, shard_keys, shard_rows, sweep, write_shard
from index.snapshot import fsync_directory

FloatArray = npt.NDArray[np.float32]

FLUSH_EVERY = 512  # texts: about half a minute of work on two cores, 0.8 MB a shard
SMALL = FLUSH_EVERY  # texts in a shard, below which `compact` merges it with others
MANY_SMALL = 64  # small shards that are worth merging: each article that comes on its own leaves one
MERGED = 8_192  # texts in a shard that `compact` writes: 13 MB

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
        self._shards: dict[Path, int] = {}  # how many vectors each holds
        self._places = Places()
        sweep(self._directory)
        self._look_again()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and not self.lacks([key])

    def key(self, text: str) -> bytes:
        """16 bytes that name this text under this model and recipe."""
        return blake2b(self._salt + text.encode(), digest_size=KEY_BYTES).digest()

    def lacks(self, keys: Sequence[bytes]) -> list[bytes]:
        """Those of the keys under which nothing is stored."""
        places = self._places.find(b"".join(keys)).tolist()
        return [key for key, place in zip(keys, places, strict=True) if place == NOWHERE]

    def put(self, keys: Sequence[bytes], vectors: npt.ArrayLike) -> None:
        """Store unit rows under distinct keys, durably. Raises `BadVectors`, OSError (nothing stored)."""
        if keys:
            self._written(keys, vectors)

    def get(self, keys: Sequence[bytes]) -> FloatArray:
        """(n, dimension) float32 rows in the order of `keys`. Raises KeyError for one not stored, or no longer."""
        while True:
            try:
                return self._gathered(keys)
            except FileNotFoundError:  # another process has merged shards
                self._look_again()

    def keys(self) -> set[bytes]:
        """The keys of everything stored."""
        return self._places.keys()

    @property
    def small_shards(self) -> int:
        """How many shards `compact` would merge."""
        return sum(count < SMALL for count in self._shards.values())

    def compact(self, without: Collection[bytes] = ()) -> None:
        """Merge small shards, and drop the vectors of some keys for good. Hold the store's lock.

        The merged ones are durable before the old ones go: killed at any moment, nothing is lost; call it again to
        be sure that what was to be dropped is. Raises OSError.
        """
        self._look_again()
        old = [path for path, n in self._shards.items() if n < SMALL or (without and _holds(path, without))]
        kept = sorted(set[bytes]().union(*map(shard_keys, old)).difference(without))
        new = {self._written(part, self.get(part)) for part in _parts(kept, MERGED)}
        for path in set(old) - new:
            path.unlink(missing_ok=True)
        fsync_directory(self._directory)
        self._look_again()

    def _gathered(self, keys: Sequence[bytes]) -> FloatArray:
        places = self._places.find(b"".join(keys))
        if (places == NOWHERE).any():
            raise KeyError(keys[int(np.argmax(places == NOWHERE))])
        found = np.empty((len(keys), self.dimension), dtype=np.float32)
        for shard, positions, rows in self._places.by_shard(places):
            found[positions] = shard_rows(shard)[rows]
        return found

    def _written(self, keys: Sequence[bytes], vectors: npt.ArrayLike) -> Path:
        path = write_shard(self._directory, keys, checked_unit_rows(vectors, len(keys), self.dimension))
        self._shards[path] = len(keys)
        self._places.add([(path, b"".join(keys))])
        return path

    def _look_again(self) -> None:
        """Open the shards that are new, forget those that are gone."""
        there = set(self._directory.glob(f"*{SUFFIX}"))
        if gone := set(self._shards) - there:
            self._shards = {path: n for path, n in self._shards.items() if path in there}
            self._places.forget(gone)
        self._places.add(self._opened(sorted(there - set(self._shards))))

    def _opened(self, paths: Sequence[Path]) -> Iterator[tuple[Path, bytes]]:
        """Those of the shards that are intact, and their keys, joined."""
        for path in paths:
            try:
                keys = intact_keys(path, self.dimension)
            except FileNotFoundError:  # merged with others just now
                continue
            if keys is None:
                log.warning("dropped damaged vector shard %s: its texts are embedded again", path.name)
                path.unlink(missing_ok=True)
                self.dropped += 1
            else:
                self._shards[path] = len(keys)
                yield path, b"".join(keys)


def cached_embed(
    cache: VectorCache,
    embedder: Embedder,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
    flush_every: int = FLUSH_EVERY,
    engine: Engine | None = None,
) -> tuple[FloatArray, int]:
    """(n, dimension) unit rows in the order of `texts`, and how many distinct texts were embedded now.

    Only what the cache lacks is embedded, each distinct text once, and stored every `flush_every`
    texts. `progress` hears done and total of the missing ones. `engine`: where they are embedded, by
    default in this process. Raises `BadVectors`, OSError.
    """
    if cache.fingerprint != embedder.fingerprint:
        raise BadVectors(f"a cache of {cache.fingerprint} was asked to hold vectors of {embedder.fingerprint}")
    wanted = {cache.key(text): text for text in texts}
    embedded = 0
    while True:
        embedded += _embed_missing(cache, embedder, wanted, progress, flush_every, engine or Local(1))
        try:
            return cache.get([cache.key(text) for text in texts]), embedded
        except KeyError:
            continue  # a shard has gone meanwhile, and not all of it is elsewhere


def _embed_missing(
    cache: VectorCache,
    embedder: Embedder,
    wanted: Mapping[bytes, str],
    progress: Callable[[int, int], None] | None,
    flush_every: int,
    engine: Engine,
) -> int:
    missing = {key: wanted[key] for key in cache.lacks(list(wanted))}
    # Longest first: batches of like lengths, and a progress bar whose forecast errs on the late side.
    order = sorted(missing, key=lambda key: -len(missing[key]))
    chunks = list(_parts(order, flush_every))

    def heard(done: int) -> None:
        if progress is not None:
            progress(done, len(order))

    found = engine.embed(embedder, [[missing[key] for key in chunk] for chunk in chunks], heard)
    for chunk, vectors in zip(chunks, found, strict=True):
        cache.put(chunk, vectors)
    return len(order)


def _parts(keys: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _holds(path: Path, keys: Collection[bytes]) -> bool:
    return not shard_keys(path).isdisjoint(keys)
