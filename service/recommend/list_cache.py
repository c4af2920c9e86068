"""Keeps the lists that a worker answered within the current minute: most readers are on few articles.

A list without a unit depends on nothing but the rows it is made of, query, policy and minute, so keeping it changes
no byte of any answer. A live change drops the lists that it touches, and no others.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from service.archive.overlay import Overlay
from service.recommend.response import RelatedList

MOST_BYTES = 8 << 20  # of a worker: a thousand ordinary lists with what they are found by
ENTRY_BYTES = 800  # of an entry in the dictionary and of what every list has: its ETag, policy and result


class _Kept(NamedTuple):
    """A list, the sequence number of the overlay up to which it holds, and the memory it takes."""

    list: RelatedList
    since: int
    size: int


class _Minute:
    """The lists of one minute, at most `MOST_BYTES`. Reading needs no lock."""

    def __init__(self, minute: int) -> None:
        self.minute = minute
        self.lists: dict[Hashable, _Kept] = {}
        self.bytes = 0
        self._lock = threading.Lock()

    def keep(self, key: tuple[Hashable, ...], found: RelatedList, since: int) -> None:
        """Keep a list in the place of the one before it, if there is room."""
        size = ENTRY_BYTES + sys.getsizeof(found.body) + sys.getsizeof(found.dependency_rows) + sum(map(memory, key))
        with self._lock:
            before = self.lists.pop(key, None)
            self.bytes -= 0 if before is None else before.size
            if self.bytes + size <= MOST_BYTES:
                self.lists[key] = _Kept(found, since, size)
                self.bytes += size


class RecentLists:
    """At most `MOST_BYTES` of lists of one minute; the next minute starts empty.

    Lists of several archives may be kept side by side: the lineage of the overlay is part of what they are found by.
    """

    def __init__(self) -> None:
        self._minute = _Minute(0)

    def get(
        self, overlay: Overlay, minute: int, key: tuple[Hashable, ...], make: Callable[[], RelatedList]
    ) -> RelatedList:
        """The kept list, or a new one; lists that are a reader's own or degraded are not kept."""
        held = self._minute  # one read: another thread may exchange it meanwhile
        if held.minute != minute:
            held = self._minute = _Minute(minute)
        key = (overlay.lineage, *key)
        kept = held.lists.get(key)
        if kept is not None and kept.since == overlay.sequence:
            return kept.list
        found = kept.list if kept is not None and _holds(kept, overlay) else make()
        if found.etag is not None:
            held.keep(key, found, overlay.sequence)
        return found


@lru_cache(64)  # most lists are asked for by the same few queries
def memory(value: Hashable) -> int:
    """The bytes of memory that a value takes, with all that is in it; what it shares with others is counted too."""
    parts = msgspec.structs.astuple(value) if isinstance(value, msgspec.Struct) else value
    inside = sum(map(memory, parts)) if isinstance(parts, tuple | frozenset) else 0
    return sys.getsizeof(value) + inside


def _holds(kept: _Kept, overlay: Overlay) -> bool:
    rows = kept.list.dependency_rows
    return rows is not None and overlay.untouched(rows, kept.since)
