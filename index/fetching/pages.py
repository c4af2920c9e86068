"""Imports articles from an address: fetches the pages of a feed or sitemap and reads each like a saved page."""

from __future__ import annotations

from collections.abc import Iterator

from index.article import Article, InvalidArticle, article_from_record, canonical_url
from index.fetching.kept import Page
from index.fetching.listing import Listing, is_page, listing_of
from index.fetching.target import NotFetched
from index.fetching.visitor import FRESH_SECONDS, Visitor
from index.sources import Rejection, Tally, UnreadableSource
from index.sources.encoding import encoding_of_label
from index.sources.html_page import MOST_PAGE_BYTES, page_record

MOST_PAGES = 10_000
MOST_SITEMAPS = 500

Record = Article | Rejection


def fetched_records(
    url: str, visitor: Visitor, tally: Tally, most_pages: int = MOST_PAGES, fresh_seconds: float = FRESH_SECONDS
) -> Iterator[Record]:
    """The article of the page, or of each page that the feed or sitemap lists, in its order.

    An article's ID is its page's canonical address. A page that cannot be had is what the feed tells of it, if that
    has a text, else a rejection. Lists are always asked for, pages where they are not fresh.

    Raises `NotFetched` where the address itself gives nothing, `UnreadableSource`.
    """
    first = visitor.visit(url, fresh_seconds=0)
    if is_page(first):
        yield page_article(first, tally)
        return
    left = most_pages
    for listing in _listings(url, first, visitor, tally):
        yield from listing.rejections
        for page in listing.pages[:left]:
            yield _record(page, listing.told.get(page), visitor, tally, fresh_seconds)
        if len(listing.pages) > left:
            yield Rejection(url, 0, f"lists more than {most_pages:,} pages: the rest was not asked for")
            return
        left -= len(listing.pages)


def page_article(page: Page, tally: Tally) -> Record:
    """The article of a fetched page."""
    content = _in_utf_8(page)
    if not is_page(page) or len(content) > MOST_PAGE_BYTES:
        return Rejection(page.url, 0, f"is no page ({page.kind[:80]}), or longer than {MOST_PAGE_BYTES >> 20} MiB")
    try:
        record = page_record(content, canonical_url(page.url))
        article = article_from_record({**record, "url": record["url"] or page.url})
    except InvalidArticle as error:
        return Rejection(page.url, 0, str(error))
    tally.html += 1
    return article


def _listings(url: str, first: Page, visitor: Visitor, tally: Tally) -> Iterator[Listing]:
    """The listing, or those that it leads to; each sitemap once."""
    listing = listing_of(first, tally)
    yield listing
    waiting = [sitemap for sitemap in listing.sitemaps if sitemap != url]
    seen = {url, *waiting}
    for sitemap in waiting:
        try:
            listed = listing_of(visitor.visit(sitemap, fresh_seconds=0), tally)
        except (NotFetched, UnreadableSource) as error:
            listed = Listing(rejections=(Rejection(sitemap, 0, error.reason),))
        yield listed
        new = [sitemap for sitemap in listed.sitemaps if sitemap not in seen][: MOST_SITEMAPS - len(waiting)]
        waiting += new
        seen.update(new)


def _record(url: str, listed: Article | None, visitor: Visitor, tally: Tally, fresh_seconds: float) -> Record:
    try:
        record = page_article(visitor.visit(url, fresh_seconds), tally)
    except NotFetched as error:
        record = Rejection(error.url, 0, error.reason)
    return _as_told(listed, url) if isinstance(record, Rejection) and listed is not None and listed.body else record


def _as_told(listed: Article, url: str) -> Record:
    try:
        return article_from_record({**_fields(listed), "id": canonical_url(url), "url": url})
    except InvalidArticle as error:
        return Rejection(url, 0, str(error))


def _fields(article: Article) -> dict[str, object]:
    links = [{"url": link.url, "text": link.text} for link in article.links]
    image = article.image and {"url": article.image.url, "alt": article.image.alt}
    own = {name: getattr(article, name) for name in article.__struct_fields__}
    return {**own, "links": links, "image": image}


def _in_utf_8(page: Page) -> bytes:
    """The page's bytes, from the encoding that its header names."""
    charset = page.kind.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    if charset in ("", "utf-8", "utf8"):
        return page.content
    try:
        return page.content.decode(encoding_of_label(charset) or "utf-8").encode()
    except ValueError:
        return page.content
