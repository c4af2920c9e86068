"""Writes files and npy arrays, links files, and makes them durable."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

WRITTEN_AT_ONCE = 64 << 20

Array = npt.NDArray[Any]


def write_array(file: BinaryIO, array: Array, dtype: str | None = None) -> None:
    """Write an npy file of version 1.0, as another type if one is given. Raises OSError; ValueError for objects.

    As numpy's own, which says nothing where a full disk takes the beginning and not the last 4 kB (numpy 2.4). So
    many rows at a time that they take 64 MB: the array may be memory-mapped, and larger than memory.
    """
    first = np.ascontiguousarray(array[:0], dtype)
    if first.dtype.hasobject:
        raise ValueError("an array of objects would have to be pickled")
    header = np.lib.format.header_data_from_array_1_0(first)
    np.lib.format.write_array_header_1_0(file, {**header, "shape": array.shape})
    row_bytes = first.dtype.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
    step = max(1, WRITTEN_AT_ONCE // max(row_bytes, 1))
    for start in range(0, len(array), step):
        file.write(as_bytes(np.ascontiguousarray(array[start : start + step], dtype)))


def save_chunks(path: Path, chunks: Iterable[Array], dtype: str) -> None:
    """Write an npy file of chunks (k,), one after another, whose number is not known before. Raises OSError."""
    count = 0
    with path.open("wb") as file:
        _write_header(file, dtype, count)
        for chunk in chunks:
            file.write(as_bytes(np.ascontiguousarray(chunk, dtype)))
            count += len(chunk)
        file.seek(0)
        _write_header(file, dtype, count)  # of the same size: numpy leaves room for more digits


def _write_header(file: BinaryIO, dtype: str, count: int) -> None:
    header = np.lib.format.header_data_from_array_1_0(np.empty(0, dtype))
    np.lib.format.write_array_header_1_0(file, {**header, "shape": (count,)})


def save_array(path: Path, array: Array) -> None:
    """Write an npy file, to where one may be. Raises as `write_array`."""
    with path.open("wb") as file:
        write_array(file, array)


def link_or_copy(source: Path | str, target: Path | str) -> None:
    """Give a file a second name, which takes no room; copy it where the file system has no more hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def write_file(path: Path, content: bytes) -> None:
    """Write a file and make its content durable."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def fsync_file(path: Path) -> None:
    """Make a file's content durable, also what was written through a mapping of it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def fsync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def as_bytes(array: Array) -> memoryview:
    """The array's bytes, not copied: `struct` reads one number of them in a third of numpy's time."""
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
