"""Answers requests for one article: its state, and for holders of a key its publication and withdrawal."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response

from index.snapshot.attributes import FLAG_WITHDRAWN
from service.api.article_writer import ArticleWriter
from service.api.context import Wiring
from service.api.operations import Call, Operation
from service.api.parameters import ID, KEEP_WITHDRAWN, NOTE, REQUIRED_ID, URL, checked_id
from service.archive.view import Archive
from service.http.preconditions import expected_version
from service.http.problems import ProblemFound
from service.http.request_bodies import ARTICLE_BYTES, body, read_article
from service.http.responses import json_response, written_response
from service.recommend.pipeline import ArticleNotFound, visible_row

KEYED_ERRORS = dict.fromkeys((400, 401, 403, 503), "Problem")
WRITE_RESPONSES = {200: "Written", **KEYED_ERRORS, 412: "Problem", 422: "Problem"}
_READ_RESPONSES = {200: "ArticleState", 400: "Problem", 404: "Problem", 503: "Problem"}
_BELOW_AN_ARTICLE = "/related", "/signals"  # an article whose ID ends so is written by its ID in the query


class ArticleEndpoints:
    """The operations on one article."""

    def __init__(self, wiring: Wiring, writer: ArticleWriter) -> None:
        self._wiring = wiring
        self._writer = writer

    def operations(self) -> tuple[Operation, ...]:
        """Their declarations."""
        writes = self._writes()
        return (
            Operation(
                path="/v1/articles/{id}",
                handler=self.state_by_path,
                summary="An article's teaser and where it stands",
                parameters=(),
                responses=_READ_RESPONSES,
            ),
            Operation(
                path="/v1/article",
                handler=self.state_by_query,
                summary="The same, by ID or URL in the query",
                description="Exactly one of id and url.",
                parameters=(ID, URL),
                responses=_READ_RESPONSES,
            ),
            *writes,
            *(by_query("/v1/article", operation) for operation in writes),
        )

    def _writes(self) -> tuple[Operation, ...]:
        return (
            Operation(
                path="/v1/articles/{id}",
                method="put",
                handler=self.publish,
                summary="Publish or update an article",
                description="Idempotent. At most 1 MiB. With If-Match: only if the article's ETag is still that one; "
                "with If-None-Match: * only if there is no such article yet.",
                parameters=(KEEP_WITHDRAWN,),
                body="Article",
                scope="write",
                responses={201: "Written", 409: "Problem", 413: "Problem", 429: "Problem", **WRITE_RESPONSES},
                reserved_suffixes=_BELOW_AN_ARTICLE,
            ),
            Operation(
                path="/v1/articles/{id}",
                method="delete",
                handler=self.withdraw,
                summary="Withdraw an article",
                description="It leaves every list at once and no rebuild brings it back; a later PUT does.",
                parameters=(NOTE,),
                scope="write",
                responses={**WRITE_RESPONSES, 404: "Problem"},
                reserved_suffixes=_BELOW_AN_ARTICLE,
            ),
        )

    def state_by_path(self, call: Call) -> Response:
        """The state of the article of an ID in the path."""
        archive, article_id = self._wiring.current(), checked_id(call.path["id"])
        return _state_response(archive, archive.row_of_id(article_id), article_id, self._wiring.clock())

    def state_by_query(self, call: Call) -> Response:
        """The state of the article of an ID or URL in the query."""
        archive = self._wiring.current()
        return _state_response(archive, *asked_row(archive, call.query), self._wiring.clock())

    def publish(self, call: Call) -> Response:
        """Publish or update the article in the body."""
        article_id = required_id(call)
        article = read_article(body(ARTICLE_BYTES), article_id)
        keep_withdrawn = call.query["keep_withdrawn"]
        return written_response(
            self._writer.publish(article, call.key, expected_version(), keep_withdrawn=keep_withdrawn)
        )

    def withdraw(self, call: Call) -> Response:
        """Withdraw an article."""
        article_id, note = required_id(call), _checked_note(call.query["note"] or "")
        return written_response(self._writer.withdraw(article_id, call.key, note, expected_version()))


def by_query(path: str, by_path: Operation) -> Operation:
    """The same operation under an address that takes the ID in the query."""
    parameters = (REQUIRED_ID, *(by_path.parameters or ()))
    summary = "The same, by ID in the query"
    return msgspec.structs.replace(by_path, path=path, summary=summary, description="", parameters=parameters)


def required_id(call: Call) -> str:
    """The article ID in the path, or in the query. Raises `ProblemFound` 400."""
    if "id" in call.path:
        return checked_id(call.path["id"])
    if call.query["id"] is None:
        raise ProblemFound(400, "invalid_id", "Give the parameter id.")
    article_id: str = call.query["id"]
    return article_id


def asked_row(archive: Archive, values: Mapping[str, Any]) -> tuple[int | None, str]:
    """The row that `id` or `url` names, None when unknown, and the name. Raises `ProblemFound` for none and both."""
    identifier, url = values["id"], values["url"]
    if (identifier is None) == (url is None):
        raise ProblemFound(400, "invalid_id", "Give exactly one of the parameters id and url.")
    if identifier is not None:
        return archive.row_of_id(identifier), identifier
    row = archive.row_of_url(url)
    return (archive.row_of_id(url) if row is None else row), url  # an alias need not look like a URL


def _checked_note(note: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in note):
        raise ProblemFound(400, "invalid_note", "The parameter note holds a control character.")
    return note


def _state_response(archive: Archive, row: int | None, asked: str, now: int) -> Response:
    if row is None:
        raise ArticleNotFound(asked, archive.id)
    facts = archive.fact(row)
    state: dict[str, Any] = {"state": "withdrawn", "snapshot_id": archive.id, "teaser": None}
    if not facts.flags & FLAG_WITHDRAWN:
        visible_row(archive, row, asked, now)  # embargoed: as if it were not there
        state |= {"state": "published", "teaser": msgspec.Raw(archive.teaser(row))}
    state |= {"live": archive.is_live(row), "compared": not archive.is_waiting(row)}
    for name, cluster in (("event_id", archive.event_id(row)), ("storyline_id", archive.storyline_id(row))):
        state[name] = None if cluster is None else f"{cluster:016x}"
    response = json_response(state)
    if version := archive.version(row):
        response.set_etag(version)
    return response
