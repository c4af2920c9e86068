"""Owns the HTTP routes of version 1; parameters and descriptions stand in `operations` beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Flask, Response, request
from werkzeug.datastructures import MultiDict

from index.article import InvalidArticle
from index.snapshot import FLAG_WITHDRAWN, DamagedSnapshot, Snapshot, read_manifest
from service.api.openapi import Operation, document
from service.api.parameters import ID, URL, checked_id, draft_parameters, list_parameters, read_parameters
from service.api.problems import ProblemFound
from service.catalogue import Catalogue, NoSnapshot
from service.config import Settings
from service.drafts import read_draft, related_to_draft
from service.policy import Policies, Policy
from service.recent_lists import RecentLists
from service.related import ArticleNotFound, Query, RelatedList, related, visible_row
from service.search_client import SearchClient, SearchUnavailable


def operations(policies: Policies) -> tuple[Operation, ...]:
    """Every operation of version 1, for this installation's policies."""
    asked = list_parameters(policies)
    return (
        Operation(
            path="/v1/articles/{id}/related",
            summary="Related stories of an article",
            description="The list under an article. IDs with slashes are fine; IDs ending in /related go by query.",
            parameters=asked,
            responses={200: "RelatedList", 304: "", 400: "Problem", 404: "Problem", 410: "Problem", 503: "Problem"},
        ),
        Operation(
            path="/v1/related",
            summary="Related stories of an article, by ID or URL in the query",
            description="Exactly one of id and url.",
            parameters=(ID, URL, *asked),
            responses={200: "RelatedList", 304: "", 400: "Problem", 404: "Problem", 410: "Problem", 503: "Problem"},
        ),
        Operation(
            path="/v1/related",
            method="post",
            summary="Related stories of a draft",
            description="The text of a draft, at most 64 KiB, compared with the archive as if published now.",
            parameters=draft_parameters(policies),
            body="Draft",
            responses={200: "RelatedList", 400: "Problem", 413: "Problem", 503: "Problem"},
        ),
        Operation(
            path="/v1/articles/{id}",
            summary="An article's teaser and where it stands",
            parameters=(),
            responses={200: "ArticleState", 400: "Problem", 404: "Problem", 503: "Problem"},
        ),
        Operation(
            path="/v1/article",
            summary="The same, by ID or URL in the query",
            description="Exactly one of id and url.",
            parameters=(ID, URL),
            responses={200: "ArticleState", 400: "Problem", 404: "Problem", 503: "Problem"},
        ),
        Operation(
            path="/v1/policies", summary="The policies and their numbers", parameters=(), responses={200: "Policies"}
        ),
        Operation(
            path="/v1/snapshots", summary="The snapshots in the store", parameters=(), responses={200: "Snapshots"}
        ),
        Operation(path="/livez", summary="The process answers", parameters=(), responses={200: "State"}),
        Operation(
            path="/readyz",
            summary="A snapshot serves; says when degraded and why",
            parameters=(),
            responses={200: "State", 503: "Problem"},
        ),
    )


def register_routes(
    app: Flask,
    catalogue: Catalogue,
    search: SearchClient,
    policies: Policies,
    settings: Settings,
    clock: Callable[[], int],
) -> None:
    """Install the routes of version 1, the probes and the OpenAPI document."""
    origins = frozenset(settings.cors_origins)
    recent_lists = RecentLists()
    asked_of_lists = list_parameters(policies)

    def query_of(values: dict[str, Any]) -> tuple[Query, Policy]:
        return _query(values), policies[values["policy"]]

    defaults = read_parameters(asked_of_lists, MultiDict())
    plain = query_of(defaults)  # what a request without parameters asks for

    def current() -> Snapshot:
        catalogue.follow(settings.refresh_seconds)
        return catalogue.current()

    def by_path(id: str) -> Response:
        query, policy = plain if not request.query_string else query_of(read_parameters(asked_of_lists, request.args))
        snapshot, asked = current(), checked_id(id)
        return respond(snapshot, snapshot.row_of_id(asked), asked, query, policy)

    def by_query() -> Response:
        values = read_parameters((ID, URL, *asked_of_lists), request.args)
        snapshot = current()
        return respond(snapshot, *_asked_row(snapshot, values), *query_of(values))

    def draft() -> Response:
        query, policy = query_of(defaults | read_parameters(draft_parameters(policies), request.args))
        try:
            text = read_draft(request.get_data())
        except (msgspec.DecodeError, InvalidArticle) as error:
            raise ProblemFound(400, "invalid_draft", f"The body is no draft: {error}.") from None
        try:
            found = related_to_draft(current(), text, query, policy, clock(), search)
        except SearchUnavailable as error:
            raise ProblemFound(503, "search_unavailable", f"Drafts cannot be compared now: {error}.", 5) from None
        return _list_response(found, origins)

    def respond(snapshot: Snapshot, row: int | None, asked: str, query: Query, policy: Policy) -> Response:
        now = clock()
        row = visible_row(snapshot, row, asked, now)
        found = recent_lists.get(
            (snapshot.id, now // 60),
            (row, query, policy.name),
            lambda: related(snapshot, row, query, policy, now, search),
        )
        return _list_response(found, origins)

    def article_by_path(id: str) -> Response:
        read_parameters((), request.args)
        snapshot, asked = current(), checked_id(id)
        return _article_response(snapshot, snapshot.row_of_id(asked), asked, clock())

    def article_by_query() -> Response:
        values = read_parameters((ID, URL), request.args)
        snapshot = current()
        return _article_response(snapshot, *_asked_row(snapshot, values), clock())

    def shown_policies() -> Response:
        return _json({"default": policies.default, "policies": list(policies.by_name.values())})

    def snapshots() -> Response:
        return _json({"channel": catalogue.channel, "snapshots": _snapshots(catalogue)})

    def livez() -> Response:
        return _json({"status": "alive"})

    def readyz() -> Response:
        snapshot = current()
        state = "degraded" if catalogue.degraded else "ready"
        return _json({"status": state, "snapshot_id": snapshot.id, "reason": catalogue.degraded})

    def openapi() -> Response:
        return _json(document(operations(policies)))

    add = app.add_url_rule
    add("/v1/articles/<path:id>/related", view_func=by_path)
    add("/v1/related", view_func=by_query)
    add("/v1/related", view_func=draft, methods=["POST"])
    add("/v1/articles/<path:id>", view_func=article_by_path)
    add("/v1/article", view_func=article_by_query)
    for path, view in (
        ("/v1/policies", shown_policies),
        ("/v1/snapshots", snapshots),
        ("/livez", livez),
        ("/readyz", readyz),
        ("/openapi.json", openapi),
    ):
        add(path, view_func=view)


def _asked_row(snapshot: Snapshot, values: dict[str, Any]) -> tuple[int | None, str]:
    identifier, url = values["id"], values["url"]
    if (identifier is None) == (url is None):
        raise ProblemFound(400, "invalid_id", "Give exactly one of the parameters id and url.")
    if identifier is not None:
        return snapshot.row_of_id(identifier), identifier
    row = snapshot.row_of_url(url)
    return (snapshot.row_of_id(url) if row is None else row), url  # an alias need not look like a URL


def _query(values: dict[str, Any]) -> Query:
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
        explain=values["explain"],
        fields=values["fields"],
    )


def _list_response(found: RelatedList, origins: frozenset[str]) -> Response:
    headers = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
    if found.etag is None:
        headers.append(("Cache-Control", "private, no-store"))
    else:
        headers += [("Cache-Control", "public, no-cache"), ("ETag", f'"{found.etag}"')]
    if origins:
        headers += _cross_origin(origins)
    asked = request.environ.get("HTTP_IF_NONE_MATCH")
    if asked and found.etag and request.if_none_match.contains_weak(found.etag):
        return Response(None, 304, headers)
    return Response(found.body, 200, headers)


def _cross_origin(origins: frozenset[str]) -> list[tuple[str, str]]:
    """What tells a browser whether a page of another origin may read the answer."""
    origin = request.headers.get("Origin")
    allowed = "*" if "*" in origins else origin if origin in origins else None
    return [("Vary", "Origin")] + ([("Access-Control-Allow-Origin", allowed)] if allowed else [])


def _article_response(snapshot: Snapshot, row: int | None, asked: str, now: int) -> Response:
    if row is None:
        raise ArticleNotFound(asked, snapshot.id)
    state: dict[str, Any] = {"state": "withdrawn", "snapshot_id": snapshot.id, "teaser": None}
    if not snapshot.fact(row).flags & FLAG_WITHDRAWN:
        visible_row(snapshot, row, asked, now)  # embargoed: as if it were not there
        state = {"state": "published", "snapshot_id": snapshot.id, "teaser": msgspec.Raw(snapshot.teaser(row))}
    event_id, storyline_id = (f"{int(snapshot.cluster_ids[kind][row]):016x}" for kind in ("events", "storylines"))
    state |= {"event_id": event_id, "storyline_id": storyline_id}
    return _json(state)


def _snapshots(catalogue: Catalogue) -> list[dict[str, Any]]:
    try:
        serving = catalogue.current().id
    except NoSnapshot:
        serving = None
    active = catalogue.store.active_id(catalogue.channel)
    found = []
    for snapshot_id in catalogue.store.snapshot_ids():
        entry: dict[str, Any] = {
            "id": snapshot_id,
            "active": snapshot_id == active,
            "serving": snapshot_id == serving,
        }
        try:
            manifest = read_manifest(catalogue.store.directory(snapshot_id))
            entry |= {"created": manifest.created, "channel": manifest.channel, "counts": manifest.counts}
            entry |= {"models": manifest.models, "damaged": None}
        except DamagedSnapshot as error:
            entry["damaged"] = error.reason
        found.append(entry)
    return found


def _json(content: object) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(msgspec.json.encode(content), 200, headers, content_type="application/json")
