"""Owns the current snapshot of a channel: follows the pointer file, keeps the old one when a new one fails."""

from __future__ import annotations

import logging
import threading

from index.snapshot import DamagedSnapshot, Snapshot
from index.store import Store, UnknownSnapshot

log = logging.getLogger(__name__)


class NoSnapshot(Exception):
    """Nothing can be served yet; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Catalogue:
    """The snapshot to answer from. A request asks `current` once and holds on to what it got."""

    def __init__(self, store: Store, channel: str) -> None:
        self.store = store
        self.channel = channel
        self.degraded: str | None = None
        self._snapshot: Snapshot | None = None
        self._failed: str | None = None
        self._following = False
        self._lock = threading.Lock()

    def current(self) -> Snapshot:
        """The live snapshot. Raises `NoSnapshot`."""
        snapshot = self._snapshot
        if snapshot is None:
            self.refresh()
            snapshot = self._snapshot
        if snapshot is None:
            raise NoSnapshot(self.degraded or f"channel {self.channel} has no snapshot yet")
        return snapshot

    def refresh(self) -> None:
        """Read the pointer once; when it names another snapshot, open, self-test and swap.

        A snapshot that fails is not tried again until the pointer changes; meanwhile the old one serves.
        Where there is no old one, the newest snapshot that opens serves, and `degraded` says so.
        """
        with self._lock:
            held = self._snapshot.id if self._snapshot else None
            try:
                active = self.store.active_id(self.channel)
            except (OSError, UnicodeDecodeError, UnknownSnapshot) as error:
                self.degraded = f"the pointer of channel {self.channel} cannot be read: {error}"
                return
            if active is None:
                self.degraded = f"channel {self.channel} points to no snapshot" if held else None
                return
            if active in (held, self._failed):
                if active == held:
                    self.degraded = None
                return
            try:
                self._snapshot = opened(self.store, active)
                self.degraded = self._failed = None
                log.info("serving %s", active)
            except (DamagedSnapshot, UnknownSnapshot) as error:
                self._failed = active
                self._fall_back(str(error))
                log.error("%s", self.degraded)

    def follow(self, seconds: float) -> None:
        """Start looking for a new snapshot every so many seconds, once in a process."""
        if self._following:  # without the lock: a reload holds it, and no request may wait for a reload
            return
        with self._lock:
            if self._following:
                return
            self._following = True
        threading.Thread(target=self._keep_refreshing, args=(seconds,), name="catalogue", daemon=True).start()

    def _keep_refreshing(self, seconds: float) -> None:
        pause = threading.Event()
        while not pause.wait(seconds):
            try:
                self.refresh()
            except Exception as error:  # the one broad except: whatever a reload meets, the old one serves
                log.exception("refresh failed")
                self.degraded = f"refresh failed: {error}"

    def condemn(self, error: DamagedSnapshot) -> None:
        """Stop serving a snapshot that a request found damaged; the newest older one that opens takes over."""
        with self._lock:
            if self._snapshot is None or self._snapshot.directory != error.directory:
                return  # another request has said so already
            self._failed = self._snapshot.id
            self._snapshot = None
            self._fall_back(str(error))
            log.error("%s", self.degraded)

    def _fall_back(self, reason: str) -> None:
        if self._snapshot is not None:
            self.degraded = f"{reason}; still serving {self._snapshot.id}"
            return
        self.degraded = reason
        for older in reversed(self.store.snapshot_ids()):
            if older == self._failed:
                continue
            try:
                snapshot = opened(self.store, older)
            except DamagedSnapshot:
                continue
            if snapshot.manifest.channel != self.channel:
                continue
            self._snapshot = snapshot
            self.degraded = f"{reason}; serving {older} instead"
            return


def opened(store: Store, snapshot_id: str) -> Snapshot:
    """A snapshot that has answered for its newest row. Raises `DamagedSnapshot`, `UnknownSnapshot`."""
    snapshot = Snapshot.open(store.directory(snapshot_id))
    for row in {0, snapshot.rows - 1} if snapshot.rows else ():
        rows, _ = snapshot.neighbours(row)
        if rows.size and int(rows.max()) >= snapshot.rows:
            raise DamagedSnapshot(snapshot.directory, f"row {row} has a candidate beyond the last row")
        snapshot.teaser(row)
    return snapshot
