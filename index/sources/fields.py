"""The declared mapping of other systems' field names to ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from index.dates import UnreadableDate

# For each of our fields the names it is known by; the first with a value wins, ours first.
FIELD_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "_id", "article_id", "guid", "uuid", "slug"),
    "url": ("url", "canonical_url", "web_url", "link", "permalink"),
    "aliases": ("aliases", "redirects"),
    "headline": ("headline", "title", "name"),
    "kicker": ("kicker", "eyebrow", "overline", "label"),
    "standfirst": (
        "standfirst", "description", "dek", "deck", "subtitle", "subheadline", "summary", "custom_excerpt", "excerpt",
        "abstract",
    ),
    "body": ("body", "body_text", "content", "articleBody", "text", "html", "plaintext"),
    "links": ("links",),
    "section": ("section", "articleSection", "category", "categories", "primary_section"),
    "tags": ("tags", "keywords", "topics"),
    "authors": ("authors", "author", "byline", "creator"),
    "language": ("language", "lang", "inLanguage", "locale"),
    "type": ("type", "content_type"),
    "image": ("image", "featured_image", "feature_image", "lead_image", "thumbnail", "thumbnailUrl"),
    "brand": ("brand", "publication", "site"),
    "published_at": (
        "published_at", "published", "publication_date", "date_published", "datePublished", "pub_date", "pubDate",
        "publishedAt", "first_publish_date", "display_date", "date", "created_at", "created", "dateCreated",
    ),
    "updated_at": (
        "updated_at", "updated", "modified", "modified_at", "date_modified", "dateModified", "updatedAt",
        "last_updated_date",
    ),
    "embargo_until": ("embargo_until", "embargo"),
    "status": ("status",),
    "evergreen": ("evergreen",),
}  # fmt: skip

# Which field a name is of, and its place among that field's names.
_PLACES = {name: (ours, place) for ours, names in FIELD_NAMES.items() for place, name in enumerate(names)}
_BYLINE = re.compile(r"^\s*by\s+", re.IGNORECASE)
_AND = re.compile(r"\s*(?:,|;|\band\b|&)\s*")
_DAY_NUMBER = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_PUBLISHED = {"published", "publish", "live", "public", "active"}
OTHER = "other"  # the status of a record that is no article: a picture, a menu, a static page
# What content management systems call a record that readers do not see: not yet, not any more, or not without a key.
UNPUBLISHED = frozenset(
    {
        "draft", "auto-draft", "autosave", "inherit", "pending", "in-review", "review", "private", "future",
        "scheduled", "unpublished", "trash", "trashed", "deleted", "protected", "password",
        "password-protected", "hidden",
    }
)  # fmt: skip
_STATUS_NAMES = ("status", "poststatus", "publicationstatus", "publishstatus", "creativeworkstatus")
# Flags, and whether true means that readers may see the record; `visibility` is a word.
_FLAGS = {
    "draft": False, "isdraft": False, "private": False, "isprivate": False, "ispublished": True, "ispublic": True,
    "visibility": True,
}  # fmt: skip
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")


def our_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record under our field names; values of other shapes brought into ours, nothing validated.

    A blank value counts as absent, so that a filled field of another name is found; but not a blank status, which
    is one that cannot be read (`stated_status`).
    """
    chosen: dict[str, tuple[int, Any]] = {}
    for name, value in record.items():
        if name in _PLACES and _has_value(value):
            ours, place = _PLACES[name]
            if ours not in chosen or place < chosen[ours][0]:
                chosen[ours] = (place, value)
    found = {ours: _RESHAPE[ours](value) if ours in _RESHAPE else value for ours, (_, value) in chosen.items()}
    return {**found, **stated_status(record)}


def stated_status(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's `status` in our words, whatever the spelling of its name; {} where it states none.

    A flag such as `draft`, `is_published` or `visibility` counts where there is no status, and where it says no.
    """
    named = {_bare(name): value for name, value in record.items() if isinstance(name, str)}
    flags = {_flag(name, named[name]) for name in _FLAGS if name in named}
    if hiding := sorted(flags & UNPUBLISHED):
        return {"status": hiding[0]}
    if "status" in record:
        return {"status": reshaped_status(record["status"])}
    spelled = next((name for name in _STATUS_NAMES if name in named), None)
    if spelled is not None:
        return {"status": reshaped_status(named[spelled])}
    return {"status": "published"} if "published" in flags else {}


def _flag(name: str, value: Any) -> str:
    """`published` or what hides a record, as its flag says; "" for a flag that cannot be read."""
    word = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    if name == "visibility":
        return str(reshaped_status(word) or "")
    if word not in (*_YES, *_NO):
        return ""
    return "published" if (word in _YES) == _FLAGS[name] else "draft"


@lru_cache(1_000)
def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def reshaped_status(value: Any) -> Any:
    """A text as a status is written here: `published` for its synonyms, None for a blank one."""
    if not isinstance(value, str):
        return value
    word = "-".join(value.lower().replace("_", " ").split())
    return "published" if word in _PUBLISHED else word or None


def _has_value(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value != [] and value != {}


def _authors(value: Any) -> Any:
    """Names from objects with a name, or from "By A, B and C"; a "By" is never part of a name."""
    if isinstance(value, str):
        return [name for name in _AND.split(_BYLINE.sub("", value)) if name]
    named = _names(value)
    if isinstance(named, list):
        return [_BYLINE.sub("", each) if isinstance(each, str) else each for each in named]
    return named


def _names(value: Any) -> Any:
    """Each entry itself, or its name when it is an object; an object without a name stays, to be refused."""
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


def _moment(value: Any) -> Any:
    """The date itself, but for a number such as 20261024, which is also a second of August 1970: to be refused."""
    if isinstance(value, int) and _DAY_NUMBER.fullmatch(str(value)):
        return UnreadableDate(f"{value} may be a day or epoch seconds: write a day as text")
    return value


_RESHAPE: dict[str, Callable[[Any], Any]] = {
    "authors": _authors,
    "tags": _tags,
    "section": _first_name,
    "image": _image,
    "brand": _first_name,
    "published_at": _moment,
    "updated_at": _moment,
    "embargo_until": _moment,
}
