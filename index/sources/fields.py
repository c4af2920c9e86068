"""The declared mapping of other systems' field names to ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# For each of our fields the names it is known by; the first with a value wins, ours first.
FIELD_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "_id", "article_id", "guid", "uuid", "slug"),
    "url": ("url", "canonical_url", "web_url", "link", "permalink"),
    "aliases": ("aliases", "redirects"),
    "headline": ("headline", "title", "name"),
    "kicker": ("kicker", "eyebrow", "overline", "label"),
    "standfirst": ("standfirst", "description", "dek", "deck", "subheadline", "summary", "excerpt", "abstract"),
    "body": ("body", "body_text", "content", "articleBody", "text"),
    "links": ("links",),
    "section": ("section", "articleSection", "category", "categories", "primary_section"),
    "tags": ("tags", "keywords", "topics"),
    "authors": ("authors", "author", "byline", "creator"),
    "language": ("language", "lang", "inLanguage", "locale"),
    "type": ("type", "content_type"),
    "image": ("image", "featured_image", "thumbnail", "lead_image"),
    "brand": ("brand", "publication", "site"),
    "published_at": (
        "published_at", "published", "publication_date", "date_published", "datePublished", "pub_date", "pubDate",
        "first_publish_date", "display_date", "date", "created_at",
    ),
    "updated_at": ("updated_at", "updated", "modified", "date_modified", "dateModified", "last_updated_date"),
    "embargo_until": ("embargo_until", "embargo"),
    "status": ("status",),
    "evergreen": ("evergreen",),
}  # fmt: skip

_BYLINE = re.compile(r"^\s*by\s+", re.IGNORECASE)
_AND = re.compile(r"\s*(?:,|;|\band\b|&)\s*")
_PUBLISHED = {"publish", "live", "public", "active"}


def our_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record under our field names; values of other shapes brought into ours, nothing validated."""
    found = {
        ours: record[name]
        for ours, names in FIELD_NAMES.items()
        for name in reversed(names)
        if record.get(name) not in (None, "", [], {})
    }
    for field, reshape in _RESHAPE.items():
        if field in found:
            found[field] = reshape(found[field])
    return found


def _authors(value: Any) -> Any:
    """Names from objects with a name, or from "By A, B and C"."""
    if isinstance(value, str):
        return [name for name in _AND.split(_BYLINE.sub("", value)) if name]
    return _names(value)


def _names(value: Any) -> Any:
    """Each entry itself, or its name when it is an object."""
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [each.get("name", each) if isinstance(each, Mapping) else each for each in value]
    return value


def _first_name(value: Any) -> Any:
    """The first of several, and its name when it is an object."""
    named = _names(value)
    return named[0] if isinstance(named, list) and named else named


def _tags(value: Any) -> Any:
    return [tag.strip() for tag in value.split(",")] if isinstance(value, str) else _names(value)


def _image(value: Any) -> Any:
    """The first of several; `src` and `contentUrl` for url, `caption` for alt."""
    if isinstance(value, list):
        value = value[0]
    if isinstance(value, Mapping):
        url = value.get("url") or value.get("src") or value.get("contentUrl")
        return {"url": url, "alt": value.get("alt") or value.get("caption")}
    return value


def _status(value: Any) -> Any:
    return "published" if isinstance(value, str) and value.lower() in _PUBLISHED else value


_RESHAPE = {
    "authors": _authors,
    "tags": _tags,
    "section": _first_name,
    "image": _image,
    "brand": _first_name,
    "status": _status,
}
