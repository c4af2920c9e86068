"""Moves vectors from the shard files of versions before 0.2 into the vector cache.

A shard: magic, dimension and row count; n keys of 16 bytes; n x d little-endian float32; BLAKE2b-256 of all that.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import struct
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

KEY_BYTES = 16
_DIGEST_BYTES = 32
_HEADER = struct.Struct("<4sIQ")
_MAGIC = b"VEC1"

log = logging.getLogger(__name__)


def import_shards(directory: Path, dimension: int, put: Callable[[Sequence[bytes], FloatArray], None]) -> None:
    """Put the vectors of every intact shard in `directory`, then delete it; nothing happens where there is none.

    A process that is killed goes on at the next call; two at once do no harm. Raises OSError.
    """
    if not directory.is_dir():
        return
    shards = sorted(directory.glob("*.vectors"))
    if shards:
        log.warning("moving %s vector files of an earlier version into the cache", len(shards))
    for path in shards:
        with contextlib.suppress(FileNotFoundError):  # another process moved it
            vectors = _read_shard(path, dimension)
            if vectors is None:
                log.warning("damaged vector file %s: its texts are embedded again", path.name)
            else:
                put(*vectors)
            path.unlink()
    shutil.rmtree(directory, ignore_errors=True)


def _read_shard(path: Path, dimension: int) -> tuple[list[bytes], FloatArray] | None:
    """Keys and unit rows (n, dimension) of a shard; None for a damaged one. Raises FileNotFoundError."""
    content = path.read_bytes()
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if len(body) < _HEADER.size or blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    magic, stored_dimension, n = _HEADER.unpack_from(body)
    rows_at = _HEADER.size + n * KEY_BYTES
    if (magic, stored_dimension) != (_MAGIC, dimension) or len(body) != rows_at + n * 4 * dimension:
        return None
    keys = [body[at : at + KEY_BYTES] for at in range(_HEADER.size, rows_at, KEY_BYTES)]
    return keys, np.frombuffer(body, "<f4", offset=rows_at).reshape(n, dimension)
