"""Reads articles from every supported format: one module a format, one registry of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path, PurePath, PurePosixPath
from typing import cast

import msgspec

from index.article import Article
from index.sources.encoding import as_utf8
from index.sources.mapping import Mapping
from index.sources.opening import TORN, Input, PackedTooTightly, UnreadableSource, members, opened

__all__ = [
    "Input",
    "Reader",
    "Rejection",
    "Tally",
    "Unpublished",
    "UnreadableSource",
    "Withdrawal",
    "read_files",
    "read_input",
    "read_source",
]

# The reader of each ending, as module and function; modules are imported when such a file comes.
_READERS = {
    ".jsonl": "jsonl.read_json_lines",
    ".ndjson": "jsonl.read_json_lines",
    ".json": "json_document.read_json",
    ".txt": "page_text.read_page",
    ".html": "html_page.read_html",
    ".htm": "html_page.read_html",
    ".xml": "xml_document.read_xml",
    ".rss": "xml_document.read_xml",
    ".atom": "xml_document.read_xml",
    ".wxr": "xml_document.read_xml",
    ".csv": "tables.read_csv",
    ".parquet": "tables.read_parquet",
}

_TEXTS = (".jsonl", ".ndjson", ".json", ".txt", ".csv")  # in XML and HTML the text itself may state its encoding


MOST_TYPES = 100  # that are counted by name
FIRST_FILES = 5  # that are named


class Rejection(msgspec.Struct, frozen=True):
    """A record that became no article: the file, its line (from 1; 0 = the whole file) and why."""

    where: str
    line: int
    reason: str

    @property
    def place(self) -> str:
        """Where the record stands, for people: the file, and the line where it is known."""
        return f"{self.where}, line {self.line}" if self.line else self.where


class _OfSite(Rejection, frozen=True, kw_only=True):
    """`url` and `brand` as the record names them: they tell whose article it means where two sites number alike."""

    url: str = ""
    brand: str = ""


class Withdrawal(_OfSite, frozen=True):
    """A record that only withdraws an article; to whoever knows no archive it is a rejection like others."""

    id: str


class Unpublished(Withdrawal, frozen=True):
    """A record that readers are not to see, or that is no article: it withdraws the article of its ID, if any.

    `updated_at`: epoch seconds; what is known and newer stays. None counts as newer than anything known.
    """

    status: str
    updated_at: int | None = None


class Tally(msgspec.Struct):
    """What a reading met that is no defect: articles whose fields held HTML, records that nobody has published,
    records that are no articles (pictures, menus, static pages) and how many of each type, files of no stated
    encoding that are no UTF-8, read as Windows-1252, files of a folder or zip file that are of no known format."""

    html: int = 0
    unpublished: int = 0
    other: int = 0
    windows: int = 0
    types: dict[str, int] = {}
    windows_files: list[str] = []
    unknown: int = 0
    unknown_files: list[str] = []

    def take_as_windows(self, where: str) -> None:
        """Count a file that is read as Windows-1252."""
        self.windows += 1
        self.windows_files = [*self.windows_files, where][:FIRST_FILES]

    def pass_over(self, where: str) -> None:
        """Count a file of no known format."""
        self.unknown += 1
        self.unknown_files = [*self.unknown_files, where][:FIRST_FILES]

    def files(self) -> list[tuple[int, str]]:
        """What people are told of files: how many, and of what kind, with the first of them."""
        counts = [
            (self.windows, "files are not UTF-8 and name no encoding: read as Windows-1252", self.windows_files),
            (self.unknown, "files are of no known format, not read", self.unknown_files),
        ]
        return [
            (count, f"{what} ({', '.join(names)}{', ...' if count > len(names) else ''})")
            for count, what, names in counts
            if count
        ]

    def leave_out(self, kind: str | None) -> None:
        """Count a record of a type that is no article ("" for one not named), or with None an unpublished one."""
        if kind is None:
            self.unpublished += 1
            return
        self.other += 1
        if kind and (kind in self.types or len(self.types) < MOST_TYPES):
            self.types[kind] = self.types.get(kind, 0) + 1

    def add(self, counted: Tally) -> None:
        """Count what another reading counted."""
        self.html += counted.html
        self.unpublished += counted.unpublished
        self.other += counted.other
        self.windows += counted.windows
        self.unknown += counted.unknown
        self.windows_files = [*self.windows_files, *counted.windows_files][:FIRST_FILES]
        self.unknown_files = [*self.unknown_files, *counted.unknown_files][:FIRST_FILES]
        for kind, count in counted.types.items():
            self.types[kind] = self.types.get(kind, 0) + count

    def left_out(self) -> str:
        """`3 attachment, 1 feedback`: records left out by their type, the commonest first; "" for none."""
        pairs = sorted(self.types.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count:,} {kind[:60]}" for kind, count in pairs)


Reader = Callable[[Input, Tally], Iterator[Article | Rejection]]


def read_source(
    path: Path, tally: Tally | None = None, mapping: Mapping | None = None
) -> Iterator[Article | Rejection]:
    """The records of a file, or of every file of a known format in a folder or zip file, in order of name.

    Streaming; counts in `tally`. Drafts and other unpublished records are left out. `mapping`: the fields of records
    with names of their own. Raises `UnreadableSource` for a path that is missing, of no known format, or unreadable;
    a file in a folder or zip file that its reader refuses is one rejection.
    """
    counted = Tally() if tally is None else tally
    if path.is_dir():
        yield from read_files(source_files(path, counted), counted, mapping)
    else:
        yield from _read_file(path, counted, mapping)


def read_files(files: Iterable[Path], tally: Tally, mapping: Mapping | None = None) -> Iterator[Article | Rejection]:
    """The records of files of a folder; one that its reader refuses is one rejection.

    Raises `UnreadableSource` where the disk fails.
    """
    for file in files:
        try:
            yield from _read_file(file, tally, mapping)
        except UnreadableSource as error:
            if isinstance(error.__cause__, OSError):
                raise
            yield Rejection(str(error.path), 0, error.reason)


def source_files(path: Path, tally: Tally) -> list[Path]:
    """The file itself, or those of known formats in a folder, in order of name; counts the others in `tally`.

    Hidden files and macOS's records of files (`__MACOSX`) count as nothing. Raises `UnreadableSource`.
    """
    if not path.is_dir():
        return [path]
    paths = sorted(each for each in path.rglob("*") if each.is_file())
    files = [path for path in paths if _is_known(path.name)]
    if not files:
        raise UnreadableSource(path, f"the folder holds no file of a known format ({_known()})")
    for file in paths:
        if not _is_known(file.name) and not _is_hidden(file.relative_to(path)):
            tally.pass_over(str(file))
    return files


def _is_hidden(path: PurePath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def read_input(source: Input, tally: Tally, mapping: Mapping | None = None) -> Iterator[Article | Rejection]:
    """The records of what is open already. A torn or dangerous file gives what stands before, and one rejection."""
    try:
        source = source._replace(mapping=mapping)
        yield from _reader(source)(as_utf8(source) if source.name.endswith(_TEXTS) else source, tally)
    except PackedTooTightly as error:
        yield Rejection(source.where, 0, str(error))
    except TORN as error:
        yield Rejection(source.where, 0, f"the file is torn: {error}")


def _read_file(path: Path, tally: Tally, mapping: Mapping | None) -> Iterator[Article | Rejection]:
    if not path.exists():
        raise UnreadableSource(path, "does not exist")
    if not _is_known(path.name):
        raise UnreadableSource(path, f"is of no known format ({_known()})")
    try:
        if path.name.lower().endswith(".zip"):
            yield from _read_members(path, tally, mapping)
        else:
            with opened(path) as source:
                yield from read_input(source, tally, mapping)
    except OSError as error:
        raise UnreadableSource(path, error.strerror or str(error)) from error


def _read_members(path: Path, tally: Tally, mapping: Mapping | None) -> Iterator[Article | Rejection]:
    def is_read(name: str) -> bool:
        known = _ending(name.lower().removesuffix(".gz")) is not None
        if not known and not _is_hidden(PurePosixPath(name)):
            tally.pass_over(f"{path}!{name}")
        return known

    for member in members(path, is_read):
        if not isinstance(member, Input):
            yield Rejection(member[0], 0, member[1])
            continue
        try:
            yield from read_input(member, tally, mapping)
        except UnreadableSource as error:
            yield Rejection(member.where, 0, error.reason)


def _is_known(name: str) -> bool:
    bare = name.lower().removesuffix(".gz")
    return _ending(bare) is not None or bare.endswith(".zip")


def _ending(name: str) -> str | None:
    return next((ending for ending in _READERS if name.endswith(ending)), None)


def _known() -> str:
    return f"{', '.join(_READERS)}, each also with .gz, and .zip"


def _reader(source: Input) -> Reader:
    """Raises `UnreadableSource` where the reader needs packages that are not installed."""
    ending = _ending(source.name)
    if ending is None:
        raise UnreadableSource(Path(source.where), f"is of no known format ({_known()})")
    module, function = _READERS[ending].split(".")
    try:
        return cast(Reader, getattr(import_module(f"index.sources.{module}"), function))
    except ModuleNotFoundError as error:
        needed = f"reading {ending} needs the package {error.name}: pip install '.[sources]'"
        raise UnreadableSource(Path(source.where), needed) from error
