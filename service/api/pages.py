"""Owns the pages a person looks at: the newsroom's first page, an article with its block, the API's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask, Response, render_template, request, send_from_directory

from service.api.openapi import document
from service.api.parameters import ID, policy_parameter, read_parameters
from service.api.responses import html_response
from service.api.routes import operations
from service.api.wiring import Wiring
from service.archive import Archive
from service.listing import aged_teaser
from service.query import Query
from service.related import ArticleNotFound, related, visible_row

FRONT_STORIES = 25
FILES_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' https: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)


def register_pages(app: Flask, wiring: Wiring) -> None:
    """Install the pages and, where a folder of pictures is set, /media/."""
    policies, settings, clock = wiring.policies, wiring.settings, wiring.clock

    def front() -> Response:
        wiring.access.check_read()
        archive, now = wiring.current(), clock()
        stories = [aged_teaser(archive, row, now) for row in _newest(archive, now)]
        reports = sorted(path.name for path in settings.reports.glob("*.html")) if settings.reports else []
        return _page("front.html", title=settings.title, stories=stories, snapshot=archive.snapshot, reports=reports)

    def article() -> Response:
        wiring.access.check_read()
        values = read_parameters((ID, policy_parameter(policies)), request.args)
        archive, now = wiring.current(), clock()
        if values["id"] is None:
            raise ArticleNotFound("", archive.id)
        row = visible_row(archive, archive.row_of_id(values["id"]), values["id"], now)
        query, policy = Query(explain=True), policies[values["policy"]]
        found = related(archive, row, query, policy, now, wiring.search, wiring.popular)
        return _page(
            "article.html",
            title=settings.title,
            story=aged_teaser(archive, row, now),
            answer=msgspec.json.decode(found.body),
            policies=list(policies.by_name.values()),
        )

    def docs() -> Response:
        return _page("docs.html", title=settings.title, api=document(operations(policies)))

    @app.after_request
    def for_people(response: Response) -> Response:
        """A problem on the address of a page, as a page."""
        if request.path not in ("/", "/article", "/docs") or response.mimetype != "application/problem+json":
            return response
        told = msgspec.json.decode(response.get_data())
        page = _page("problem.html", title=settings.title, problem=told)
        page.status_code = response.status_code
        if "Retry-After" in response.headers:
            page.headers["Retry-After"] = response.headers["Retry-After"]
        return page

    app.add_url_rule("/", view_func=front)
    app.add_url_rule("/article", view_func=article, endpoint="page_of_article")
    app.add_url_rule("/docs", view_func=docs)
    if settings.media_dir is not None:
        app.add_url_rule("/media/<path:name>", endpoint="media", view_func=files_of(settings.media_dir, 3_600))
    if settings.reports is not None:
        shown = files_of(settings.reports)

        def reports(name: str) -> Response:
            wiring.access.check_read()
            return shown(name)

        app.add_url_rule("/reports/<path:name>", view_func=reports)


def files_of(directory: Path, max_age: int = 0) -> Callable[[str], Response]:
    """A view of the files in a folder, which may bring styles of their own and nothing else."""
    folder = directory.resolve()

    def view(name: str) -> Response:
        response = send_from_directory(folder, name, max_age=max_age)
        response.headers["Content-Security-Policy"] = FILES_SECURITY_POLICY
        return response

    return view


def _newest(archive: Archive, now: int) -> Iterator[int]:
    """The newest visible rows, one an event."""
    excluded = archive.signals.everywhere(now).excluded
    seen: set[int] = set()
    for row in archive.newest_rows(FRONT_STORIES * 40):
        facts = archive.fact(row)
        if facts.visible_from <= now and facts.event not in seen and row not in excluded:
            seen.add(facts.event)
            yield row
            if len(seen) == FRONT_STORIES:
                return


def _page(template: str, **content: Any) -> Response:
    return html_response(render_template(template, **content), CONTENT_SECURITY_POLICY, "no-cache")
