"""Owns the addresses of what is embedded in pages: the widget and its style, the fragment, the feed."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, render_template, request
from werkzeug.datastructures import MultiDict

from service.api.context import Wiring
from service.api.parameters import ID, URL, Parameter, checked_id, list_parameters, read_parameters
from service.api.related import list_query
from service.api.routes import asked_row
from service.archive.view import Archive
from service.http.responses import list_bytes
from service.observability.request_info import noted
from service.recommend.pipeline import visible_row
from service.widget.operations import HEADING, LAYOUT, shared_list_parameters
from service.widget.script import Asset, style, widget
from service.widget.stories import drawable, feed, item_list

KEPT_SECONDS = 600  # how long a browser uses the widget without asking
STALE_SECONDS = 86_400


def register_embed(app: Flask, wiring: Wiring) -> None:
    """Install the widget, the fragment and the feed."""
    embed = Blueprint("embed", __name__, template_folder="templates")
    asked = shared_list_parameters(wiring.policies)
    defaults = read_parameters(list_parameters(wiring.policies), MultiDict())
    files = {"embed.js": widget(), "embed.css": style()}

    def read(id: str | None, *more: Parameter) -> dict[str, Any]:
        wiring.access.check_read()
        named = () if id is not None else (ID, URL)
        values = defaults | {"id": None, "url": None} | read_parameters((*named, *more, *asked), request.args)
        return values if id is None else values | {"id": checked_id(id)}

    def listed(archive: Archive, values: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        now = wiring.clock()
        row = visible_row(archive, *asked_row(archive, values), now)
        query, policy = list_query(values), wiring.policies[values["policy"]]
        found = wiring.lists.for_article(archive, row, query, policy, now)
        noted().lists = (found,)
        return row, msgspec.json.decode(found.body)

    def fragment(id: str | None = None) -> Response:
        values = read(id, LAYOUT, HEADING)
        _, found = listed(wiring.current(), values)
        stories = drawable(each["teaser"] for each in found["items"])
        shown = {name: values[name] for name in ("heading", "layout")}
        items = item_list(values["heading"], stories)
        html = render_template("fragment.html", stories=stories, item_list=items, **shown) if stories else ""
        return _answered(html.encode(), "text/html; charset=utf-8", bool(found["degraded"]))

    def json_feed(id: str | None = None) -> Response:
        archive = wiring.current()
        row, found = listed(archive, read(id))
        stories = drawable(each["teaser"] for each in found["items"])
        told = feed(msgspec.json.decode(archive.teaser(row)), stories)
        return _answered(msgspec.json.encode(told), "application/feed+json", bool(found["degraded"]))

    @embed.after_request
    def to_be_included(response: Response) -> Response:
        """An error of the fragment leaves nothing to see on the page that includes it."""
        if request.path.endswith(".html") and response.mimetype == "application/problem+json":
            code = msgspec.json.decode(response.get_data())["code"]
            response.set_data(f"<!-- related stories: {code} -->")
            response.content_type = "text/html; charset=utf-8"
        return response

    for path in ("/v1/articles/<path:id>/related", "/v1/related"):
        embed.add_url_rule(f"{path}.html", view_func=fragment)
        embed.add_url_rule(f"{path}.feed.json", view_func=json_feed)
    for name in files:
        embed.add_url_rule(f"/{name}", name.replace(".", "_"), lambda name=name: _file(files[name]))
    app.register_blueprint(embed)


def _answered(body: bytes, kind: str, degraded: bool) -> Response:
    digest = None if degraded else hashlib.sha256(body).hexdigest()[:24]
    response = list_bytes(body, digest)
    response.content_type = kind
    return response


def _file(asset: Asset) -> Response:
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
