"""JSON Feed, versions 1 and 1.1, under our names."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Any

from index.sources.fields import our_names, publication_fields

VERSION = "https://jsonfeed.org/version/"


def is_json_feed(document: Any) -> bool:
    """Whether a document is a feed, also one without items."""
    return isinstance(document, Dict) and str(document.get("version", "")).startswith(VERSION)


def feed_items(document: Dict[str, Any]) -> list[Any]:
    """The items under our names; what is no object stays, to be refused."""
    items = document.get("items")
    if not isinstance(items, list):
        return []
    return [_item(item, document) if isinstance(item, Dict) else item for item in items]


def _item(item: Dict[str, Any], feed: Dict[str, Any]) -> dict[str, Any]:
    """An item; author and language are the feed's where it names none. A text that only repeats another is none."""
    text = item.get("content_html") or item.get("content_text")
    author = item.get("authors") or item.get("author") or feed.get("authors") or feed.get("author")
    record = our_names(
        {
            "id": item.get("id") or item.get("url"),
            "url": item.get("url") or item.get("external_url"),
            "headline": item.get("title"),
            "standfirst": item.get("summary"),
            "body": None if text in (item.get("summary"), item.get("title")) else text,
            "tags": item.get("tags"),
            "authors": author,
            "language": item.get("language") or feed.get("language"),
            "image": item.get("image") or item.get("banner_image"),
            "published_at": item.get("date_published"),
            "updated_at": item.get("date_modified"),
        }
    )
    return {**record, **publication_fields(item)}
