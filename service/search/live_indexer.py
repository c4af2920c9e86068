"""Compares each live article once, as it comes, and shares the result.

The queue is the live store itself: whatever has no comparison with the current snapshot waits, so a kill loses
nothing. Runs in the search process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from index.article import Article
from index.live.comparator import Arrivals, ModelMismatch
from index.live.comparison import Comparison
from index.publishing.store import UnknownSnapshot
from index.snapshot.key_table import id_digest
from index.snapshot.manifest import DamagedSnapshot, built_in
from index.snapshot.reader import Snapshot
from index.types import BadVectors, UntrustedModel
from index.vector_index.protocol import VectorSearchUnavailable
from service.live_store.changes import Changes, Compared, LiveArticle
from service.live_store.store import LiveStore, LiveStoreUnavailable, OutdatedLiveStore

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
TRIES_SHARE = 1 / 50  # of a processor, at most, for what fails again and again
_EXPECTED = (
    LiveStoreUnavailable, OutdatedLiveStore, DamagedSnapshot, UnknownSnapshot, ModelMismatch, UntrustedModel,
    VectorSearchUnavailable,
)  # fmt: skip

T = TypeVar("T")
Opener = Callable[[], tuple[Snapshot, Arrivals] | None]


class Comparing:
    """Keeps the live segment of one snapshot up with the live store. For one thread."""

    def __init__(self, live: LiveStore, snapshot: Snapshot, arrivals: Arrivals) -> None:
        self.snapshot = snapshot
        self.arrivals = arrivals
        self._live = live
        self._reached = 0
        self._rows: dict[str, int] = {}  # by digest of the ID, which is all that is left of an erased article

    def catch_up(self) -> int:
        """Compare what has come, in its order; returns how many articles were compared now.

        Raises `LiveStoreUnavailable`, `OutdatedLiveStore`, `VectorSearchUnavailable`.
        """
        changes = self._changes()
        if changes is None:
            return 0
        since = built_in(self.snapshot.manifest.live, changes.installation)
        for article in changes.articles:
            if article.state != "published":
                self._forget(article)
        known = {comparison.article_id: comparison for comparison in changes.comparisons}
        waiting = [
            (state, article)
            for state, article in self._live.records(self._reached)[1]
            if since < state.sequence <= changes.sequence
        ]
        compared = sum(self._take_in(state, article, known.get(state.id)) for state, article in waiting)
        self._reached = changes.sequence  # at the end: what fails half-way is done again, mostly from the cache
        return compared

    def _changes(self) -> Changes | None:
        """All that changed since the last time, None for nothing; once a store was replaced, all of it anew."""
        parts = [self._live.changes(self._reached, self.snapshot.id)]
        if parts[0].sequence == self._reached:
            return None
        if parts[0].sequence < self._reached:
            self._reached = 0
            return self._changes()
        while (further := self._live.changes(parts[-1].sequence, self.snapshot.id)).sequence > parts[-1].sequence:
            parts.append(further)
        return Changes(
            installation=parts[-1].installation,
            sequence=parts[-1].sequence,
            articles=_joined(part.articles for part in parts),
            comparisons=_joined(part.comparisons for part in parts),
        )

    def _take_in(self, state: LiveArticle, article: Article, known: Compared | None) -> bool:
        """Hold an article whose comparison is known, or compare it; one that cannot be is left waiting."""
        self._rows[id_digest(state.id).hex()] = self.snapshot.row_of_live(state.id, state.number)
        try:
            if known is not None and known.article_sequence == state.sequence:
                self.arrivals.hold(article, state.number, Comparison.from_bytes(known.content))
                return False
            found = self.arrivals.compare(article, state.number)
        except (BadVectors, OSError, ValueError):
            log.exception("article %s could not be compared", state.id)
            return False
        return self._live.save_comparison(state.id, state.sequence, self.snapshot.id, found.to_bytes())

    def _forget(self, article: LiveArticle) -> None:
        if article.state == "erased":
            row = self._rows.pop(article.id_digest, None)
            row = self.snapshot.row_of_digest(bytes.fromhex(article.id_digest)) if row is None else row
        else:
            row = self.snapshot.row_of_live(article.id, article.number)
        if row is not None:
            self.arrivals.forget(row)


def keep_comparing(
    live: LiveStore | None, opened: Opener, retained: Callable[[], list[str]], seconds: float, stop: threading.Event
) -> None:
    """Catch up with the live store for the channel's current snapshot, again and again, until `stop`.

    `retained`: the snapshots whose comparisons may still be wanted. Without a live store, open each new snapshot
    before anybody asks for it. What fails is tried again after a second, or after as long as keeps the tries to
    `TRIES_SHARE`: opening a large snapshot in vain would take it from lookups.
    """
    comparing: Comparing | None = None
    last_error = ""
    while not stop.is_set():
        pause, used = seconds, time.thread_time()
        try:
            current = opened()
            if live is not None and current is not None:
                if comparing is None or comparing.arrivals is not current[1]:
                    comparing = Comparing(live, *current)
                    comparing.catch_up()
                    live.drop_comparisons(retained())
                elif comparing.catch_up():
                    pause = 0
            last_error = ""
        except Exception as error:  # whatever it meets, the queue must be worked on again
            if str(error) != last_error:
                expected = isinstance(error, _EXPECTED)
                log.error("cannot compare: %s", error, exc_info=None if expected else error)
            last_error, pause = str(error), max(RETRY_SECONDS, (time.thread_time() - used) / TRIES_SHARE)
        stop.wait(pause)


def _joined(parts: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    return tuple(each for part in parts for each in part)
