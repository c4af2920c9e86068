"""Reads the version that a write expects from the headers If-Match and If-None-Match."""

from __future__ import annotations

from flask import request

from service.http.problems import ProblemFound
from service.live_store.changes import ABSENT


def expected_version() -> str | None:
    """The version in If-Match, "*" for any, `ABSENT` for If-None-Match: *, None without either header."""
    unmatched = request.headers.get("If-None-Match")
    if unmatched and (unmatched.strip() != "*" or request.headers.get("If-Match")):
        raise ProblemFound(
            400, "invalid_if_none_match", "If-None-Match of a write must be *, and without If-Match beside it."
        )
    if unmatched:
        return ABSENT
    tags = request.if_match
    if not request.headers.get("If-Match"):
        return None
    if tags.star_tag:
        return "*"
    if len(tags.as_set()) != 1:
        raise ProblemFound(400, "invalid_if_match", 'If-Match must hold one ETag, in quotes, or "*".')
    return next(iter(tags))
