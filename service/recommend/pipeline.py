"""Looks up an article's related stories: select, rank, search, pin, fill, serialize."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from index.snapshot.attributes import FLAG_WITHDRAWN
from service.archive.candidates import Candidates
from service.archive.signals import ListSignals
from service.archive.view import Archive
from service.recommend.fallback import fill
from service.recommend.pins import pinned_rows
from service.recommend.policy import Policy
from service.recommend.popular import Popular
from service.recommend.query import Query, ranking_context
from service.recommend.ranking import RankingContext, rank
from service.recommend.response import RelatedList, Selection, Shown, serialize
from service.recommend.retrieval import search_candidates, search_request
from service.search.client import Search, SearchUnavailable


class ArticleNotFound(Exception):
    """No article of this ID or URL, or one that readers may not see yet."""

    def __init__(self, asked: str, snapshot_id: str) -> None:
        super().__init__(f"no article {asked!r} in snapshot {snapshot_id}")
        self.asked = asked


class ArticleWithdrawn(Exception):
    """The article was withdrawn."""

    def __init__(self, asked: str) -> None:
        super().__init__(f"article {asked!r} was withdrawn")
        self.asked = asked


def visible_row(archive: Archive, row: int | None, asked: str, now: int) -> int:
    """The row, if readers may see its article. Raises `ArticleNotFound`, `ArticleWithdrawn`."""
    if row is None:
        raise ArticleNotFound(asked, archive.id)
    facts = archive.fact(row)
    if facts.flags & FLAG_WITHDRAWN:
        raise ArticleWithdrawn(asked)
    if facts.visible_from > now:
        raise ArticleNotFound(asked, archive.id)
    return row


def related(
    archive: Archive,
    row: int,
    query: Query,
    policy: Policy,
    now: int,
    search: Search | None = None,
    popular: Popular | None = None,
) -> RelatedList:
    """The related stories of a row as JSON. `now` in epoch seconds, truncated to the minute."""
    now -= now % 60
    return serialize(select(archive, row, query, policy, now, search, popular), query, now)


def select(
    archive: Archive,
    row: int,
    query: Query,
    policy: Policy,
    now: int,
    search: Search | None = None,
    popular: Popular | None = None,
) -> Selection:
    """The stories that belong under a row: ranked ones, editors' pins, and fallbacks where these are too few."""
    policy, signals = _adjusted(policy, query), archive.signals.of_list(row, now)
    context = ranking_context(archive, archive.fact(row), query, policy, signals, now)
    candidates = archive.candidates(row)
    stories = rank(context, candidates, archive)
    degraded: tuple[str, ...] = ()

    is_narrowed = len(stories) < query.limit and (context.filters.narrow() or context.codes.brands is not None)
    if not archive.compared(row):
        degraded = ("not_yet_compared",)
    elif is_narrowed and search is not None:
        try:
            candidates = _search(archive, row, query, context, search)
            stories = rank(context, candidates, archive)
        except SearchUnavailable:
            degraded = ("search_unavailable",)
    shown = [
        Shown(story.row, "similar", story, candidates.cosines(story.candidate_index) if query.explain else None)
        for story in stories
    ]

    pinned = pinned_rows(context, archive, signals.pins) if signals.pins else {}
    if pinned:
        pinned_events = {archive.fact(pinned_row).event for pinned_row in pinned}
        shown = [story for story in shown if archive.fact(story.row).event not in pinned_events]

    ranked = len(shown)
    if ranked + len(pinned) < query.limit:
        present = [*shown, *(Shown(pinned_row, "pinned") for pinned_row in pinned)]
        shown += fill(context, archive, present, popular)
    is_filled = len(shown) > ranked
    if pinned:
        shown = _with_pins(shown, pinned, query.limit)

    may_follow_from_any_row = is_filled or is_narrowed or not query.plain()
    dependency_rows = None if may_follow_from_any_row else _dependency_rows(row, candidates, signals)
    return Selection(archive, row, context.source, policy, shown, degraded, dependency_rows)


def _adjusted(policy: Policy, query: Query) -> Policy:
    """The policy with what the query asks for instead."""
    if query.min_relevance is None and query.fallback is None and not query.no_fallback:
        return policy
    changes: dict[str, object] = {}
    if query.min_relevance is not None:
        changes["min_relevance"] = query.min_relevance
    if query.no_fallback:
        changes["fallback"] = ()
    elif query.fallback is not None:
        changes["fallback"] = (query.fallback,)
    return msgspec.structs.replace(policy, **changes)


def _search(archive: Archive, row: int, query: Query, context: RankingContext, search: Search) -> Candidates:
    """What the search process finds for a row, of the dates that the policy admits. Raises `SearchUnavailable`."""
    published_after = query.published_after
    if context.policy.only == "later":
        published_after = max(context.earliest(), published_after or 0)
    request = search_request(archive, query, context, published_after)
    return search_candidates(archive, search, msgspec.structs.replace(request, row=row))


def _with_pins(shown: Sequence[Shown], pinned: Mapping[int, int], limit: int) -> list[Shown]:
    """The list with the pinned rows at their positions, counted from 1."""
    stories = list(shown)
    for row, position in pinned.items():
        stories.insert(position - 1, Shown(row, "pinned"))
    return stories[:limit]


def _dependency_rows(row: int, candidates: Candidates, signals: ListSignals) -> array[int]:
    """The rows that a list of ranked and pinned stories follows from."""
    rows = array("I", (row, *signals.excluded, *(pinned for _, pinned in signals.pins)))
    rows.frombytes(candidates.rows.astype(np.uintc, copy=False).tobytes())
    return rows
