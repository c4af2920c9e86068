"""Owns the HTTP routes that change the live newsroom: articles, signals, webhooks."""

from __future__ import annotations

import unicodedata
from typing import Any

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from service.api.article_writer import ArticleWriter
from service.api.context import Wiring
from service.api.openapi import Operation
from service.api.parameters import (
    ID,
    KEEP_WITHDRAWN,
    NOTE,
    REQUIRED_ID,
    Parameter,
    checked_id,
    read_parameters,
)
from service.api.signal_editor import SignalEditor, signal_json
from service.api.webhooks import Webhooks
from service.http.problems import ProblemFound
from service.http.request_bodies import ARTICLE_BYTES, body, read_article
from service.http.responses import json_response
from service.live_store.changes import (
    ABSENT,
    InvalidSignals,
    Written,
    read_signals,
)

_READ_KEYED = {400: "Problem", 401: "Problem", 403: "Problem", 503: "Problem"}
_WRITE = {200: "Written", **_READ_KEYED, 412: "Problem", 422: "Problem"}


def _by_query(path: str, of_path: Operation) -> Operation:
    """The same operation under an address that takes the ID in the query."""
    parameters = (REQUIRED_ID, *of_path.parameters)
    summary = "The same, by ID in the query"
    return msgspec.structs.replace(of_path, path=path, summary=summary, description="", parameters=parameters)


_OF_ARTICLE = (
    Operation(
        path="/v1/articles/{id}",
        method="put",
        summary="Publish or update an article",
        description="Idempotent. At most 1 MiB. With If-Match: only if the article's ETag is still that one; with "
        "If-None-Match: * only if there is no such article yet.",
        parameters=(KEEP_WITHDRAWN,),
        body="Article",
        scope="write",
        responses={201: "Written", 409: "Problem", 413: "Problem", 429: "Problem", **_WRITE},
    ),
    Operation(
        path="/v1/articles/{id}",
        method="delete",
        summary="Withdraw an article",
        description="It leaves every list at once and no rebuild brings it back; a later PUT does.",
        parameters=(NOTE,),
        scope="write",
        responses={**_WRITE, 404: "Problem"},
    ),
)
_OF_SIGNALS = (
    Operation(
        path="/v1/articles/{id}/signals",
        summary="An article's signals and who gave them",
        scope="editor",
        responses={200: "Signals", **_READ_KEYED},
    ),
    Operation(
        path="/v1/articles/{id}/signals",
        method="put",
        summary="Replace an article's signals",
        description="Pin, boost, bury, exclude: with a target in this article's list only, without one in all lists. "
        "With If-Match: only if the set's ETag is still that one; with If-None-Match: * only if the set is empty.",
        body="SignalsGiven",
        scope="editor",
        responses={**_WRITE, 200: "SignalsWritten", 201: "SignalsWritten", 409: "Problem"},
    ),
)
OPERATIONS = (
    *_OF_ARTICLE,
    *(_by_query("/v1/article", each) for each in _OF_ARTICLE),
    *_OF_SIGNALS,
    *(_by_query("/v1/article/signals", each) for each in _OF_SIGNALS),
    Operation(
        path="/v1/webhooks/{key}",
        method="post",
        summary="Publish and withdraw by signed webhook",
        description="Signed with the webhook secret of that key: see API.md.",
        body="Events",
        responses={
            200: "Received",
            **dict.fromkeys((401, 409, 413, 422, 429, 503), "Problem"),
        },
    ),
)


def register_writing(app: Flask, wiring: Wiring) -> None:
    """Install the routes."""
    writer = ArticleWriter(wiring)
    editor, webhooks = SignalEditor(wiring, writer), Webhooks(wiring, writer)

    def by_path(id: str) -> Response:
        if id.endswith(("/related", "/signals")):  # what stands behind an ID; an ID that ends so goes by query
            raise MethodNotAllowed(["GET", "HEAD", "OPTIONS"])
        return article(checked_id(id), read_parameters(own_parameters(), request.args))

    def by_query() -> Response:
        values = read_parameters((ID, *own_parameters()), request.args)
        return article(_given(values), values)

    def own_parameters() -> tuple[Parameter, ...]:
        return (NOTE,) if request.method == "DELETE" else (KEEP_WITHDRAWN,)

    def article(article_id: str, values: dict[str, Any]) -> Response:
        key = wiring.access.require("write")
        if request.method == "DELETE":
            return _written(writer.withdraw(article_id, key, _note(), _expected()))
        sent = read_article(body(ARTICLE_BYTES), article_id)
        return _written(writer.publish(sent, key, _expected(), keep_withdrawn=values["keep_withdrawn"]))

    def signals_by_path(id: str) -> Response:
        read_parameters((), request.args)
        return signals(checked_id(id))

    def signals_by_query() -> Response:
        return signals(_given(read_parameters((ID,), request.args)))

    def signals(article_id: str) -> Response:
        key = wiring.access.require("editor")
        if request.method == "GET":
            return _signals_response(editor, article_id)
        try:
            given = read_signals(body())
        except InvalidSignals as error:
            raise ProblemFound(422, "invalid_signals", f"{error}.") from None
        written, warnings = editor.change(article_id, lambda _: given, key, _expected())
        return _written(written, warnings=warnings)

    def webhook(key: str) -> Response:
        return json_response({"results": webhooks.receive(key, body(ARTICLE_BYTES))})

    for path, view, methods in (
        ("/v1/articles/<path:id>", by_path, ["PUT", "DELETE"]),
        ("/v1/article", by_query, ["PUT", "DELETE"]),
        ("/v1/articles/<path:id>/signals", signals_by_path, ["GET", "PUT"]),
        ("/v1/article/signals", signals_by_query, ["GET", "PUT"]),
        ("/v1/webhooks/<key>", webhook, ["POST"]),
    ):
        app.add_url_rule(path, endpoint=f"write_{view.__name__}", view_func=view, methods=methods)


def _given(values: dict[str, Any]) -> str:
    if values["id"] is None:
        raise ProblemFound(400, "invalid_id", "Give the parameter id.")
    identifier: str = values["id"]
    return identifier


def _note() -> str:
    note = request.args.get("note", "")
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in note):
        raise ProblemFound(400, "invalid_note", "The parameter note holds a control character.")
    return note


def _expected() -> str | None:
    """The version in If-Match, "*" for any, `ABSENT` for If-None-Match: *, None without either header."""
    unmatched = request.headers.get("If-None-Match")
    if unmatched and (unmatched.strip() != "*" or request.headers.get("If-Match")):
        raise ProblemFound(
            400, "invalid_if_none_match", "If-None-Match of a write must be *, and without If-Match beside it."
        )
    if unmatched:
        return ABSENT
    tags = request.if_match
    if not request.headers.get("If-Match"):
        return None
    if tags.star_tag:
        return "*"
    if len(tags.as_set()) != 1:
        raise ProblemFound(400, "invalid_if_match", 'If-Match must hold one ETag, in quotes, or "*".')
    return next(iter(tags))


def _written(written: Written, **more: Any) -> Response:
    response = json_response({**msgspec.structs.asdict(written), **more}, 201 if written.created else 200)
    if written.version:
        response.set_etag(written.version)
    return response


def _signals_response(editor: SignalEditor, article_id: str) -> Response:
    held, history = editor.signals_and_history(article_id)
    signals = [signal_json(signal) for signal in held.signals]
    response = json_response({"article_id": held.article_id, "signals": signals, "history": history})
    response.set_etag(held.version)
    return response
