"""Owns storylines as an editor looks at them: which there are, and one of them as a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from index.article import UNDATED
from index.snapshot.attributes import FIRST_LIVE_ROW
from service.archive.view import Archive
from service.console.browsing import story

LOOKED_THROUGH = 5_000  # newest articles: what is being told now
LEAST_EVENTS = 3
MOST = 60


def storylines(archive: Archive, now: int) -> list[dict[str, Any]]:
    """Those of at least three events among the newest articles, the one with the newest story first."""
    rows: dict[int, list[int]] = {}
    for row in archive.newest_rows(LOOKED_THROUGH):
        facts = archive.fact(row)
        if facts.visible_from <= now:
            rows.setdefault(facts.storyline, []).append(row)
    long = [found for found in rows.values() if len({archive.fact(row).event for row in found}) >= LEAST_EVENTS]
    return [_summary(archive, found, now) for found in long[:MOST]]


def timeline(archive: Archive, row: int, now: int) -> list[dict[str, Any]]:
    """The storyline of a row by day, oldest first: days with their events, each told by its newest story."""
    events: dict[int, list[int]] = {}
    for each in _rows_of(archive, archive.fact(row).storyline, now):
        events.setdefault(archive.fact(each).event, []).append(each)
    days: dict[str, list[dict[str, Any]]] = {}
    for found in sorted(events.values(), key=lambda found: archive.fact(found[-1]).published_at):
        told = {**story(archive, found[-1], now), "others": len(found) - 1, "here": row in found}
        days.setdefault(_day(archive, found[-1]), []).append(told)
    return [{"day": day, "stories": stories} for day, stories in days.items()]


def _rows_of(archive: Archive, storyline: int, now: int) -> list[int]:
    """Visible rows of a storyline, oldest first: of the snapshot, where no live version stands for them, and live."""
    visible = [row for row in archive.rows_of_storyline(storyline) if archive.fact(row).visible_from <= now]
    return sorted(visible, key=lambda row: (archive.fact(row).published_at, row))


def _summary(archive: Archive, rows: Sequence[int], now: int) -> dict[str, Any]:
    """`rows` newest first."""
    newest = story(archive, rows[0], now)
    return {
        **newest,
        "stories": len(rows),
        "events": len({archive.fact(row).event for row in rows}),
        "begins": _day(archive, rows[-1]),
        "live": any(row >= FIRST_LIVE_ROW for row in rows),
    }


def _day(archive: Archive, row: int) -> str:
    published_at = archive.fact(row).published_at
    if published_at == UNDATED:
        return "undated"
    return datetime.fromtimestamp(published_at, UTC).strftime("%-d %B %Y")
