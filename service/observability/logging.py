"""Owns how the processes tell what they do: a line each on stderr, JSON for programs or text for a terminal."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import Any, Literal

from service.observability.lines import STDERR, HeldLines, as_json, moment, printable, write_lines
from service.observability.request_info import request_id

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "text"]

log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """A record as a JSON object: time, level, process, logger, message, and where there are, request_id and trace."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Without the line's end."""
        fields: dict[str, Any] = {
            "time": moment(record.created),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (asked := request_id()) is not None:
            fields["request_id"] = asked
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return as_json(fields)


class TextLines(logging.Formatter):
    """A record for a person: the time, the level, the process, the message; a trace on lines that are indented."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Without the line's end."""
        asked = request_id()
        text = f"{moment(record.created)} {record.levelname.lower():7} {self._process}: "
        text += printable(record.getMessage()) + (f"  [{asked}]" if asked is not None else "")
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            text += "".join(f"\n    {printable(line)}" for line in trace.splitlines())
        return text


class LineHandler(logging.Handler):
    """Writes each record in one go, so that the lines of several processes do not mix; `held`: see `HeldLines`."""

    def __init__(self, held: bool, descriptor: int = STDERR) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._held: HeldLines[str] | None = HeldLines(str, descriptor) if held else None

    def emit(self, record: logging.LogRecord) -> None:
        """A record that cannot be formatted is dropped as `logging` drops it."""
        try:
            line = self.format(record)
            if self._held is None:
                write_lines([line], self._descriptor)
            else:
                self._held.put(line)
        except Exception:  # a mistake in a log call must cost no request: logging's own rule
            self.handleError(record)


def configure(level: Level, form: Format, process: str) -> None:
    """Have all loggers of this process write lines to stderr, and never wait for whoever reads them."""
    handler = LineHandler(held=True)
    handler.setFormatter(TextLines(process) if is_text(form) else JsonLines(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    sys.excepthook = _ended_by
    threading.excepthook = lambda fault: _ended_by(fault.exc_type, fault.exc_value, fault.exc_traceback)
    logging.getLogger("alembic").setLevel("WARNING")  # two lines at each start that say nothing
    server = logging.getLogger("_granian")  # the web server's own lines go the same way
    server.handlers[:], server.propagate = [], True


def _ended_by(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """What nobody caught is a line, too."""
    log.critical("a process or thread ended by an error", exc_info=(kind, error or kind(), trace))


def is_text(form: Format) -> bool:
    """Whether lines are for a person: asked for, or in a terminal."""
    return form == "text" or (form == "auto" and sys.stderr is not None and sys.stderr.isatty())
