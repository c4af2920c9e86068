"""Sources of articles: one file a format, one registry. A bad record costs one article and is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from index.article import Article


class Rejection(msgspec.Struct, frozen=True):
    """A record that became no article: the file, its line (from 1; 0 = the whole file) and why."""

    where: str
    line: int
    reason: str


class Withdrawal(Rejection, frozen=True):
    """A record that only withdraws an article; to whoever knows no archive it is a rejection like others."""

    id: str


class Tally(msgspec.Struct):
    """What a reading met that is no defect: articles whose fields held HTML, records that nobody has published."""

    html: int = 0
    unpublished: int = 0


class UnreadableSource(Exception):
    """A source that gives nothing at all; nothing was built from it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


Reader = Callable[[Path, Tally], Iterator[Article | Rejection]]


def read_source(path: Path, tally: Tally | None = None) -> Iterator[Article | Rejection]:
    """The records of a file, or of every file of a known format in a folder, in order of name.

    Streaming; counts in `tally`. Drafts and other unpublished records are left out. Raises `UnreadableSource` for a
    path that is missing, of no known format, or unreadable.
    """
    counted = Tally() if tally is None else tally
    for file in _files(path) if path.is_dir() else [path]:
        yield from _read_file(file, counted)


def _files(folder: Path) -> list[Path]:
    files = sorted(each for each in folder.rglob("*") if each.is_file() and _reader(each) is not None)
    if not files:
        raise UnreadableSource(folder, f"the folder holds no file of a known format ({_known()})")
    return files


def _read_file(path: Path, tally: Tally) -> Iterator[Article | Rejection]:
    if not path.exists():
        raise UnreadableSource(path, "does not exist")
    reader = _reader(path)
    if reader is None:
        raise UnreadableSource(path, f"is of no known format ({_known()})")
    try:
        yield from reader(path, tally)
    except OSError as error:
        raise UnreadableSource(path, error.strerror or str(error)) from error


def _reader(path: Path) -> Reader | None:
    for ending, reader in _registry().items():
        if path.name.lower().endswith(ending):
            return reader
    return None


def _known() -> str:
    return ", ".join(_registry())


def _registry() -> dict[str, Reader]:
    from index.sources.jsonl import read_json_lines
    from index.sources.page_text import read_page

    return {
        ".jsonl": read_json_lines,
        ".jsonl.gz": read_json_lines,
        ".ndjson": read_json_lines,
        ".ndjson.gz": read_json_lines,
        ".json": read_json_lines,
        ".json.gz": read_json_lines,
        ".txt": read_page,
    }
