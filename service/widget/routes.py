"""Answers requests for what is embedded in pages: the widget and its style, the fragment, the feed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, render_template, request
from werkzeug.datastructures import MultiDict

from service.api.articles import asked_row
from service.api.context import Wiring
from service.api.operations import Call, Operation, register_operations
from service.api.parameters import ID, URL, Parameter, checked_id, list_parameters, read_parameters
from service.api.related import list_query
from service.archive.view import Archive
from service.http.responses import list_bytes
from service.observability.request_info import noted
from service.recommend.pipeline import visible_row
from service.recommend.policy import Policies
from service.widget.script import Asset, style, widget
from service.widget.stories import drawable, feed, item_list

KEPT_SECONDS = 600  # how long a browser uses the widget without asking
STALE_SECONDS = 86_400
LAYOUT = Parameter(
    name="layout", kind="choice", choices=("list", "grid", "compact"), default="list", description="How it is drawn."
)
HEADING = Parameter(name="heading", kind="text", default="Related stories", description="What stands above the list.")
_OF_READERS = "unit", "block", "explain", "fields"  # what is made on a server is for everybody, and whole
_ERRORS = (400, 404, 410, 503)


def shared_list_parameters(policies: Policies) -> tuple[Parameter, ...]:
    """What may be asked of a list that all readers get."""
    return tuple(parameter for parameter in list_parameters(policies) if parameter.name not in _OF_READERS)


class EmbedEndpoints:
    """The operations for pages that show a list."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        defaults = read_parameters(list_parameters(wiring.policies), MultiDict())
        self._defaults = defaults | {"id": None, "url": None}

    def operations(self) -> tuple[Operation, ...]:
        """Their declarations, for the policies of this installation."""
        by_path = self._of_list("/v1/articles/{id}/related", ())
        by_query = self._of_list("/v1/related", (ID, URL))
        return (
            *by_path,
            *by_query,
            Operation(
                path="/embed.js",
                handler=partial(_file, widget()),
                summary="The widget",
                description="Defines the element related-stories: see the README.",
                public=True,
                responses={200: "", 304: ""},
            ),
            Operation(
                path="/embed.css",
                handler=partial(_file, style()),
                summary="The look of the fragment",
                public=True,
                responses={200: "", 304: ""},
            ),
        )

    def _of_list(self, path: str, named: Sequence[Parameter]) -> tuple[Operation, ...]:
        """The fragment and the feed beside the address of a list; `named`: what names its article in the query."""
        parameters = shared_list_parameters(self._wiring.policies)
        return (
            Operation(
                path=f"{path}.html",
                handler=self.fragment,
                summary="The block as HTML, to be included in a page",
                description="Text/html without a frame, for SSI, ESI or a CMS, with a schema.org ItemList. An error "
                "has its status, and nothing that would show.",
                parameters=(*named, LAYOUT, HEADING, *parameters),
                responses=dict.fromkeys((200, 304, *_ERRORS), ""),
            ),
            Operation(
                path=f"{path}.feed.json",
                handler=self.json_feed,
                summary="The list as a JSON Feed",
                description="JSON Feed 1.1, application/feed+json.",
                parameters=(*named, *parameters),
                responses=dict.fromkeys((200, 304), "") | dict.fromkeys(_ERRORS, "Problem"),
            ),
        )

    def fragment(self, call: Call) -> Response:
        """The list as HTML."""
        values = self._values(call)
        _, found = self._listed(self._wiring.current(), values)
        stories = drawable(item["teaser"] for item in found["items"])
        shown = {name: values[name] for name in ("heading", "layout")}
        items = item_list(values["heading"], stories)
        html = render_template("fragment.html", stories=stories, item_list=items, **shown) if stories else ""
        return _answered(html.encode(), "text/html; charset=utf-8", bool(found["degraded"]))

    def json_feed(self, call: Call) -> Response:
        """The list as a JSON Feed."""
        archive = self._wiring.current()
        row, found = self._listed(archive, self._values(call))
        stories = drawable(item["teaser"] for item in found["items"])
        content = feed(msgspec.json.decode(archive.teaser(row)), stories)
        return _answered(msgspec.json.encode(content), "application/feed+json", bool(found["degraded"]))

    def _values(self, call: Call) -> dict[str, Any]:
        """The parameters of a list, and the ID or URL of its article."""
        values = self._defaults | call.query
        return values | {"id": checked_id(call.path["id"])} if "id" in call.path else values

    def _listed(self, archive: Archive, values: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        wiring = self._wiring
        now = wiring.clock()
        row = visible_row(archive, *asked_row(archive, values), now)
        query, policy = list_query(values), wiring.policies[values["policy"]]
        found = wiring.lists.for_article(archive, row, query, policy, now)
        noted().lists = (found,)
        return row, msgspec.json.decode(found.body)


def register_embed(app: Flask, wiring: Wiring, embedded: Sequence[Operation]) -> None:
    """Install the operations of this package."""
    embed = Blueprint("embed", __name__, template_folder="templates")

    @embed.after_request
    def to_be_included(response: Response) -> Response:
        """An error of the fragment leaves nothing to see on the page that includes it."""
        if request.path.endswith(".html") and response.mimetype == "application/problem+json":
            code = msgspec.json.decode(response.get_data())["code"]
            response.set_data(f"<!-- related stories: {code} -->")
            response.content_type = "text/html; charset=utf-8"
        return response

    register_operations(embed, wiring.access, embedded)
    app.register_blueprint(embed)


def _answered(body: bytes, kind: str, degraded: bool) -> Response:
    digest = None if degraded else hashlib.sha256(body).hexdigest()[:24]
    response = list_bytes(body, digest)
    response.content_type = kind
    return response


def _file(asset: Asset, _call: Call) -> Response:
    """A file that pages of any origin may load, gzipped for whoever takes that."""
    zipped = request.accept_encodings["gzip"] > 0
    response = Response(asset.gzipped if zipped else asset.plain, content_type=asset.kind)
    response.headers.extend(
        {
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": f"public, max-age={KEPT_SECONDS}, stale-while-revalidate={STALE_SECONDS}",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
    )
    if zipped:
        response.content_encoding = "gzip"
    response.set_etag(asset.digest + ("-gzip" if zipped else ""))
    response.make_conditional(request)
    return response
