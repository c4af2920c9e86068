"""The use case: an article's related stories, from a snapshot, a policy and a clock to JSON bytes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from index.article import UNDATED
from index.snapshot import FLAG_WITHDRAWN, Facts, Snapshot
from service.explanation import explanation
from service.policy import Policy, Tier
from service.ranking import NO_CODES, NO_FILTERS, Candidates, Codes, Filters, Story, admissible, earliest, rank
from service.search_client import SearchClient, SearchRequest, SearchUnavailable

DAY = 86_400
FALLBACK_LOOKS_AT = 2_000  # newest rows that a fallback tier looks through: about a month of a daily paper
SEARCH_DEPTH = 100

_AGES = (
    (365.25 * DAY, "year", "old"),
    (30.44 * DAY, "month", "old"),
    (7 * DAY, "week", "old"),
    (DAY, "day", "old"),
    (3_600, "hour", "ago"),
    (60, "minute", "ago"),
)

_encode = msgspec.json.Encoder().encode


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


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks of a list; names as in the HTTP contract, times in epoch seconds."""

    limit: int = 6
    min_relevance: float | None = None
    exclude: tuple[str, ...] = ()
    section: str | None = None
    language: str | None = None
    type: str | None = None
    published_after: int | None = None
    published_before: int | None = None
    fallback: Tier | None = None
    no_fallback: bool = False
    unit: str | None = None
    explain: bool = False
    fields: tuple[str, ...] = ()

    def plain(self) -> bool:
        """Whether it leaves out no story that could be in the list."""
        narrowed = self.section, self.language, self.type, self.published_after, self.published_before
        return narrowed == (None, None, None, None, None) and not self.exclude


class RelatedList(msgspec.Struct, frozen=True):
    """The answer: JSON bytes and its ETag (None when the list is a reader's own)."""

    body: bytes
    etag: str | None


def visible_row(snapshot: Snapshot, row: int | None, asked: str, now: int) -> int:
    """The row, if readers may see its article. Raises `ArticleNotFound`, `ArticleWithdrawn`."""
    if row is None:
        raise ArticleNotFound(asked, snapshot.id)
    facts = snapshot.fact(row)
    if facts.flags & FLAG_WITHDRAWN:
        raise ArticleWithdrawn(asked)
    if facts.visible_from > now:
        raise ArticleNotFound(asked, snapshot.id)
    return row


def related(
    snapshot: Snapshot, row: int, query: Query, policy: Policy, now: int, search: SearchClient | None = None
) -> RelatedList:
    """The related stories of a visible row. `now` in epoch seconds, truncated to the minute without a unit."""
    if query.unit is None:
        now -= now % 60
    policy = _adjusted(policy, query)
    source = snapshot.fact(row)
    filters, codes = filters_of(snapshot, query), codes_of(snapshot, policy)
    candidates = Candidates(*snapshot.neighbours(row))
    stories = rank(source, candidates, snapshot, policy, codes, filters, now, query.limit)
    degraded = None
    if len(stories) < query.limit and filters.narrow() and search is not None:
        try:
            candidates = _searched(snapshot, row, query, policy, filters, now, search)
            stories = rank(source, candidates, snapshot, policy, codes, filters, now, query.limit)
        except SearchUnavailable:
            degraded = "search_unavailable"
    items: list[bytes] = []
    for story in stories:
        explained = _explained(snapshot, row, story, candidates) if query.explain else b""
        items.append(similar_item(snapshot, len(items) + 1, story, source, query, now, explained))
    if len(items) < query.limit:
        for tier, other in _fill(snapshot, source, stories, policy, codes, filters, now, query.limit):
            items.append(_filled_item(snapshot, len(items) + 1, other, tier, query, now))
    return sealed(snapshot, row, policy, items, len(items) > len(stories), degraded, query)


def age_label(published_at: int, now: int) -> str:
    """How old a story is, as a reader would say it: "5 minutes ago" to "3 years old"; "" when undated."""
    if published_at == UNDATED:
        return ""
    seconds = max(now - published_at, 0)
    if seconds < 2 * 60:
        return "just now"
    for size, unit, ending in _AGES:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit} {ending}" if count == 1 else f"{count} {unit}s {ending}"
    raise AssertionError("two minutes are more than the smallest age")


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


def filters_of(snapshot: Snapshot, query: Query) -> Filters:
    """The caller's names as codes of this snapshot; -1 for a name no article has, which admits nothing."""
    if query.plain():
        return NO_FILTERS
    manifest = snapshot.manifest
    excluded = [row for each in query.exclude if (row := snapshot.row_of_id(each)) is not None]
    return Filters(
        section=_code(manifest.sections, query.section),
        language=_code(manifest.languages, query.language),
        type=_code(manifest.types, query.type),
        published_after=query.published_after,
        published_before=query.published_before,
        excluded_canonical=frozenset(snapshot.fact(row).canonical for row in excluded),
    )


def codes_of(snapshot: Snapshot, policy: Policy) -> Codes:
    """The policy's names as codes of this snapshot; names that no article has are left out."""
    if not (policy.type_weights or policy.sensitive_targets or policy.sensitive_sources):
        return NO_CODES
    sections, types = snapshot.manifest.sections, snapshot.manifest.types
    targets, sources = (
        frozenset(sections.index(name) for name in names if name in sections)
        for names in (policy.sensitive_targets, policy.sensitive_sources)
    )
    weights = {types.index(name): weight for name, weight in policy.type_weights.items() if name in types}
    return Codes(weights, max([1.0, *weights.values()]), targets, sources)


def _code(names: tuple[str, ...], name: str | None) -> int | None:
    if name is None:
        return None
    return names.index(name) if name in names else -1


def _searched(
    snapshot: Snapshot, row: int, query: Query, policy: Policy, filters: Filters, now: int, search: SearchClient
) -> Candidates:
    after = query.published_after
    if policy.only == "later":
        after = max(earliest(snapshot.fact(row), policy, now), after or 0)
    answer = search.search(
        SearchRequest(
            snapshot_id=snapshot.id,
            row=row,
            k=SEARCH_DEPTH,
            now=now,
            section=query.section,
            language=query.language,
            type=query.type,
            published_after=after,
            published_before=query.published_before,
            exclude_canonical=sorted(filters.excluded_canonical),
        )
    )
    return Candidates(np.array(answer.rows, np.uint32), np.array(answer.features, np.float32).reshape(-1, 3))


def _fill(
    snapshot: Snapshot,
    source: Facts,
    stories: list[Story],
    policy: Policy,
    codes: Codes,
    filters: Filters,
    now: int,
    limit: int,
) -> Iterator[tuple[Tier, int]]:
    """Rows that fill a short list from the policy's fallback tiers, newest first, no event twice."""
    missing = limit - len(stories)
    if source.section in codes.sensitive_sources:
        return
    seen = {snapshot.fact(story.row).event for story in stories} | {source.event}
    for tier in policy.fallback:
        for row in _newest_rows(snapshot, tier, source):
            story = snapshot.fact(row)
            if story.event in seen or story.published_at == UNDATED:
                continue
            if admissible(story, source, policy, codes, filters, now):
                seen.add(story.event)
                yield tier, row
                missing -= 1
                if not missing:
                    return


def _newest_rows(snapshot: Snapshot, tier: Tier, source: Facts) -> Iterable[int]:
    """The rows that a tier draws from, newest first, among the newest of the archive."""
    first = max(0, snapshot.rows - FALLBACK_LOOKS_AT)
    if tier == "recent":
        return range(snapshot.rows - 1, first - 1, -1)
    if not source.section:
        return ()
    rows = np.flatnonzero(snapshot.attributes["section"][first:] == source.section) + first
    newest_first: list[int] = rows[::-1].tolist()
    return newest_first


def similar_item(
    snapshot: Snapshot, position: int, story: Story, source: Facts, query: Query, now: int, explained: bytes = b""
) -> bytes:
    """One story of a list as JSON."""
    return b'{"position":%d,"score":%.4f,"source":"similar","relation":%s,"teaser":%s%s}' % (
        position,
        -story.negative_score,
        b'"same_event"' if story.facts.event == source.event else b'"other_event"',
        _teaser(snapshot, story.row, story.facts.published_at, query.fields, now),
        explained,
    )


def _explained(snapshot: Snapshot, row: int, story: Story, candidates: Candidates) -> bytes:
    _, dense, lexical = candidates.features[story.place].tolist()
    return b',"explain":' + _encode(explanation(snapshot, row, story, dense, lexical))


def _filled_item(snapshot: Snapshot, position: int, row: int, tier: Tier, query: Query, now: int) -> bytes:
    return b'{"position":%d,"score":null,"source":"%s","relation":null,"teaser":%s%s}' % (
        position,
        tier.encode(),
        _teaser(snapshot, row, snapshot.fact(row).published_at, query.fields, now),
        b',"explain":null' if query.explain else b"",
    )


def _teaser(snapshot: Snapshot, row: int, published_at: int, fields: tuple[str, ...], now: int) -> bytes:
    """The ready teaser with its age; only the asked fields (and always the ID) where any are named."""
    whole = b'%s,"age_label":"%s"}' % (snapshot.teaser(row)[:-1], age_label(published_at, now).encode())
    if not fields:
        return whole
    teaser = msgspec.json.decode(whole)
    return _encode({name: value for name, value in teaser.items() if name in fields or name == "id"})


def sealed(
    snapshot: Snapshot,
    row: int | None,
    policy: Policy,
    items: list[bytes],
    fallback_used: bool,
    degraded: str | None,
    query: Query,
) -> RelatedList:
    """The list as JSON bytes with its ID and ETag; `row` is None under a draft, whose list nobody may keep."""
    rest = b'"article_id":%s,"snapshot_id":"%s","policy":"%s","experiment":null,"variant":null,' % (
        b"null" if row is None else _id_of(snapshot, row),
        snapshot.id.encode(),
        policy.name.encode(),
    )
    rest += b'"fallback_used":%s,"degraded":%s,"items":[%s],"token":null}' % (
        b"true" if fallback_used else b"false",
        b"null" if degraded is None else b'["%s"]' % degraded.encode(),
        b",".join(items),
    )
    if query.unit is not None or row is None:
        return RelatedList(b'{"list_id":"%s",%s' % (secrets.token_hex(12).encode(), rest), None)
    digest = hashlib.sha256(rest).hexdigest()[:24]  # in hardware: half the time of blake2b
    return RelatedList(b'{"list_id":"%s",%s' % (digest.encode(), rest), None if degraded else digest)


def _id_of(snapshot: Snapshot, row: int) -> bytes:
    """The article's ID as JSON."""
    teaser = snapshot.teaser(row)
    return teaser[6 : teaser.index(b',"url":')]  # after {"id":
