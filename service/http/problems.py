"""Owns every error that leaves the service: RFC 9457 problem documents with a stable `code`."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from flask import Response

from service.observability.request_info import noted


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document. `code` is stable and for programs, `detail` is one sentence for a person."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class ProblemFound(Exception):
    """Raised where a request cannot be served; becomes the problem document."""

    def __init__(self, status: int, code: str, detail: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


def problem(status: int, code: str, detail: str, retry_after_seconds: int | None = None) -> Response:
    """The one function that makes an error response."""
    noted().problem = code, status
    document = Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, code=code, detail=detail)
    response = Response(msgspec.json.encode(document), status, content_type="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if retry_after_seconds is not None:
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response
