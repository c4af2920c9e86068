"""Owns how the installation is, for an editor: its snapshots, its experiments, and whether lists are good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from index.snapshot.manifest import DamagedSnapshot, Manifest
from service.archive.manager import Catalogue
from service.archive.view import Archive
from service.experiments.definitions import Experiments
from service.recommend.pipeline import select
from service.recommend.policy import Policy
from service.recommend.query import Query
from service.recommend.response import age_label

SAMPLED = 200  # newest articles whose lists are looked at: some 20 ms
STALE_SECONDS = 24 * 3_600  # without a new article for so long, something is wrong in most newsrooms
ENOUGH = 0.75  # as often as in the whole archive, the newest articles have full lists; less is worth a look


class Lists(NamedTuple):
    """Of the newest articles' lists: how many were looked at, full of related stories, filled up, short, empty."""

    looked_at: int
    full: int
    filled: int
    short: int
    empty: int


class Sign(NamedTuple):
    """One thing that can be well or not. `state`: good, or look (somebody should)."""

    name: str
    value: str
    state: str
    note: str = ""


def snapshots(catalogue: Catalogue, serving: str | None) -> list[dict[str, Any]]:
    """The snapshots of the channel, newest first, each with its quality and that of the one before it."""
    found: list[dict[str, Any]] = []
    before: Manifest | None = None
    for snapshot_id, manifest in catalogue.manifests():
        if isinstance(manifest, DamagedSnapshot):
            found.append({"id": snapshot_id, "damaged": manifest.reason})
        elif manifest.channel == catalogue.channel:
            found.append(_snapshot(manifest, before, serving))
            before = manifest
    return found[::-1]


def experiments(found: Experiments, today: date, reports: Path | None) -> list[dict[str, Any]]:
    """What is tested, with the report where there is one of its name; running ones first."""
    order = {"running": 0, "planned": 1, "ended": 2}
    told = [
        {"experiment": each, "state": each.state(today), "report": _report(reports, each.key)}
        for each in found.by_key.values()
    ]
    return sorted(told, key=lambda each: order[each["state"]])


def other_reports(found: Experiments, reports: Path | None) -> list[str]:
    """The names of the reports that are of no experiment: a replay, an off-policy estimate, an ended test's."""
    names = {path.name for path in reports.glob("*.html")} if reports is not None else set()
    return sorted(names - {f"{key}.html" for key in found.by_key})


def lists_of_newest(archive: Archive, policy: Policy, now: int) -> Lists:
    """What readers of the newest articles get, without asking the search process."""
    rows = (row for row in archive.newest_rows(SAMPLED * 5) if archive.fact(row).visible_from <= now)
    query = Query()
    counts = {"full": 0, "filled": 0, "short": 0, "empty": 0}
    for row in islice(rows, SAMPLED):
        selection = select(archive, row, query, policy, now)
        shown = len(selection.shown)
        kind = "empty" if not shown else "short" if shown < query.limit else "full"
        counts["filled" if selection.fallback_used else kind] += 1
    return Lists(sum(counts.values()), **counts)


def signs(
    archive: Archive, lists: Lists, problems: Sequence[str], lag_seconds: float, queue_limit: int, now: int
) -> list[Sign]:
    """Whether all is well, the most telling first."""
    published_at = _newest(archive, now)
    stale = published_at is None or now - published_at > STALE_SECONDS
    waiting, manifest = archive.waiting_count, archive.manifest
    usual = manifest.quality.get("coverage")
    poor = usual is not None and lists.looked_at >= SAMPLED and lists.full < ENOUGH * usual * lists.looked_at
    return [
        _sign("Faults", "none" if not problems else str(len(problems)), not problems, " · ".join(problems)),
        _sign("Newest article", "none" if published_at is None else age_label(published_at, now) or "undated",
              not stale, "No article has come for a day: does the newsroom’s feed still reach us?" if stale else ""),
        _sign("Lists full of related stories", f"{lists.full} of {lists.looked_at}", not poor,
              f"Of the newest articles’ lists; {lists.filled} filled up, {lists.short} short, {lists.empty} empty."
              + ("" if usual is None else f" In the whole archive {usual:.0%} are full.")),
        _sign("Waiting to be compared", str(waiting), waiting < queue_limit / 2,
              "Their own lists are thin until then." if waiting else ""),
        _sign("Live changes", "at once" if lag_seconds < 5 else f"{lag_seconds:.0f} s old", lag_seconds < 5),
        _sign("Snapshot built", age_label(manifest.built_at, now), now - manifest.built_at < 7 * STALE_SECONDS,
              f"{archive.rows:,} articles, and {archive.live_count:,} changed since."),
    ]  # fmt: skip


def _newest(archive: Archive, now: int) -> int | None:
    """When the newest article that readers can see was published."""
    newest = (archive.fact(row) for row in archive.newest_rows(1_000))
    return next((facts.published_at for facts in newest if facts.visible_from <= now), None)


def _sign(name: str, value: str, good: bool, note: str = "") -> Sign:
    return Sign(name, value, "good" if good else "look", note)


def _snapshot(manifest: Manifest, before: Manifest | None, serving: str | None) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "damaged": None,
        "serving": manifest.id == serving,
        "built_at": manifest.built_at,
        "articles": manifest.counts.get("articles", 0),
        "rejected": manifest.counts.get("rejected", 0),
        "change": None if before is None else manifest.counts.get("articles", 0) - before.counts.get("articles", 0),
        "quality": [(name, value, _before(before, name)) for name, value in manifest.quality.items()],
        "model": manifest.models.get("dense", ""),
    }


def _before(before: Manifest | None, name: str) -> float | None:
    return None if before is None else before.quality.get(name)


def _report(reports: Path | None, key: str) -> str | None:
    name = f"{key}.html"
    return name if reports is not None and (reports / name).is_file() else None
