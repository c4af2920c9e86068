"""Owns reading the event log for analysis: DuckDB over the segments, in a scratch database that goes with the block.

Every line is read once into the table `line`, whose `status` says what became of it: `accepted`, or why it counts
nowhere. The rest works on the views `exposures`, `views` and `clicks`, in which each event stands once.
Reads only: a segment may be written to or replaced at any time; one removed while being read: `IOException`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import msgspec


class _HasKind(msgspec.Struct):
    kind: object


_decode = msgspec.json.Decoder(_HasKind).decode
_BLOCK = 1 << 16
NAMED = 10  # so many malformed lines, and torn files, are named


@dataclass(frozen=True)
class MalformedLine:
    """A line that is no JSON object with a kind. `number`: from 1."""

    file: str
    number: int


@dataclass(frozen=True)
class Lines:
    """What was read: lines by (kind, status), `kind` empty where unknown.

    Statuses: accepted; late, future, early (quarantined by the service); logged_twice, replay; incomplete (a field is
    missing or of the wrong type); refused; malformed; unknown_kind; torn.
    """

    counts: dict[tuple[str, str], int]
    refused: dict[str, int]  # events, by reason: a line tells of several
    malformed: dict[str, int]  # lines, by file
    torn: tuple[str, ...]  # files

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Events:
    """The event log, open for analysis. `connection` holds the tables named in this module's docstring."""

    connection: duckdb.DuckDBPyConnection
    segments: tuple[Path, ...]
    torn: tuple[str, ...]

    def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        """What a query answers. `$name` in it is a parameter."""
        rows: list[tuple[Any, ...]] = self.connection.execute(query, parameters or None).fetchall()
        return rows

    def lines(self) -> Lines:
        """What became of every line."""
        counts = {(kind, status): n for kind, status, n in self.rows(_COUNTS)}
        if self.torn:
            counts["", "torn"] = len(self.torn)
        refused = self.rows(
            "SELECT reason, sum(\"count\")::BIGINT FROM line WHERE status = 'refused' GROUP BY 1 ORDER BY 1"
        )
        malformed = self.rows(_MALFORMED)
        return Lines(counts, dict(refused), {Path(file).name: n for file, n in malformed}, self.torn)

    def first_malformed(self) -> list[MalformedLine]:
        """The first ten malformed lines, to look at."""
        named: list[MalformedLine] = []
        for name, n in sorted(self.rows(_MALFORMED), key=lambda row: Path(row[0]).name):
            named += _malformed_lines(Path(name), min(n, NAMED - len(named)))
        return named


_NAMED, _HASHED = "id", "if(id IS NULL, NULL, hash(id))"
_COUNTS = """
    SELECT if(status IN ('malformed', 'unknown_kind'), '', kind), status, count(*) FROM line
    GROUP BY 1, 2 ORDER BY 1, 2
"""
_MALFORMED = """
    SELECT malformed_file, count(*) FROM line WHERE status = 'malformed' GROUP BY 1 ORDER BY 1
"""


@contextmanager
def open_events(
    directory: Path,
    *,
    named_stories: bool = True,
    temp_directory: Path | None = None,
    memory_limit: str = "1GB",
    threads: int = 2,
) -> Iterator[Events]:
    """The log in `directory` (segments `*.jsonl`; none is an empty log), read.

    `named_stories`: `story_ids` are the stories' IDs; otherwise hashes of 64 bits, enough to tell stories apart, and
    a fifth less to read and write.
    `temp_directory`: where the scratch database goes, about a tenth of the log's size; default: the system's.
    `memory_limit`: DuckDB's; above it, it spills to the scratch.
    """
    with tempfile.TemporaryDirectory(dir=temp_directory) as name:
        scratch = Path(name)
        connection = duckdb.connect(scratch / "events.duckdb")
        try:
            connection.execute(f"SET memory_limit = '{memory_limit}'; SET threads = {threads}")
            connection.execute(f"SET temp_directory = '{scratch}'; SET preserve_insertion_order = false")
            connection.execute(f"CREATE MACRO story(id) AS {_NAMED if named_stories else _HASHED}")
            yield _read(connection, directory, scratch)
        finally:
            connection.close()


def set_variables(connection: duckdb.DuckDBPyConnection, **values: object) -> None:
    """What SQL reads by `getvariable`."""
    for name, value in values.items():
        connection.execute(f"SET VARIABLE {name} = $value", {"value": value})


def sql(name: str) -> str:
    """A file of statements beside this module."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def _read(connection: duckdb.DuckDBPyConnection, directory: Path, scratch: Path) -> Events:
    segments = tuple(sorted(directory.glob("*.jsonl")))
    torn, readable = [], [scratch / "none.jsonl"]
    (scratch / "none.jsonl").touch()
    for segment in segments:
        size, end = segment.stat().st_size, _end_of_last_line(segment)
        if end >= size:  # larger: a writer is at work
            readable.append(segment)
        else:
            torn.append(segment.name)
            readable.append(_beginning(segment, end, scratch))
    set_variables(connection, files=[str(path) for path in readable])
    connection.execute(sql("read"))
    return Events(connection, segments, tuple(torn))


def _end_of_last_line(segment: Path) -> int:
    """Where the last newline ends, in bytes; 0 without one."""
    with segment.open("rb") as file:
        at = file.seek(0, 2)
        while at:
            begin = max(0, at - _BLOCK)
            file.seek(begin)
            newline = file.read(at - begin).rfind(b"\n")
            if newline >= 0:
                return begin + newline + 1
            at = begin
    return 0


def _beginning(segment: Path, size: int, scratch: Path) -> Path:
    """A copy of the whole lines: DuckDB would take a torn line for one."""
    copy = scratch / segment.name
    with segment.open("rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target)
        target.truncate(size)
    return copy


def _malformed_lines(segment: Path, limit: int) -> list[MalformedLine]:
    """The first so many; reads no further than these."""
    with segment.open("rb") as file:
        malformed = (number for number, line in enumerate(file, 1) if line.strip() and not _has_kind(line))
        return [MalformedLine(segment.name, number) for number in islice(malformed, limit)]


def _has_kind(line: bytes) -> bool:
    try:
        return _decode(line).kind is not None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
