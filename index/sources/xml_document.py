"""XML by its root: RSS and Atom, news sitemaps, WordPress exports. Owns streaming through elements safely.

Entities are never expanded, nothing is fetched, and a document that declares entities is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from index.article import Article
from index.sources import Input, Rejection, Tally, UnreadableSource
from index.sources.feeds import read_feed
from index.sources.opening import TORN, PackedTooTightly, rewindable
from index.sources.record import read_record
from index.sources.sitemaps import NEWS, news_record
from index.sources.wordpress_export import AUTHOR, ITEM, add_author, attached, export_record

Element = Any  # lxml's elements have no types

_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s>/]")
_PROLOGUE = re.compile(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_ENTITIES = re.compile(rb"<!ENTITY", re.IGNORECASE)


def read_xml(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """The articles of a feed, a news sitemap or a WordPress export. Raises `UnreadableSource` for other XML."""
    start = _start(source)
    root = _ROOT.search(_PROLOGUE.sub(b"", start))
    name = root[1].decode().lower() if root else ""
    if _ENTITIES.search(start):
        yield Rejection(source.where, 0, "declares XML entities: refused, as feeds and exports need none")
    elif name == "rss" and b"wordpress.org/export/" in start:
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
        for number, element in _elements(again, (AUTHOR, ITEM)):
            if isinstance(element, Rejection):
                yield element
            elif element.tag != ITEM:
                add_author(element, authors)
            elif found := read_record(export_record(element, authors, pictures), source, number, tally):
                yield found
    if torn is not None:
        raise torn


def _pictures(source: Input) -> dict[str, tuple[str, str]]:
    """Address and description of each picture by its number; a tear ends them, and is told as the posts are read."""
    elements = (each for _, each in _elements(source, (ITEM,)) if not isinstance(each, Rejection))
    found = (attached(each) for each in elements)
    return {each.number: (each.url, each.alt) for each in found if each is not None}


def _read_sitemap(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    for number, element in _elements(source, (NEWS,)):
        found = (
            element if isinstance(element, Rejection) else read_record(news_record(element), source, number, tally)
        )
        if found is not None:
            yield found


def _elements(source: Input, tags: tuple[str, ...]) -> Iterator[tuple[int, Element | Rejection]]:
    """Each element with its line, emptied afterwards: constant memory. A tear ends it with one rejection."""
    events = etree.iterparse(
        source.file, events=("end",), tag=tags, resolve_entities=False, no_network=True, load_dtd=False, recover=True,
        huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        for _, element in events:
            yield element.sourceline or 0, element
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except (etree.XMLSyntaxError, PackedTooTightly, *TORN) as error:
        yield 0, Rejection(source.where, 0, f"the file is torn: {error}")
