"""The use case: the related stories of a text that is no article yet, found by the search process."""

from __future__ import annotations

import msgspec
import numpy as np

from index.article import article_from_record
from index.snapshot import NO_ROW, Facts, Snapshot
from service.policy import Policy
from service.ranking import Candidates, rank
from service.related import SEARCH_DEPTH, Query, RelatedList, codes_of, filters_of, sealed, similar_item
from service.search_client import Draft, SearchClient, SearchRequest


def related_to_draft(
    snapshot: Snapshot, draft: Draft, query: Query, policy: Policy, now: int, search: SearchClient
) -> RelatedList:
    """Stories related to a text that counts as published now, best first; no fallback, no explanation.

    The article that the draft becomes is found too if it is in the archive already: `exclude` it.
    Raises `SearchUnavailable`.
    """
    filters, codes = filters_of(snapshot, query), codes_of(snapshot, policy)
    answer = search.search(
        SearchRequest(
            snapshot_id=snapshot.id,
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
    candidates = Candidates(np.array(answer.rows, np.uint32), np.array(answer.features, np.float32).reshape(-1, 3))
    source = _source(now)
    stories = rank(source, candidates, snapshot, policy, codes, filters, now, query.limit)
    items = [similar_item(snapshot, position, story, source, query, now) for position, story in enumerate(stories, 1)]
    return sealed(snapshot, None, policy, items, False, None, query)


def _source(now: int) -> Facts:
    """The draft as ranking sees it: of now, of no cluster, section or language."""
    unknown = Facts(*[0] * len(Facts._fields))
    return unknown._replace(published_at=now, visible_from=now, canonical=NO_ROW, event=NO_ROW, storyline=NO_ROW)


def read_draft(body: bytes) -> Draft:
    """The draft in a JSON body. Raises msgspec.DecodeError (of which ValidationError is one), `InvalidArticle`."""
    draft = msgspec.json.decode(body, type=Draft)
    article_from_record({"id": "draft", **msgspec.structs.asdict(draft)})  # its lengths and characters are allowed
    return draft
