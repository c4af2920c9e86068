"""Keeps a build's arrays in memory-mapped files of a folder that lasts as long as the build."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROWS = 8_192  # articles whose texts and vectors are in memory at once: some 60 MB of texts, 300 of vectors

Array = npt.NDArray[Any]


class Scratch:
    """Arrays in the files of a folder. What it gives may be used until the folder goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def zeros(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array to be filled. Raises OSError where the disk has no room for it."""
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if size == 0:
            return np.zeros(shape, dtype)
        with (self.folder / name).open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)  # a disk that is full says so, instead of SIGBUS
        return np.asarray(np.memmap(self.folder / name, dtype, "r+", shape=shape))


def new_array(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """An npy file to be filled, mapped. Raises OSError where the disk has no room for it."""
    made = np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)  # a disk that is full says so, instead of SIGBUS
    return made


@contextmanager
def scratch(folder: Path) -> Iterator[Scratch]:
    """An empty folder, removed at the end; of a build that was killed the next one removes it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield Scratch(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parts(n: int, size: int | None = None) -> Sequence[slice]:
    """n rows in runs of `size`, by default `ROWS`."""
    size = size or ROWS
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def by_distinct(rows: Array, most: int) -> Iterator[tuple[slice, Array, Array]]:
    """`rows` (p, ...) in runs that name at most `most` different rows, or one row: those, and where each is there.

    What several name is then read once, and what is in memory is bounded.
    """
    runs = [slice(0, len(rows))]
    while runs:
        run = runs.pop()
        distinct, places = np.unique(rows[run], return_inverse=True)
        if len(distinct) <= most or run.stop - run.start <= 1:
            yield run, distinct, places.reshape(rows[run].shape)
        else:
            middle = (run.start + run.stop) // 2
            runs += [slice(middle, run.stop), slice(run.start, middle)]
