"""JSON that is one document: a list of records, or an object with one (WordPress's REST API, ninjs, JSON
Feed, Ghost's and other exports)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from index.article import Article
from index.sources import Input, Rejection, Tally, UnreadableSource
from index.sources.fields import our_names
from index.sources.ghost import ghost_exports, ghost_posts
from index.sources.json_feed import feed_items, is_json_feed
from index.sources.jsonl import MOST_LINE_BYTES, read_json_lines
from index.sources.opening import TORN
from index.sources.record import Decoded, our_record, read_records

MOST_DOCUMENT_BYTES = 64 << 20  # held in memory, some ten times as large once decoded
LISTS = (
    "articles",
    "posts",
    "items",
    "entries",
    "documents",
    "stories",
    "results",
    "records",
    "data",
    "content_elements",
    "response",
)


def read_json(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """One article or rejection a record; a rejection's line is the record's number. One object a line is JSON Lines.

    Raises `UnreadableSource` for a document of more than 64 MiB.
    """
    first, is_document = _first_line(source)
    if not is_document:
        yield from read_json_lines(source, tally, first)
        return
    content = first + source.file.read(MOST_DOCUMENT_BYTES + 1 - len(first))
    if len(content) > MOST_DOCUMENT_BYTES:
        reason = (
            f"holds one JSON document of over {MOST_DOCUMENT_BYTES >> 20} MiB; write one object a line (JSON Lines)"
        )
        raise UnreadableSource(Path(source.where), reason)
    try:
        document = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError) as error:
        yield Rejection(source.where, 0, f"not valid JSON: {error}")
        return
    yield from _unread(document, source)
    named = _named(document) if source.mapping is None else None
    raws = _records(document) if named is None else named
    decoded = (Decoded(number, _ours(raw, source, number, named is not None)) for number, raw in enumerate(raws, 1))
    yield from read_records(decoded, source, tally)


def _first_line(source: Input) -> tuple[bytes, bool]:
    """The first line, and whether a document begins with it; a torn file is read as lines, which say where."""
    try:
        first = source.file.readline(MOST_LINE_BYTES + 1)
        following = source.file.peek(1).lstrip()
    except TORN:
        return b"", False
    start = first.removeprefix(b"\xef\xbb\xbf").strip()
    lines = start.startswith(b"{") and start != b"{" and (not following or following.startswith(b"{"))
    return first, bool(start) and not (lines and not _is_wrapper(start, not following))


def _is_wrapper(line: bytes, alone: bool) -> bool:
    """Whether a line is a whole document: an object with a list of records. `alone`: no other line follows it."""
    try:
        document = msgspec.json.decode(line)
        return _named(document) is not None or bool(_lists(document) and (alone or not _is_article(document)))
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError):
        return False


def _named(document: Any) -> list[Any] | None:
    """The records, under our names, of a document whose format says what it is: JSON Feed, Ghost's export."""
    if is_json_feed(document):
        return feed_items(document)
    exports = ghost_exports(document)
    return (
        None if exports is None else [post for export in exports for post in (ghost_posts(export) if export else [])]
    )


def _records(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    if is_json_feed(document):
        return document["items"] if isinstance(document.get("items"), list) else []
    if (exports := ghost_exports(document)) is not None:
        return [post for export in exports if export for post in export["posts"]]
    lists = {} if _is_article(document) else _lists(document)
    return [record for records in lists.values() for record in records] or [document]


def _lists(document: Any, depth: int = 2) -> dict[str, list[Any]]:
    """The lists of records in an object or in the objects of such names in it, by where they stand."""
    lists: dict[str, list[Any]] = {}
    for name in LISTS if isinstance(document, dict) and depth else ():
        value = document.get(name)
        if _has_objects(value):
            lists[name] = value
        lists.update({f"{name}.{inner}": records for inner, records in _lists(value, depth - 1).items()})
    return lists


def _has_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(entry, dict) for entry in value)


def _is_article(value: Any) -> bool:
    """Whether an object is an article itself, whatever lists it holds: its teasers, its parts."""
    return (
        isinstance(value, dict) and "headline" in (named := our_names(value)) and ("id" in named or "body" in named)
    )


def _unread(document: Any, source: Input) -> Iterator[Rejection]:
    """A rejection for each part of a document that may hold articles and is not read."""
    if not isinstance(document, dict) or is_json_feed(document):
        return
    if (exports := ghost_exports(document)) is not None:
        for number, export in enumerate(exports, 1):
            if export is None:
                yield Rejection(source.where, 0, f"db: its entry {number} is no Ghost export, and is not read")
        return
    if not _is_article(document):
        names = [name for name, value in document.items() if name not in LISTS and _has_articles(value)]
    else:
        names = [] if "body" in our_names(document) else list(_lists(document))
    for name in names:
        reason = f"the list {name} is not read; give it as a file of its own where its records are articles"
        yield Rejection(source.where, 0, reason)


def _has_articles(value: Any) -> bool:
    return isinstance(value, list) and any(_is_article(entry) and "body" in our_names(entry) for entry in value)


def _ours(raw: Any, source: Input, number: int, named: bool) -> Mapping[str, Any] | Rejection:
    """The record under our names; `named`: it has them already."""
    if not isinstance(raw, dict):
        return Rejection(source.where, number, f"not an object but {type(raw).__name__}")
    return raw if named else our_record(raw, source.mapping)
