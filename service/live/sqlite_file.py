"""Owns noticing what becomes of a SQLite file under connections that are open.

SQLite goes on with the file that it opened and the pages that it holds, so that a file that was moved away, replaced
or overwritten by another program seems well. Here nothing may open the file but SQLite itself: to close it again
would end the locks of all connections of the process.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from pathlib import Path
from urllib.parse import quote

from service.live.errors import LiveStoreUnavailable

CHECK_SECONDS = 10.0


class SqliteFile:
    """The file at a path, which may not be there yet. Safe between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None  # device, inode
        self._written: tuple[int, int] | None = None  # when, and how large
        self._damage = ""
        self._due = 0.0
        self._lock = threading.Lock()

    def was_replaced(self) -> bool:
        """Whether another file lies there than when this was asked before, or none."""
        told = self._stat()
        before, self._identity = self._identity, told and (told[0], told[1])
        return before is not None and before != self._identity

    def check(self, now: bool) -> None:
        """Raises `LiveStoreUnavailable` where the file was found damaged.

        `now`: look for it, where the file was written to since; in WAL mode only a checkpoint does that. At most
        every ten seconds, and by one thread while the others go on.
        """
        if now and time.monotonic() >= self._due and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        if self._damage:
            raise LiveStoreUnavailable(f"the live store cannot be used: {self._path} is damaged: {self._damage}")

    def _look(self) -> None:
        told = self._stat()
        written = told and (told[2], told[3])
        if written is None or (written == self._written and not self._damage):
            return
        self._written, self._due = written, time.monotonic() + CHECK_SECONDS
        try:
            with contextlib.closing(sqlite3.connect(f"file:{quote(str(self._path))}?mode=rw", uri=True)) as fresh:
                (found,) = fresh.execute("PRAGMA quick_check(1)").fetchone()
            self._damage = "" if found == "ok" else found.splitlines()[-1]
        except sqlite3.OperationalError:  # locked, or away: whoever asks next meets it
            self._written = None
        except sqlite3.DatabaseError as error:
            self._damage = str(error)

    def _stat(self) -> tuple[int, int, int, int] | None:
        try:
            told = self._path.stat()
        except OSError:
            return None
        return told.st_dev, told.st_ino, told.st_mtime_ns, told.st_size
