"""Defines a snapshot's manifest, and verifies a snapshot's files against it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

FORMAT = 2
READABLE = (1, 2)  # formats; the first has TF-IDF rows as scipy keeps them
BLOCK_BYTES = 4 << 20  # 4 MiB: about 3 ms to hash when first touched
EAGER_BYTES = 32 << 20  # files up to this size are verified whole when a snapshot opens


class DamagedSnapshot(Exception):
    """A snapshot that must not be served; says which file and why."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"snapshot {directory.name} is damaged: {reason}")
        self.directory = directory
        self.reason = reason


class FileEntry(msgspec.Struct, frozen=True):
    """What the manifest knows of a file. `blocks`: first 16 hex digits of each 4 MiB block's sha256."""

    bytes: int
    sha256: str
    blocks: tuple[str, ...] = ()


class LiveMark(msgspec.Struct, frozen=True):
    """Up to which change of which live store a snapshot holds the live articles."""

    installation: str
    sequence: int


def built_in(mark: LiveMark | None, installation: str) -> int:
    """The sequence up to which a snapshot of this mark holds a live store's articles; 0 for none of them."""
    return mark.sequence if mark is not None and mark.installation == installation else 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a snapshot; code 0 of sections, languages, types and brands is "" (unknown)."""

    format: int
    id: str
    created: str
    built_at: int
    channel: str
    code_version: str
    counts: dict[str, int]
    sections: tuple[str, ...]
    languages: tuple[str, ...]
    types: tuple[str, ...]
    brands: tuple[str, ...]
    models: dict[str, Any]
    files: dict[str, FileEntry]
    quality: dict[str, float | None] = {}
    live: LiveMark | None = None


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a snapshot. Raises `DamagedSnapshot`, also for a format this code does not read."""
    try:
        raw = (directory / "manifest.json").read_bytes()
        digest = (directory / "manifest.sha256").read_bytes()
    except OSError as error:
        raise DamagedSnapshot(directory, f"manifest: {error.strerror}") from error
    if digest != hashlib.sha256(raw).hexdigest().encode() + b"\n":
        raise DamagedSnapshot(directory, "manifest.json does not match manifest.sha256")
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        number = msgspec.json.decode(fields.get("format", msgspec.Raw(b"null")))
        if number not in READABLE:
            readable = " and ".join(map(str, READABLE))
            raise DamagedSnapshot(directory, f"format {number!r}; this version reads formats {readable}")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedSnapshot(directory, f"manifest.json: {error}") from error
    if manifest.id != directory.name.removeprefix(".").removesuffix(".partial"):
        raise DamagedSnapshot(directory, f"manifest.json belongs to snapshot {manifest.id}")
    return manifest


def verify_all(directory: Path) -> Manifest:
    """Read every byte of a snapshot against its manifest. Raises `DamagedSnapshot`."""
    manifest = read_manifest(directory)
    for name, entry in manifest.files.items():
        verify_file(directory, name, entry)
    return manifest


def verify_file(directory: Path, name: str, entry: FileEntry) -> None:
    """Hash one file against its manifest entry. Raises `DamagedSnapshot`."""
    try:
        actual = describe_file(directory / name)
    except OSError as error:
        raise DamagedSnapshot(directory, f"{name}: {error.strerror}") from error
    if actual.bytes != entry.bytes:
        raise DamagedSnapshot(directory, f"{name} has {actual.bytes} bytes, the manifest says {entry.bytes}")
    if actual.sha256 != entry.sha256:
        raise DamagedSnapshot(directory, f"{name} does not match its sha256")


def describe_file(path: Path) -> FileEntry:
    """Size, sha256 and, for files over 32 MiB, block digests of a file."""
    digest = hashlib.sha256()
    blocks: list[str] = []
    size = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            blocks.append(hashlib.sha256(block).hexdigest()[:16])
            size += len(block)
    return FileEntry(size, digest.hexdigest(), tuple(blocks) if size > EAGER_BYTES else ())
