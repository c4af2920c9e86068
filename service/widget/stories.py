"""Converts a list for use outside the service's pages: stories to draw, an ItemList, a JSON Feed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin

# Languages that are written from right to left in every country, by their codes.
RIGHT_TO_LEFT = (
    "ar", "arc", "azb", "bal", "ckb", "dv", "fa", "glk", "he", "ks", "lrc", "mzn", "nqo", "pnb", "prs", "ps", "sd",
    "syr", "ug", "ur", "yi",
)  # fmt: skip


def drawable(teasers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Teasers with `direction`, `age` and `picture` ("" for none); those that no link leads to are left out."""
    return [
        {**each, "direction": _direction(each["language"]), "age": _age(each), "picture": _picture(each["image"])}
        for each in teasers
        if safe(each["url"])
    ]


def item_list(heading: str, teasers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The list for search engines (https://schema.org/ItemList)."""
    items = [
        {"@type": "ListItem", "position": place, "url": each["url"], "name": each["headline"]}
        for place, each in enumerate(teasers, 1)
    ]
    return {"@context": "https://schema.org", "@type": "ItemList", "name": heading, "itemListElement": items}


def feed(source: dict[str, Any], teasers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The list under `source` as a JSON Feed 1.1 (https://jsonfeed.org/version/1.1)."""
    found = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": f"Related stories: {source['headline']}",
        "home_page_url": safe(source["url"]),
        "language": source["language"],
    }
    return _given(found) | {"items": [_feed_item(each) for each in teasers]}


def safe(url: str) -> str:
    """An address that a reader may be sent to, absolute or beginning with one slash; "" for any other."""
    site_relative = url.startswith("/") and not url.startswith(("//", "/\\"))
    return url if site_relative or url.lower().startswith(("https://", "http://")) else ""


def _feed_item(teaser: dict[str, Any]) -> dict[str, Any]:
    return _given(
        {
            "id": teaser["id"],
            "url": teaser["url"],
            "title": teaser["headline"],
            "content_text": teaser["standfirst"] or teaser["headline"],
            "summary": teaser["standfirst"],
            "image": urljoin(teaser["url"], teaser["picture"]) if teaser["picture"] else "",
            "date_published": teaser["published_at"],
            "authors": [{"name": each} for each in teaser["authors"]],
            "tags": [teaser["section"]] if teaser["section"] else [],
            "language": teaser["language"],
        }
    )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _direction(language: str) -> str:
    if not language:
        return "auto"
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def _age(teaser: dict[str, Any]) -> str:
    """How old it is in English; in another language its date, which needs no words."""
    if teaser["language"] in ("", "en"):
        return str(teaser["age_label"])
    return (teaser["published_at"] or "")[:10]


def _picture(image: dict[str, str] | None) -> str:
    return safe(image["url"]) if image else ""
