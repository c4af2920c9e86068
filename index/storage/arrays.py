"""Creates memory-mapped arrays that need not fit in memory, and splits rows into parts that do."""

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


def new_array(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """An npy file to be filled, mapped. Raises OSError where the disk has no room for it."""
    made = np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)  # a disk that is full says so, instead of SIGBUS
    return made


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """An empty folder, removed at the end; of a build that was killed the next one removes it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
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
