"""Manages the directory of snapshots: lock, publish, activate, roll back, prune; channels.

DIR/snapshots/<id>/            an immutable snapshot
DIR/snapshots/.<id>.partial/   one being built (or left by a crash: the next rebuild removes it)
DIR/channels/<name>            a text file: the ID of the snapshot the channel serves
DIR/lock                       held by the one rebuild that may run
"""

from __future__ import annotations

import fcntl
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from index.snapshot.manifest import DamagedSnapshot, read_manifest, verify_all
from index.storage.files import fsync_directory, write_file

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class StoreLocked(Exception):
    """Another rebuild, activation or pruning holds the lock."""


class UnknownSnapshot(Exception):
    """No snapshot of that name, or nothing to roll back to; the message says which."""


class Store:
    """The snapshots under `root`. Creating one touches nothing on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.snapshots = root / "snapshots"
        self.channels = root / "channels"

    def directory(self, snapshot_id: str) -> Path:
        """Where a snapshot lives. Raises `UnknownSnapshot` for a name that could leave the store."""
        return self.snapshots / checked_name(snapshot_id)

    def active_id(self, channel: str) -> str | None:
        """The snapshot a channel serves: one read of its pointer file; None when there is none."""
        try:
            return (self.channels / checked_name(channel)).read_text("utf-8").strip() or None
        except (FileNotFoundError, NotADirectoryError):
            return None

    def channel_names(self) -> list[str]:
        """The channels, sorted."""
        if not self.channels.is_dir():
            return []
        return sorted(path.name for path in self.channels.iterdir() if not path.name.startswith("."))

    def snapshot_ids(self) -> list[str]:
        """Published snapshots, oldest first (IDs begin with their time)."""
        if not self.snapshots.is_dir():
            return []
        return sorted(path.name for path in self.snapshots.iterdir() if not path.name.startswith("."))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the store for writing. Raises `StoreLocked` at once when another holds it."""
        _make_durably(self.root)
        with (self.root / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreLocked(f"another rebuild is at work in {self.root}") from None
            yield

    def begin(self, snapshot_id: str) -> Path:
        """A new empty directory to build in; leftovers of crashed builds are removed first."""
        _make_durably(self.snapshots)
        _make_durably(self.channels)
        self.remove_leftovers()
        partial = self.snapshots / f".{checked_name(snapshot_id)}.partial"
        partial.mkdir()
        return partial

    def remove_leftovers(self) -> None:
        """Remove what crashed builds left half-made."""
        for leftover in self.snapshots.glob(".*.partial"):
            shutil.rmtree(leftover)
        for leftover in self.channels.glob(".*"):
            leftover.unlink()

    def publish(self, partial: Path, channel: str) -> Path:
        """Rename a finished build to its final name and point the channel at it, both durable."""
        final = self.snapshots / partial.name.removeprefix(".").removesuffix(".partial")
        fsync_directory(partial)
        partial.rename(final)
        fsync_directory(self.snapshots)
        self._point(channel, final.name)
        return final

    def activate(self, snapshot_id: str, channel: str) -> None:
        """Point a channel at a published snapshot after verifying it whole.

        Raises `UnknownSnapshot`, `DamagedSnapshot`.
        """
        if snapshot_id not in self.snapshot_ids():
            raise UnknownSnapshot(f"no snapshot {snapshot_id} in {self.root}; see: snapshots.py list")
        verify_all(self.directory(snapshot_id))
        self._point(channel, snapshot_id)

    def roll_back(self, channel: str) -> str:
        """Activate the newest intact snapshot of this channel older than the active one; returns its ID.

        A snapshot whose manifest cannot be read belongs to no channel. Raises `UnknownSnapshot`.
        """
        active, damaged = self.active_id(channel), list[str]()
        for name in reversed(self.snapshot_ids()):
            if (active is None or name < active) and self._channel_of(name) == channel:
                try:
                    self.activate(name, channel)
                except DamagedSnapshot as error:
                    log.warning("passed over a damaged snapshot: %s", error)
                    damaged.append(name)
                else:
                    return name
        intact = f" that is intact (damaged: {', '.join(damaged)})" if damaged else ""
        raise UnknownSnapshot(f"channel {channel} has no snapshot older than {active}{intact}")

    def prune(self, keep: int) -> list[str]:
        """Delete what `prunable` names; returns it."""
        served = {channel: self.active_id(channel) for channel in self.channel_names()}
        removed = prunable({name: self._channel_of(name) for name in self.snapshot_ids()}, served, keep)
        for name in removed:
            self.delete(name)
        return removed

    def delete(self, snapshot_id: str) -> None:
        """Remove a snapshot; a crash half-way leaves a leftover, which no reader takes for one."""
        doomed = self.snapshots / f".{checked_name(snapshot_id)}.partial"
        self.directory(snapshot_id).rename(doomed)
        fsync_directory(self.snapshots)  # a loss of power must not bring it back with files missing
        shutil.rmtree(doomed)

    def _channel_of(self, snapshot_id: str) -> str | None:
        """The channel that a snapshot was built for; None where its manifest cannot be read."""
        try:
            return read_manifest(self.directory(snapshot_id)).channel
        except DamagedSnapshot:
            return None

    def _point(self, channel: str, snapshot_id: str) -> None:
        _make_durably(self.channels)
        temporary = self.channels / f".{checked_name(channel)}.new"
        write_file(temporary, f"{snapshot_id}\n".encode())
        temporary.replace(self.channels / channel)
        fsync_directory(self.channels)


def prunable(channel_of: Mapping[str, str | None], served: Mapping[str, str | None], keep: int) -> list[str]:
    """The snapshots that no channel needs, oldest first.

    A channel needs the one that it serves and the newest `keep` built for it. Of those whose manifest cannot
    be read the newest `keep` stay, too. `channel_of`: snapshot -> channel; `served`: channel -> snapshot.
    """
    needed = {name for name in served.values() if name is not None}
    for channel in {None, *served}:
        own = sorted(name for name, built_for in channel_of.items() if built_for == channel)
        needed.update(own[max(len(own) - keep, 0) :])
    return sorted(channel_of.keys() - needed)


def _make_durably(directory: Path) -> None:
    """Make a directory and its parents, where they are not there, so that they outlive a loss of power."""
    if not directory.is_dir():
        _make_durably(directory.parent)
        directory.mkdir(exist_ok=True)
        fsync_directory(directory.parent)


def checked_name(name: str) -> str:
    """The name of a snapshot or channel. Raises `UnknownSnapshot` for one that could leave the store."""
    if not _NAME.fullmatch(name):
        raise UnknownSnapshot(f"{name!r} is not a name of a snapshot or channel")
    return name
