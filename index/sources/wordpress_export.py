"""WordPress's export file (WXR), item by item, under our names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from collections.abc import Mapping as Dict
from typing import Any, NamedTuple

from index.sources.wordpress import ARTICLE_TYPES, publication, text_without_codes, utc
from index.values.urls import absolute_url

ITEM = "item"
AUTHOR = "{*}author"

MEDIA = "{http://search.yahoo.com/mrss/}"

_ONCE = ("wp:post_id", "wp:post_type", "wp:status", "wp:post_password")

Element = Any  # lxml's elements have no types


class Attached(NamedTuple):
    """A picture as others of the export's items name it."""

    number: str
    url: str
    alt: str


def add_author(element: Element, authors: dict[str, str]) -> None:
    """Note the name that readers see of an author, by the login that items name."""
    text = _texts(element)
    authors[text.get("wp:author_login", "")] = text.get("wp:author_display_name", "")


def attached(element: Element) -> Attached | None:
    """The picture that an item is; None for an item that is something else."""
    text = _texts(element)
    url = text.get("wp:attachment_url", "").strip()
    if text.get("wp:post_type") != "attachment" or not url.startswith(("http://", "https://", "/")):
        return None
    return Attached(text.get("wp:post_id", ""), url, _meta(element).get("_wp_attachment_image_alt", ""))


def contradiction(element: Element) -> str:
    """Which field an item has twice that it has once: two items have become one. "" for none."""
    names = Counter(_short(child.tag) for child in element if isinstance(child.tag, str))
    return next((f"{name}: stands {names[name]} times in one item" for name in _ONCE if names[name] > 1), "")


def export_record(
    element: Element,
    authors: Dict[str, str],
    pictures: Dict[str, tuple[str, str]] | None = None,
    types: Collection[str] = ARTICLE_TYPES,
) -> dict[str, Any]:
    """An item under our names. `pictures`: address and description by the number of an attachment.

    `types`: which types of items are articles.
    """
    text = _texts(element)
    creator = text.get("dc:creator", "").strip()
    return {
        "id": text.get("wp:post_id"),
        "url": text.get("link", "").strip(),
        "headline": text.get("title"),
        "standfirst": text_without_codes(text.get("excerpt:encoded", "")),
        "body": text_without_codes(text.get("content:encoded", "")),
        "section": next(iter(_terms(element, "category")), None),
        "tags": _terms(element, "post_tag"),
        "authors": [authors.get(creator) or creator] if creator else [],
        "language": _language(element),
        "image": _picture(element, pictures or {}),
        "published_at": utc(text.get("wp:post_date_gmt")) or text.get("pubDate"),
        "updated_at": utc(text.get("wp:post_modified_gmt")),
        **publication(text.get("wp:post_type"), text.get("wp:status"), types, bool(text.get("wp:post_password"))),
    }


def _language(item: Element) -> str | None:
    """As Polylang's terms say it, of which the short name is a code, or WPML's export."""
    for category in item.iterchildren("category"):
        if category.get("domain") == "language":
            code = str(category.get("nicename", ""))
            return code if re.fullmatch(r"[a-zA-Z]{2,3}(?:[-_]\w+)*", code) else str(category.text or "")
    return _meta(item).get("_wpml_import_language_code")


def _picture(item: Element, pictures: Dict[str, tuple[str, str]]) -> dict[str, str] | None:
    """The featured picture, else the first of the media that stand beside the text."""
    attached = pictures.get(_meta(item).get("_thumbnail_id", "").strip())
    if attached is not None:
        return {"url": attached[0], "alt": attached[1]}
    media = [element for name in ("content", "thumbnail") for element in item.iter(f"{MEDIA}{name}")]
    urls = [
        element.get("url", "")
        for element in media
        if (element.get("medium") or element.get("type") or "image")[:5] == "image"
    ]
    base = (item.findtext("link") or "").strip()
    return next(({"url": picture, "alt": ""} for url in urls if (picture := absolute_url(url, base))), None)


def _meta(item: Element) -> dict[str, str]:
    """What plugins and WordPress itself noted of an item, by key."""
    metas = (_texts(element) for element in item.iterchildren("{*}postmeta"))
    return {meta.get("wp:meta_key", ""): meta.get("wp:meta_value", "") for meta in metas}


def _texts(element: Element) -> dict[str, str]:
    return {_short(child.tag): child.text or "" for child in element if isinstance(child.tag, str)}


def _terms(item: Element, domain: str) -> list[str]:
    return [
        category.text.strip()
        for category in item.iter("category")
        if category.get("domain") == domain and category.text
    ]


def _short(tag: str) -> str:
    """`wp:post_id` of its long name, whatever the version of the format."""
    space, _, name = tag.removeprefix("{").rpartition("}")
    for part, prefix in (("wordpress.org/export/1", "wp"), ("purl.org/dc/", "dc"), ("/content/", "content")):
        if "excerpt" in space:
            return f"excerpt:{name}"
        if part in space:
            return f"{prefix}:{name}"
    return name
