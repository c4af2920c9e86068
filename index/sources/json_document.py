"""JSON that is one document: a list of records, or an object with one (WordPress's REST API, ninjs, JSON
Feed, Ghost's and other exports)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from index.article import Article
from index.sources import Input, Rejection, Tally, UnreadableSource
from index.sources.ghost import ghost_data, ghost_posts
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
    return first, bool(start) and not (lines and not _is_wrapper(start))


def _is_wrapper(line: bytes) -> bool:
    """Whether a line is a whole document: an object with a list of records."""
    try:
        document = msgspec.json.decode(line)
        return _named(document) is not None or _listed(document) is not None
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError):
        return False


def _named(document: Any) -> list[Any] | None:
    """The records, under our names, of a document whose format says what it is: JSON Feed, Ghost's export."""
    if is_json_feed(document):
        return feed_items(document)
    data = ghost_data(document)
    return None if data is None else ghost_posts(data)


def _records(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    if is_json_feed(document):
        return document["items"] if isinstance(document.get("items"), list) else []
    if (data := ghost_data(document)) is not None:
        return list(data["posts"])
    listed = _listed(document)
    return [document] if listed is None else listed


def _listed(document: Any, depth: int = 2) -> list[Any] | None:
    """The records of an object that is no record itself but holds a list of them, or None."""
    if not isinstance(document, dict) or depth == 0:
        return None
    for name in LISTS:
        value = document.get(name)
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            return value if "headline" not in document and "title" not in document else None
        if isinstance(value, dict) and (found := _listed(value, depth - 1)) is not None:
            return found
    return None


def _ours(raw: Any, source: Input, number: int, named: bool) -> Mapping[str, Any] | Rejection:
    """The record under our names; `named`: it has them already."""
    if not isinstance(raw, dict):
        return Rejection(source.where, number, f"not an object but {type(raw).__name__}")
    return raw if named else our_record(raw, source.mapping)
