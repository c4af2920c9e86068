"""Keeps the state of an import: what was fetched, so that it resumes and asks only for what changed."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path
from typing import NamedTuple

_TABLE = """CREATE TABLE IF NOT EXISTS pages (url TEXT PRIMARY KEY, final_url TEXT NOT NULL, kind TEXT NOT NULL,
    etag TEXT NOT NULL, modified TEXT NOT NULL, fetched_at INTEGER NOT NULL, content BLOB NOT NULL)"""


class Page(NamedTuple):
    """What an address gave: `url` is where redirects led, `kind` the media type, with its parameters."""

    url: str
    kind: str
    etag: str
    modified: str
    fetched_at: int
    content: bytes


class Kept:
    """The pages by the address they were asked for under. Each is durable when `keep` returns."""

    def __init__(self, path: Path | None = None) -> None:
        """In a SQLite file; in memory without one. Raises `sqlite3.Error` for a file that is none."""
        self._connection = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
        self._connection.execute(_TABLE)

    def find(self, url: str) -> Page | None:
        """What is kept, if anything."""
        row = self._connection.execute(
            "SELECT final_url, kind, etag, modified, fetched_at, content FROM pages WHERE url = ?", (url,)
        ).fetchone()
        if row is None:
            return None
        url, kind, etag, modified, fetched_at, content = row
        return Page(url, kind, etag, modified, fetched_at, zlib.decompress(content))

    def keep(self, url: str, page: Page) -> None:
        """Keep it, in place of what was kept before."""
        row = (url, *page[:-1], zlib.compress(page.content))
        self._connection.execute("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
