"""Owns the lines of the event log: what the service knows of a list that a reader got, and of what became of it.

Times are seconds since 1970 (UTC). `scripts/events.py` and `service/evaluation/experiments` read these lines.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Quarantine = Literal["late", "future", "early"]

_encode = msgspec.json.Encoder().encode


class LoggedItem(msgspec.Struct, frozen=True, kw_only=True):
    """A story of a list. `team`: whose story it counts as where two policies are interleaved; None for neither's."""

    id: str
    source: str
    score: float | None
    team: Literal["a", "b"] | None
    section: str


class Exposure(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="exposure"):
    """A list that was answered to a unit.

    `same_section` and `duplicates` (0-1, pairs of one event), `age_days` (mean of the dated stories) and `diversity`
    (0-1, mean unlikeness of two stories) are of the list, None where it has too few stories. `propensities`: of an
    exploring policy, the probability with which each story stood at its position.
    """

    at: float
    list_id: str
    unit: str
    article_id: str
    block: str
    policy: str
    experiment: str | None
    variant: str | None
    override: bool
    channel: str
    snapshot_id: str
    expires_at: float
    fallback_used: bool
    degraded: tuple[str, ...]
    took_ms: float
    same_section: float | None
    age_days: float | None
    diversity: float | None
    duplicates: int | None
    items: tuple[LoggedItem, ...]
    propensities: tuple[float, ...] | None


class View(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="view"):
    """Half of the list was in the reader's sight for a second. `at`: received; `occurred_at`: by the reader's clock.

    `article_id` is the article that the list stands under. A quarantined event counts nowhere but as such.
    """

    at: float
    occurred_at: float
    list_id: str
    article_id: str
    block: str
    policy: str
    experiment: str | None
    variant: str | None
    served_at: float
    quarantine: Quarantine | None


class Click(View, frozen=True, kw_only=True, tag_field="kind", tag="click"):
    """A story of the list was opened."""

    clicked_id: str
    position: int


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="refused"):
    """So many events of one request were refused for one reason; nothing else is known of them."""

    at: float
    reason: str
    count: int


def line(record: Exposure | View | Click | Refused) -> bytes:
    """The record as a line of the log."""
    return _encode(record) + b"\n"
