"""Owns how answers are made: JSON that nobody may keep, pages, lists that may be kept if asked about, origins."""

from __future__ import annotations

import msgspec
from flask import Response, request

from service.live_store.changes import Written
from service.observability.request_info import noted
from service.recommend.response import RelatedList


def json_response(content: object, status: int = 200) -> Response:
    """Anything as JSON that no cache keeps."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(msgspec.json.encode(content), status, headers, content_type="application/json")


def written_response(written: Written, **more: object) -> Response:
    """What a write did, with the ETag of the version that it left."""
    response = json_response({**msgspec.structs.asdict(written), **more}, 201 if written.created else 200)
    if written.version:
        response.set_etag(written.version)
    return response


def html_response(html: str, security_policy: str, cache_control: str) -> Response:
    """A page for people, under a content security policy."""
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = security_policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = cache_control
    return response


def list_response(found: RelatedList) -> Response:
    """A list, or 304 to whoever has it; one without an ETag is for this caller alone."""
    noted().lists = (found,)
    return list_bytes(found.body, found.etag)


def list_bytes(body: bytes, etag: str | None) -> Response:
    """What a list became, under the rules for lists."""
    headers = list_headers(etag)
    asked = request.environ.get("HTTP_IF_NONE_MATCH")
    if asked and etag and request.if_none_match.contains_weak(etag):
        return Response(None, 304, headers)
    return Response(body, 200, headers)


def list_headers(etag: str | None) -> list[tuple[str, str]]:
    """What says of what kind a list is and who may keep it."""
    headers = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
    if etag is None:
        headers.append(("Cache-Control", "private, no-store"))
    else:
        headers += [("Cache-Control", "public, no-cache"), ("ETag", f'"{etag}"')]
    return headers
