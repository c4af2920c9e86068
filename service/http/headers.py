"""Adds the headers that do not depend on the route: security headers, and which other origins may read an answer."""

from __future__ import annotations

from flask import Flask, Response, request

# What an answer that is no page may do in a browser that is made to show it: nothing.
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

ON_EVERY_ANSWER = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", NOTHING),
    ("Referrer-Policy", "same-origin"),
)


LISTS = "/related", "/related.html", "/related.feed.json"
PREFLIGHT = (
    ("Access-Control-Allow-Methods", "GET, HEAD, POST"),
    ("Access-Control-Allow-Headers", "Content-Type"),
    ("Access-Control-Max-Age", "600"),
)


def is_for_pages(method: str, path: str) -> bool:
    """Whether pages of other origins may be allowed to read the answers of an address, problems included.

    Lists, fragments, feeds and the receipt of events are for pages. What writes, and what is for the newsroom or the
    operator, is not.
    """
    if path.startswith("/v1/articles/"):  # under any other method the same path writes an article
        return path.endswith(LISTS) and method in ("GET", "HEAD", "OPTIONS")
    return path == "/v1/events" or path.removeprefix("/v1") in LISTS


def cross_origin(origins: frozenset[str], origin: str | None) -> list[tuple[str, str]]:
    """What tells a browser whether a page of another origin may read the answer; nothing where none may."""
    if not origins:
        return []
    allowed = "*" if "*" in origins else origin if origin in origins else None
    return [("Vary", "Origin")] + ([("Access-Control-Allow-Origin", allowed)] if allowed else [])


def register_headers(app: Flask, origins: frozenset[str]) -> None:
    """Add what an answer lacks: no guessed types, no content, no place in a frame, no address passed on.

    And, on what is for pages, that pages of these origins may read it.
    """

    @app.after_request
    def on_every_answer(response: Response) -> Response:
        headers = response.headers
        for name, value in ON_EVERY_ANSWER:
            if name not in headers:
                headers[name] = value
        if is_for_pages(request.method, request.path):
            allowed = cross_origin(origins, request.headers.get("Origin"))
            headers.extend(allowed)
            if (
                len(allowed) > 1
                and request.method == "OPTIONS"
                and "Access-Control-Request-Method" in request.headers
            ):
                headers.extend(PREFLIGHT)
        return response
