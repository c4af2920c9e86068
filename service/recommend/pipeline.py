"""The use case: an article's related stories, from a snapshot, a policy and a clock to JSON bytes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from index.snapshot.attributes import FLAG_WITHDRAWN, Facts
from service.archive.candidates import Candidates
from service.archive.view import Archive
from service.recommend.explanation import explanation
from service.recommend.pins import pinned_rows
from service.recommend.policy import Policy, Tier
from service.recommend.popular import Popular
from service.recommend.query import Query, codes_of, filters_of
from service.recommend.ranking import Codes, Filters, admissible, earliest, rank, section_cap, within_cap
from service.recommend.response import Label, RelatedList, Shown, item, sealed
from service.search.client import Draft, Search, SearchRequest, SearchUnavailable

FALLBACK_LOOKS_AT = 2_000  # newest rows that a fallback tier looks through: about a month of a daily paper
SEARCH_DEPTH = 100

_UNRANKED = {
    "pinned": "Pinned here by an editor.",
    "same_section": "Fills the list: of the same section.",
    "recent": "Fills the list: among the newest.",
    "popular": "Fills the list: among the most clicked of the last seven days.",
}


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


class Selection(NamedTuple):
    """The stories of a list, before they are JSON."""

    archive: Archive
    row: int
    source: Facts
    policy: Policy
    shown: list[Shown]
    degraded: tuple[str, ...]
    made_of: array[int] | None = None

    @property
    def fallback_used(self) -> bool:
        """Whether a fallback tier gave any of the stories."""
        return any(each.story is None and each.source != "pinned" for each in self.shown)

    def also_degraded(self, reasons: tuple[str, ...]) -> Selection:
        """The selection, degraded for these reasons too."""
        return self._replace(degraded=tuple(dict.fromkeys((*self.degraded, *reasons))))


def related(
    archive: Archive,
    row: int,
    query: Query,
    policy: Policy,
    now: int,
    search: Search | None = None,
    popular: Popular | None = None,
) -> RelatedList:
    """The related stories of a visible row. `now` in epoch seconds, truncated to the minute."""
    now -= now % 60
    return as_list(selected(archive, row, query, policy, now, search, popular), query, now)


def as_list(selection: Selection, query: Query, now: int, label: Label | None = None) -> RelatedList:
    """The selection as JSON bytes, under a label where it is one reader's own."""
    archive, row, source = selection.archive, selection.row, selection.source
    items = [
        item(
            archive,
            place,
            each,
            source,
            query,
            now,
            _explained(archive, row, each) if query.explain else b"",
        )
        for place, each in enumerate(selection.shown, 1)
    ]
    degraded, made_of = selection.degraded, selection.made_of
    return sealed(archive, row, selection.policy, items, selection.fallback_used, degraded, label, made_of)


def selected(
    archive: Archive,
    row: int,
    query: Query,
    policy: Policy,
    now: int,
    search: Search | None = None,
    popular: Popular | None = None,
) -> Selection:
    """The stories that belong under a visible row."""
    policy = _adjusted(policy, query)
    source, signals = archive.fact(row), archive.signals.of_list(row, now)
    codes = codes_of(archive, policy, source)
    filters = filters_of(archive, query, signals.excluded)
    candidates, degraded = archive.candidates(row), []
    stories = rank(source, candidates, archive, policy, codes, filters, now, query.limit, signals.multipliers)
    searching = len(stories) < query.limit and (filters.narrow() or codes.brands is not None)
    if not archive.compared(row):
        degraded.append("not_yet_compared")
    elif searching and search is not None:
        try:
            after = _after(policy, query, source, now)
            candidates = searched(archive, query, filters, codes, after, now, search, row=row)
            stories = rank(source, candidates, archive, policy, codes, filters, now, query.limit, signals.multipliers)
        except SearchUnavailable:
            degraded.append("search_unavailable")
    shown = [
        Shown(story.row, "similar", story, candidates.cosines(story.place) if query.explain else None)
        for story in stories
    ]
    pinned = pinned_rows(archive, source, signals.pins, codes, filters, now) if signals.pins else {}
    pinned_events = {archive.fact(pinned_row).event for pinned_row in pinned}
    shown = [story for story in shown if archive.fact(story.row).event not in pinned_events] if pinned else shown
    unfilled = len(shown)
    if unfilled + len(pinned) < query.limit:
        present = [*shown, *(Shown(pinned_row, "pinned") for pinned_row in pinned)]
        shown += _fill(archive, source, present, policy, codes, filters, now, query.limit, popular)
    is_filled = len(shown) > unfilled
    shown = _with_pins(shown, pinned, query.limit) if pinned else shown
    made_of = None
    if not is_filled and not searching and query.plain():
        made_of = array("I", (row, *signals.excluded, *(pinned for _, pinned in signals.pins)))
        made_of.frombytes(candidates.rows.astype(np.uintc, copy=False).tobytes())
    return Selection(archive, row, source, policy, shown, tuple(degraded), made_of)


def _adjusted(policy: Policy, query: Query) -> Policy:
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


def searched(
    archive: Archive,
    query: Query,
    filters: Filters,
    codes: Codes,
    after: int | None,
    now: int,
    search: Search,
    row: int | None = None,
    draft: Draft | None = None,
) -> Candidates:
    """What the search process finds for a row or a draft, published since `after`. Raises `SearchUnavailable`."""
    answer = search.search(
        SearchRequest(
            snapshot_id=archive.id,
            row=row,
            draft=draft,
            k=SEARCH_DEPTH,
            now=now,
            section=query.section,
            language=query.language,
            type=query.type,
            published_after=after,
            published_before=query.published_before,
            exclude_canonical=sorted(filters.excluded_canonical),
            brands=None if codes.brands is None else [archive.names["brand"][code] for code in codes.brands],
        )
    )
    features = np.array(answer.features, np.float32).reshape(-1, 3)
    return archive.known_only(Candidates(np.array(answer.rows, np.uint32), features))


def _after(policy: Policy, query: Query, source: Facts, now: int) -> int | None:
    """The earliest date that can be in the list; None for any."""
    if policy.only != "later":
        return query.published_after
    return max(earliest(source, policy, now), query.published_after or 0)


def _with_pins(shown: Sequence[Shown], pinned: Mapping[int, int], limit: int) -> list[Shown]:
    """The list with the pinned rows at their positions, counted from 1."""
    stories = list(shown)
    for row, position in pinned.items():
        stories.insert(position - 1, Shown(row, "pinned"))
    return stories[:limit]


def _fill(
    archive: Archive,
    source: Facts,
    shown: Sequence[Shown],
    policy: Policy,
    codes: Codes,
    filters: Filters,
    now: int,
    limit: int,
    popular: Popular | None,
) -> Iterator[Shown]:
    """Rows that fill a short list from the policy's fallback tiers, no event twice, within the section cap."""
    missing = limit - len(shown)
    if source.section in codes.sensitive_sources:
        return
    seen, used, cap = {source.event}, dict[int, int](), section_cap(policy, filters)
    for each in shown:
        facts = archive.fact(each.row)
        seen.add(facts.event)
        used[facts.section] = used.get(facts.section, 0) + 1
    for tier in policy.fallback:
        for row in _rows_of(tier, archive, source, popular, now):
            story = archive.fact(row)
            if (
                story.event not in seen
                and admissible(story, source, policy, codes, filters, now)
                and (not cap or within_cap(story.section, used, cap))
            ):
                seen.add(story.event)
                yield Shown(row, tier)
                missing -= 1
                if not missing:
                    return


def _rows_of(tier: Tier, archive: Archive, source: Facts, popular: Popular | None, now: int) -> Iterable[int]:
    """What a fallback tier offers, best first."""
    if tier == "popular":
        ids = () if popular is None else popular.ids(now)
        return (row for each in ids if (row := archive.row_of_id(each)) is not None)
    if tier == "recent":
        return archive.newest_rows(FALLBACK_LOOKS_AT)
    return archive.newest_rows(FALLBACK_LOOKS_AT, source.section) if source.section else ()


def _explained(archive: Archive, row: int, shown: Shown) -> bytes:
    if shown.story is None or shown.cosines is None:
        return b',"explain":{"reason":"%s"}' % _UNRANKED[shown.source].encode()
    return b',"explain":' + msgspec.json.encode(explanation(archive, row, shown.story, *shown.cosines))
