"""Owns the segments of the event log: appending lines so that none is lost or torn, and reading them.

DIR/YYYYMMDDTHHMMSS-<pid>-<4 hex>.jsonl: written by one process, which made it, and by nobody afterwards. A process
that was killed may leave a torn last line. Who appends or rewrites holds the file's lock: a command may replace or
remove a segment at any time, and its writer then begins another.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from index.storage.files import fsync_directory

log = logging.getLogger(__name__)

Fsync = Literal["always", "second", "never"]

SUFFIX = ".jsonl"
MAX_BYTES = 64 << 20
SYNC_SECONDS = 1.0


class EventLogUnavailable(Exception):
    """Lines could not be appended, and none of them is in the log; the message says why."""


class EventLog:
    """Appends to segments in `directory`. Safe to share between threads, and with processes forked from this one.

    `fsync`: "always" before `append` returns, "second" within about a second of it, "never" when the system likes. In
    each case what was appended outlives a kill of the process; they differ in what a loss of power takes.
    """

    def __init__(
        self,
        directory: Path,
        fsync: Fsync = "second",
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._fsync: Fsync = fsync
        self._max_bytes = max_bytes
        self._clock = clock
        self._writers: dict[int, _Writer] = {}  # by process: a forked one must not write to its parent's segment

    def append(self, lines: Sequence[bytes]) -> None:
        """Append lines, each with its b"\\n", all of them or none. Raises `EventLogUnavailable`."""
        if not lines:
            return
        try:
            self._writer().write(b"".join(lines), self._clock())
        except OSError as error:
            raise EventLogUnavailable(f"{self._directory}: {error.strerror or error}") from error

    def _writer(self) -> _Writer:
        pid = os.getpid()
        if pid not in self._writers:
            self._writers.setdefault(pid, _Writer(self._directory, self._fsync, self._max_bytes))
            for parent in [writer for writer in list(self._writers) if writer != pid]:
                if (writer := self._writers.pop(parent, None)) is not None:
                    writer.close()
        return self._writers[pid]


class _Writer:
    """The segment of one process: `_file` is its descriptor, -1 for none."""

    def __init__(self, directory: Path, fsync: Fsync, max_bytes: int) -> None:
        self._directory = directory
        self._fsync = fsync
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._file = -1
        self._day = ""
        self._sync_is_due = False

    def write(self, content: bytes, now: float) -> None:
        """Raises OSError; then nothing of the content is in the log."""
        with self._lock:
            size = self._locked(len(content), now)
            try:
                self._append(content)
            except OSError:
                self._cut(size)
                raise
            finally:
                self._unlock()
            if self._fsync == "second" and not self._sync_is_due:
                self._sync_is_due = True
                later = threading.Timer(SYNC_SECONDS, self._sync)
                later.daemon = True
                later.start()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _locked(self, more: int, now: float) -> int:
        """Lock a segment that has room for so many bytes more; returns its size.

        The lock is never waited for: only a command that rewrites or removes the segment can hold it.
        """
        day = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d")
        if self._file >= 0 and self._day == day and _lock(self._file):
            status = os.fstat(self._file)
            if status.st_nlink and (not status.st_size or status.st_size + more <= self._max_bytes):
                return status.st_size
        self._begin(day, now)
        return 0

    def _begin(self, day: str, now: float) -> None:
        if self._file >= 0 and self._fsync != "never":
            os.fsync(self._file)
        self.close()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file, self._day = _new_segment(self._directory, now), day
        if self._fsync != "never":
            fsync_directory(self._directory)

    def _append(self, content: bytes) -> None:
        written = os.write(self._file, content)
        if written < len(content):
            raise OSError(errno.ENOSPC, f"only {written} of {len(content)} bytes could be written")
        if self._fsync == "always":
            os.fsync(self._file)

    def _cut(self, size: int) -> None:
        """Take back what was written of a batch; where that fails, nothing may follow its torn line."""
        try:
            os.ftruncate(self._file, size)
        except OSError:
            self.close()

    def _unlock(self) -> None:
        if self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _sync(self) -> None:
        with self._lock:
            self._sync_is_due = False
            file = os.dup(self._file) if self._file >= 0 else -1
        if file < 0:
            return
        try:
            os.fsync(file)
        except OSError as error:
            log.error("the last events may not outlive a loss of power: %s", error)
        finally:
            os.close(file)


def _new_segment(directory: Path, now: float) -> int:
    """A new file, locked; another one where a command was quicker to lock or replace it."""
    while True:
        begun = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S")
        name = f"{begun}-{os.getpid()}-{secrets.token_hex(2)}{SUFFIX}"
        with contextlib.suppress(FileExistsError):
            file = os.open(directory / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            if _lock(file) and os.fstat(file).st_nlink:
                return file
            os.close(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def segments(directory: Path) -> list[Path]:
    """The segments in a directory, oldest first; none where there is no directory."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def lines(segment: Path) -> Iterator[bytes]:
    """The lines of a segment, each with its b"\\n", without a torn last one. Raises OSError."""
    with segment.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def is_torn(segment: Path) -> bool:
    """Whether the last line of a segment lacks its end, which `lines` leaves out. Raises OSError."""
    with segment.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
