"""Reads what a fetched document lists: pages of a feed or sitemap, sitemaps of a sitemap index."""

from __future__ import annotations

import io
from typing import Any, NamedTuple
from urllib.parse import urljoin

from lxml import etree

from index.article import Article
from index.fetching.kept import Page
from index.sources import Input, Rejection, Tally, Withdrawal, read_input
from index.sources.opening import TORN, PackedTooTightly, stream

MOST_BYTES = 64 << 20  # unpacked; the protocol of sitemaps allows 50 MiB
_SITEMAPS = "{http://www.sitemaps.org/schemas/sitemap/0.9}"

Element = Any  # lxml's elements have no types


class Listing(NamedTuple):
    """In the document's order: pages, further sitemaps, and by page what the document itself tells of it."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
    told: dict[str, Article] = {}  # noqa: RUF012 - never written to
    rejections: tuple[Rejection, ...] = ()


def is_page(page: Page) -> bool:
    """Whether it is a page for people rather than a list of pages."""
    kind = page.kind.partition(";")[0].strip().lower()
    start = page.content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return kind in ("text/html", "application/xhtml+xml") and not start.startswith((b"<?xml", b"<rss", b"<feed"))


def listing_of(page: Page, tally: Tally) -> Listing:
    """Raises `UnreadableSource` for what is neither a feed nor a sitemap."""
    try:
        source = stream(io.BytesIO(page.content), page.url.partition("?")[0] + ".xml")
        content = source.file.read(MOST_BYTES + 1)
    except (PackedTooTightly, *TORN) as error:
        return Listing(rejections=(Rejection(page.url, 0, str(error)),))
    if len(content) > MOST_BYTES or b"<!entity" in content.replace(b"\0", b"").lower():
        return Listing(rejections=(Rejection(page.url, 0, "is too long, or declares XML entities"),))
    sitemap = _sitemap(content, page.url)
    return sitemap if sitemap.pages or sitemap.sitemaps else _feed(content, page.url, tally)


def _sitemap(content: bytes, base: str) -> Listing:
    """What stands in a sitemap or its index; nothing of other documents, or behind a tear."""
    urls: dict[str, list[str]] = {"url": [], "sitemap": []}
    tags = [_SITEMAPS + name for name in urls]
    try:
        for _, element in etree.iterparse(
            io.BytesIO(content), events=("end",), tag=tags, resolve_entities=False, no_network=True, load_dtd=False
        ):
            loc = (element.findtext(f"{_SITEMAPS}loc") or "").strip()
            if loc:
                urls[etree.QName(element).localname].append(_absolute(base, loc))
            element.clear()
    except etree.XMLSyntaxError:
        pass  # what stands before it counts
    return Listing(tuple(dict.fromkeys(urls["url"])), tuple(dict.fromkeys(urls["sitemap"])))


def _feed(content: bytes, base: str, tally: Tally) -> Listing:
    read = list(read_input(Input(base, "feed.xml", io.BufferedReader(io.BytesIO(content))), tally))
    articles = [record for record in read if isinstance(record, Article)]
    by_url = {_absolute(base, article.url): article for article in articles if article.url}
    return Listing(
        tuple(by_url),
        (),
        by_url,
        tuple(record for record in read if isinstance(record, Rejection) and not isinstance(record, Withdrawal)),
    )


def _absolute(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:
        return url  # and will be refused when it is asked for
