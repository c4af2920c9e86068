"""XML by its root: RSS and Atom, news sitemaps, WordPress exports. Owns streaming through elements safely.

Entities are never expanded, nothing is fetched, and a document that declares entities is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree

from index.article import Article
from index.sources import Input, Rejection, Tally, UnreadableSource
from index.sources.feeds import read_feed
from index.sources.opening import TORN, PackedTooTightly, rewindable
from index.sources.record import article_types, read_record
from index.sources.sitemaps import NEWS, news_record
from index.sources.wordpress_export import AUTHOR, ITEM, add_author, attached, contradiction, export_record
from index.sources.xml_bytes import cleaned

Element = Any  # lxml's elements have no types

_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s>/]")
_PROLOGUE = re.compile(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_ENTITIES = re.compile(rb"<!ENTITY", re.IGNORECASE)
_EXPORT = re.compile(rb"wordpress\.org/export/|<wp:")


class Parsed(NamedTuple):
    """An element that has ended and the line it begins on. `damage`: what the parser had to recover from in it."""

    line: int
    element: Element
    damage: str = ""


def read_xml(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """The articles of a feed, a news sitemap or a WordPress export. Raises `UnreadableSource` for other XML."""
    start = _start(source)
    root = _ROOT.search(_PROLOGUE.sub(b"", start))
    name = root[1].decode().lower() if root else ""
    if _ENTITIES.search(start):
        yield Rejection(source.where, 0, "declares XML entities: refused, as feeds and exports need none")
    elif name == "rss" and _EXPORT.search(start):
        yield from _read_export(source, tally)
    elif name in ("rss", "feed", "rdf"):
        yield from read_feed(source, tally)
    elif name == "urlset":
        yield from _read_sitemap(source, tally)
    elif name == "sitemapindex":
        raise UnreadableSource(Path(source.where), "only lists other sitemaps: give those")
    else:
        raise UnreadableSource(Path(source.where), f"is XML of no known kind (its root is {name or 'missing'})")


def _start(source: Input) -> bytes:
    """The beginning without the zero bytes of UTF-16."""
    return source.file.peek(1 << 13)[: 1 << 13].replace(b"\0", b"")


def _read_export(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """Read twice: a post's picture is an item of its own, mostly after it. Held meanwhile: each picture's address."""
    with rewindable(source) as (file, torn):
        again = source._replace(file=file)
        pictures = _pictures(again)
        file.seek(0)
        authors: dict[str, str] = {}  # display names by login; they stand before the items
        for parsed in _elements(again, (AUTHOR, ITEM)):
            if isinstance(parsed, Rejection):
                yield parsed
            elif parsed.element.tag != ITEM:
                add_author(parsed.element, authors)
            elif reason := _damage(parsed):
                yield Rejection(source.where, parsed.line, reason)
            else:
                record = export_record(parsed.element, authors, pictures, article_types(source.mapping))
                if article := read_record(record, source, parsed.line, tally):
                    yield article
    if torn is not None:
        raise torn


def _damage(item: Parsed) -> str:
    """Why an item is not to be believed: parts of it are lost, or two items have become one."""
    return f"the XML is damaged here: {item.damage}" if item.damage else contradiction(item.element)


def _pictures(source: Input) -> dict[str, tuple[str, str]]:
    """Address and description of each picture by its number; a tear ends them, and is told as the posts are read."""
    pictures = (attached(element.element) for element in _elements(source, (ITEM,)) if isinstance(element, Parsed))
    return {picture.number: (picture.url, picture.alt) for picture in pictures if picture is not None}


def _read_sitemap(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    for parsed in _elements(source, (NEWS,)):
        if isinstance(parsed, Rejection):
            yield parsed
        elif article := read_record(news_record(parsed.element), source, parsed.line, tally):
            yield article


def _elements(source: Input, tags: tuple[str, ...]) -> Iterator[Parsed | Rejection]:
    """Each element as it ends, emptied afterwards: constant memory. A tear ends them with one rejection."""
    parser = etree.XMLPullParser(
        events=("start", "end"), tag=tags, encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False,
        recover=True, huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    borders = _borders(tags)
    opened: list[int] = []  # how many errors there were as each open element began
    try:
        for piece in cleaned(source.file):
            for part in _parts(piece, borders):
                before = len(parser.feed_error_log)
                parser.feed(part)
                yield from _ended(parser, before, opened)
        parser.close()
    except (etree.XMLSyntaxError, PackedTooTightly, *TORN) as error:
        yield Rejection(source.where, 0, f"the file is torn: {error}")
        return
    for parsed in _ended(parser, 0, opened):
        yield parsed._replace(damage="the file ends amid it")


def _ended(parser: Any, before: int, opened: list[int]) -> Iterator[Parsed]:
    """The elements that have ended. `before`: how many errors there were before what was fed last."""
    for event, element in parser.read_events():
        if event == "start":
            opened.append(before)
            continue
        yield Parsed(element.sourceline or 0, element, _fatal(parser.feed_error_log, opened.pop()))
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def _borders(tags: tuple[str, ...]) -> re.Pattern[bytes]:
    """The tags that begin and end elements of these names; of an end tag the first group is not empty."""
    names = "|".join(tag.rpartition("}")[2] for tag in tags)
    return re.compile(rf"<(/?)(?:[\w.-]+:)?(?:{names})[\s>]".encode())


def _parts(piece: bytes, borders: re.Pattern[bytes]) -> Iterator[bytes]:
    """The piece cut before each element and behind it, so that an error is told to be in one."""
    start = 0
    for border in borders.finditer(piece):
        cut = border.end() if border[1] else border.start()
        yield piece[start:cut]
        start = cut
    yield piece[start:]


def _fatal(log: Any, since: int) -> str:
    """The first error in the parser's log since then by which a document is not well-formed; "" for none."""
    entries = (log[at] for at in range(since, len(log)))
    return next((entry.message for entry in entries if entry.level == etree.ErrorLevels.FATAL), "")
