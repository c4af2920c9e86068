"""Opens a source: its bytes, with gzip and zip unpacked under limits, and its name in messages."""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

from index.sources.mapping import Mapping

MOST_RATIO = 250  # bytes unpacked for one packed; real archives stay under 100, bombs come near 1,032
FREE_BYTES = 64 << 20  # unpacked whatever the ratio
MOST_MEMBERS = 200_000  # of a zip file, whose directory is held in memory

TORN = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)


class UnreadableSource(Exception):
    """A source that gives nothing at all; nothing was built from it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableSource], tuple[Path, str]]:
        """What it is made of again in another process."""
        return type(self), (self.path, self.reason)


class PackedTooTightly(Exception):
    """A file that unpacks to far more than any archive of texts: a bomb."""


class Input(NamedTuple):
    """An opened source. `where`: what people know it by; `file`: its bytes from the beginning, unpacked."""

    where: str
    name: str  # lower case, without .gz
    file: io.BufferedReader
    mapping: Mapping | None = None

    @property
    def stem(self) -> str:
        """The name without its ending: the ID of a page that names none."""
        name = PurePosixPath(self.where.replace("\\", "/").replace("!", "/")).name
        return name.removesuffix(".gz").rsplit(".", 1)[0]


@contextmanager
def opened(path: Path) -> Iterator[Input]:
    """The file, unpacked if it is gzip, whatever its name."""
    with path.open("rb") as raw:
        yield Input(str(path), _bare(path.name), plain(raw, raw.tell))


def stream(file: IO[bytes], name: str) -> Input:
    """Bytes that come from elsewhere, called `name` (whose ending says the format)."""
    count = _Counted(file)
    return Input(name, _bare(name), plain(_buffered(count), lambda: count.given))


def members(path: Path, known: Callable[[str], bool]) -> Iterator[Input | tuple[str, str]]:
    """The files of a zip file whose names are `known`, in order of name, or where and why one cannot be read.

    Raises `UnreadableSource`. Zip files in it are not opened; links and directories are nothing.
    """
    with _directory(path) as packed:
        for info in sorted(packed.infolist(), key=lambda entry: entry.filename):
            if info.is_dir() or "__MACOSX" in info.filename or not known(info.filename):
                continue
            where = f"{path}!{info.filename}"
            try:
                with packed.open(info) as file:
                    yield _member(where, info, file)
            except (RuntimeError, NotImplementedError, *TORN) as error:  # a password, an unknown method, damage
                yield where, str(error)


def _member(where: str, info: zipfile.ZipInfo, file: IO[bytes]) -> Input:
    def taken() -> int:
        return info.compress_size

    return Input(where, _bare(info.filename), plain(_buffered(_Unpacked(file, taken)), taken))


@contextmanager
def rewindable(source: Input) -> Iterator[tuple[io.BufferedReader, Exception | None]]:
    """The bytes of a source in a file that can be read again, and what ended them early, if anything.

    What is only a stream goes to a temporary file.
    """
    if source.file.seekable():
        yield source.file, None
        return
    with tempfile.TemporaryFile() as file:
        torn = None
        try:
            while piece := source.file.read1():  # `read` would lose what it has when it meets the tear
                file.write(piece)
        except (PackedTooTightly, *TORN) as error:
            torn = error
        file.seek(0)
        yield cast(io.BufferedReader, file), torn


def plain(raw: io.BufferedReader, taken: Callable[[], int]) -> io.BufferedReader:
    """The bytes with gzip undone, known by its first bytes; `taken`: how many packed bytes were read so far."""
    if raw.peek(2)[:2] != b"\x1f\x8b":
        return raw
    return _buffered(_Unpacked(gzip.GzipFile(fileobj=raw), taken))


def _buffered(raw: io.RawIOBase) -> io.BufferedReader:
    return cast(io.BufferedReader, io.BufferedReader(raw))


class _Unpacked(io.RawIOBase):
    """Unpacked bytes, a piece at a time, so that what stands before a tear is given; refuses bombs."""

    def __init__(self, packed: gzip.GzipFile | IO[bytes], taken: Callable[[], int]) -> None:
        self._packed = packed
        self._taken = taken
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece: bytes = self._packed.read1(len(buffer))  # type: ignore[union-attr]
        buffer[: len(piece)] = piece
        self._given += len(piece)
        if self._given > FREE_BYTES and self._given > MOST_RATIO * max(1, self._taken()):
            raise PackedTooTightly(f"unpacks to more than {MOST_RATIO} times its size, as no archive of texts does")
        return len(piece)


class _Counted(io.RawIOBase):
    """Bytes of a stream that cannot tell where it is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        self.given += len(piece)
        return len(piece)


@contextmanager
def _directory(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        packed = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise UnreadableSource(path, f"is no zip file: {error}") from error
    with packed:
        entries = packed.infolist()
        if len(entries) > MOST_MEMBERS:
            raise UnreadableSource(path, f"holds more than {MOST_MEMBERS:,} files")
        total = sum(entry.file_size for entry in entries)
        if total > FREE_BYTES and total > MOST_RATIO * path.stat().st_size:
            raise UnreadableSource(path, f"unpacks to {total:,} bytes, more than {MOST_RATIO} times its size")
        yield packed


def _bare(name: str) -> str:
    return name.lower().removesuffix(".gz")
