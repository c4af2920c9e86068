"""The declared mapping of other systems' field names to ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from index.article import InvalidArticle, epoch_seconds
from index.values.dates import UnreadableDate

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
    "embargo_until": (
        "embargo_until", "embargo", "embargo_date", "embargoed", "embargoed_until", "embargo_end", "scheduled_at",
        "scheduled_for", "publish_at", "publish_on", "go_live_at",
    ),
    "status": ("status",),
    "evergreen": ("evergreen",),
}  # fmt: skip


@lru_cache(1_000)
def bare_name(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


# Which field a name is of, and its place among that field's names; also by the name in any spelling.
_PLACES = {name: (ours, place) for ours, names in FIELD_NAMES.items() for place, name in enumerate(names)}
_SPELLED = {bare_name(name): place for name, place in reversed(_PLACES.items())}
_BYLINE = re.compile(r"^\s*by\s+", re.IGNORECASE)
_AND = re.compile(r"\s*(?:,|;|\band\b|&)\s*")
_PUBLISHED = {"published", "publish", "live", "public", "active"}
OTHER = "other"  # the status of a record that is no article: a picture, a menu, a static page
# What content management systems call a record that readers do not see: not yet, not any more, or not without a key.
UNPUBLISHED = frozenset(
    {
        "draft", "auto-draft", "autosave", "inherit", "pending", "in-review", "review", "needs-review", "private",
        "future", "scheduled", "unpublished", "trash", "trashed", "deleted", "protected", "password",
        "password-protected", "hidden", "retracted", "removed", "canceled", "cancelled", "killed", "spiked",
        "recalled", "pulled", "taken-down", "archived", "expired", "unlisted", "offline", "inactive", "disabled",
        "rejected", "suspended", "embargoed", "internal", "never-published",
    }
)  # fmt: skip
STATUS_NAMES = (
    "status", "poststatus", "publicationstatus", "publishstatus", "creativeworkstatus", "publicationstate",
    "workflowstate", "moderationstate",
)  # fmt: skip
_STATE = "state"  # a status where its word is one; else it may be a place
# Flags, and whether true means that readers may see the record.
_FLAGS = {
    "draft": False, "isdraft": False, "private": False, "isprivate": False, "ispublished": True, "ispublic": True,
    "deleted": False, "isdeleted": False, "trashed": False, "istrashed": False, "hidden": False, "ishidden": False,
    "archived": False, "isarchived": False, "unlisted": False, "isunlisted": False, "live": True, "islive": True,
    "active": True, "isactive": True, "enabled": True, "isenabled": True,
}  # fmt: skip
_VISIBILITY, _PUBLISHED_FLAG = "visibility", "published"
# Who sees a record that is on the site; readers without a subscription see its teaser.
_VISIBLE = {"published", "visible", "everyone", "members", "paid", "tiers", "subscribers"}
# Fields that hide a record by having a value.
_HIDING_VALUES = {
    "password": "protected", "postpassword": "protected", "deletedat": "deleted", "trashedat": "trashed",
    "archivedat": "archived",
}  # fmt: skip
_YES = frozenset(
    {
        "true", "t", "yes", "y", "on", "1", "1.0", "-1", "wahr", "ja", "j", "vrai", "oui", "si", "sí", "vero",
        "verdadero", "sim", "tak", "da",
    }
)  # fmt: skip
_NO = frozenset(
    {
        "false", "f", "no", "n", "off", "0", "0.0", "falsch", "nein", "faux", "non", "falso", "não", "nao",
        "nie", "nej", "net",
    }
)  # fmt: skip
_CREATION_DATES = frozenset({"createdat", "created", "datecreated"})
_DATES_OF_PUBLICATION = {bare_name(name) for name in FIELD_NAMES["published_at"]} - _CREATION_DATES
_NEUTRAL_DATES = frozenset({"date", "displaydate", "published", "pubdate"})  # blank, they say that none is known
NEVER_PUBLISHED = "never-published"  # the status of a record that states none, and whose date of publication is blank


# Flags that stand beside a status, or only in records that they hide: without one a record has not lost its status.
_BESIDE = {
    "deleted", "isdeleted", "trashed", "istrashed", "hidden", "ishidden", "archived", "isarchived", "unlisted",
    "isunlisted", "active", "isactive", "enabled", "isenabled", "live", "islive", "published", *_HIDING_VALUES,
}  # fmt: skip


class UnreadableStatus(ValueError):
    """Stands as the status of a record of which nobody can tell whether readers may see it; the message says why."""


class StatusBeside(str):
    """An unpublished status that a record has by another field than one that each record of its file has."""

    __slots__ = ()


def our_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record under our field names; values of other shapes brought into ours, nothing validated.

    Names count in any spelling; of several the declared order decides, then the declared spelling. A blank value
    counts as absent, so that a filled field of another name is found; but not a blank status (`stated_status`).
    """
    chosen: dict[str, tuple[tuple[int, bool], Any]] = {}
    for name, value in record.items():
        field = _PLACES.get(name) or _SPELLED.get(bare_name(name)) if isinstance(name, str) else None
        if (
            field is None
            or not _has_value(value)
            or (bare_name(name) == _PUBLISHED_FLAG and _yes_or_no(value) is not None)
        ):
            continue
        rank = (field[1], name not in _PLACES)
        if field[0] not in chosen or rank < chosen[field[0]][0]:
            chosen[field[0]] = (rank, value)
    named = {ours: _RESHAPE[ours](value) if ours in _RESHAPE else value for ours, (_, value) in chosen.items()}
    named.pop("embargo_until", None)
    return {**named, **publication_fields(record)}


def record_names(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A foreign record under our field names; one whose date of publication is there and blank is unpublished.

    Where it states that it is published all the same, it has no date: that of its creation is none of publication.
    """
    record = our_names(raw)
    if not has_blank_publication_date(raw):
        return record
    record.pop("published_at", None)
    return {"status": StatusBeside(NEVER_PUBLISHED), **record}


def has_blank_publication_date(raw: Mapping[str, Any]) -> bool:
    """Whether a name of the date of publication is there, and none has a value."""
    dates = [(bare_name(name), value) for name, value in raw.items() if isinstance(name, str)]
    dates = [(name, value) for name, value in dates if name in _DATES_OF_PUBLICATION]
    return any(name not in _NEUTRAL_DATES for name, _ in dates) and not any(_has_value(value) for _, value in dates)


def publication_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says, in any spelling of the names, of whether and from when readers may see it."""
    embargo = stated_embargo(record)
    return {**stated_status(record), **({} if embargo is None else {"embargo_until": embargo})}


def stated_embargo(record: Mapping[str, Any]) -> Any:
    """The end of the record's embargo, of several the last; one that cannot be read comes first, to be refused."""
    fields = {name: _SPELLED.get(bare_name(name)) for name in record if isinstance(name, str)}
    values = [record[name] for name, field in fields.items() if field is not None and field[0] == "embargo_until"]
    values = [value for value in values if _has_value(value) and _yes_or_no(value) is not False]
    if len(values) < 2:
        return values[0] if values else None
    try:
        return max(values, key=lambda value: epoch_seconds(value, "embargo_until") or 0)
    except InvalidArticle as error:
        return UnreadableDate(error.reason)


def stated_status(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's `status` in our words, whatever the spelling of its name; {} where it states none.

    What hides a record (a flag, a password, the ID of a draft) counts before its status. The status is an
    `UnreadableStatus` where a flag cannot be read or two statuses contradict each other.
    """
    named = [(bare_name(name), name, value) for name, value in record.items() if isinstance(name, str)]
    words = _status_words(named)
    if "withdrawn" in [word for _, word in words] and all(word != "published" for _, word in words):
        return {"status": "withdrawn"}
    flags = [(bare, name, value, said) for bare, name, value in named if (said := _flag(bare, value))]
    beside = not words and all(bare in _BESIDE for bare, *_ in flags)
    hiding = sorted({said for *_, said in flags if said in UNPUBLISHED})
    if not hiding and str(record.get("_id", "")).startswith(("drafts.", "versions.")):
        hiding = ["draft"]
    if hiding:
        return {"status": StatusBeside(hiding[0]) if beside else hiding[0]}
    if unreadable := [(name, value) for _, name, value, said in flags if said == _UNREADABLE]:
        name, value = unreadable[0]
        return {"status": UnreadableStatus(f"{name}: {str(value)[:40]!r} is neither yes nor no")}
    if words:
        return {"status": _one_status(words)}
    if any(said == _BLANK for *_, said in flags):
        return {"status": None}
    return {"status": "published"} if any(bare not in _BESIDE for bare, *_ in flags) else {}


def _status_words(named: Sequence[tuple[str, str, Any]]) -> list[tuple[str, Any]]:
    """The names and statuses that a record states, by the order of `STATUS_NAMES`, our own spelling first."""
    words = [
        (STATUS_NAMES.index(bare), name != bare, name, reshaped_status(value))
        for bare, name, value in named
        if bare in STATUS_NAMES
    ]
    words.sort(key=lambda word: word[:3])
    states = [(name, reshaped_status(value)) for bare, name, value in named if bare == _STATE]
    known = [(name, word) for name, word in states if isinstance(word, str) and _is_known(word)]
    return [(name, word) for _, _, name, word in words] + known


def _is_known(word: str) -> bool:
    return word in ("published", "withdrawn") or word in UNPUBLISHED


def _one_status(words: Sequence[tuple[str, Any]]) -> Any:
    """The status of several; `UnreadableStatus` where only some of them say that the record is published."""
    first, word = words[0]
    if word is None:
        return None
    for other, otherwise in words[1:]:
        if otherwise is not None and (word == "published") != (otherwise == "published"):
            return UnreadableStatus(f"status: {first} says {str(word)[:40]!r}, {other} {str(otherwise)[:40]!r}")
    return word


_BLANK, _UNREADABLE = "blank", "unreadable"


def _flag(bare: str, value: Any) -> str:
    """`published` or what hides the record, as a field says; "" for a field that says nothing of it."""
    if bare in _HIDING_VALUES:
        blank = not _has_value(value) or _yes_or_no(value) is False or str(value).startswith("0000-00-00")
        return "" if blank else _HIDING_VALUES[bare]
    if bare == _PUBLISHED_FLAG:
        answer = _yes_or_no(value)
        return "" if answer is None else "published" if answer else "draft"
    if bare != _VISIBILITY and bare not in _FLAGS:
        return ""
    if not _has_value(value):
        return _BLANK
    answer = _yes_or_no(value)
    if bare == _VISIBILITY:
        word = reshaped_status(value)
        return "published" if answer or (isinstance(word, str) and word in _VISIBLE) else "hidden"
    if answer is None:
        return _UNREADABLE
    return "published" if answer == _FLAGS[bare] else "draft"


def _yes_or_no(value: Any) -> bool | None:
    """What a flag says, as systems and spreadsheets of several languages write it; None for what is none."""
    if not isinstance(value, bool | int | float | str):
        return None
    word = str(value).strip().lower()
    return True if word in _YES else False if word in _NO else None


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
        return [_BYLINE.sub("", name) if isinstance(name, str) else name for name in named]
    return named


def _names(value: Any) -> Any:
    """Each entry itself, or its name when it is an object; an object without a name stays, to be refused."""
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [entry.get("name", entry) if isinstance(entry, Mapping) else entry for entry in value]
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


_RESHAPE: dict[str, Callable[[Any], Any]] = {
    "authors": _authors,
    "tags": _tags,
    "section": _first_name,
    "image": _image,
    "brand": _first_name,
}
