"""The use case: the related stories of a text that is no article yet, found by the search process."""

from __future__ import annotations

import msgspec

from index.article import article_from_record
from index.snapshot import NO_ROW, Facts
from service.archive import Archive
from service.listing import RelatedList, Shown, item, sealed
from service.policy import Policy
from service.query import Query, codes_of, filters_of
from service.ranking import rank
from service.related import SEARCH_DEPTH, found_candidates
from service.search_client import Draft, SearchClient, SearchRequest


def related_to_draft(
    archive: Archive, draft: Draft, query: Query, policy: Policy, now: int, search: SearchClient, brand: str = ""
) -> RelatedList:
    """Stories related to a text that counts as published now, best first; no fallback, no explanation.

    `brand`: whose draft it is; "" is a draft of no brand, which all brands' stories may stand under.
    The article that the draft becomes is found too if it is in the archive already: `exclude` it.
    Raises `SearchUnavailable`.
    """
    filters, source = filters_of(archive, query, archive.signals.everywhere(now).excluded), _source(now)
    codes = codes_of(archive, policy, source)._replace(brands=archive.brands_shown_by(brand) if brand else None)
    answer = search.search(
        SearchRequest(
            snapshot_id=archive.id,
            draft=draft,
            k=SEARCH_DEPTH,
            now=now,
            section=query.section,
            language=query.language,
            type=query.type,
            published_after=query.published_after,
            published_before=query.published_before,
            exclude_canonical=sorted(filters.excluded_canonical),
        )
    )
    candidates = archive.known_only(found_candidates(answer))
    multipliers = archive.signals.everywhere(now).multipliers
    stories = rank(source, candidates, archive, policy, codes, filters, now, query.limit, multipliers)
    shown = [Shown(story.row, "similar", story) for story in stories]
    items = [item(archive, place, each, source, query, now) for place, each in enumerate(shown, 1)]
    return sealed(archive, None, policy, items, False, (), query)


def _source(now: int) -> Facts:
    """The draft as ranking sees it: of now, of no cluster, section or language."""
    unknown = Facts(*[0] * len(Facts._fields))
    return unknown._replace(published_at=now, visible_from=now, canonical=NO_ROW, event=NO_ROW, storyline=NO_ROW)


def read_draft(body: bytes) -> Draft:
    """The draft in a JSON body. Raises msgspec.DecodeError (of which ValidationError is one), `InvalidArticle`."""
    draft = msgspec.json.decode(body, type=Draft)
    article_from_record({"id": "draft", **msgspec.structs.asdict(draft)})  # its lengths and characters are allowed
    return draft
