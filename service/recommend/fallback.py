"""Fills a list that ranking left short, from the tiers that the policy names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from service.archive.view import Archive
from service.recommend.policy import Tier
from service.recommend.popular import Popular
from service.recommend.ranking import RankingContext, within_cap
from service.recommend.response import Shown

MAX_NEWEST_ROWS = 2_000  # newest rows that a tier looks through: about a month of a daily paper


def fill(
    context: RankingContext, archive: Archive, present: Sequence[Shown], popular: Popular | None
) -> Iterator[Shown]:
    """Stories that fill a list in which others are `present`: no event twice, within the section cap."""
    source, cap = context.source, context.section_cap()
    missing = context.limit - len(present)
    if source.section in context.codes.sensitive_sources:
        return
    events, used = {source.event}, dict[int, int]()
    for shown in present:
        facts = archive.fact(shown.row)
        events.add(facts.event)
        used[facts.section] = used.get(facts.section, 0) + 1
    for tier in context.policy.fallback:
        for row in _rows_of_tier(tier, context, archive, popular):
            facts = archive.fact(row)
            if (
                facts.event not in events
                and context.admits(facts)
                and (not cap or within_cap(facts.section, used, cap))
            ):
                events.add(facts.event)
                yield Shown(row, tier)
                missing -= 1
                if not missing:
                    return


def _rows_of_tier(tier: Tier, context: RankingContext, archive: Archive, popular: Popular | None) -> Iterable[int]:
    """The rows that a tier offers, best first."""
    if tier == "popular":
        ids = () if popular is None else popular.ids(context.now)
        return (row for article_id in ids if (row := archive.row_of_id(article_id)) is not None)
    if tier == "recent":
        return archive.newest_rows(MAX_NEWEST_ROWS)
    section = context.source.section
    return archive.newest_rows(MAX_NEWEST_ROWS, section) if section else ()
