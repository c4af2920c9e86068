"""Follows the live store: what a worker knows of it while it answers and while it does not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from index.snapshot.reader import Snapshot
from service.archive.brands import ONE_NEWSROOM, Brands
from service.archive.overlay import Overlay
from service.archive.safety_cache import LastKnown, without
from service.archive.view import Archive
from service.live_store.changes import Changes, LiveArticle, SignalSet
from service.live_store.store import LiveStore, LiveStoreUnavailable, OutdatedLiveStore

log = logging.getLogger(__name__)

_Error = (LiveStoreUnavailable, OutdatedLiveStore)


class Following:
    """Lays a live store over snapshots and keeps up with it by sequence number. One thread at a time.

    While the store is away, what was read before still counts, and lies over a new snapshot too; where nothing was,
    the withdrawals and signals of `last_known`.
    """

    def __init__(
        self,
        store: LiveStore | None,
        brands: Brands = ONE_NEWSROOM,
        last_known: LastKnown | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem: str | None = None
        self.store = store
        self._brands = brands
        self._last_known = last_known
        self._monotonic = monotonic
        self._reached = monotonic()
        self._installation = ""
        self._unkept = False
        self._complete = False  # whether all of the store was read once
        self._articles: dict[str, LiveArticle] = {}
        self._signals: dict[str, SignalSet] = {}

    def over(self, snapshot: Snapshot) -> Archive:
        """A snapshot with all live changes over it; with those known so far while the store is away."""
        overlay = Overlay(snapshot)
        if self.store is None:
            return Archive(snapshot, overlay, self._brands)
        try:
            return Archive(snapshot, self._read(overlay), self._brands)
        except _Error as error:
            self._missed(error)
        return Archive(snapshot, overlay.changed(self._remembered()), self._brands)

    def caught_up(self, archive: Archive) -> Archive:
        """The archive with what has changed since; the same one when nothing has, or the store is away."""
        if self.store is None:
            return archive
        try:
            overlay = self._read(archive.overlay)
        except _Error as error:
            self._missed(error)
            return archive
        return archive if overlay is archive.overlay else Archive(archive.snapshot, overlay, self._brands)

    @property
    def lag_seconds(self) -> float:
        """How long ago the live store last answered; 0 without one."""
        return 0.0 if self.store is None else self._monotonic() - self._reached

    @property
    def installation(self) -> str:
        """The random name of the live store that answered last; "" where none has yet, or there is none."""
        if not self._installation and self.store is not None:
            try:
                return self.store.changes(0, None, 1).installation  # nothing is read before the first snapshot
            except _Error as error:
                self._missed(error)
        return self._installation

    def _remembered(self) -> Changes:
        """All that is known without asking; of sequence 0, so that everything is read when the store is back."""
        articles, signals = self._articles, self._signals
        if not self._complete and self._last_known is not None and (kept := self._last_known.read()) is not None:
            articles = {article.id or article.id_digest: article for article in kept.articles} | articles
            signals = {signal.article_id: signal for signal in kept.signals} | signals
        return Changes(self._installation, 0, tuple(articles.values()), tuple(signals.values()))

    def _read(self, overlay: Overlay) -> Overlay:
        assert self.store is not None  # noqa: S101 - for mypy; callers checked
        while True:
            changes = self.store.changes(overlay.sequence, overlay.snapshot.id)
            self._answered()
            begun_anew = self._installation not in ("", changes.installation)
            if begun_anew or changes.sequence < overlay.sequence:  # the latter: restored from a backup
                log.warning("another live store answers: reading all of it")
                self._articles, self._signals = {}, {}
                overlay, self._installation = Overlay(overlay.snapshot), changes.installation
                continue
            self._installation = changes.installation
            if changes.sequence == overlay.sequence:
                self._keep()
                return overlay
            self._remember(changes)
            overlay = overlay.changed(changes)

    def _answered(self) -> None:
        self._reached = self._monotonic()
        if self.problem is not None:
            log.info("the live store answers again")
            self.problem = None

    def _remember(self, changes: Changes) -> None:
        erased = {article.id_digest for article in changes.articles if article.state == "erased"}
        if erased:
            self._articles, self._signals = without(erased, self._articles, self._signals)
        self._articles.update((article.id or article.id_digest, article) for article in changes.articles)
        self._signals.update((signal.article_id, signal) for signal in changes.signals)
        self._unkept = self._unkept or bool(changes.articles or changes.signals)

    def _keep(self) -> None:
        """All was read: what must outlive this process goes to disk."""
        self._complete = True
        if self._unkept and self._last_known is not None:
            self._last_known.keep(self._installation, self._articles.values(), self._signals.values())
        self._unkept = False

    def _missed(self, error: Exception) -> None:
        if self.problem is None:
            log.error("the live store cannot be read: %s", error)
        self.problem = f"the live store cannot be read: {error}"
