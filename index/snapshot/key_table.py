"""Builds and searches the tables that lead from IDs, aliases and URLs to rows, by a 128-bit digest of the key."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def id_digest(key: str) -> bytes:
    """16 bytes that name an ID, alias or canonical URL in the tables of a snapshot."""
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def pack_key(key: str, row: int) -> bytes:
    return id_digest(key) + row.to_bytes(8, "little")


def key_table(packed: bytearray) -> Array:
    """(3, n) uint64: the first and second half of each key's 128-bit digest, sorted by the first; its row.

    `packed`: from `pack_key`; of a key given twice the later one counts.
    """
    table = np.frombuffer(packed, "<u8").reshape(-1, 3)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]  # stable: of equal keys the last one given comes last
    last = np.append((table[1:, :2] != table[:-1, :2]).any(axis=1), True)[: len(table)]
    return np.ascontiguousarray(table[last].T)


def shadowed_rows(packed: bytearray) -> Array:
    """(2, n): rows whose URL is also that of a later row, in rising order; and the row that is found by that URL.

    `packed`: from `pack_key`, in row order.
    """
    table = np.frombuffer(packed, "<u8").reshape(-1, 3)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    last = np.append((table[1:, :2] != table[:-1, :2]).any(axis=1), True)[: len(table)]
    places = np.flatnonzero(~last)
    owners = np.flatnonzero(last)[np.searchsorted(np.flatnonzero(last), places)]
    pairs = np.stack([table[places, 2], table[owners, 2]])
    return pairs[:, np.argsort(pairs[0], kind="stable")]


def find(table: Array, key: str) -> int | None:
    return find_digest(table, *halves(id_digest(key)))


def find_digest(table: Array, first: int, second: int) -> int | None:
    firsts = table[0]
    place = int(firsts.searchsorted(np.uint64(first)))
    while place < firsts.size and int(firsts[place]) == first:
        if int(table[1, place]) == second:
            return int(table[2, place])
        place += 1
    return None


def halves(digest: bytes) -> tuple[int, int]:
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
