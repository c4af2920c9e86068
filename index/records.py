"""Owns the articles inside a snapshot, as accepted: compressed in frames, read whole or a few at a time."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from index.article import Article

RECORDS, FRAMES = "articles.jsonl.zst", "articles.frames.npy"
FRAME = 32  # articles: one of them is read in .4 ms; digital.gov takes 15 % more room than in one piece


def record_files(articles: Sequence[Article]) -> tuple[bytes, npt.NDArray[np.uint64]]:
    """The content of `RECORDS`, one valid zstd file, and of `FRAMES`: where each frame begins, and the end."""
    compress = zstandard.ZstdCompressor(level=6).compress
    lines = [msgspec.json.encode(article) + b"\n" for article in articles]
    frames = [compress(b"".join(lines[start : start + FRAME])) for start in range(0, len(lines), FRAME)]
    return b"".join(frames), np.cumsum([0, *(len(frame) for frame in frames)]).astype("<u8")


def read_articles(directory: Path) -> Iterator[Article]:
    """The articles that a snapshot was built from, in row order."""
    decoder = msgspec.json.Decoder(Article)
    raw = (directory / RECORDS).read_bytes()
    for line in zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read().splitlines():
        yield decoder.decode(line)


class Records:
    """A snapshot's articles by row, without holding them. Safe between threads."""

    def __init__(self, directory: Path) -> None:
        self._frames: list[int] = np.load(directory / FRAMES, allow_pickle=False).tolist()
        with (directory / RECORDS).open("rb") as file:
            self._bytes: Any = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if self._frames[-1] else b""

    def __getitem__(self, row: int) -> Article:
        """The article of a row of the snapshot."""
        frame, place = divmod(row, FRAME)
        start, end = self._frames[frame : frame + 2]
        lines = zstandard.ZstdDecompressor().decompress(self._bytes[start:end])
        return msgspec.json.decode(lines.split(b"\n")[place], type=Article)
