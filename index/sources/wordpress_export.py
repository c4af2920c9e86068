"""WordPress's export file (WXR), item by item, under our names."""

from __future__ import annotations

from typing import Any

from index.sources.wordpress import status, text_without_codes, utc

ITEM = "item"
AUTHOR = "{*}author"

Element = Any  # lxml's elements have no types


def add_author(element: Element, authors: dict[str, str]) -> None:
    """Note the name that readers see of an author, by the login that items name."""
    text = _texts(element)
    authors[text.get("wp:author_login", "")] = text.get("wp:author_display_name", "")


def export_record(element: Element, authors: dict[str, str]) -> dict[str, Any]:
    """An item under our names."""
    text = _texts(element)
    creator = text.get("dc:creator", "").strip()
    return {
        "id": text.get("wp:post_id") or text.get("guid"),
        "url": text.get("link", "").strip(),
        "headline": text.get("title"),
        "standfirst": text_without_codes(text.get("excerpt:encoded", "")),
        "body": text_without_codes(text.get("content:encoded", "")),
        "section": next(iter(_terms(element, "category")), None),
        "tags": _terms(element, "post_tag"),
        "authors": [authors.get(creator) or creator] if creator else [],
        "published_at": utc(text.get("wp:post_date_gmt")) or text.get("pubDate"),
        "updated_at": utc(text.get("wp:post_modified_gmt")),
        "status": status(text.get("wp:post_type", "post"), text.get("wp:status", "publish")),
    }


def _texts(element: Element) -> dict[str, str]:
    return {_short(each.tag): each.text or "" for each in element if isinstance(each.tag, str)}


def _terms(item: Element, domain: str) -> list[str]:
    return [each.text.strip() for each in item.iter("category") if each.get("domain") == domain and each.text]


def _short(tag: str) -> str:
    """`wp:post_id` of its long name, whatever the version of the format."""
    space, _, name = tag.removeprefix("{").rpartition("}")
    for part, prefix in (("wordpress.org/export/1", "wp"), ("purl.org/dc/", "dc"), ("/content/", "content")):
        if "excerpt" in space:
            return f"excerpt:{name}"
        if part in space:
            return f"{prefix}:{name}"
    return name
