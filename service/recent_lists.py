"""Owns the lists that a worker answered within the current minute: most readers are on few articles.

A list without a unit depends on nothing but the rows it is made of, query, policy and minute, so keeping it changes
no byte of any answer. A live change drops the lists that it touches, and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from service.listing import RelatedList
from service.overlay import Overlay

MOST = 1_024  # lists of about 5 KB: 5 MB a worker


class RecentLists:
    """At most 1,024 lists of one minute and one lineage of overlays; what follows either starts empty."""

    def __init__(self) -> None:
        self._kept: tuple[Hashable, dict[Hashable, tuple[RelatedList, int]]] = (None, {})

    def get(self, overlay: Overlay, minute: int, key: Hashable, make: Callable[[], RelatedList]) -> RelatedList:
        """The kept list, or a new one; lists that are a reader's own or degraded are not kept."""
        generation, lists = self._kept  # one read: another thread may exchange both meanwhile
        if generation != (overlay.lineage, minute):
            generation, lists = self._kept = (overlay.lineage, minute), {}
        found, since = lists.get(key, (None, 0))
        if found is None or not _holds(found, overlay, since):
            found = make()
            if found.etag is None or (len(lists) >= MOST and key not in lists):
                return found
        elif since == overlay.sequence:
            return found
        lists[key] = found, overlay.sequence
        return found


def _holds(kept: RelatedList, overlay: Overlay, since: int) -> bool:
    return since == overlay.sequence or (kept.made_of is not None and overlay.untouched(kept.made_of, since))
