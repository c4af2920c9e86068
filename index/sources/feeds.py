"""RSS 0.9 to 2.0 and Atom by feedparser, which forgives what feeds get wrong."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from collections.abc import Mapping as Dict
from typing import Any, cast

import feedparser

from index.article import Article
from index.sources import Input, Rejection, Tally
from index.sources.encoding import damaged_field, mostly_utf_8
from index.sources.fields import OTHER, our_names, reshaped_status
from index.sources.html_text import plain
from index.sources.record import read_record, with_a_status
from index.sources.xml_bytes import cleaned
from index.values.urls import absolute_url

MOST_FEED_BYTES = 8 << 20  # parsed in memory
MOST_ENTRIES, MOST_MARKS = (
    5_000,
    400_000,
)  # which take feedparser some three seconds; real feeds have a hundred entries
_DECLARED = re.compile(rb"<\?xml[^>]{0,100}encoding\s*=\s*[\"']([\w-]{1,40})", re.IGNORECASE)
_OF_AN_EXPORT = re.compile(rb"</wp:(?:status|post_type|post_password)>")
_HAS_DRAFTS = re.compile(rb"purl\.org/atom/app|w3\.org/2007/app|schemas\.google\.com/(?:blogger|g/2005#kind)")
_KIND = "http://schemas.google.com/g/2005#kind"
_STATUS = "blogger_status"
_UNSURE = "is damaged, so that nobody can tell which of its entries are drafts"
_TEXT_SECTIONS = re.compile(rb"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL)
_BEGIN = re.compile(rb"<(?:[\w.-]+:)?(?:item|entry)[\s>]", re.IGNORECASE)
_END = re.compile(rb"</(?:[\w.-]+:)?(?:item|entry)\s*>", re.IGNORECASE)
_ROOT_END = re.compile(
    rb"</(?:[\w.-]+:)?(?:rss|feed|rdf)\s*>|\A[^<]*(?:<[?!][^>]*>[^<]*)*<[^>]*/>\s*\Z", re.IGNORECASE
)
_SWALLOWED = re.compile(r"</?(?:item|entry|guid|pubdate|description|content:encoded|dc:\w+)[\s>]", re.IGNORECASE)
LONGEST_SUMMARY = 1_000  # characters; a longer description without a text beside it is the text


def read_feed(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """One article or rejection an entry; a rejection's line is the entry's number."""
    content = source.file.read(MOST_FEED_BYTES + 1)
    if (reason := _refused(content)) is not None:
        yield Rejection(source.where, 0, reason)
        return
    has_drafts = _HAS_DRAFTS.search(content) is not None
    if has_drafts:
        content = b"".join(cleaned(cast(io.BufferedReader, io.BufferedReader(io.BytesIO(content)))))
    entries, language, reason = _parsed(_whole(content))
    if reason and (has_drafts or not entries):
        yield Rejection(source.where, 0, f"{_UNSURE if has_drafts else 'is no feed'}: {reason}")
        return
    reason, last_is_cut = _loss(content, len(entries))
    is_suspect = bool(reason) or any(_END.search(section[0]) for section in _TEXT_SECTIONS.finditer(content))
    stated = any(_STATUS in entry for entry in entries)
    for number, entry in enumerate(entries[: len(entries) - last_is_cut], 1):
        if is_suspect and _has_swallowed(entry):
            yield Rejection(source.where, number, "the XML is damaged here: a text has swallowed the tags behind it")
            continue
        record = {**entry_record(entry, language), **_publication(entry)}
        if damaged := damaged_field(content, record):
            yield Rejection(source.where, number, f"{damaged}: holds bytes that are no text in the feed's encoding")
        elif (article := read_record(with_a_status(record) if stated else record, source, number, tally)) is not None:
            yield article
    if reason:
        yield Rejection(source.where, 0, reason)


def _loss(content: bytes, entries: int) -> tuple[str, bool]:
    """What is lost of a damaged feed of which so many entries were read, and whether the last of them is cut."""
    tags = _TEXT_SECTIONS.sub(b"", content.replace(b"\0", b""))
    begins = [match.start() for match in _BEGIN.finditer(tags)]
    if _ROOT_END.search(tags) is None:
        is_cut = bool(entries and begins) and _END.search(tags, begins[-1]) is None
        return "the file is torn: the feed ends before its last tag", is_cut
    if entries < len(begins):
        return f"the XML is damaged: {len(begins) - entries:,} of {len(begins):,} entries cannot be told apart", False
    return "", False


def _has_swallowed(entry: Dict[str, Any]) -> bool:
    """Whether tags of the feed stand in an entry's texts, as where a text or a CDATA section does not end."""
    summary, body = _texts(entry)
    return any(_SWALLOWED.search(str(text)) for text in (entry.get("title", ""), summary, body))


def _publication(entry: Dict[str, Any]) -> dict[str, Any]:
    """What a blog's export says of an entry (Atom's drafts, Blogger's kinds and states); {} for a feed's entry."""
    schemes = {str(tag.get("scheme")): str(tag.get("term")) for tag in entry.get("tags") or ()}
    kind = str(entry.get("blogger_type") or schemes.get(_KIND, "post")).rpartition("#")[2].lower()
    if kind != "post":
        return {"status": OTHER, "left_out": kind}
    drafts = [value for name, value in entry.items() if name == "draft" or name.endswith("_draft")]
    if any(str(draft).strip().lower() != "no" for draft in drafts):
        return {"status": "draft"}
    if _STATUS not in entry:
        return {}
    state = reshaped_status(entry[_STATUS])
    return {"status": "trash" if state == "soft-trashed" else state}


def _whole(content: bytes) -> bytes:
    """The feed with U+FFFD where UTF-8 is damaged, for which feedparser would take another encoding for all of it."""
    try:
        content.decode()
    except UnicodeDecodeError:
        declared = _DECLARED.search(content[:200])
        if (declared is None or declared[1].lower() in (b"utf-8", b"utf8")) and mostly_utf_8(content):
            return content.decode("utf-8", "replace").encode()
    return content


def _parsed(content: bytes) -> tuple[list[dict[str, Any]], str | None, str]:
    """Entries as plain dicts, the feed's language, and what was wrong with it, if anything."""
    try:
        feed = feedparser.parse(content, sanitize_html=False, resolve_relative_uris=True)
    except (ValueError, LookupError, AssertionError, RecursionError) as error:  # of half-broken markup
        return [], None, f"{type(error).__name__}: {error}"
    fault = feed.get("bozo_exception", "")
    harmless = isinstance(fault, feedparser.CharacterEncodingOverride | feedparser.NonXMLContentType)
    return [dict(entry) for entry in feed.entries], feed.feed.get("language"), "" if harmless else str(fault)


def _refused(content: bytes) -> str | None:
    """Why feedparser is not to see it, which has no limits of its own."""
    plain_bytes = content.replace(b"\0", b"").lower()  # UTF-16 has zero bytes
    if len(content) > MOST_FEED_BYTES:
        return f"the feed is longer than {MOST_FEED_BYTES >> 20} MiB"
    if _OF_AN_EXPORT.search(plain_bytes):
        return "holds items of a WordPress export, but does not begin as one: it is damaged, and may hold drafts"
    if b"<!entity" in plain_bytes:
        return "declares XML entities: refused, as feeds need none"
    if plain_bytes.count(b"<item") + plain_bytes.count(b"<entry") > MOST_ENTRIES:
        return f"the feed has more than {MOST_ENTRIES:,} entries"
    if plain_bytes.count(b"<") + plain_bytes.count(b"&") > MOST_MARKS:
        return f"the feed has more than {MOST_MARKS:,} tags and entities"
    return None


def entry_record(entry: Dict[str, Any], language: str | None) -> dict[str, Any]:
    """An entry of feedparser's, as a plain dict, under our names; its ID is its guid, else its address."""
    summary, body = _texts(entry)
    return our_names(
        {
            "id": entry.get("id") or entry.get("link"),
            "url": _web_address(entry.get("link")),
            "headline": _plain(entry.get("title")),
            "standfirst": summary,
            "body": body,
            "tags": [
                tag["term"] for tag in entry.get("tags") or () if tag.get("term") and tag.get("scheme") != _KIND
            ],
            "authors": [author["name"] for author in entry.get("authors") or () if author.get("name")]
            or entry.get("author"),
            "language": entry.get("language") or language,
            "image": _image(entry),
            # As written: feedparser's own reading guesses the order of day and month, and drops zones.
            "published_at": entry.get("published") or entry.get("updated"),
            "updated_at": entry.get("updated"),
        }
    )


def _texts(entry: Dict[str, Any]) -> tuple[str, str]:
    """Standfirst and body; what only repeats the beginning of the text is no standfirst."""
    contents = [part.get("value") or "" for part in entry.get("content") or ()]
    body = max(contents, key=len, default="")
    summary = entry.get("summary") or ""
    if not body and len(summary) > LONGEST_SUMMARY:
        return "", summary
    return ("" if summary == body else _plain(summary)), body


def _plain(text: object) -> str:
    if not isinstance(text, str):
        return ""
    text_without_html = plain(text)
    return text if text_without_html is None else text_without_html.text


def _image(entry: Dict[str, Any]) -> str | None:
    """The absolute address of the first picture among media and enclosures that has one."""
    media = [media_entry for name in ("media_content", "media_thumbnail") for media_entry in entry.get(name) or ()]
    pictures = [
        media_entry
        for media_entry in media
        if str(media_entry.get("medium") or media_entry.get("type") or "image").startswith("image")
    ]
    links = [link for link in entry.get("links") or () if link.get("rel") == "enclosure"]
    enclosed = [link for link in links if str(link.get("type") or "").startswith("image/")]
    urls = [picture.get("url") or picture.get("href") for picture in (*pictures, *enclosed)]
    base = _web_address(entry.get("link")) or ""
    return next((picture for url in urls if isinstance(url, str) and (picture := absolute_url(url, base))), None)


def _web_address(url: object) -> str | None:
    """None for what is none: feedparser takes any guid for an address."""
    return url if isinstance(url, str) and url.startswith(("http://", "https://", "/")) else None
