"""Reads what a request asks of a list, and answers with it, for the routes and the fast path."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.datastructures import MultiDict

from service.api.context import Wiring
from service.api.parameters import list_parameters, read_parameters
from service.archive.view import Archive
from service.recommend.pipeline import visible_row
from service.recommend.policy import Policy
from service.recommend.query import DEFAULT_BLOCK, Query
from service.recommend.response import RelatedList
from service.search.client import Search, SearchAnswer, SearchRequest

MOST, LONGEST = 256, 200  # query strings that are kept as read, and characters of one

Asked = tuple[Query, Policy]


class SearchNeeded(Exception):
    """A list cannot be made without asking the search process."""


class NoSearch:
    """In place of the search client where nobody may wait."""

    def search(self, _request: SearchRequest) -> SearchAnswer:
        """Raises `SearchNeeded`."""
        raise SearchNeeded


NO_SEARCH = NoSearch()


class Lists:
    """The lists of one installation. Safe to share between threads."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._unit_lists = wiring.unit_lists()
        self.parameters = list_parameters(wiring.policies)
        self.defaults = read_parameters(self.parameters, MultiDict())
        self._read = {"": self.of_values(self.defaults)}

    def of_values(self, values: dict[str, Any]) -> Asked:
        """The values of `parameters` as a query, and the policy that they name."""
        return list_query(values), self._wiring.policies[values["policy"]]

    def asked(self) -> Asked:
        """What the request at hand asks for, which has no parameters but those of lists. Raises `ProblemFound`."""
        text = request.environ.get("QUERY_STRING", "")
        found = self._read.get(text)
        if found is None:
            found = self.of_values(read_parameters(self.parameters, request.args))
            self.remember(text, found)
        return found

    def remember(self, text: str, asked: Asked) -> None:
        """Keep what a query string of list parameters asks for, unless it is for a reader's own list."""
        if asked[0].unit is None and len(text) <= LONGEST:
            if len(self._read) >= MOST:
                self._read = {"": self._read[""]}
            self._read[text] = asked

    def asked_before(self, text: str) -> Asked | None:
        """What a query string asks for that somebody has asked by before, if it is for no reader's own list."""
        return self._read.get(text)

    def under(
        self, archive: Archive, row: int | None, name: str, asked: Asked, search: Search | None = None
    ) -> RelatedList:
        """The list under an article, which was asked for by `name`. `search`: instead of the search process.

        Raises `ArticleNotFound`, `ArticleWithdrawn`, and what `search` raises.
        """
        (query, policy), wiring = asked, self._wiring
        now = wiring.clock()
        row = visible_row(archive, row, name, now)
        if query.unit is not None:
            named = policy if "policy" in request.args else None
            return self._unit_lists.of(archive, row, query, named, now)
        return wiring.lists.for_article(archive, row, query, policy, now, search)


def list_query(values: dict[str, Any]) -> Query:
    """The values of `list_parameters` as a query."""
    fallback = values["fallback"]
    return Query(
        limit=values["limit"],
        min_relevance=values["min_relevance"],
        exclude=values["exclude"],
        section=values["section"],
        language=values["language"],
        type=values["type"],
        published_after=values["published_after"],
        published_before=values["published_before"],
        fallback=None if fallback == "none" else fallback,
        no_fallback=fallback == "none",
        unit=values["unit"],
        block=values["block"] if values["unit"] is not None else DEFAULT_BLOCK,
        explain=values["explain"],
        fields=values["fields"],
    )
