"""Answers requests for related stories: of an article, of a draft, of examples, and of a batch of articles."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response, request

from index.article import InvalidArticle
from service.api.articles import asked_row
from service.api.context import Wiring
from service.api.operations import Call, Operation
from service.api.parameters import ID, URL, checked_id, draft_parameters, split_id
from service.api.related import Asked, Lists
from service.archive.view import Archive
from service.http.problems import ProblemFound
from service.http.request_bodies import BATCH, Batch, body, read_body
from service.http.responses import json_response, list_response
from service.observability.request_info import noted
from service.recommend.draft import read_draft, related_to_draft
from service.recommend.multi_seed import Examples, related_to_several
from service.recommend.pipeline import ArticleNotFound, ArticleWithdrawn
from service.recommend.policy import Policy
from service.recommend.query import Query
from service.recommend.response import RelatedList
from service.search.client import SearchUnavailable

_ARTICLE_ERRORS = dict.fromkeys((400, 404, 410, 503), "Problem")


class RelatedEndpoints:
    """The operations that answer with related stories."""

    def __init__(self, wiring: Wiring, lists: Lists) -> None:
        self._wiring = wiring
        self._lists = lists

    def operations(self) -> tuple[Operation, ...]:
        """Their declarations, for the policies of this installation."""
        parameters = self._lists.parameters
        return (
            Operation(
                path="/v1/articles/{id}/related",
                handler=self.by_path,
                summary="Related stories of an article",
                description="The list under an article. IDs with slashes are fine; IDs ending in /related go by "
                "query.",
                parameters=parameters,
                responses={200: "RelatedList", 304: "", **_ARTICLE_ERRORS},
            ),
            Operation(
                path="/v1/related",
                handler=self.by_query,
                summary="Related stories of an article, by ID or URL in the query",
                description="Exactly one of id and url.",
                parameters=(ID, URL, *parameters),
                responses={200: "RelatedList", 304: "", **_ARTICLE_ERRORS},
            ),
            Operation(
                path="/v1/related",
                method="post",
                handler=self.of_draft_or_examples,
                summary="Related stories of a draft, or of several articles",
                description="The text of a draft, compared with the archive as if published now; or the IDs of "
                "articles that the stories are to be related to (positive) and not related to (negative). At most 64 "
                "KiB.",
                parameters=draft_parameters(self._wiring.policies),
                body="DraftOrExamples",
                scope="read",
                responses={200: "RelatedList", **dict.fromkeys((401, 404, 410, 413, 422, 503), "Problem")},
            ),
            Operation(
                path="/v1/related/batch",
                method="post",
                handler=self.batch,
                summary="Related stories of up to 100 articles",
                description="A list or a problem for each ID, in their order.",
                parameters=parameters,
                body="Batch",
                scope="read",
                responses={200: "Lists", **dict.fromkeys((400, 401, 413, 422, 503), "Problem")},
            ),
        )

    def by_path(self, call: Call) -> Response:
        """The list under the article of an ID in the path."""
        lists = self._lists
        asked, archive, name = self._remembered(call), self._wiring.current(), checked_id(call.path["id"])
        return list_response(lists.under(archive, archive.row_of_id(name), name, asked))

    def by_query(self, call: Call) -> Response:
        """The list under the article of an ID or URL in the query."""
        lists = self._lists
        asked, archive = lists.of_values(call.query), self._wiring.current()
        row, name = asked_row(archive, call.query)
        if (by_id := split_id(request.environ.get("QUERY_STRING", ""))) is not None:
            lists.remember(by_id[1], asked)
        return list_response(lists.under(archive, row, name, asked))

    def of_draft_or_examples(self, call: Call) -> Response:
        """The list under a draft, or the stories related to several articles."""
        wiring = self._wiring
        query, policy = self._lists.of_values(self._lists.defaults | call.query)
        raw = body()
        if b'"positive"' in raw and isinstance(examples := _examples(raw), Examples):
            return list_response(self._of_examples(examples, query, policy))
        try:
            text = read_draft(raw)
        except (msgspec.DecodeError, InvalidArticle, RecursionError) as error:
            raise ProblemFound(422, "invalid_draft", f"The body is no draft: {error}.") from None
        try:
            found = related_to_draft(
                wiring.current(), text, query, policy, wiring.clock(), wiring.search, call.key.brand
            )
        except SearchUnavailable as error:
            raise ProblemFound(503, "search_unavailable", f"Drafts cannot be compared now: {error}.", 5) from None
        return list_response(found)

    def batch(self, call: Call) -> Response:
        """The lists under several articles, or why there is none."""
        asked = self._remembered(call)
        ids = read_body(body(), Batch, "invalid_batch").ids
        if len(ids) > BATCH:
            raise ProblemFound(422, "invalid_batch", f"A batch has at most {BATCH} IDs, not {len(ids)}.")
        archive = self._wiring.current()
        return json_response({"lists": [self._list_or_problem(archive, article_id, asked) for article_id in ids]})

    def _remembered(self, call: Call) -> Asked:
        """What a request with no parameters but those of lists asks for; remembered for the fast path."""
        query_string = request.environ.get("QUERY_STRING", "")
        asked = self._lists.asked_before(query_string)
        if asked is None:
            asked = self._lists.of_values(call.query)
            self._lists.remember(query_string, asked)
        return asked

    def _of_examples(self, examples: Examples, query: Query, policy: Policy) -> RelatedList:
        try:
            return related_to_several(self._wiring.current(), examples, query, policy, self._wiring.clock())
        except InvalidArticle as error:
            raise ProblemFound(422, "invalid_id", f"An ID {error.reason}.") from None

    def _list_or_problem(self, archive: Archive, article_id: str, asked: Asked) -> Any:
        lists = self._lists
        try:
            name = checked_id(article_id)
            found = lists.under(archive, archive.row_of_id(name), name, asked)
            noted().lists += (found,)
            return msgspec.Raw(found.body)
        except ProblemFound as error:
            return {"article_id": article_id[:600], "problem": {"status": error.status, "code": error.code}}
        except ArticleNotFound:
            return {"article_id": article_id, "problem": {"status": 404, "code": "article_not_found"}}
        except ArticleWithdrawn:
            return {"article_id": article_id, "problem": {"status": 410, "code": "article_withdrawn"}}


def _examples(raw: bytes) -> Examples | None:
    """The examples in a body; None for a body that is a draft after all, which speaks of "positive"."""
    try:
        if "positive" not in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]):
            return None
    except (msgspec.DecodeError, RecursionError):
        return None
    return read_body(raw, Examples, "invalid_examples")
