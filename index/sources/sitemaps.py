"""News sitemaps: address, headline, date, language and keywords of an article; no text."""

from __future__ import annotations

from typing import Any

from index.article import canonical_url
from index.sources.fields import our_names

SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
NEWS = f"{SITEMAP}url"

Element = Any  # lxml's elements have no types


def news_record(url: Element) -> dict[str, Any]:
    """A `url` of a sitemap under our names; one without news has no headline, and will be refused for it."""
    texts = {
        _local(element.tag): (element.text or "").strip() for element in url.iter() if isinstance(element.tag, str)
    }
    loc = (url.findtext(f"{SITEMAP}loc") or "").strip()
    return our_names(
        {
            "id": canonical_url(loc) if loc else None,
            "url": loc,
            "headline": texts.get("news:title"),
            "tags": texts.get("news:keywords"),
            "language": texts.get("news:language"),
            "published_at": texts.get("news:publication_date") or texts.get("lastmod"),
            "image": texts.get("image:loc"),
        }
    )


def _local(tag: str) -> str:
    """`news:title` of `{http://www.google.com/schemas/sitemap-news/0.9}title`; without prefix for others."""
    space, _, name = tag.removeprefix("{").rpartition("}")
    prefix = "news:" if "sitemap-news" in space else "image:" if "sitemap-image" in space else ""
    return prefix + name
