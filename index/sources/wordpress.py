"""WordPress: posts as its REST API gives them and as its export (WXR) does. One ID for a post in both: its number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Mapping as Dict
from html import unescape
from typing import Any

from index.sources.fields import OTHER, reshaped_status
from index.sources.html_text import plain
from index.sources.shortcodes import text_without_codes as text_without_codes

ARTICLE_TYPES = frozenset({"post", "article", "news", "story"})  # a mapping's `types` names more
NO_DATE = "0000-00-00 00:00:00"
_COLUMNS_OF_POSTS = ("post_title", "post_content", "post_status", "post_name")

_CUT = re.compile(r"\s*(?:\[\s*(?:…|\.\.\.)\s*\]|…|\.\.\.)$")  # with which WordPress and themes end what they cut


def is_post(raw: Dict[str, Any]) -> bool:
    """Whether a record is a post of the REST API."""
    title = raw.get("title")
    return isinstance(title, Dict) and "rendered" in title


def post_record(raw: Dict[str, Any], types: Collection[str] = ARTICLE_TYPES) -> dict[str, Any]:
    """A post of the REST API under our names; authors, terms and picture where they were embedded (`_embed`).

    `types`: which types of posts are articles.
    """
    embedded = raw.get("_embedded")
    embedded = embedded if isinstance(embedded, Dict) else {}
    terms = list(_objects(embedded.get("wp:term")))
    return {
        "id": raw.get("id"),
        "url": raw.get("link"),
        "headline": unescape(_rendered(raw.get("title"))),
        "standfirst": _written(text_without_codes(_rendered(raw.get("excerpt"))), _rendered(raw.get("content"))),
        "body": text_without_codes(_rendered(raw.get("content"))),
        "section": next(iter(_term_names(terms, "category")), None),
        "tags": _term_names(terms, "post_tag"),
        "authors": [
            author["name"] for author in _objects(embedded.get("author")) if isinstance(author.get("name"), str)
        ],
        "language": raw.get("lang") or raw.get("wpml_current_locale"),
        "image": _picture(embedded.get("wp:featuredmedia")),
        "published_at": utc(raw.get("date_gmt")) or raw.get("date"),
        "updated_at": utc(raw.get("modified_gmt")) or raw.get("modified"),
        **publication(raw.get("type"), raw.get("status"), types, _is_protected(raw)),
    }


def foreign_type(row: Dict[str, Any], types: Collection[str]) -> str:
    """The type of a row of the table of posts that is none of articles; "" for an article, and for other records."""
    kind = row.get("post_type")
    if not isinstance(kind, str) or not kind.strip() or not any(name in row for name in _COLUMNS_OF_POSTS):
        return ""
    return "" if kind.strip() in types else kind.strip()


def publication(kind: object, state: object, types: Collection[str], protected: bool) -> dict[str, object]:
    """Our status for a type and a state of WordPress, and the type where it is none of articles.

    Both are always there: where one is missing, nobody can tell whether readers may see the post.
    """
    if not isinstance(kind, str) or not kind.strip():
        return {"status": None}
    if kind.strip() not in types:
        return {"status": OTHER, "left_out": kind.strip()}
    ours = reshaped_status(state)
    return {"status": "protected" if protected and ours == "published" else ours}


def _is_protected(raw: Dict[str, Any]) -> bool:
    """Whether only those who know a password may read a post."""
    texts = (raw.get(name) for name in ("content", "excerpt"))
    return bool(raw.get("password") or raw.get("post_password")) or any(
        isinstance(text, Dict) and text.get("protected") for text in texts
    )


def utc(moment: object) -> object:
    """A `_gmt` date with its zone; None where it is not set yet."""
    if not isinstance(moment, str) or not moment.strip() or moment.startswith("0000"):
        return None
    return moment if moment.endswith("Z") or "+" in moment else f"{moment.strip()}Z"


def _written(excerpt: str, content: str) -> str:
    """The excerpt, unless nobody wrote it: then WordPress gives the beginning of the text; an export does not."""
    beginning = _CUT.sub("", _words(excerpt))
    return "" if beginning and _words(content).startswith(beginning) else excerpt


def _words(html: str) -> str:
    text = plain(html)
    return " ".join((html if text is None else text.text).split())


def _rendered(value: object) -> str:
    text = value.get("rendered") if isinstance(value, Dict) else value
    return text if isinstance(text, str) else ""


def _objects(value: object) -> Iterator[Dict[str, Any]]:
    """The objects in lists, whatever their depth of one or two."""
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, Dict):
            yield entry
        elif isinstance(entry, list):
            yield from (inner for inner in entry if isinstance(inner, Dict))


def _term_names(terms: Iterable[Dict[str, Any]], taxonomy: str) -> list[str]:
    return [unescape(str(term.get("name", ""))) for term in terms if term.get("taxonomy") == taxonomy]


def _picture(media: object) -> dict[str, Any] | None:
    for entry in _objects(media):
        if isinstance(url := entry.get("source_url"), str):
            return {"url": url, "alt": entry.get("alt_text") if isinstance(entry.get("alt_text"), str) else ""}
    return None
