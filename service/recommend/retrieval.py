"""Retrieves candidates outside the candidate table through the search process."""

from __future__ import annotations

import numpy as np

from service.archive.candidates import Candidates
from service.archive.view import Archive
from service.recommend.query import Query
from service.recommend.ranking import RankingContext
from service.search.client import Search, SearchRequest

SEARCH_DEPTH = 100


def search_request(
    archive: Archive, query: Query, context: RankingContext, published_after: int | None
) -> SearchRequest:
    """The request for the rows that the query, its filters and the source's brand admit; for no row or draft yet."""
    brands = context.codes.brands
    return SearchRequest(
        snapshot_id=archive.id,
        k=SEARCH_DEPTH,
        now=context.now,
        section=query.section,
        language=query.language,
        type=query.type,
        published_after=published_after,
        published_before=query.published_before,
        exclude_canonical=sorted(context.filters.excluded_canonical),
        brands=None if brands is None else [archive.names["brand"][code] for code in brands],
    )


def search_candidates(archive: Archive, search: Search, request: SearchRequest) -> Candidates:
    """The candidates that the search process answers with. Raises `SearchUnavailable`."""
    answer = search.search(request)
    features = np.array(answer.features, np.float32).reshape(-1, 3)
    return archive.known_only(Candidates(np.array(answer.rows, np.uint32), features))
