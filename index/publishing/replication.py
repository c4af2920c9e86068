"""Copies snapshots between stores, so that each machine maps files of its own disk.

A snapshot's files are written before its manifest, and the whole snapshot before the pointer names it: a reader of
the pointer gets a whole snapshot or an error, never a mixture.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from index.publishing.remote import Remote, RemoteFault
from index.publishing.store import Store, UnknownSnapshot, checked_name, prunable
from index.snapshot.manifest import DamagedSnapshot, FileEntry, Manifest, read_manifest, verify_all, verify_file
from index.snapshot.reader import Snapshot
from index.storage.files import fsync_directory, write_file

PART_BYTES = 16 << 20  # asked for at a time
MANIFEST = ("manifest.json", "manifest.sha256")  # in the order in which they are written


class _Built(msgspec.Struct):
    channel: str


Progress = Callable[[str, int, int], None]  # the snapshot, bytes that are here, bytes of all


def pull(remote: Remote, store: Store, channel: str, keep: int, progress: Progress) -> str | None:
    """Bring the snapshot that a channel serves there to `store`, and serve it; its ID, None where it serves already.

    What an interrupted pull has brought is not asked for again. Where the pointer moves on while files are copied and
    they go, the next one is brought. Raises `StoreLocked`, `UnknownSnapshot`, `DamagedSnapshot`, OSError.
    """
    with store.lock():
        snapshot_id = remote.active_id(channel)
        while True:
            if snapshot_id == store.active_id(channel):
                return None
            try:
                _bring(remote, store, snapshot_id, channel, progress)
            except FileNotFoundError:
                later = remote.active_id(channel)
                if later == snapshot_id:
                    raise
                snapshot_id = later
            else:
                store.prune(keep)
                return snapshot_id


def push(store: Store, remote: Remote, channel: str, keep: int, progress: Progress) -> str | None:
    """Copy the snapshot that a channel serves in `store` and have it served there; its ID, None where it is already.

    Raises `UnknownSnapshot`, `DamagedSnapshot` (nothing is copied), OSError.
    """
    snapshot_id = store.active_id(channel)
    if snapshot_id is None:
        raise UnknownSnapshot(f"channel {channel} has no snapshot in {store.root}")
    try:
        if remote.active_id(channel) == snapshot_id:
            return None
    except UnknownSnapshot:
        pass
    directory = store.directory(snapshot_id)
    manifest = verify_all(directory)
    total = sum(entry.bytes for entry in manifest.files.values())
    done = 0
    for name in (*manifest.files, *MANIFEST):
        local, path = directory / name, f"snapshots/{snapshot_id}/{name}"
        if remote.size(path) != local.stat().st_size:
            remote.put(local, path)
        done += local.stat().st_size if name in manifest.files else 0
        progress(snapshot_id, done, total)
    remote.write(f"channels/{checked_name(channel)}", f"{snapshot_id}\n".encode())
    _prune(remote, keep)
    return snapshot_id


def _prune(remote: Remote, keep: int) -> None:
    """Delete there what `prunable` names; the manifest first."""
    served = {channel: remote.active_id(channel) for channel in remote.names("channels")}
    channel_of = {snapshot_id: _channel_of(remote, snapshot_id) for snapshot_id in remote.names("snapshots")}
    for snapshot_id in prunable(channel_of, served, keep):
        if remote.size(f"snapshots/{snapshot_id}/{MANIFEST[1]}") is not None:
            remote.remove(f"snapshots/{snapshot_id}/{MANIFEST[1]}")
        remote.remove(f"snapshots/{snapshot_id}")


def _channel_of(remote: Remote, snapshot_id: str) -> str | None:
    """The channel that a snapshot there was built for; None where its manifest cannot be read."""
    try:
        return msgspec.json.decode(remote.read(f"snapshots/{snapshot_id}/{MANIFEST[0]}"), type=_Built).channel
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _bring(remote: Remote, store: Store, snapshot_id: str, channel: str, progress: Progress) -> None:
    if snapshot_id in store.snapshot_ids():
        store.activate(snapshot_id, channel)
        return
    partial = store.snapshots / f".{snapshot_id}.partial"
    for leftover in store.snapshots.glob(".*.partial"):
        if leftover != partial:
            shutil.rmtree(leftover)
    partial.mkdir(parents=True, exist_ok=True)
    manifest = _manifest(remote, partial, snapshot_id)
    total = sum(entry.bytes for entry in manifest.files.values())
    done = 0
    for name, entry in manifest.files.items():
        _bring_whole(remote, partial, name, entry)
        done += entry.bytes
        progress(snapshot_id, done, total)
    for stray in {path.name for path in partial.iterdir()} - {*manifest.files, *MANIFEST}:
        (partial / stray).unlink()
    fsync_directory(partial)
    Snapshot.open(partial)
    store.publish(partial, channel)


def _manifest(remote: Remote, partial: Path, snapshot_id: str) -> Manifest:
    """The manifest as it is there now; what belongs to another of the same ID goes."""
    there = {name: remote.read(f"snapshots/{snapshot_id}/{name}") for name in MANIFEST}
    for name, content in there.items():
        path = partial / name
        if path.exists() and path.read_bytes() != content:
            shutil.rmtree(partial)
            partial.mkdir()
            break
    for name, content in there.items():
        write_file(partial / name, content)
    manifest = read_manifest(partial)
    for name in manifest.files:
        if name in MANIFEST or not _is_name(name):
            raise DamagedSnapshot(partial, f"the manifest names a file {name!r}")
    return manifest


def _is_name(name: str) -> bool:
    try:
        return checked_name(name) == name
    except UnknownSnapshot:
        return False


def _bring_whole(remote: Remote, partial: Path, name: str, entry: FileEntry) -> None:
    """Bring what is missing of a file; where the whole is not what the manifest says, all of it once more."""
    path = partial / name
    begun = path.exists()
    _bring_rest(remote, f"snapshots/{partial.name[1:].removesuffix('.partial')}/{name}", path, entry.bytes)
    try:
        verify_file(partial, name, entry)
    except DamagedSnapshot:
        path.unlink()
        if not begun:
            raise
        _bring_whole(remote, partial, name, entry)


def _bring_rest(remote: Remote, there: str, path: Path, size: int) -> None:
    with path.open("ab") as file:
        if file.tell() > size:
            file.truncate(0)
        for start in range(file.tell(), size, PART_BYTES):
            end = min(start + PART_BYTES, size)
            is_whole = start == 0 and end == size
            content = remote.read(there) if is_whole else remote.read(there, start, end)
            if not is_whole and len(content) > end - start:
                raise RemoteFault(f"{remote.url} gives no parts of files (HTTP: range requests)")
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
