"""The pages for people: the API's description, and, where the demonstration is on, a first page and articles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask, Response, render_template, request, send_from_directory

from service.api.context import Wiring
from service.api.openapi import Operation, document
from service.api.parameters import ID, policy_parameter, read_parameters
from service.archive.view import Archive
from service.config import Settings
from service.http.responses import html_response
from service.recommend.pipeline import ArticleNotFound, visible_row
from service.recommend.query import Query
from service.recommend.response import aged_teaser

FRONT_STORIES = 25
PAGES = ("front", "page_of_article", "docs")  # the endpoints whose problems are pages
FILES_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' https: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)


def register_pages(app: Flask, wiring: Wiring, described: Sequence[Operation]) -> None:
    """Install the pages and, where a folder of pictures is set, /media/."""
    settings = wiring.settings
    if settings.demo == "on":
        _register_demo(app, wiring)

    def docs() -> Response:
        return _page("docs.html", settings, api=document(described))

    @app.after_request
    def for_people(response: Response) -> Response:
        """A problem on the address of a page, as a page."""
        if request.endpoint not in PAGES or response.mimetype != "application/problem+json":
            return response
        told = msgspec.json.decode(response.get_data())
        page = _page("problem.html", settings, problem=told)
        page.status_code = response.status_code
        if "Retry-After" in response.headers:
            page.headers["Retry-After"] = response.headers["Retry-After"]
        return page

    app.add_url_rule("/docs", view_func=docs)
    if settings.media_dir is not None:
        app.add_url_rule("/media/<path:name>", endpoint="media", view_func=files_of(settings.media_dir, 3_600))


def _register_demo(app: Flask, wiring: Wiring) -> None:
    """Install the pages that show the archive: the newest articles, and an article with its list."""
    policies, settings, clock = wiring.policies, wiring.settings, wiring.clock

    def front() -> Response:
        wiring.access.check_read()
        archive, now = wiring.current(), clock()
        stories = [aged_teaser(archive, row, now) for row in _newest(archive, now)]
        return _page("front.html", settings, stories=stories, snapshot=archive.snapshot)

    def article() -> Response:
        wiring.access.check_read()
        values = read_parameters((ID, policy_parameter(policies)), request.args)
        archive, now = wiring.current(), clock()
        if values["id"] is None:
            raise ArticleNotFound("", archive.id)
        row = visible_row(archive, archive.row_of_id(values["id"]), values["id"], now)
        query, policy = Query(explain=True), policies[values["policy"]]
        found = wiring.lists.for_article(archive, row, query, policy, now)
        return _page(
            "article.html",
            settings,
            story=aged_teaser(archive, row, now),
            answer=msgspec.json.decode(found.body),
            policies=list(policies),
        )

    app.add_url_rule("/", view_func=front)
    app.add_url_rule("/article", view_func=article, endpoint="page_of_article")


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


def _page(template: str, settings: Settings, **content: Any) -> Response:
    home = "/" if settings.demo == "on" else "/docs"
    html = render_template(template, title=settings.title, home=home, **content)
    return html_response(html, CONTENT_SECURITY_POLICY, "no-cache")
