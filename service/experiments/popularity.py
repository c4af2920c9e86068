"""Owns counting clicks for the fallback tier `popular`: follows the event log, each byte read once.

A story's count is the number of readers who clicked it in the last seven days; a click whose list was shown too long
ago to be remembered counts as a reader's of its own. Memory: 8 bytes a click of these days, and 32 MB.
Runs in the search process, in short steps, so that searches go on beside it. Of readers nothing leaves this module.
"""

from __future__ import annotations

import logging
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from heapq import merge, nsmallest
from itertools import islice
from pathlib import Path
from zlib import crc32

import msgspec

from service.experiments.event_log import segments
from service.recommend.popular import DAYS, FILE, MOST, MostClicked, write_most_clicked

log = logging.getLogger(__name__)

HOURS = DAYS * 24
LOOK_SECONDS = 30.0
STEP_LINES = 2_000  # then searches have their turn: some 10 ms
REST_SECONDS = 0.01
BLOCK = 1 << 18  # bytes; more than the longest line
REMEMBERED = 1 << 21  # lists whose readers are remembered: two days of a busy site
_KEY = (1 << 64) - 1


class _Line(msgspec.Struct, gc=False):
    """What counting needs of a line of any kind."""

    kind: str
    at: float
    list_id: str = ""
    unit: str = ""
    clicked_id: str = ""
    quarantine: str | None = None


_decode = msgspec.json.Decoder(_Line).decode


class Popularity:
    """The counts of one directory of segments. For one thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unread: Iterator[_Line] | None = None
        self._begin()

    def _begin(self) -> None:
        self._segments: dict[Path, _Segment] = {}
        self._hours: dict[int, dict[str, array[int]]] = {}  # by hour and story: who clicked
        self._lists, self._readers = (array("Q", bytes(8 * REMEMBERED)) for _ in range(2))

    def catch_up(self, now: float) -> bool:
        """Count what has come, one step of it; whether that was all. Raises OSError."""
        if self._unread is None:
            self._unread = self._look(now - HOURS * 3_600)
        lines = list(islice(self._unread, STEP_LINES))
        for line in lines:
            self._count(line)
        if len(lines) == STEP_LINES:
            return False
        self._unread = None
        return True

    def most_clicked(self, now: float) -> MostClicked:
        """The stories with the most readers, at most 1,000; of equals by ID."""
        last = int(now // 3_600)
        self._hours = {hour: clicks for hour, clicks in self._hours.items() if hour > last - HOURS}
        hours = [clicks for hour, clicks in self._hours.items() if hour <= last]
        counts = {
            story: len(set().union(*(clicks[story] for clicks in hours if story in clicks)))
            for story in set().union(*hours)
        }
        return MostClicked(now, tuple(nsmallest(MOST, counts.items(), key=lambda item: (-item[1], item[0]))))

    def _look(self, since: float) -> Iterator[_Line]:
        """The unread lines of all segments, in order of time; of all from the start where one was replaced."""
        segments_by_path = {path: _Segment(path) for path in segments(self._directory)}
        if any(known.gone(segments_by_path.get(path), since) for path, known in self._segments.items()):
            self._begin()
        for path, segment in segments_by_path.items():
            segment.read = self._segments[path].read if path in self._segments else 0
        self._segments = {path: segment for path, segment in segments_by_path.items() if segment.modified >= since}
        return merge(
            *(segment.lines() for segment in self._segments.values() if segment.more()), key=lambda line: line.at
        )

    def _count(self, line: _Line) -> None:
        if line.kind == "exposure":
            place, key = _place(line.list_id)
            self._lists[place], self._readers[place] = key, hash(line.unit) & _KEY
        elif line.kind == "click" and line.quarantine is None:
            place, key = _place(line.list_id)
            reader = self._readers[place] if self._lists[place] == key else key
            clicks = self._hours.setdefault(int(line.at // 3_600), {})
            clicks.setdefault(line.clicked_id, array("Q")).append(reader)


class _Segment:
    """A segment as it was when it was looked at; `read`: bytes that were counted."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        status = path.stat()
        self._path = path
        self._inode, self._size = status.st_ino, status.st_size
        self.modified = status.st_mtime
        self.read = 0

    def more(self) -> bool:
        """Whether there is something to read."""
        return self.read < self._size

    def gone(self, now: _Segment | None, since: float) -> bool:
        """Whether lines of it that still count may be there no more."""
        if now is None:
            return self.modified >= since
        return now._inode != self._inode or now._size < self.read

    def lines(self) -> Iterator[_Line]:
        """The whole lines from `read` on that are lines of the log."""
        while self.more():
            try:
                with self._path.open("rb") as file:
                    file.seek(self.read)
                    block = file.read(min(BLOCK, self._size - self.read))
            except OSError:  # removed meanwhile: the next look counts anew
                return
            end = block.rfind(b"\n") + 1 or (len(block) if len(block) == BLOCK else 0)
            if not end:  # torn, or being written
                return
            self.read += end
            for raw in block[:end].split(b"\n"):
                try:
                    yield _decode(raw)
                except msgspec.DecodeError:
                    continue


def _place(list_id: str) -> tuple[int, int]:
    """Where a list's reader is remembered, until a newer list takes the place, and what it is known by."""
    return crc32(list_id.encode()) % REMEMBERED, hash(list_id) & _KEY


def keep_counting(directory: Path, stop: threading.Event, clock: Callable[[], float] = time.time) -> None:
    """Write the most clicked stories beside the segments, whenever they change, until `stop`."""
    popularity = Popularity(directory)
    written: MostClicked | None = None
    while not stop.is_set():
        pause = REST_SECONDS
        try:
            if popularity.catch_up(clock()):
                written, pause = _written(directory, popularity.most_clicked(clock()), written), LOOK_SECONDS
        except OSError as error:
            log.error("clicks cannot be counted: %s", error)
            pause = LOOK_SECONDS
        stop.wait(pause)


def _written(directory: Path, counted: MostClicked, before: MostClicked | None) -> MostClicked | None:
    """What the file holds now: unchanged counts are not written again, and nothing where nothing was ever clicked."""
    if before is None and not counted.stories and not (directory / FILE).exists():
        return None
    if before is None or counted.stories != before.stories:
        write_most_clicked(directory / FILE, counted)
        return counted
    return before
