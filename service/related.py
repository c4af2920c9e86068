"""The use case: an article's related stories, from a snapshot, a policy and a clock to JSON bytes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator

import msgspec
import numpy as np

from index.article import UNDATED
from index.snapshot import FLAG_WITHDRAWN, Snapshot
from service.policy import Policy, Tier
from service.ranking import Candidates, Filters, Ranked, Source, in_language, rank, visible, wanted
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


class RelatedList(msgspec.Struct, frozen=True):
    """The answer: JSON bytes and its ETag (None when the list is a reader's own)."""

    body: bytes
    etag: str | None


def visible_row(snapshot: Snapshot, row: int | None, asked: str, now: int) -> int:
    """The row, if readers may see its article. Raises `ArticleNotFound`, `ArticleWithdrawn`."""
    if row is None:
        raise ArticleNotFound(asked, snapshot.id)
    facts = snapshot.attributes[row]
    if facts["flags"] & FLAG_WITHDRAWN:
        raise ArticleWithdrawn(asked)
    if facts["visible_from"] > now:
        raise ArticleNotFound(asked, snapshot.id)
    return row


def related(
    snapshot: Snapshot, row: int, query: Query, policy: Policy, now: int, search: SearchClient | None = None
) -> RelatedList:
    """The related stories of a visible row. `now` in epoch seconds, truncated to the minute without a unit."""
    if query.unit is None:
        now -= now % 60
    policy = _adjusted(policy, query)
    source = _source(snapshot, row)
    filters = _filters(snapshot, query)
    stories = rank(source, _table(snapshot, row), policy, filters, now, query.limit, snapshot.vectors_of)
    degraded = None
    if len(stories) < query.limit and filters.narrow() and search is not None:
        try:
            found = _searched(snapshot, row, query, filters, now, search)
            stories = rank(source, found, policy, filters, now, query.limit, snapshot.vectors_of)
        except SearchUnavailable:
            degraded = "search_unavailable"
    items = [_item(snapshot, position, story, query, now, row) for position, story in enumerate(stories, 1)]
    for tier, other in _fill(snapshot, source, stories, policy, filters, now, query.limit):
        items.append(_filled_item(snapshot, len(items) + 1, other, tier, query, now))
    return _sealed(snapshot, row, policy, items, len(items) > len(stories), degraded, query)


def age_label(published_at: int, now: int) -> str:
    """How old a story is, as a reader would say it: "5 minutes ago" to "3 years old"; "" when undated."""
    if published_at == UNDATED:
        return ""
    seconds = max(now - published_at, 0)
    if seconds < 2 * 60:
        return "just now"
    size, unit, ending = next(age for age in _AGES if seconds >= age[0])
    count = int(seconds // size)
    return f"{count} {unit}{'' if count == 1 else 's'} {ending}"


def _adjusted(policy: Policy, query: Query) -> Policy:
    changes: dict[str, object] = {}
    if query.min_relevance is not None:
        changes["min_relevance"] = query.min_relevance
    if query.no_fallback:
        changes["fallback"] = ()
    elif query.fallback is not None:
        changes["fallback"] = (query.fallback,)
    return msgspec.structs.replace(policy, **changes) if changes else policy


def _source(snapshot: Snapshot, row: int) -> Source:
    facts = snapshot.attributes[row]
    return Source(
        row, int(facts["canonical"]), int(facts["event"]), int(facts["language"]), int(facts["published_at"])
    )


def _filters(snapshot: Snapshot, query: Query) -> Filters:
    """The caller's names as codes of this snapshot; -1 for a name no article has, which admits nothing."""
    manifest = snapshot.manifest
    excluded = [row for each in query.exclude if (row := snapshot.row_of_id(each)) is not None]
    copies = snapshot.attributes["canonical"][excluded].tolist() if excluded else ()
    return Filters(
        section=_code(manifest.sections, query.section),
        language=_code(manifest.languages, query.language),
        type=_code(manifest.types, query.type),
        published_after=query.published_after,
        published_before=query.published_before,
        excluded=frozenset(excluded),
        excluded_canonical=frozenset(copies),
    )


def _code(names: tuple[str, ...], name: str | None) -> int | None:
    if name is None:
        return None
    return names.index(name) if name in names else -1


def _table(snapshot: Snapshot, row: int) -> Candidates:
    rows, features = snapshot.neighbours(row)
    return Candidates(rows, features, snapshot.attributes.take(rows))  # six times as fast as [rows] on records


def _searched(
    snapshot: Snapshot, row: int, query: Query, filters: Filters, now: int, search: SearchClient
) -> Candidates:
    answer = search.search(
        SearchRequest(
            snapshot_id=snapshot.id,
            row=row,
            k=SEARCH_DEPTH,
            now=now,
            section=query.section,
            language=query.language,
            type=query.type,
            published_after=query.published_after,
            published_before=query.published_before,
            exclude=sorted(filters.excluded),
        )
    )
    rows = np.array(answer.rows, np.uint32)
    return Candidates(rows, np.array(answer.features, np.float32).reshape(-1, 3), snapshot.facts(rows))


def _fill(
    snapshot: Snapshot,
    source: Source,
    stories: list[Ranked],
    policy: Policy,
    filters: Filters,
    now: int,
    limit: int,
) -> Iterator[tuple[Tier, int]]:
    """Rows that fill a short list from the policy's fallback tiers, newest first, no event twice."""
    missing = limit - len(stories)
    if missing <= 0 or not policy.fallback:
        return
    facts = snapshot.attributes
    seen = {int(facts[story.row]["event"]) for story in stories} | {source.event}
    rows = np.arange(max(0, snapshot.rows - FALLBACK_LOOKS_AT), snapshot.rows)[::-1]
    recent = facts[rows]
    mask = visible(recent, now) & (recent["canonical"] != source.canonical) & (recent["published_at"] != UNDATED)
    mask &= wanted(recent, filters)
    mask &= in_language(recent, source, policy, filters)
    section = facts[source.row]["section"]
    for tier in policy.fallback:
        admitted = mask & (recent["section"] == section) & (section != 0) if tier == "same_section" else mask
        for row in rows[admitted].tolist():
            event = int(facts[row]["event"])
            if missing and event not in seen:
                seen.add(event)
                missing -= 1
                yield tier, row


def _item(snapshot: Snapshot, position: int, story: Ranked, query: Query, now: int, source_row: int) -> bytes:
    explain = b""
    if query.explain:
        explain = b',"explain":' + _encode(
            {
                "relevance": round(story.relevance, 4),
                "recency": round(story.recency, 4),
                "signal": 1.0,
                "dense": round(story.dense, 4),
                "lexical": round(story.lexical, 4),
                "shared_terms": snapshot.shared_terms(source_row, story.row),
            }
        )
    return b'{"position":%d,"score":%.4f,"source":"similar","relation":"%s","teaser":%s%s}' % (
        position,
        story.score,
        story.relation.encode(),
        _teaser(snapshot, story.row, story.published_at, query.fields, now),
        explain,
    )


def _filled_item(snapshot: Snapshot, position: int, row: int, tier: Tier, query: Query, now: int) -> bytes:
    published_at = int(snapshot.attributes[row]["published_at"])
    teaser = _teaser(snapshot, row, published_at, query.fields, now)
    explain = b',"explain":null' if query.explain else b""
    return b'{"position":%d,"score":null,"source":"%s","relation":null,"teaser":%s%s}' % (
        position,
        tier.encode(),
        teaser,
        explain,
    )


def _teaser(snapshot: Snapshot, row: int, published_at: int, fields: tuple[str, ...], now: int) -> bytes:
    """The ready teaser with its age; only the asked fields (and always the ID) where any are named."""
    ready = snapshot.teaser(row)
    label = age_label(published_at, now)
    whole = b'%s,"age_label":"%s"}' % (ready[:-1], label.encode())
    if not fields:
        return whole
    teaser = msgspec.json.decode(whole)
    return _encode({name: value for name, value in teaser.items() if name in fields or name == "id"})


def _sealed(
    snapshot: Snapshot,
    row: int,
    policy: Policy,
    items: list[bytes],
    fallback_used: bool,
    degraded: str | None,
    query: Query,
) -> RelatedList:
    teaser = snapshot.teaser(row)
    article_id = teaser[6 : teaser.index(b',"url":')]  # after {"id":
    rest = b'"article_id":%s,"snapshot_id":"%s","policy":"%s","experiment":null,"variant":null,' % (
        article_id,
        snapshot.id.encode(),
        policy.name.encode(),
    )
    rest += b'"fallback_used":%s,"degraded":%s,"items":[%s],"token":null}' % (
        b"true" if fallback_used else b"false",
        b"null" if degraded is None else b'["%s"]' % degraded.encode(),
        b",".join(items),
    )
    if query.unit is not None:
        return RelatedList(b'{"list_id":"%s",%s' % (secrets.token_hex(12).encode(), rest), None)
    digest = hashlib.blake2b(rest, digest_size=12).hexdigest()
    return RelatedList(b'{"list_id":"%s",%s' % (digest.encode(), rest), None if degraded else digest)
