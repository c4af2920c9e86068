"""Owns where a process writes lists and events down, and what signs the lists' tokens."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from service.auth.secrets import secret_in
from service.config import Settings
from service.experiments.event_log import EventLog, EventLogUnavailable
from service.experiments.tokens import Tokens

log = logging.getLogger(__name__)


class Recorder:
    """Touches the disk with the first list or event.

    `problem` says why nothing can be written down, if so; `lines` how many were.
    """

    def __init__(self, directory: Path, event_log: EventLog, token_seconds: float) -> None:
        self.token_seconds = token_seconds
        self.problem: str | None = None
        self.lines = 0
        self._directory = directory
        self._log = event_log

    @cached_property
    def tokens(self) -> Tokens:
        """Raises `EventLogUnavailable`."""
        try:
            return Tokens(secret_in(self._directory))
        except OSError as error:
            raise self._told(EventLogUnavailable(str(error))) from error

    def write(self, lines: Sequence[bytes]) -> None:
        """Once it returns, the lines are in the log. Raises `EventLogUnavailable`."""
        try:
            self._log.append(lines)
        except EventLogUnavailable as error:
            raise self._told(error) from None
        self.problem = None
        self.lines += len(lines)

    def _told(self, error: EventLogUnavailable) -> EventLogUnavailable:
        if self.problem is None:
            log.error("events cannot be kept: %s", error)
        self.problem = f"events cannot be kept: {error}"
        return error


def recorder_of(settings: Settings) -> Recorder | None:
    """The recorder of an installation; None where it keeps no events."""
    directory = settings.events_directory
    if directory is None:
        return None
    return Recorder(directory, EventLog(directory, settings.events_fsync), settings.token_hours * 3_600)
