"""Backs up an installation: snapshots and channels, the live store as a SQLite file, and the event log.

DIR/<time>/snapshots/, channels/   as in the store; a snapshot that an earlier backup holds is hard links to it
DIR/<time>/live.db, events/        all rows of the live store, whatever its database; segments, the tokens' secret,
                                   and which sessions of the console were ended
DIR/<time>/backup.json, .sha256    the list of contents, and its digest
DIR/.<time>.partial/               one being made, or left by a crash: the next one removes it
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from index.publishing.store import Store
from index.snapshot.manifest import DamagedSnapshot, verify_all
from index.storage.files import fsync_directory, link_or_copy
from service.experiments.event_log import segments
from service.live_store.copying import copy_live_store
from service.live_store.migrate import migrate

LIVE, EVENTS, SECRET, CONTENTS, DIGEST = "live.db", "events", "token.secret", "backup.json", "backup.sha256"
SIGNED_OUT = "signed-out"


class DamagedBackup(Exception):
    """A backup that must not be put back; says what is wrong."""


class InUse(Exception):
    """What was to be filled is not empty."""


class Contents(msgspec.Struct, frozen=True):
    """What a backup must hold: snapshots, which know their own files, and the sha256 of every other file."""

    snapshots: tuple[str, ...]
    files: dict[str, str]


def create(backups: Path, store: Store, live: str | None, events: Path | None) -> Path:
    """Make a backup; it has its name once it is whole. Raises `StoreLocked`, `DamagedSnapshot`, OSError."""
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    with store.lock():
        for leftover in backups.glob(".*.partial"):
            shutil.rmtree(leftover)
        partial = backups / f".{name}.partial"
        partial.mkdir(parents=True)
        try:
            _fill(partial, store, live, events, _earlier(backups))
        except BaseException:
            shutil.rmtree(partial)
            raise
        partial.rename(backups / name)
    fsync_directory(backups)
    return backups / name


def _fill(partial: Path, store: Store, live: str | None, events: Path | None, earlier: list[Store]) -> None:
    copied = Store(partial)
    for snapshot_id in store.snapshot_ids():
        _copy_snapshot(snapshot_id, store, copied, earlier)
    for channel in store.channel_names():
        copied.activate(store.active_id(channel) or "", channel)
    if live is not None:
        copy_live_store(live, f"sqlite:///{partial / LIVE}")
    if events is not None:
        _copy_events(events, partial / EVENTS)
    files = {str(each.relative_to(partial)): _sha256(each) for each in _files(partial)}
    contents = Contents(tuple(copied.snapshot_ids()), files)
    (partial / CONTENTS).write_bytes(msgspec.json.format(msgspec.json.encode(contents), indent=1))
    (partial / DIGEST).write_text(_sha256(partial / CONTENTS))
    _make_durable(partial)


def verify(backup: Path) -> Contents:
    """Read every byte of a backup. Raises `DamagedBackup`, `DamagedSnapshot`, OSError."""
    if not (backup / CONTENTS).is_file() or not (backup / DIGEST).is_file():
        raise DamagedBackup(f"{backup} is no backup: it lacks {CONTENTS} or {DIGEST}")
    if (backup / DIGEST).read_bytes() != _sha256(backup / CONTENTS).encode():
        raise DamagedBackup(f"{backup / CONTENTS} does not match {DIGEST}")
    contents = msgspec.json.decode((backup / CONTENTS).read_bytes(), type=Contents)
    for snapshot_id in contents.snapshots:
        verify_all(Store(backup).directory(snapshot_id))
    for name, digest in contents.files.items():
        if not (backup / name).is_file() or _sha256(backup / name) != digest:
            raise DamagedBackup(f"{backup / name} is not as it was written")
    return contents


def restore(backup: Path, store: Store, live: str | None, events: Path | None) -> None:
    """Put a verified backup where nothing is yet. Raises as `verify`, `InUse`, `NotEmpty`, `StoreLocked`."""
    contents = verify(backup)
    if live is not None and LIVE not in contents.files:
        raise DamagedBackup(f"{backup} holds no live store: restore without one")
    if events is not None and not (backup / EVENTS).is_dir():
        raise DamagedBackup(f"{backup} holds no events: restore without them")
    with store.lock():
        if store.snapshot_ids() or (events is not None and segments(events)):
            raise InUse(f"{store.root} and {events} must hold no snapshot and no event: name new ones")
        if live is not None:
            _restore_live(backup / LIVE, live)
        if events is not None:
            _copy_events(backup / EVENTS, events)
        source = Store(backup)
        for snapshot_id in contents.snapshots:
            _copy_snapshot(snapshot_id, source, store, [])
            _make_durable(store.directory(snapshot_id))
        fsync_directory(store.root)
        for channel in source.channel_names():
            store.activate(source.active_id(channel) or "", channel)


def complete(backups: Path) -> list[Path]:
    """The finished backups, oldest first."""
    return sorted(path.parent for path in backups.glob(f"[0-9]*/{CONTENTS}"))


def _earlier(backups: Path) -> list[Store]:
    return [Store(each) for each in reversed(complete(backups))]


def _copy_snapshot(snapshot_id: str, source: Store, target: Store, earlier: list[Store]) -> None:
    """A copy, or links to an earlier backup's copy that is still whole. Raises `DamagedSnapshot`."""
    held = next((each for each in earlier if each.directory(snapshot_id).is_dir()), None)
    if held is not None and _is_whole(held.directory(snapshot_id)):
        shutil.copytree(held.directory(snapshot_id), target.directory(snapshot_id), copy_function=link_or_copy)
    else:
        shutil.copytree(source.directory(snapshot_id), target.directory(snapshot_id))
        verify_all(target.directory(snapshot_id))


def _is_whole(directory: Path) -> bool:
    try:
        verify_all(directory)
    except DamagedSnapshot:
        return False
    return True


def _copy_events(source: Path, target: Path) -> None:
    """Whole lines: a segment is copied while its writer keeps off it, and then begins another."""
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in [*segments(source), source / SECRET]:
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                shutil.copy2(path, target / path.name)
        except FileNotFoundError:  # removed by events.py, or no list was ever logged
            continue
    if (source / SIGNED_OUT).is_dir():
        (target / SIGNED_OUT).mkdir(exist_ok=True)
        for path in (source / SIGNED_OUT).iterdir():  # empty files, whose names tell
            (target / SIGNED_OUT / path.name).touch()
    _make_durable(target)


def _restore_live(copy: Path, live: str) -> None:
    """By way of another copy, which may need an upgrade: the backup stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{shutil.copy(copy, folder)}"
        migrate(url)
        copy_live_store(url, live)


def _files(folder: Path) -> list[Path]:
    """All files but those of snapshots."""
    inside = ((path, path.relative_to(folder).parts[0]) for path in folder.rglob("*") if path.is_file())
    return sorted(each for each, top in inside if top != "snapshots")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make_durable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
