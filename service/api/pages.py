"""Owns the pages a person looks at: the newsroom's first page, an article with its block, the API's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from flask import Flask, Response, render_template, request, send_from_directory

from index.article import UNDATED
from index.snapshot import Snapshot
from service.api.openapi import document
from service.api.parameters import ID, policy_parameter, read_parameters
from service.api.routes import operations
from service.catalogue import Catalogue
from service.config import Settings
from service.policy import Policies
from service.related import ArticleNotFound, Query, age_label, related, visible_row
from service.search_client import SearchClient

FRONT_STORIES = 25
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' https: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)


def register_pages(
    app: Flask,
    catalogue: Catalogue,
    search: SearchClient,
    policies: Policies,
    settings: Settings,
    clock: Callable[[], int],
) -> None:
    """Install the pages and, where a folder of pictures is set, /media/."""

    def current() -> Snapshot:
        catalogue.follow(settings.refresh_seconds)
        return catalogue.current()

    def front() -> Response:
        snapshot, now = current(), clock()
        stories = [_story(snapshot, row, now) for row in _newest(snapshot, now)]
        return _page("front.html", title=settings.title, stories=stories, snapshot=snapshot)

    def article() -> Response:
        values = read_parameters((ID, policy_parameter(policies)), request.args)
        snapshot, now = current(), clock()
        if values["id"] is None:
            raise ArticleNotFound("", snapshot.id)
        row = visible_row(snapshot, snapshot.row_of_id(values["id"]), values["id"], now)
        found = related(snapshot, row, Query(explain=True), policies[values["policy"]], now, search)
        return _page(
            "article.html",
            title=settings.title,
            story=_story(snapshot, row, now),
            answer=msgspec.json.decode(found.body),
            policies=list(policies.by_name.values()),
        )

    def docs() -> Response:
        return _page("docs.html", title=settings.title, api=document(operations(policies)))

    app.add_url_rule("/", view_func=front)
    app.add_url_rule("/article", view_func=article, endpoint="page_of_article")
    app.add_url_rule("/docs", view_func=docs)
    if settings.media_dir is not None:
        folder = settings.media_dir.resolve()

        def media(name: str) -> Response:
            response = send_from_directory(folder, name, max_age=3_600)
            response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
            return response

        app.add_url_rule("/media/<path:name>", view_func=media)


def _newest(snapshot: Snapshot, now: int) -> list[int]:
    """The newest visible rows, one an event."""
    facts = snapshot.attributes
    shown = snapshot.visible_rows(now)[::-1]
    shown = shown[facts["published_at"][shown] != UNDATED]
    _, first = np.unique(facts["event"][shown[: FRONT_STORIES * 4]], return_index=True)
    return [int(row) for row in shown[np.sort(first)][:FRONT_STORIES]]


def _story(snapshot: Snapshot, row: int, now: int) -> dict[str, Any]:
    teaser: dict[str, Any] = msgspec.json.decode(snapshot.teaser(row))
    return {**teaser, "age_label": age_label(int(snapshot.attributes["published_at"][row]), now)}


def _page(template: str, **content: Any) -> Response:
    response = Response(render_template(template, **content), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-cache"
    return response
