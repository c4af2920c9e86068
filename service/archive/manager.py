"""Provides what requests answer from: a channel's current snapshot with the live changes over it.

Follows the pointer file and the live store; keeps the old snapshot when a new one fails.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from weakref import WeakMethod

from index.publishing.store import Store, UnknownSnapshot
from index.snapshot.manifest import DamagedSnapshot, Manifest, read_manifest
from index.snapshot.reader import Snapshot
from service.archive.follower import Following
from service.archive.view import Archive
from service.live_store.store import LiveStore

log = logging.getLogger(__name__)


class NoSnapshot(Exception):
    """Nothing can be served yet; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Catalogue:
    """The archive to answer from. A request asks `current` once and holds on to what it got."""

    def __init__(self, store: Store, channel: str, live: Following | None = None) -> None:
        self.store = store
        self.channel = channel
        self.live = live or Following(None)
        self.degraded: str | None = None
        self._snapshot: Snapshot | None = None
        self._archive: Archive | None = None
        self._failed: str | None = None
        self._following = False
        self._lock = threading.Lock()
        self._live_lock = threading.Lock()  # of its own: a withdrawal must not wait while a snapshot opens

    def current(self) -> Archive:
        """The live snapshot and what has changed since. Raises `NoSnapshot`."""
        archive = self._archive
        if archive is None:
            self.refresh()
            archive = self._archive
        if archive is None:
            raise NoSnapshot(self.degraded or f"channel {self.channel} has no snapshot yet")
        return archive

    @property
    def live_store(self) -> LiveStore | None:
        """The store that live changes are written to; None where there is none."""
        return self.live.store

    @property
    def live_store_name(self) -> str:
        """The random name of the live store that answered last; "" where none has."""
        return self.live.installation

    @property
    def live_store_answers(self) -> bool:
        """Whether the live store answered when it was last asked; true where there is none."""
        return self.live.problem is None

    @property
    def live_lag_seconds(self) -> float:
        """How long ago the live store last answered; 0 without one."""
        return self.live.lag_seconds

    @property
    def is_open(self) -> bool:
        """Whether `current` answers without opening a snapshot."""
        return self._archive is not None

    def catch_up(self) -> None:
        """Take in what has changed in the live store."""
        with self._live_lock:
            if self._archive is not None:
                self._archive = self.live.caught_up(self._archive)

    def problems(self) -> list[str]:
        """What is wrong while requests are answered, for a person to read."""
        return [problem for problem in (self.degraded, self.live.problem) if problem is not None]

    def active_id(self) -> str | None:
        """The ID of the snapshot that the channel's pointer names. Raises OSError, UnicodeDecodeError."""
        return self.store.active_id(self.channel)

    def manifests(self) -> Iterator[tuple[str, Manifest | DamagedSnapshot]]:
        """The ID of each snapshot in the store, oldest first, with its manifest or what is wrong with it."""
        for snapshot_id in self.store.snapshot_ids():
            try:
                yield snapshot_id, read_manifest(self.store.directory(snapshot_id))
            except DamagedSnapshot as error:
                yield snapshot_id, error

    def activate(self, snapshot_id: str) -> None:
        """Point the channel to another of its snapshots; `refresh` then serves it.

        Raises `UnknownSnapshot`, `StoreLocked`, `DamagedSnapshot`, OSError.
        """
        if read_manifest(self.store.directory(snapshot_id)).channel != self.channel:
            raise UnknownSnapshot(f"{snapshot_id} is of another channel")
        with self.store.lock():
            self.store.activate(snapshot_id, self.channel)

    def refresh(self) -> None:
        """Read the pointer once; when it names another snapshot, open, self-test and swap.

        A snapshot that fails is not tried again until the pointer changes, unless the fault `may_pass`; meanwhile the
        old one serves.
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
                    self.degraded = self._failed = None
                return
            try:
                self._serve(opened(self.store, active))
                self.degraded = self._failed = None
                log.info("serving %s", active)
            except (DamagedSnapshot, UnknownSnapshot) as error:
                self._failed, said = None if may_pass(error) else active, self.degraded
                self._fall_back(str(error))
                if self.degraded != said:
                    log.error("%s", self.degraded)

    def follow(self, seconds: float, live_seconds: float = 0.2) -> None:
        """Start looking for a new snapshot and for live changes every so many seconds, once in a process."""
        if self._following:  # without the lock: a reload holds it, and no request may wait for a reload
            return
        with self._lock:
            if self._following:
                return
            self._following = True
        _keep_doing(self.refresh, seconds, "catalogue", self._failed_to)
        if self.live.store is not None:
            _keep_doing(self.catch_up, live_seconds, "live", self._failed_to)

    def _failed_to(self, action: str, error: Exception) -> None:
        self.degraded = f"{action} failed: {error}"

    def condemn(self, error: DamagedSnapshot) -> None:
        """Stop serving a snapshot that a request found damaged; the newest older one that opens takes over."""
        with self._lock:
            if self._snapshot is None or self._snapshot.directory != error.directory:
                return  # another request has said so already
            self._failed = self._snapshot.id
            with self._live_lock:  # nobody who is catching up may put the damaged one back
                self._snapshot = self._archive = None
            self._fall_back(str(error))
            log.error("%s", self.degraded)

    def _serve(self, snapshot: Snapshot) -> None:
        with self._live_lock:
            self._archive = self.live.over(snapshot)
        self._snapshot = snapshot

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
            self._serve(snapshot)
            self.degraded = f"{reason}; serving {older} instead"
            return


def _keep_doing(
    action: Callable[[], None], seconds: float, name: str, failed: Callable[[str, Exception], None]
) -> None:
    """Until nobody holds the catalogue any more whose methods these are: its files are closed then."""
    doing, failing, last = WeakMethod(action), WeakMethod(failed), ""

    def once() -> bool:
        nonlocal last
        act, fail = doing(), failing()
        if act is None or fail is None:
            return False
        try:
            act()
            last = ""
        except Exception as error:  # the one broad except: whatever a reload meets, the old state serves
            if last != (last := repr(error)):  # it comes again with every look until it is over
                log.exception("%s failed", act.__name__)
            fail(act.__name__, error)
        return True

    def run() -> None:
        pause = threading.Event()
        while not pause.wait(seconds) and once():
            pass

    threading.Thread(target=run, name=name, daemon=True).start()


def may_pass(error: Exception) -> bool:
    """Whether the system failed and not the snapshot: no file handles, no memory, a disk that does not answer."""
    return isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError)


def opened(store: Store, snapshot_id: str) -> Snapshot:
    """A snapshot that has answered for its newest row. Raises `DamagedSnapshot`, `UnknownSnapshot`."""
    snapshot = Snapshot.open(store.directory(snapshot_id))
    for row in {0, snapshot.rows - 1} if snapshot.rows else ():
        rows, _ = snapshot.neighbours(row)
        if rows.size and int(rows.max()) >= snapshot.rows:
            raise DamagedSnapshot(snapshot.directory, f"row {row} has a candidate beyond the last row")
        snapshot.teaser(row)
    return snapshot
