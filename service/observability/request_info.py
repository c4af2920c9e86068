"""Owns what the parts of a request note of it on the way, for its line in the log and the counters."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from itertools import count
from typing import Protocol

_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_FIRST = int.from_bytes(os.urandom(6)) << 32  # of this process; then they count, which is quicker than random bytes
_numbers = count(_FIRST)


class ListSummary(Protocol):
    """What metrics and the log say of a list."""

    @property
    def policy(self) -> str:
        """The name of its policy."""

    @property
    def result(self) -> str:
        """Whether its stories were ranked, a fallback filled it, or it is empty."""

    @property
    def degraded(self) -> tuple[str, ...]:
        """Why it may be worse than usual."""


class Noted:
    """Of one request: its ID, the lists or problem that answer it, what became of events, its route without Flask."""

    __slots__ = ("accepted", "lists", "problem", "refused", "request_id", "route")

    def __init__(self, asked: str | None = None) -> None:
        """`asked`: the header X-Request-ID, which is taken if it is well-formed."""
        self.request_id = asked if asked and _WELL_FORMED.fullmatch(asked) else f"{next(_numbers):020x}"
        self.lists: tuple[ListSummary, ...] = ()
        self.problem: tuple[str, int] | None = None  # code, status
        self.accepted = 0
        self.refused: tuple[str, ...] = ()
        self.route: str | None = None


current: ContextVar[Noted | None] = ContextVar("noted", default=None)


def noted() -> Noted:
    """What was noted of the request at hand; outside of one, a leaf that nobody reads."""
    return current.get() or Noted()


def request_id() -> str | None:
    """The ID of the request at hand; None outside of one."""
    request = current.get()
    return None if request is None else request.request_id
