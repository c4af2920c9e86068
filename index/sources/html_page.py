"""A saved web page: schema.org data first, then meta tags, then what stands on the page; the text by trafilatura."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from index.article import MAX_LIST_ENTRIES, Article, InvalidArticle, article_from_record, canonical_url
from index.sources import Input, Rejection, Tally
from index.sources.bylines import author_names
from index.sources.encoding import damaged_field
from index.sources.fields import UNPUBLISHED, reshaped_status
from index.sources.headline import headline_of
from index.sources.json_ld import Node, article_node, text_of, texts_of, type_of, url_of
from index.sources.main_text import main_text
from index.sources.page_head import Head, bylines, line, marked_times, read_head
from index.sources.page_tree import Tree, page_tree
from index.sources.pictures import page_picture
from index.sources.shortcodes import text_without_codes, without_tail
from index.values.dates import UnreadableDate, date_seconds

MOST_PAGE_BYTES = 8 << 20
MOST_FIELD_CHARS = 5_000

_DATE_IN_URL = re.compile(r"/((?:19|20)\d\d)[/-](0[1-9]|1[0-2])[/-](0[1-9]|[12]\d|3[01])(?:/|-|$)")
_ZERO = re.compile("0000-00-00|-0001-11-30")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_]\w{2,8})*")


def read_html(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """The page's article or one rejection; its ID is its canonical address, else the file's stem."""
    content = source.file.read(MOST_PAGE_BYTES + 1)
    if len(content) > MOST_PAGE_BYTES:
        yield Rejection(source.where, 0, f"the page is longer than {MOST_PAGE_BYTES >> 20} MiB")
        return
    try:
        yield article_from_record(page_record(content, source.stem))
        tally.html += 1
    except InvalidArticle as error:
        yield Rejection(source.where, 0, str(error))


def page_record(content: bytes, page_id: str) -> dict[str, Any]:
    """The page's article under our field names, not validated. Raises `InvalidArticle` for what is no page."""
    tree = page_tree(content)
    head, node = read_head(tree), page_node(tree)
    url = head.canonical or _absolute(url_of(node.get("url")) or url_of(node.get("mainEntityOfPage")))
    record = {"id": canonical_url(url) if url else page_id, "url": url, **_stated(tree, head, node, url)}
    record["image"] = page_picture(tree, node, url or _absolute(page_id))
    names = (text for name in record["authors"] for text in (name, f"By {name}"))
    apart = [record["headline"], record["standfirst"], *head.headings, *names]
    text, links = main_text(tree, _own_body(node), apart, url, lambda: page_tree(content))
    record |= {"body": text, "links": links}
    if damaged := damaged_field(content, record):
        raise InvalidArticle(damaged, "holds bytes that are no text in the page's encoding")
    status = reshaped_status(text_of(node.get("creativeWorkStatus")))
    if status in UNPUBLISHED or status == "withdrawn":
        raise InvalidArticle("status", f"is {status}: the page's data say that it is not public")
    return record


def page_node(tree: Tree) -> Node:
    """What the page's JSON-LD says of its article."""
    return article_node(
        script.text or "" for script in tree.iter("script") if "ld+json" in (script.get("type") or "")
    )


def _stated(tree: Tree, head: Head, node: Node, url: str) -> dict[str, Any]:
    """All but the text: each field as the first says it that says anything."""
    title = headline_of(_headlines(head, node), _sites(head, node, url), url)
    return {
        "headline": title.headline,
        "kicker": title.kicker,
        "standfirst": without_tail(text_without_codes(_first_text(head.standfirst, *_descriptions(head, node)))),
        "section": _first_text(text_of(node.get("articleSection")), head.metas.get("article:section", "")),
        "tags": [line(tag)[:200] for tag in texts_of(node.get("keywords")) or head.keywords][:MAX_LIST_ENTRIES],
        "authors": (_authors(head, node) or author_names(bylines(tree)))[:MAX_LIST_ENTRIES],
        "language": _language(head, node),
        "type": type_of(node),
        "published_at": _first_date([_date_text(node.get("datePublished")), *head.dates], marked_times(tree))
        or _date_in(url),
        "updated_at": _first_date([_date_text(node.get("dateModified")), *head.updates]),
    }


def _headlines(head: Head, node: Node) -> list[str]:
    meta = head.metas.get
    own = line(text_of(node.get("headline")) or text_of(node.get("name")))
    heading = head.headings[0] if head.headings else ""
    stated = [own, meta("og:title", ""), meta("twitter:title", ""), heading, head.title]
    return [text for statement in stated if (text := line(statement)[:MOST_FIELD_CHARS])]


def _sites(head: Head, node: Node, url: str) -> list[str]:
    """Names by which the page calls its site."""
    publisher = node.get("publisher")
    named = texts_of(publisher) if isinstance(publisher, Mapping) else []
    host = url.partition("://")[2].partition("/")[0].removeprefix("www.")
    return list(filter(None, map(line, (head.metas.get("og:site_name", ""), *named, host, host.split(".")[0]))))


def _descriptions(head: Head, node: Node) -> list[str]:
    og, plain, twitter = (
        head.metas.get(name, "") for name in ("og:description", "description", "twitter:description")
    )
    return [og, text_of(node.get("description")), plain, twitter]


def _first_text(*texts: str) -> str:
    return next((text for candidate in texts if (text := line(candidate)[:MOST_FIELD_CHARS])), "")


def _own_body(node: Node) -> str:
    body = node.get("articleBody")
    return text_of(body) if isinstance(body, str) else ""


def _authors(head: Head, node: Node) -> list[str]:
    """Of the data, else of the meta tags."""
    stated = [_named(node.get("author")), _named(node.get("creator")), *([author] for author in head.authors)]
    return next((names for statement in stated if (names := author_names(statement))), [])


def _named(value: Any) -> list[str]:
    if isinstance(value, str):
        return [text_of(value)]
    return texts_of(value)


def _language(head: Head, node: Node) -> str:
    stated = text_of(node.get("inLanguage")) or head.language
    return stated if _LANGUAGE.fullmatch(stated) else ""


def _absolute(url: str) -> str:
    return url if url.startswith(("http://", "https://")) and len(url) <= 2_000 and " " not in url else ""


def _date_text(value: Any) -> str:
    return str(value) if isinstance(value, int) else text_of(value)


def _first_date(stated: Sequence[str], marked: Sequence[str] = ()) -> int | UnreadableDate | None:
    """The first that can be read; `UnreadableDate` where something is stated and none can.

    A database's zero date states nothing. `marked`: times that the page shows, some of which are durations.
    """
    refusal = None
    stated = [text for text in stated if text.strip() and not _ZERO.match(text.strip())]
    for text in (*stated, *marked):
        try:
            return date_seconds(text)
        except UnreadableDate as error:
            refusal = refusal or UnreadableDate(f"{text[:60]!r} {error}")
    return refusal if stated else None


def _date_in(url: str) -> str | None:
    match = _DATE_IN_URL.search(url)
    return "-".join(match.groups()) if match else None
