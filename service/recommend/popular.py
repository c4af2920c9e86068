"""Reads and writes the file of the most clicked stories: written by the search process, read by web workers.

It holds stories and numbers of clicks, and nothing of readers. `service.experiments.popularity` counts them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from service.config import Settings

log = logging.getLogger(__name__)

FILE = "popular.json"  # among the events
DAYS = 7
MOST = 1_000
LOOK_SECONDS = 1.0


class MostClicked(msgspec.Struct, frozen=True):
    """The most clicked stories of the `DAYS` days before `at`, most first: IDs and numbers of clicks."""

    at: float
    stories: tuple[tuple[str, int], ...]


def write_most_clicked(path: Path, found: MostClicked) -> None:
    """Whole or not at all. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(msgspec.json.encode(found))
    temporary.replace(path)


class Popular:
    """The most clicked stories of a file, read again when it changes. Safe to share between threads."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._looked: float | None = None
        self._seen: tuple[int, int, int] | None = None
        self._found: tuple[float, Sequence[str]] = (0.0, ())

    def ids(self, now: int) -> Sequence[str]:
        """Most clicked first; none where nobody has counted for `DAYS` days. Looks at most once a second."""
        monotonic = self._monotonic()
        if self._looked is None or monotonic - self._looked >= LOOK_SECONDS:
            self._looked = monotonic
            self._look()
        at, ids = self._found
        return ids if now - at < DAYS * 86_400 else ()

    def _look(self) -> None:
        """A file that cannot be read leaves what was read before."""
        try:
            status = self._path.stat()
            signature = status.st_mtime_ns, status.st_size, status.st_ino
            if signature != self._seen:
                read = msgspec.json.decode(self._path.read_bytes(), type=MostClicked)
                self._found, self._seen = (read.at, tuple(story for story, _ in read.stories)), signature
        except FileNotFoundError:
            self._found, self._seen = (0.0, ()), None
        except (OSError, msgspec.DecodeError) as error:
            log.warning("the most clicked stories cannot be read: %s", error)


def popular_of(settings: Settings) -> Popular | None:
    """The most clicked stories of an installation; None where it keeps no events."""
    directory = settings.events_directory
    return None if directory is None else Popular(directory / FILE)
