"""The use case: an article's related stories, from a snapshot, a policy and a clock to JSON bytes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from index.article import UNDATED
from index.snapshot import FLAG_WITHDRAWN, Facts, id_json
from service.archive import Archive
from service.explanation import explanation
from service.policy import Policy, Tier
from service.ranking import NO_CODES, NO_FILTERS, Candidates, Codes, Filters, Story, admissible, earliest, rank
from service.search_client import SearchAnswer, SearchClient, SearchRequest, SearchUnavailable

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


class Shown(NamedTuple):
    """A row of the list and why it is there: a ranked story, pinned, or from a fallback tier."""

    row: int
    source: Literal["similar", "pinned"] | Tier
    story: Story | None = None


def related(
    archive: Archive, row: int, query: Query, policy: Policy, now: int, search: SearchClient | None = None
) -> RelatedList:
    """The related stories of a visible row. `now` in epoch seconds, truncated to the minute without a unit."""
    if query.unit is None:
        now -= now % 60
    policy = _adjusted(policy, query)
    source, signals = archive.fact(row), archive.signals.of_list(row, now)
    codes = codes_of(archive, policy, source)
    filters = filters_of(archive, query, signals.excluded)
    candidates, degraded = archive.candidates(row), []
    stories = rank(source, candidates, archive, policy, codes, filters, now, query.limit, signals.multipliers)
    if not archive.compared(row):
        degraded.append("not_yet_compared")
    elif len(stories) < query.limit and search is not None and (filters.narrow() or codes.brands is not None):
        try:
            candidates = _searched(archive, row, query, policy, filters, codes, now, search)
            stories = rank(source, candidates, archive, policy, codes, filters, now, query.limit, signals.multipliers)
        except SearchUnavailable:
            degraded.append("search_unavailable")
    shown = [Shown(story.row, "similar", story) for story in stories]
    if signals.pins:
        shown = _with_pins(archive, source, shown, signals.pins, codes, filters, now, query.limit)
    unfilled = len(shown)
    if unfilled < query.limit:
        shown += _fill(archive, source, shown, policy, codes, filters, now, query.limit)
    items = [
        item(
            archive,
            place,
            each,
            source,
            query,
            now,
            _explained(archive, row, each, candidates) if query.explain else b"",
        )
        for place, each in enumerate(shown, 1)
    ]
    return sealed(archive, row, policy, items, len(shown) > unfilled, degraded, query)


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


def filters_of(archive: Archive, query: Query, excluded: frozenset[int] = frozenset()) -> Filters:
    """The caller's names as codes of this archive; -1 for a name no article has, which admits nothing.

    `excluded`: rows that editors left out of the list; with a story go its copies.
    """
    if query.plain() and not excluded:
        return NO_FILTERS
    names = archive.names
    rows = [*excluded, *(row for each in query.exclude if (row := archive.row_of_id(each)) is not None)]
    return Filters(
        section=_code(names["section"], query.section),
        language=_code(names["language"], query.language),
        type=_code(names["type"], query.type),
        published_after=query.published_after,
        published_before=query.published_before,
        excluded_canonical=frozenset(archive.fact(row).canonical for row in rows),
    )


def codes_of(archive: Archive, policy: Policy, source: Facts) -> Codes:
    """The policy's names as codes of this archive; names that no article has are left out."""
    brands = archive.brands_shown_by(archive.names["brand"][source.brand])
    if not (policy.type_weights or policy.sensitive_targets or policy.sensitive_sources):
        return NO_CODES if brands is None else NO_CODES._replace(brands=brands)
    sections, types = archive.names["section"], archive.names["type"]
    targets, sources = (
        frozenset(sections.index(name) for name in names if name in sections)
        for names in (policy.sensitive_targets, policy.sensitive_sources)
    )
    weights = {types.index(name): weight for name, weight in policy.type_weights.items() if name in types}
    return Codes(weights, max([1.0, *weights.values()]), targets, sources, brands)


def _code(names: tuple[str, ...], name: str | None) -> int | None:
    if name is None:
        return None
    return names.index(name) if name in names else -1


def _searched(
    archive: Archive,
    row: int,
    query: Query,
    policy: Policy,
    filters: Filters,
    codes: Codes,
    now: int,
    search: SearchClient,
) -> Candidates:
    after = query.published_after
    if policy.only == "later":
        after = max(earliest(archive.fact(row), policy, now), after or 0)
    answer = search.search(
        SearchRequest(
            snapshot_id=archive.id,
            row=row,
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
    return archive.known_only(found_candidates(answer))


def found_candidates(answer: SearchAnswer) -> Candidates:
    """The answer of the search process as candidates."""
    return Candidates(np.array(answer.rows, np.uint32), np.array(answer.features, np.float32).reshape(-1, 3))


def _with_pins(
    archive: Archive,
    source: Facts,
    shown: list[Shown],
    pins: Sequence[tuple[int, int]],
    codes: Codes,
    filters: Filters,
    now: int,
    limit: int,
) -> list[Shown]:
    """The list with pinned stories at their positions: whatever ranking says, but never what may not be seen.

    A pin overrides the policy, not the caller's filters, nor the brand; a pinned story takes the place of its event.
    """
    for position, row in pins:
        facts = archive.fact(row)
        may = facts.visible_from <= now and facts.canonical != source.canonical and filters.admit(facts)
        if may and (codes.brands is None or facts.brand in codes.brands):
            shown = [each for each in shown if each.source == "pinned" or archive.fact(each.row).event != facts.event]
            shown.insert(position - 1, Shown(row, "pinned"))
    return shown[:limit]


def _fill(
    archive: Archive,
    source: Facts,
    shown: Sequence[Shown],
    policy: Policy,
    codes: Codes,
    filters: Filters,
    now: int,
    limit: int,
) -> Iterator[Shown]:
    """Rows that fill a short list from the policy's fallback tiers, newest first, no event twice."""
    missing = limit - len(shown)
    if source.section in codes.sensitive_sources:
        return
    seen = {archive.fact(each.row).event for each in shown} | {source.event}
    for tier in policy.fallback:
        if tier == "same_section" and not source.section:
            continue
        for row in archive.newest_rows(FALLBACK_LOOKS_AT, source.section if tier == "same_section" else None):
            story = archive.fact(row)
            if story.event not in seen and admissible(story, source, policy, codes, filters, now):
                seen.add(story.event)
                yield Shown(row, tier)
                missing -= 1
                if not missing:
                    return


def item(
    archive: Archive, position: int, shown: Shown, source: Facts, query: Query, now: int, explained: bytes = b""
) -> bytes:
    """One story of a list as JSON."""
    facts = archive.fact(shown.row)
    score, relation = b"null", b"null"
    if shown.story is not None:
        score = b"%.4f" % shown.story.score
        relation = b'"same_event"' if facts.event == source.event else b'"other_event"'
    return b'{"position":%d,"score":%s,"source":"%s","relation":%s,"teaser":%s%s}' % (
        position,
        score,
        shown.source.encode(),
        relation,
        _teaser(archive, shown.row, facts.published_at, query.fields, now),
        explained,
    )


def _explained(archive: Archive, row: int, shown: Shown, candidates: Candidates) -> bytes:
    if shown.source == "pinned":
        return b',"explain":{"reason":"Pinned here by an editor."}'
    if shown.story is None:
        return b',"explain":null'
    _, dense, lexical = candidates.features[shown.story.place].tolist()
    return b',"explain":' + _encode(explanation(archive, row, shown.story, dense, lexical))


def _teaser(archive: Archive, row: int, published_at: int, fields: tuple[str, ...], now: int) -> bytes:
    """The ready teaser with its age; only the asked fields (and always the ID) where any are named."""
    whole = b'%s,"age_label":"%s"}' % (archive.teaser(row)[:-1], age_label(published_at, now).encode())
    if not fields:
        return whole
    teaser = msgspec.json.decode(whole)
    return _encode({name: value for name, value in teaser.items() if name in fields or name == "id"})


def sealed(
    archive: Archive,
    row: int | None,
    policy: Policy,
    items: list[bytes],
    fallback_used: bool,
    degraded: Sequence[str],
    query: Query,
) -> RelatedList:
    """The list as JSON bytes with its ID and ETag; `row` is None where there is no article; nobody may keep that."""
    rest = b'"article_id":%s,"snapshot_id":"%s","policy":"%s","experiment":null,"variant":null,' % (
        b"null" if row is None else id_json(archive.teaser(row)),
        archive.id.encode(),
        policy.name.encode(),
    )
    rest += b'"fallback_used":%s,"degraded":%s,"items":[%s],"token":null}' % (
        b"true" if fallback_used else b"false",
        _encode(degraded) if degraded else b"null",
        b",".join(items),
    )
    if query.unit is not None or row is None:
        return RelatedList(b'{"list_id":"%s",%s' % (secrets.token_hex(12).encode(), rest), None)
    digest = hashlib.sha256(rest).hexdigest()[:24]  # in hardware: half the time of blake2b
    return RelatedList(b'{"list_id":"%s",%s' % (digest.encode(), rest), None if degraded else digest)
