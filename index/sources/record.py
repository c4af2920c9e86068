"""Owns the way from a decoded record to an article: whose names it uses, whether it was published, plain text."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Any

from index.article import Article, InvalidArticle, article_from_record, article_id
from index.sources import Input, Rejection, Tally, Withdrawal
from index.sources.fields import UNPUBLISHED, our_names
from index.sources.html_text import without_html
from index.sources.mapping import Mapping
from index.sources.ninjs import is_ninjs, ninjs_record
from index.sources.wordpress import is_post, post_record

OTHER = "other"  # the status of a record that is no article: a picture, a menu, a static page


def our_record(raw: Dict[str, Any], mapping: Mapping | None) -> Dict[str, Any]:
    """The record under our names: by the mapping, as a WordPress post, as ninjs, or by the table of known names."""
    if mapping is not None:
        return mapping.record(raw)
    if is_post(raw):
        return post_record(raw)
    return ninjs_record(raw) if is_ninjs(raw) else our_names(raw)


def read_record(record: Dict[str, Any], source: Input, number: int, tally: Tally) -> Article | Rejection | None:
    """The article under our names; None for a record that nobody published or that is no article."""
    status = record.get("status")
    if status == OTHER or (isinstance(status, str) and status in UNPUBLISHED):
        tally.other += status == OTHER
        tally.unpublished += status != OTHER
        return None
    try:
        return _article(record, source.where, number, tally)
    except InvalidArticle as error:
        return Rejection(source.where, number, str(error))


def _article(record: Dict[str, Any], where: str, number: int, tally: Tally) -> Article | Withdrawal:
    """The article; a withdrawal needs no more than an ID. Raises `InvalidArticle`."""
    text, held_html = without_html(record)
    try:
        article = article_from_record(text)
    except InvalidArticle as error:
        if record.get("status") != "withdrawn":
            raise
        return Withdrawal(where, number, str(error), article_id(record.get("id")), **_site(record))
    tally.html += held_html
    return article


def _site(record: Dict[str, Any]) -> dict[str, str]:
    """The URL and the brand that a record names, as far as they are texts."""
    return {name: record[name].strip() for name in ("url", "brand") if isinstance(record.get(name), str)}
