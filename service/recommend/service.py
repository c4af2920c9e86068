"""Answers with the list under an article, which is made once a minute for all who ask for the same."""

from __future__ import annotations

from service.archive.view import Archive
from service.recommend.list_cache import RecentLists
from service.recommend.pipeline import related, select
from service.recommend.policy import Policy
from service.recommend.popular import Popular
from service.recommend.query import Query
from service.recommend.response import RelatedList, Selection
from service.search.client import Search


class RelatedListService:
    """The lists of one installation, for the API and for every page. Safe to share between threads.

    `search` and `popular`: what select candidates outside the candidate table, and what fills lists; None for none.
    """

    def __init__(self, search: Search | None, popular: Popular | None) -> None:
        self._search = search
        self._popular = popular
        self._recent = RecentLists()

    def for_article(
        self, archive: Archive, row: int, query: Query, policy: Policy, now: int, search: Search | None = None
    ) -> RelatedList:
        """The list under a row that the caller may see; `policy`: one of the installation's. `now` in epoch seconds.

        `search`: instead of the search process. Raises what it raises.
        """
        return self._recent.get(
            archive.overlay,
            now // 60,
            (row, query, policy.name),
            lambda: related(archive, row, query, policy, now, search or self._search, self._popular),
        )

    def select(self, archive: Archive, row: int, query: Query, policy: Policy, now: int) -> Selection:
        """The stories for a list that is one reader's own, which nobody else gets and which is not kept."""
        return select(archive, row, query, policy, now, self._search, self._popular)
