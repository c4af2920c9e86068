"""Owns the lists that a worker answered within the current minute: most readers are on few articles.

A list without a unit depends on nothing but snapshot, row, query, policy and minute, so keeping it changes
no byte of any answer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from service.listing import RelatedList

MOST = 1_024  # lists of about 4.5 KB: 5 MB a worker


class RecentLists:
    """At most 1,024 lists of one generation (a snapshot and a minute); a new generation starts empty."""

    def __init__(self) -> None:
        self._kept: tuple[Hashable, dict[Hashable, RelatedList]] = (None, {})

    def get(self, generation: Hashable, key: Hashable, make: Callable[[], RelatedList]) -> RelatedList:
        """The kept list, or a new one; lists that are a reader's own or degraded are not kept."""
        kept_generation, lists = self._kept  # one read: another thread may exchange both meanwhile
        if generation != kept_generation:
            lists = {}
            self._kept = (generation, lists)
        found = lists.get(key)
        if found is None:
            found = make()
            if found.etag is not None and len(lists) < MOST:
                lists[key] = found
        return found
