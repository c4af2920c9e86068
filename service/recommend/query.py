"""What a caller asks of a list, and the context that a list is ranked in: names resolved to an archive's codes."""

from __future__ import annotations

import msgspec

from index.snapshot.attributes import Facts
from service.archive.signals import ListSignals
from service.archive.view import Archive
from service.recommend.policy import Policy, Tier
from service.recommend.ranking import NO_CODES, NO_FILTERS, Codes, Filters, RankingContext

DEFAULT_BLOCK = "default"


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
    block: str = DEFAULT_BLOCK
    explain: bool = False
    fields: tuple[str, ...] = ()

    def plain(self) -> bool:
        """Whether it leaves out no story that could be in the list."""
        narrowed = self.section, self.language, self.type, self.published_after, self.published_before
        return narrowed == (None, None, None, None, None) and not self.exclude


def ranking_context(
    archive: Archive, source: Facts, query: Query, policy: Policy, signals: ListSignals, now: int
) -> RankingContext:
    """The context that a list under `source` is ranked in."""
    return RankingContext(
        source=source,
        policy=policy,
        codes=_codes(archive, policy, source),
        filters=_filters(archive, query, signals.excluded),
        now=now,
        limit=query.limit,
        multipliers=signals.multipliers,
    )


def _filters(archive: Archive, query: Query, excluded: frozenset[int]) -> Filters:
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


def _codes(archive: Archive, policy: Policy, source: Facts) -> Codes:
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
