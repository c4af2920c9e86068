"""Owns where each vector of `index.cache` lies, by key: 24 bytes of memory each, 1.7 GB for ten million articles."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.shards import KEY_BYTES

NOWHERE = -1

Numbers = npt.NDArray[np.int64]


class _Run(NamedTuple):
    """Sorted distinct keys, and of each the number of its shard times 2^32, plus its row there."""

    keys: npt.NDArray[np.bytes_]
    places: Numbers


class Places:
    """Of a key that is in two shards the one added last counts. Safe between threads.

    Sorted runs, each at least twice as long as the next: what is added is sorted into a long one seldom.
    """

    def __init__(self) -> None:
        self._shards: list[Path] = []
        self._runs: list[_Run] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._whole().keys)

    def add(self, shards: Iterable[tuple[Path, bytes]]) -> None:
        """Remember the vectors of shards: the keys of each, joined, in row order."""
        with self._lock:
            added = [_run(np.zeros(0, np.int64), b"")]
            for path, keys in shards:
                rows = np.arange(len(keys) // KEY_BYTES, dtype=np.int64)
                added.append(_run(rows + (len(self._shards) << 32), keys))
                self._shards.append(path)
            runs = [run for run in (*self._runs, _merged(added)) if len(run.keys)]
            while len(runs) > 1 and len(runs[-2].keys) < 2 * len(runs[-1].keys):
                runs[-2:] = [_merged(runs[-2:])]
            self._runs = runs

    def forget(self, gone: Collection[Path]) -> None:
        """Forget the vectors of some shards."""
        with self._lock:
            kept = np.array([path not in gone for path in self._shards], bool)
            there = [kept[run.places >> 32] for run in self._runs]
            left = (_Run(run.keys[at], run.places[at]) for run, at in zip(self._runs, there, strict=True))
            self._runs = [run for run in left if len(run.keys)]

    def find(self, keys: bytes) -> Numbers:
        """(n,): the place of each of the joined keys, `NOWHERE` for one that is not known."""
        wanted = _as_keys(keys)
        found = np.full(len(wanted), NOWHERE, np.int64)
        for run in self._runs:
            at = np.minimum(run.keys.searchsorted(wanted), len(run.keys) - 1)
            found = np.where(run.keys[at] == wanted, run.places[at], found)
        return found

    def by_shard(self, places: Numbers) -> Iterable[tuple[Path, Numbers, Numbers]]:
        """Places that are known, by shard: which of them lie there, and in which rows."""
        order = np.argsort(places, kind="stable")
        for those in np.split(order, np.flatnonzero(np.diff(places[order] >> 32)) + 1):
            if len(those):
                yield self._shards[places[those[0]] >> 32], those, places[those] & 0xFFFFFFFF

    def keys(self) -> set[bytes]:
        """All keys."""
        joined = self._whole().keys.tobytes()
        return {joined[at : at + KEY_BYTES] for at in range(0, len(joined), KEY_BYTES)}

    def _whole(self) -> _Run:
        return _merged([_run(np.zeros(0, np.int64), b""), *self._runs])


def _run(places: Numbers, keys: bytes) -> _Run:
    return _Run(_as_keys(keys), places)


def _as_keys(keys: bytes) -> npt.NDArray[np.bytes_]:
    return np.frombuffer(keys, f"S{KEY_BYTES}")  # numpy sorts and compares them whole, as all are of one length


def _merged(runs: list[_Run]) -> _Run:
    keys, places = np.concatenate([run.keys for run in runs]), np.concatenate([run.places for run in runs])
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
    return _Run(keys[last], places[last])
