"""The pages for people: the API's description, and, where the demonstration is on, a first page and articles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, render_template, send_from_directory

from service.api.context import Wiring
from service.api.openapi import document
from service.api.operations import Call, Operation, register_operations
from service.api.parameters import ID, policy_parameter
from service.archive.view import Archive
from service.config import Settings
from service.http.responses import html_response
from service.recommend.pipeline import ArticleNotFound, visible_row
from service.recommend.query import Query
from service.recommend.response import aged_teaser

FRONT_STORIES = 25
FILES_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' https: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)


class PageEndpoints:
    """The pages; none is in the OpenAPI document."""

    def __init__(self, wiring: Wiring, documented: Sequence[Operation]) -> None:
        self._wiring = wiring
        self._documented = documented

    def operations(self) -> tuple[Operation, ...]:
        """Their declarations; without the demonstration, that of the API's description alone."""
        docs = Operation(path="/docs", handler=self.docs, summary="The description of the API", public=True)
        if self._wiring.settings.demo != "on":
            return (docs,)
        return (
            docs,
            Operation(path="/", handler=self.front, summary="The newest articles"),
            Operation(
                path="/article",
                handler=self.article,
                summary="An article with its list",
                parameters=(ID, policy_parameter(self._wiring.policies)),
            ),
        )

    def docs(self, _call: Call) -> Response:
        """The description of the API."""
        return _page("docs.html", self._wiring.settings, api=document(self._documented))

    def front(self, _call: Call) -> Response:
        """The newest articles."""
        archive, now = self._wiring.current(), self._wiring.clock()
        stories = [aged_teaser(archive, row, now) for row in _newest(archive, now)]
        return _page("front.html", self._wiring.settings, stories=stories, snapshot=archive.snapshot)

    def article(self, call: Call) -> Response:
        """An article with its list."""
        wiring, values = self._wiring, call.query
        policies = wiring.policies
        archive, now = wiring.current(), wiring.clock()
        if values["id"] is None:
            raise ArticleNotFound("", archive.id)
        row = visible_row(archive, archive.row_of_id(values["id"]), values["id"], now)
        query, policy = Query(explain=True), policies[values["policy"]]
        found = wiring.lists.for_article(archive, row, query, policy, now)
        return _page(
            "article.html",
            wiring.settings,
            story=aged_teaser(archive, row, now),
            answer=msgspec.json.decode(found.body),
            policies=list(policies),
        )


def register_pages(app: Flask, wiring: Wiring, documented: Sequence[Operation]) -> None:
    """Install the pages and, where a folder of pictures is set, /media/."""
    settings = wiring.settings
    pages = Blueprint("pages", __name__)

    @pages.after_request
    def for_people(response: Response) -> Response:
        """A problem on the address of a page, as a page."""
        if response.mimetype != "application/problem+json":
            return response
        page = _page("problem.html", settings, problem=msgspec.json.decode(response.get_data()))
        page.status_code = response.status_code
        if "Retry-After" in response.headers:
            page.headers["Retry-After"] = response.headers["Retry-After"]
        return page

    register_operations(pages, wiring.access, PageEndpoints(wiring, documented).operations())
    app.register_blueprint(pages)
    if settings.media_dir is not None:
        app.add_url_rule("/media/<path:name>", endpoint="media", view_func=files_of(settings.media_dir, 3_600))


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
