"""Owns how a line is written: a time, ASCII JSON or printable text, whole and in one go.

Whatever a request sent is escaped: a line stays one line, so that nobody writes lines of their own or commands for a
terminal.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

STDERR = 2

_encode = msgspec.json.Encoder().encode


def write_lines(lines: Iterable[str], descriptor: int) -> None:
    """A full disk or a reader of the log that went away costs lines, not answers."""
    content = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    with contextlib.suppress(OSError):
        while content:
            content = content[os.write(descriptor, content) :]


def moment(at: float) -> str:
    """Epoch seconds as ISO 8601, to the millisecond."""
    return f"{_second(int(at))}.{int(at % 1 * 1000):03}Z"


def as_json(fields: object) -> str:
    """On one line of ASCII."""
    with contextlib.suppress(UnicodeEncodeError):  # half a surrogate pair
        if (line := _encode(fields)).isascii():
            return line.decode()
    return json.dumps(msgspec.to_builtins(fields))  # ASCII: U+2028 ends a line for some, U+009B begins a command


def printable(text: str) -> str:
    """With every character escaped that is none to be seen."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


@lru_cache(4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
