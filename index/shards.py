"""Owns the files that `index.cache` keeps vectors in.

A shard: magic, dimension and row count; n keys of 16 bytes; n x d little-endian float32; BLAKE2b-256
of all before it. Written to a temporary name, fsynced, renamed: it is there whole or not at all.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.snapshot import fsync_directory

FloatArray = npt.NDArray[np.float32]

KEY_BYTES = 16
SUFFIX = ".vectors"
_DIGEST_BYTES = 32
_HEADER = struct.Struct("<4sIQ")
_MAGIC = b"VEC1"


def write_shard(directory: Path, keys: Sequence[bytes], rows: FloatArray) -> Path:
    """Store unit rows (n, d) under n keys, durably; named by its content: written twice it is one. Raises OSError."""
    content = _HEADER.pack(_MAGIC, rows.shape[1], len(keys)) + b"".join(keys)
    content += rows.astype("<f4", copy=False).tobytes()
    digest = blake2b(content, digest_size=_DIGEST_BYTES).digest()
    path = directory / f"{digest[:12].hex()}{SUFFIX}"
    _write_durably(path, content + digest)
    return path


def intact_keys(path: Path, dimension: int) -> list[bytes] | None:
    """The keys of a shard in row order; None for a damaged one. Raises FileNotFoundError."""
    content = path.read_bytes()
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if len(body) < _HEADER.size or blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    magic, found_dimension, n = _HEADER.unpack_from(body)
    if magic != _MAGIC or found_dimension != dimension:
        return None
    if len(body) != _HEADER.size + n * (KEY_BYTES + 4 * dimension):
        return None
    return _cut(body[_HEADER.size : _HEADER.size + n * KEY_BYTES])


def shard_keys(path: Path) -> set[bytes]:
    """The keys of an intact shard, without reading more than these. Raises FileNotFoundError."""
    with path.open("rb") as file:
        _, _, n = _HEADER.unpack(file.read(_HEADER.size))
        return set(_cut(file.read(n * KEY_BYTES)))


def shard_rows(path: Path) -> FloatArray:
    """The vectors of an intact shard (n, d), read as they are used. Raises FileNotFoundError."""
    with path.open("rb") as file:
        _, dimension, n = _HEADER.unpack(file.read(_HEADER.size))
        return np.memmap(file, dtype="<f4", mode="r", offset=_HEADER.size + n * KEY_BYTES, shape=(n, dimension))


def sweep(directory: Path) -> None:
    """Remove what writers that are no more have left half-written."""
    for temporary in directory.glob("*.tmp"):
        if not _runs(temporary.stem.rpartition(".")[2]):
            temporary.unlink(missing_ok=True)


def _cut(keys: bytes) -> list[bytes]:
    return [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]


def _write_durably(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:  # another user's
        return True
    return True
