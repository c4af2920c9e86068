"""Stores a snapshot's articles as accepted: compressed in frames, read in row order or a few at a time."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, overload

import msgspec
import numpy as np
import zstandard

from index.article import Article
from index.storage.files import save_array

RECORDS, FRAMES = "articles.jsonl.zst", "articles.frames.npy"
FRAME = 32  # articles: one of them is read in .4 ms; digital.gov takes 15 % more room than in one piece


def write_records(directory: Path, lines: Iterable[bytes]) -> Records:
    """Write `RECORDS`, one valid zstd file, and `FRAMES`: where each frame begins, and the end.

    `lines`: each article as JSON, without a newline.
    """
    compress = zstandard.ZstdCompressor(level=6).compress
    ends = [0]
    lines = iter(lines)
    with (directory / RECORDS).open("wb") as file:
        while frame := list(islice(lines, FRAME)):
            ends.append(ends[-1] + file.write(compress(b"\n".join(frame) + b"\n")))
    save_array(directory / FRAMES, np.array(ends, "<u8"))
    return Records(directory)


def read_articles(directory: Path) -> Iterator[Article]:
    """The articles that a snapshot was built from, in row order."""
    return iter(Records(directory))


class Records(Sequence[Article]):
    """A snapshot's articles by row, without holding them. Safe between threads.

    The frame that was read last is kept: to go through the rows in order reads each frame once.
    """

    def __init__(self, directory: Path) -> None:
        self._ends = np.load(directory / FRAMES, allow_pickle=False)
        with (directory / RECORDS).open("rb") as file:
            self._bytes: Any = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if self._ends[-1] else b""
        self._decode = msgspec.json.Decoder(Article).decode
        self._latest: tuple[int, list[bytes]] = (-1, [])

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Article]:
        return map(self._decode, self.lines())

    @overload
    def __getitem__(self, at: int) -> Article: ...

    @overload
    def __getitem__(self, at: slice) -> list[Article]: ...

    def __getitem__(self, at: int | slice) -> Article | list[Article]:
        """The article of a row of the snapshot; those of a slice are read at once. Raises IndexError."""
        if isinstance(at, slice):
            return [self[row] for row in range(*at.indices(len(self)))]
        frame, place = divmod(at, FRAME)
        if at < 0 or frame >= self._frames:
            raise IndexError(at)
        known, lines = self._latest
        if known != frame:
            lines = self._lines(frame)
            self._latest = frame, lines
        return self._decode(lines[place])

    def lines(self) -> Iterator[bytes]:
        """Each article as JSON, in row order."""
        for frame in range(self._frames):
            yield from self._lines(frame)

    @property
    def _frames(self) -> int:
        return len(self._ends) - 1

    @cached_property
    def _count(self) -> int:
        return (self._frames - 1) * FRAME + len(self._lines(self._frames - 1)) if self._frames else 0

    def _lines(self, frame: int) -> list[bytes]:
        start, end = self._ends[frame : frame + 2].tolist()
        return zstandard.ZstdDecompressor().decompress(self._bytes[start:end]).split(b"\n")[:-1]
