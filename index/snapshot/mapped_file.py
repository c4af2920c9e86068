"""Maps a snapshot's file into memory, and verifies it whole or block by block on first touch."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index.snapshot.manifest import BLOCK_BYTES, EAGER_BYTES, DamagedSnapshot, FileEntry

# Large files that a lookup reads a few bytes of: their blocks are verified when first touched.
BY_BLOCK = ("teasers.jsonl", "neighbours.rows.npy", "neighbours.features.npy", "sketches.npy", "terms.npy",
             "versions.npy")  # fmt: skip

Array = npt.NDArray[Any]


class MappedFile:
    """A memory-mapped file of a snapshot; knows which of its blocks have been verified."""

    def __init__(self, directory: Path, name: str, entries: Mapping[str, FileEntry]) -> None:
        if name not in entries:
            raise DamagedSnapshot(directory, f"the manifest does not name {name}")
        self._directory, self._name, self._entry = directory, name, entries[name]
        self.view = self._map()
        lazy = name in BY_BLOCK and self._entry.bytes > EAGER_BYTES
        if not lazy and hashlib.sha256(self.view).hexdigest() != self._entry.sha256:
            raise DamagedSnapshot(directory, f"{name} does not match its sha256")
        if lazy and len(self._entry.blocks) != -(-self._entry.bytes // BLOCK_BYTES):
            raise DamagedSnapshot(directory, f"the manifest lacks block digests of {name}")
        self._unverified = bytearray(b"\1" * len(self._entry.blocks)) if lazy else None
        self.by_block = lazy
        self.header_bytes = 0
        self._row_bytes = 0

    def _map(self) -> memoryview:
        try:
            with (self._directory / self._name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size != self._entry.bytes:
                    raise DamagedSnapshot(
                        self._directory,
                        f"{self._name} has {size} bytes, the manifest says {self._entry.bytes}",
                    )
                if size == 0:
                    return memoryview(b"")
                return memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        except OSError as error:
            raise DamagedSnapshot(self._directory, f"{self._name}: {error.strerror}") from error

    def array(self) -> Array:
        """The npy array in this file, without a copy. Raises ValueError for a broken header."""
        head = BytesIO(bytes(self.view[:1024]))
        self.touch(0, min(1024, self._entry.bytes))
        version = np.lib.format.read_magic(head)
        if version != (1, 0):
            raise ValueError(f"{self._name} is not an npy file of version 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
        if fortran or dtype.hasobject:
            raise ValueError(f"{self._name} holds a column-ordered or object array")
        self.header_bytes = head.tell()
        count = int(np.prod(shape, dtype=np.int64))
        self._row_bytes = dtype.itemsize * (count // shape[0] if shape and shape[0] else 0)
        if self.header_bytes + count * dtype.itemsize != self._entry.bytes:
            raise ValueError(f"{self._name} is shorter or longer than its header says")
        return np.frombuffer(self.view, dtype, count, self.header_bytes).reshape(shape)

    def touch_row(self, row: int) -> None:
        """Verify the blocks that hold a row of the array."""
        if self._unverified is not None:
            start = self.header_bytes + row * self._row_bytes
            self.touch(start, start + self._row_bytes)

    def touch(self, start: int, end: int) -> None:
        """Verify the blocks that hold bytes [start, end). Raises `DamagedSnapshot`."""
        if self._unverified is None:
            return
        for block in range(int(start) // BLOCK_BYTES, (int(end) - 1) // BLOCK_BYTES + 1):
            if self._unverified[block]:
                self._verify_block(block)

    def _verify_block(self, block: int) -> None:
        assert self._unverified is not None  # noqa: S101 - for mypy; callers checked
        content = self.view[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
        if hashlib.sha256(content).hexdigest()[:16] != self._entry.blocks[block]:
            raise DamagedSnapshot(self._directory, f"block {block} of {self._name} does not match its digest")
        self._unverified[block] = 0
