"""Owns the HTTP routes of version 1; parameters and descriptions stand in `operations` beside them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
from flask import Flask, Response, request

from index.article import InvalidArticle
from index.snapshot.attributes import FLAG_WITHDRAWN
from index.snapshot.manifest import DamagedSnapshot
from service.api.articles import OPERATIONS
from service.api.context import Wiring
from service.api.events import EVENT_OPERATIONS
from service.api.health import scraped
from service.api.openapi import Operation, document
from service.api.parameters import ID, URL, checked_id, draft_parameters, list_parameters, read_parameters, split_id
from service.api.related import Asked, Lists
from service.archive.manager import Catalogue, NoSnapshot
from service.archive.view import Archive
from service.experiments.definitions import Experiment
from service.http.problems import ProblemFound
from service.http.request_bodies import BATCH, Batch, body, read_body
from service.http.responses import json_response, list_response
from service.observability.prometheus import CONTENT_TYPE
from service.observability.request_info import noted
from service.recommend.draft import read_draft, related_to_draft
from service.recommend.multi_seed import Examples, related_to_several
from service.recommend.pipeline import ArticleNotFound, ArticleWithdrawn, visible_row
from service.recommend.policy import Policies, Policy
from service.recommend.query import Query
from service.recommend.response import RelatedList
from service.search.client import SearchUnavailable


def operations(policies: Policies, embedded: Sequence[Operation]) -> tuple[Operation, ...]:
    """Every operation of version 1, for this installation's policies; `embedded`: those of the widget."""
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
            summary="Related stories of a draft, or of several articles",
            description="The text of a draft, compared with the archive as if published now; or the IDs of articles "
            "that the stories are to be related to (positive) and not related to (negative). At most 64 KiB.",
            parameters=draft_parameters(policies),
            body="DraftOrExamples",
            scope="read",
            responses={
                200: "RelatedList",
                401: "Problem",
                404: "Problem",
                410: "Problem",
                413: "Problem",
                422: "Problem",
                503: "Problem",
            },
        ),
        Operation(
            path="/v1/related/batch",
            method="post",
            summary="Related stories of up to 100 articles",
            description="A list or a problem for each ID, in their order.",
            parameters=asked,
            body="Batch",
            scope="read",
            responses={200: "Lists", 400: "Problem", 401: "Problem", 413: "Problem", 422: "Problem", 503: "Problem"},
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
            path="/v1/experiments",
            summary="The experiments and whether they run",
            description="Which variants there are. Who gets which, and what is known of the result, is not public.",
            parameters=(),
            responses={200: "Experiments"},
        ),
        Operation(
            path="/v1/snapshots", summary="The snapshots in the store", parameters=(), responses={200: "Snapshots"}
        ),
        *embedded,
        *EVENT_OPERATIONS,
        *OPERATIONS,
        Operation(path="/livez", summary="The process answers", parameters=(), responses={200: "State"}),
        Operation(
            path="/readyz",
            summary="A snapshot serves; says when degraded or warming, and why",
            parameters=(),
            responses={200: "State", 503: "Problem"},
        ),
    )


def register_routes(app: Flask, wiring: Wiring, lists: Lists, described: Sequence[Operation]) -> None:
    """Install the routes that read, the probes and the OpenAPI document of the described operations."""
    catalogue, policies, access, clock = wiring.catalogue, wiring.policies, wiring.access, wiring.clock

    def by_path(id: str) -> Response:
        access.check_read()
        asked, archive, name = lists.asked(), wiring.current(), checked_id(id)
        return list_response(lists.under(archive, archive.row_of_id(name), name, asked))

    def by_query() -> Response:
        access.check_read()
        values = read_parameters((ID, URL, *lists.parameters), request.args)
        asked, archive = lists.of_values(values), wiring.current()
        row, name = asked_row(archive, values)
        if (by_id := split_id(request.environ.get("QUERY_STRING", ""))) is not None:
            lists.remember(by_id[1], asked)
        return list_response(lists.under(archive, row, name, asked))

    def of_a_body() -> Response:
        key = access.require("read")
        query, policy = lists.of_values(lists.defaults | read_parameters(draft_parameters(policies), request.args))
        raw = body()
        if b'"positive"' in raw and isinstance(given := _examples(raw), Examples):
            return list_response(several(given, query, policy))
        try:
            text = read_draft(raw)
        except (msgspec.DecodeError, InvalidArticle, RecursionError) as error:
            raise ProblemFound(422, "invalid_draft", f"The body is no draft: {error}.") from None
        try:
            found = related_to_draft(wiring.current(), text, query, policy, clock(), wiring.search, key.brand)
        except SearchUnavailable as error:
            raise ProblemFound(503, "search_unavailable", f"Drafts cannot be compared now: {error}.", 5) from None
        return list_response(found)

    def several(examples: Examples, query: Query, policy: Policy) -> RelatedList:
        try:
            return related_to_several(wiring.current(), examples, query, policy, clock())
        except InvalidArticle as error:
            raise ProblemFound(422, "invalid_id", f"An ID {error.reason}.") from None

    def batch() -> Response:
        access.require("read")
        asked = lists.asked()
        ids = read_body(body(), Batch, "invalid_batch").ids
        if len(ids) > BATCH:
            raise ProblemFound(422, "invalid_batch", f"A batch has at most {BATCH} IDs, not {len(ids)}.")
        archive = wiring.current()
        return json_response({"lists": [listed_or_problem(archive, each, asked) for each in ids]})

    def listed_or_problem(archive: Archive, identifier: str, asked: Asked) -> Any:
        try:
            name = checked_id(identifier)
            found = lists.under(archive, archive.row_of_id(name), name, asked)
            noted().lists += (found,)
            return msgspec.Raw(found.body)
        except ProblemFound as error:
            return {"article_id": identifier[:600], "problem": {"status": error.status, "code": error.code}}
        except (ArticleNotFound, ArticleWithdrawn) as error:
            status, code = (
                (404, "article_not_found") if isinstance(error, ArticleNotFound) else (410, "article_withdrawn")
            )
            return {"article_id": identifier, "problem": {"status": status, "code": code}}

    def article_by_path(id: str) -> Response:
        access.check_read()
        read_parameters((), request.args)
        archive, asked = wiring.current(), checked_id(id)
        return _article_response(archive, archive.row_of_id(asked), asked, clock())

    def article_by_query() -> Response:
        access.check_read()
        values = read_parameters((ID, URL), request.args)
        archive = wiring.current()
        return _article_response(archive, *asked_row(archive, values), clock())

    def shown_policies() -> Response:
        access.check_read()
        return json_response({"default": policies.default, "policies": list(policies)})

    def shown_experiments() -> Response:
        access.check_read()
        today = access.today()
        summaries = [experiment_summary(each, today) for each in wiring.experiments.by_key.values()]
        return json_response({"experiments": summaries})

    def snapshots() -> Response:
        access.check_read()
        found = _snapshots(catalogue)
        return json_response(
            {"channel": catalogue.channel, "live_store": catalogue.live_store_name or None, "snapshots": found}
        )

    def livez() -> Response:
        return json_response({"status": "alive"})

    def readyz() -> Response:
        archive, problems, search = wiring.current(), wiring.problems(), wiring.search.state()
        if search.problem is not None:
            problems.append(search.problem)
        status = "degraded" if problems else "warming" if search.is_warming else "ready"
        if search.is_warming:
            problems.append("the search process is loading its model: drafts and new articles wait for it")
        return json_response(
            {
                "status": status,
                "snapshot_id": archive.id,
                "reason": "; ".join(problems) or None,
                "live_sequence": archive.sequence,
                "live_lag_seconds": round(catalogue.live_lag_seconds, 1),
                "waiting": archive.waiting_count,
            }
        )

    def metrics() -> Response:
        return Response(scraped(wiring), content_type=CONTENT_TYPE)

    def openapi() -> Response:
        return json_response(document(described))

    add = app.add_url_rule
    add("/v1/articles/<path:id>/related", view_func=by_path)
    add("/v1/related", view_func=by_query)
    add("/v1/related", view_func=of_a_body, methods=["POST"])
    add("/v1/related/batch", view_func=batch, methods=["POST"])
    add("/v1/articles/<path:id>", view_func=article_by_path)
    add("/v1/article", view_func=article_by_query)
    for path, view in (
        ("/v1/policies", shown_policies),
        ("/v1/experiments", shown_experiments),
        ("/v1/snapshots", snapshots),
        ("/livez", livez),
        ("/readyz", readyz),
        ("/metrics", metrics),
        ("/openapi.json", openapi),
    ):
        add(path, view_func=view)


def experiment_summary(experiment: Experiment, today: date) -> dict[str, Any]:
    """What anybody who may read lists may know of an experiment.

    Lists tell a reader's experiment and variant anyway. The overrides are readers' pseudonyms, the salt says who gets
    which variant, and the purpose is the newsroom's own business: none of these is in it.
    """
    return {
        "key": experiment.key,
        "block": experiment.block,
        "mode": experiment.mode,
        "starts_on": experiment.starts_on,
        "ends_on": experiment.ends_on,
        "state": experiment.state(today),
        "variants": [{"key": each.key, "weight": each.weight} for each in experiment.variants],
    }


def _examples(raw: bytes) -> Examples | None:
    """The examples in a body; None for a body that is a draft after all, which speaks of "positive"."""
    try:
        if "positive" not in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]):
            return None
    except (msgspec.DecodeError, RecursionError):
        return None
    return read_body(raw, Examples, "invalid_examples")


def asked_row(archive: Archive, values: dict[str, Any]) -> tuple[int | None, str]:
    """The row that `id` or `url` names, None when unknown, and the name. Raises `ProblemFound` for none and both."""
    identifier, url = values["id"], values["url"]
    if (identifier is None) == (url is None):
        raise ProblemFound(400, "invalid_id", "Give exactly one of the parameters id and url.")
    if identifier is not None:
        return archive.row_of_id(identifier), identifier
    row = archive.row_of_url(url)
    return (archive.row_of_id(url) if row is None else row), url  # an alias need not look like a URL


def _article_response(archive: Archive, row: int | None, asked: str, now: int) -> Response:
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


def _snapshots(catalogue: Catalogue) -> list[dict[str, Any]]:
    try:
        serving = catalogue.current().id
    except NoSnapshot:
        serving = None
    try:
        active = catalogue.active_id()
    except (OSError, UnicodeDecodeError):  # a pointer that cannot be read: /readyz says so
        active = None
    found = []
    for snapshot_id, manifest in catalogue.manifests():
        entry: dict[str, Any] = {
            "id": snapshot_id,
            "active": snapshot_id == active,
            "serving": snapshot_id == serving,
        }
        if isinstance(manifest, DamagedSnapshot):
            entry["damaged"] = manifest.reason
        else:
            entry |= {"created": manifest.created, "channel": manifest.channel, "counts": manifest.counts}
            entry |= {"models": manifest.models, "damaged": None}
        found.append(entry)
    return found
