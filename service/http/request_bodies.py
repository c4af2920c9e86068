"""Owns reading request bodies: JSON within limits, into our own types, or a problem that says what is wrong."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from index.article import Article, InvalidArticle, article_from_record
from index.sources.html_text import without_html
from service.http.problems import ProblemFound

ARTICLE_BYTES = 1 << 20
BATCH = 100

T = TypeVar("T")


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """IDs to list related stories for, in one request."""

    ids: tuple[str, ...]


def body(most: int | None = None) -> bytes:
    """The body; of more than 64 KiB where `most` allows it. 413 beyond."""
    if most is not None:
        request.max_content_length = most
    raw = request.get_data()
    if request.content_length is not None and len(raw) < request.content_length:
        raise ProblemFound(400, "incomplete_body", "The connection ended before the whole body had arrived.")
    if request.content_length is None and len(raw) >= (request.max_content_length or 0) > 0:
        raise RequestEntityTooLarge  # in chunks, of no declared length: what was read is the limit, not the whole
    return raw


def read_body(raw: bytes, type: type[T], code: str) -> T:
    """The body as a value of a type. Raises `ProblemFound` 422 with the code."""
    try:
        return msgspec.json.decode(raw, type=type)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProblemFound(422, code, f"The body cannot be used: {_said(error)}.") from None


def read_article(raw: bytes, article_id: str) -> Article:
    """The article in a body, under this ID. Raises `ProblemFound` 422."""
    record = read_body(raw, dict[str, Any], "invalid_article")
    if unknown := [name for name in record if name not in Article.__struct_fields__]:
        known = ", ".join(Article.__struct_fields__)
        raise ProblemFound(422, "unknown_field", f"{unknown[0][:60]!r} is no field of an article; known: {known}.")
    try:
        article = article_from_record({"id": article_id, **without_html(record)[0]})
    except InvalidArticle as error:
        raise ProblemFound(422, "invalid_article", f"The article's {error}.") from None
    if article.id != article_id:
        raise ProblemFound(
            422, "invalid_id", f"The body says id {article.id[:100]!r}, the address {article_id[:100]!r}."
        )
    return article


def _said(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:300]
