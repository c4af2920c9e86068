"""Owns the numbers of one process, in a file that other processes read while it counts and that outlives it.

A file is an array of doubles, then their names: a JSON line for each series, in the order of their places. Written
through a memory map, so that counting is no system call. What a killed process leaves is a whole file: its last name
may be torn, and is not read; whoever opens the file again counts on.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

SUFFIX = ".tallies"
VALUES = 16_384  # doubles: 128 KiB, a thousand histograms
NAMES = 1 << 17  # bytes
SCRAP = 32  # the first places belong to no series: what finds no room is counted there, and never read

Series = tuple[str, ...]  # the metric's name, then the values of its labels
Read = dict[Series, tuple[float, ...]]

_Line = tuple[Series, int]
_line = msgspec.json.Decoder(_Line)


class Tallies:
    """Numbers by series. Safe to share between threads; without a path they are this process's own."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises OSError."""
        self._lock = threading.Lock()
        self._buffer = mmap.mmap(-1, 8 * VALUES + NAMES) if path is None else _mapped(path)
        self._values = memoryview(self._buffer)[: 8 * VALUES].cast("d")
        self._places, self._free, self._names_end = _names(self._buffer)

    def place(self, series: Series, width: int = 1) -> int:
        """Where the numbers of a series stand, `width` of them, which begin as 0. A full file gives scrap."""
        with self._lock:
            if series not in self._places:
                line = msgspec.json.encode((series, width)) + b"\n"
                end = self._names_end + len(line)
                if self._free + width > VALUES or end > len(self._buffer):
                    return 0
                self._buffer[self._names_end : end] = line
                self._places[series] = (self._free, width)
                self._free, self._names_end = self._free + width, end
            return self._places[series][0]

    def add(self, place: int, amount: float = 1.0) -> None:
        """Count."""
        with self._lock:
            self._values[place] += amount

    def observe(self, place: int, bucket: int, amount: float) -> None:
        """Count in one of a histogram's buckets; the place before them holds the sum."""
        with self._lock:
            self._values[place] += amount
            self._values[place + 1 + bucket] += 1

    def set(self, place: int, value: float) -> None:
        """A gauge's value."""
        self._values[place] = value

    def read(self) -> Read:
        """All series."""
        return _read(self._buffer)


def read_tallies(paths: Iterable[Path]) -> Read:
    """The series of several files, added up by name; a file that went meanwhile, or is another's, has none."""
    total: Read = {}
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if len(content) == 8 * VALUES + NAMES:
            merge(total, _read(content))
    return total


def merge(total: Read, more: Mapping[Series, tuple[float, ...]]) -> None:
    """Add what was found to the total."""
    for series, values in more.items():
        before = total.get(series, (0.0,) * len(values))
        total[series] = tuple(one + other for one, other in zip(before, values, strict=True))


def _mapped(path: Path) -> mmap.mmap:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        os.posix_fallocate(file.fileno(), 0, 8 * VALUES + NAMES)  # a full disk says so here, and by SIGBUS later
        return mmap.mmap(file.fileno(), 8 * VALUES + NAMES)


def _read(buffer: bytes | mmap.mmap) -> Read:
    places, _, _ = _names(buffer)
    with memoryview(buffer) as view, view[: 8 * VALUES].cast("d") as values:
        return {series: tuple(values[place : place + width]) for series, (place, width) in places.items()}


def _names(buffer: bytes | mmap.mmap) -> tuple[dict[Series, tuple[int, int]], int, int]:
    """The places and widths by series, the first free place, and where the names end."""
    names = buffer[8 * VALUES :]
    places: dict[Series, tuple[int, int]] = {}
    free, end = SCRAP, 0
    while (newline := names.find(b"\n", end)) >= 0:
        try:
            series, width = _line.decode(names[end:newline])
        except msgspec.DecodeError:
            break
        places[series] = (free, width)
        free, end = free + width, newline + 1
    return places, free, 8 * VALUES + end
