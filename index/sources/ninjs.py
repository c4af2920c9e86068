"""IPTC ninjs, versions 1 to 3: one headline and text of several, whatever the spelling of the names."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict
from typing import Any

from index.sources.fields import OTHER, our_names, publication_fields, reshaped_status

_STATES = {"usable": "published", "withheld": "private", "canceled": "withdrawn", "cancelled": "withdrawn"}
_ABOUT = ("subject", "subjects", "person", "people", "organisation", "organisations", "place", "places", "event")
_NO_ARTICLES = frozenset({"picture", "graphic", "audio", "video", "planning", "event", "component"})


def is_ninjs(raw: Dict[str, Any]) -> bool:
    """Whether a record has what only ninjs has."""
    return "uri" in raw and any(
        name in raw for name in ("versioncreated", "versionCreated", "headlines", "bodies", "pubstatus")
    )


def ninjs_record(raw: Dict[str, Any]) -> dict[str, Any]:
    """The item under our names. An item that was canceled withdraws its article."""
    item = {name.lower().replace("_", ""): value for name, value in raw.items()}
    uri = item.get("uri")
    record = our_names(
        {
            "id": uri,
            "url": _url(item),
            "headline": _chosen(item.get("headlines"), "main") or item.get("headline") or item.get("title"),
            "kicker": _chosen(item.get("headlines"), "kicker", only=True),
            "standfirst": _chosen(item.get("descriptions"), "summary") or item.get("descriptiontext"),
            "body": _body(item),
            "tags": [
                entry["name"]
                for name in _ABOUT
                for entry in _objects(item.get(name))
                if isinstance(entry.get("name"), str)
            ],
            "authors": item.get("by") or item.get("byline"),
            "language": item.get("language"),
            "image": _image(item.get("associations")),
            "published_at": item.get("contentcreated") or item.get("firstcreated") or item.get("versioncreated"),
            "updated_at": item.get("versioncreated"),
        }
    )
    return {**record, **_publication(raw, item)}


def _publication(raw: Dict[str, Any], item: Dict[str, Any]) -> dict[str, Any]:
    """The format's own status where it says that the item is not usable, else what the record says otherwise."""
    stated, status = publication_fields(raw), _status(item)
    return {**status, **stated} if status["status"] == "published" else {**stated, **status}


def _status(item: Dict[str, Any]) -> dict[str, Any]:
    """By the format usable where the item states nothing; what it states otherwise stays, to be refused."""
    kind = item.get("type")
    if isinstance(kind, str) and kind in _NO_ARTICLES:
        return {"status": OTHER, "left_out": kind}
    state = item.get("pubstatus", "usable")
    word = reshaped_status(state)
    return {"status": _STATES.get(word, word) if isinstance(word, str) else word}


def _url(item: Dict[str, Any]) -> Any:
    urls = [
        item.get("url"),
        item.get("uri"),
        *(rendition.get("href") for rendition in _objects(item.get("renditions"))),
    ]
    return next((url for url in urls if isinstance(url, str) and url.startswith(("http://", "https://"))), None)


def _body(item: Dict[str, Any]) -> Any:
    """Markup before plain text, which often has lost its paragraphs; of several the main one."""
    bodies = list(_objects(item.get("bodies")))
    marked = [body for body in bodies if "html" in str(body.get("contenttype") or body.get("contentType") or "")]
    chosen = _chosen(marked or bodies, "main")
    return chosen or item.get("bodyxhtml") or item.get("bodyhtml") or item.get("bodytext")


def _chosen(values: Any, role: str, only: bool = False) -> Any:
    """The value with this role, else the first; with `only` none instead."""
    objects = list(_objects(values))
    named = [entry for entry in objects if entry.get("role") == role]
    chosen = named or ([] if only else objects)
    return chosen[0].get("value") if chosen else None


def _objects(value: Any) -> Iterator[Dict[str, Any]]:
    """The objects of a list, or the values of an object of objects (version 1)."""
    entries = value.values() if isinstance(value, Dict) else value
    yield from (entry for entry in entries if isinstance(entry, Dict)) if isinstance(value, list | Dict) else ()


def _image(associations: Any) -> Any:
    for association in _objects(associations):
        renditions = [
            one.get("href") for one in _objects(association.get("renditions")) if isinstance(one.get("href"), str)
        ]
        if association.get("type") in ("picture", "graphic") and renditions:
            return {
                "url": renditions[0],
                "alt": association.get("headline") if isinstance(association.get("headline"), str) else "",
            }
    return None
