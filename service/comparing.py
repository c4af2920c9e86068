"""Owns the queue of live articles: each is embedded and compared once, as it comes, and the result is shared.

The queue is the live store itself: whatever has no comparison with the current snapshot waits, so a kill loses
nothing. Runs in the search process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from index.arrivals import Arrivals, ModelMismatch
from index.article import Article
from index.comparison import Comparison
from index.embed import BadVectors, UntrustedModel
from index.snapshot import FIRST_LIVE_ROW, DamagedSnapshot, Snapshot, id_digest
from index.store import UnknownSnapshot
from service.live.changes import Changes, Compared, LiveArticle
from service.live.store import LiveStore, LiveStoreUnavailable, OutdatedLiveStore

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0

T = TypeVar("T")
Opener = Callable[[], tuple[Snapshot, Arrivals] | None]


class Comparing:
    """Keeps the live segment of one snapshot up with the live store. For one thread."""

    def __init__(self, live: LiveStore, snapshot: Snapshot, arrivals: Arrivals) -> None:
        self.snapshot = snapshot
        self._live = live
        self._arrivals = arrivals
        self._reached = 0
        self._rows: dict[str, int] = {}  # by digest of the ID, which is all that is left of an erased article

    def catch_up(self) -> int:
        """Compare what has come, in its order; returns how many articles were compared now.

        Raises `LiveStoreUnavailable`, `OutdatedLiveStore`.
        """
        changes = self._changes()
        if changes is None:
            return 0
        mark = self.snapshot.manifest.live
        built_in = mark.sequence if mark is not None and mark.installation == changes.installation else 0
        after, self._reached = self._reached, changes.sequence
        for article in changes.articles:
            if article.state != "published":
                self._forget(article)
        known = {each.article_id: each for each in changes.comparisons}
        waiting = [
            (state, article)
            for state, article in self._live.records(after)[1]
            if built_in < state.sequence <= changes.sequence
        ]
        return sum(self._take_in(state, article, known.get(state.id)) for state, article in waiting)

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
        self._rows[id_digest(state.id).hex()] = self._row(state)
        try:
            if known is not None and known.article_sequence == state.sequence:
                self._arrivals.hold(article, state.number, Comparison.from_bytes(known.content))
                return False
            found = self._arrivals.compare(article, state.number)
        except (BadVectors, OSError, ValueError):
            log.exception("article %s could not be compared", state.id)
            return False
        return self._live.save_comparison(state.id, state.sequence, self.snapshot.id, found.to_bytes())

    def _forget(self, article: LiveArticle) -> None:
        if article.state == "erased":
            row = self._rows.pop(article.id_digest, None)
            row = self.snapshot.row_of_digest(bytes.fromhex(article.id_digest)) if row is None else row
        else:
            row = self._row(article)
        if row is not None:
            self._arrivals.forget(row)

    def _row(self, article: LiveArticle) -> int:
        row = self.snapshot.row_of_id(article.id)
        own = row is not None and self.snapshot.id_of(row) == article.id
        return row if own and row is not None else FIRST_LIVE_ROW + article.number


def keep_comparing(live: LiveStore | None, opened: Opener, seconds: float, stop: threading.Event) -> None:
    """Catch up with the live store for the channel's current snapshot, again and again, until `stop`.

    Without a live store, open each new snapshot before anybody asks for it.
    """
    comparing: Comparing | None = None
    last_error = ""
    while not stop.is_set():
        pause = seconds
        try:
            current = opened()
            if (
                current is not None
                and live is not None
                and (comparing is None or comparing.snapshot.id != current[0].id)
            ):
                kept = [current[0].id, *([comparing.snapshot.id] if comparing else [])]
                comparing = Comparing(live, *current)
                comparing.catch_up()
                live.drop_comparisons(kept)
            elif comparing is not None and comparing.catch_up():
                pause = 0
            last_error = ""
        except (
            LiveStoreUnavailable,
            OutdatedLiveStore,
            DamagedSnapshot,
            UnknownSnapshot,
            ModelMismatch,
            UntrustedModel,
        ) as error:
            if str(error) != last_error:
                log.error("cannot compare: %s", error)
            last_error, pause = str(error), RETRY_SECONDS
        stop.wait(pause)


def _joined(parts: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    return tuple(each for part in parts for each in part)
