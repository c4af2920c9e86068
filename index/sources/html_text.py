"""Extracts plain text from fields that hold HTML; text that merely contains a "<" or "&" stays as it is.

HTML is recognised by what plain text hardly ever has: a closing tag of a known element, a tag with an attribute, a
line break, a line that begins with a paragraph, a comment; else only entities such as `&amp;` are decoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from html.entities import html5
from html.parser import HTMLParser
from typing import Any, NamedTuple

from index.article import MAX_LIST_ENTRIES
from index.sources.shortcodes import text_without_codes, without_tail

BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "br", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p",
    "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"
})  # fmt: skip
DROPPED = frozenset({
    "audio", "canvas", "figcaption", "iframe", "noscript", "object", "script", "style", "svg", "template", "video"
})  # fmt: skip
INLINE = frozenset({
    "a", "abbr", "b", "cite", "code", "del", "em", "font", "i", "img", "ins", "mark", "picture", "q", "s", "small",
    "source", "span", "strike", "strong", "sub", "sup", "time", "tt", "u"
})  # fmt: skip
LINES = ("headline", "kicker", "standfirst", "section", "brand", "tags", "authors")
MOST_URL_CHARS, MOST_LABEL_CHARS = 2_000, 500  # of a link, as an article holds it

_NAMES = "|".join(sorted(BLOCKS | DROPPED | INLINE, key=len, reverse=True))
_HTML = re.compile(
    rf"</(?:{_NAMES})\s*>|<(?:{_NAMES})\s+[\w:.-]+=[^<>]*>|<[bh]r\s*/?>|^[ \t]*<(?:p|div|ul|ol|h[1-6])>|<!--",
    re.IGNORECASE | re.MULTILINE,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|([a-zA-Z][a-zA-Z0-9]{1,31}));")
_MARKED = re.compile(r"<!\[CDATA\[|<!\[[^\[\]<>]*\]>|<!\[|\]\]>")  # which the parser would stumble over
# A "<" that begins no whole tag; many of them would cost the parser minutes.
_STRAY = re.compile(r"""<(?!/?[a-zA-Z!?](?:[^<>"']|"[^"]*"|'[^']*')*+>)""")
_MORE_LINK = re.compile(r"(?:^|\s)(?:more|read-?more|continue-reading)(?:-link)?(?:\s|$)", re.IGNORECASE)
_BLANK_LINE = re.compile(r"\n\s*\n")


class Plain(NamedTuple):
    """The text of a field, and the links (url, text) of its anchors."""

    text: str
    links: list[dict[str, str]]


def without_html(record: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The record with plain text in its text fields, and whether any of them held HTML or entities.

    Shortcodes and what feeds add at the end go from body and standfirst. Entities of one-line fields are decoded
    twice, for titles are often escaped twice; those of the body once. Links of the body go to `links` when the record
    has none of its own. Values of other types stay.
    """
    changed: dict[str, Any] = {}
    for name in LINES:
        if (value := record.get(name)) is not None and (text := _plain_value(value)) != value:
            changed[name] = text
    held = bool(changed)
    if isinstance(standfirst := changed.get("standfirst", record.get("standfirst")), str):
        changed["standfirst"] = without_tail(text_without_codes(standfirst))
    if isinstance(body := record.get("body"), str):
        body = text_without_codes(body)
        body_text = plain(body)
        held = held or body_text is not None
        changed["body"] = without_tail(body if body_text is None else body_text.text)
        if body_text is not None and body_text.links and not record.get("links"):
            changed["links"] = body_text.links[:MAX_LIST_ENTRIES]
    if isinstance(image := record.get("image"), Mapping) and isinstance(alt := image.get("alt"), str):
        changed["image"] = {**image, "alt": _line(alt)}
    return {**record, **changed}, held


def unescaped(text: str) -> str:
    """The text with the entities that HTML knows decoded once."""
    return _ENTITY.sub(_decoded, text) if "&" in text else text


def _plain_value(value: Any) -> Any:
    """A text, or each of a list, as one plain line; another value as it is."""
    if isinstance(value, list):
        return [_line(entry) if isinstance(entry, str) else entry for entry in value]
    return _line(value) if isinstance(value, str) else value


def _line(text: str) -> str:
    text_of_line = plain(text)
    return unescaped(text if text_of_line is None else text_of_line.text)


def plain(text: str) -> Plain | None:
    """The plain text of one that holds HTML, None for one that does not.

    Block elements and blank lines end paragraphs; scripts, styles, captions and media are left out.
    """
    if "<" in text and _HTML.search(text):
        parser = _Parser()
        parser.feed(_STRAY.sub("&lt;", _MARKED.sub("", _without_comments(text))))
        parser.close()
        return Plain(parser.text(), parser.links)
    decoded = unescaped(text)
    return None if decoded == text else Plain(decoded, [])


def _without_comments(text: str) -> str:
    """One that is never closed ends nothing: what follows it is text."""
    first, *rest = text.split("<!--")
    return first + "".join(after if closed else part for part in rest for _, closed, after in [part.partition("-->")])


def _decoded(entity: re.Match[str]) -> str:
    """The character of an entity that HTML knows; anything else stays."""
    known = entity[1] is None or f"{entity[1]};" in html5
    return unescape(entity[0]) if known else entity[0]


class _Parser(HTMLParser):
    """Collects the text of a document by paragraphs, and its links."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[dict[str, str]] = []
        self._parts: list[str] = []
        self._in_blocks = False  # else lines are what divides the text
        self._dropping = ""
        self._label: list[str] | None = None

    def text(self) -> str:
        """Paragraphs with single spaces, a blank line between them; lines as they were where there are no blocks."""
        text = "".join(self._parts)
        if not self._in_blocks:
            return "\n".join(" ".join(line.split()) for line in text.split("\n"))
        paragraphs = (" ".join(part.split()) for part in _BLANK_LINE.split(text))
        return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropping == "a" and (tag == "a" or tag in BLOCKS):  # a link that was never closed
            self._dropping = ""
        if not self._dropping and (
            tag in DROPPED or (tag == "a" and _MORE_LINK.search(dict(attrs).get("class") or ""))
        ):
            self._dropping = tag
        self._divide(tag)
        if tag == "a" and not self._dropping:
            self._begin_link((dict(attrs).get("href") or "").strip())

    def handle_endtag(self, tag: str) -> None:
        if tag == self._dropping or tag == "figure":  # a caption that was never closed ends with its figure
            self._dropping = ""
        self._divide(tag)
        if tag == "a":
            self._end_link()

    def handle_data(self, data: str) -> None:
        if self._dropping:
            return
        self._parts.append(data)
        if self._label is not None:
            self._label.append(data)

    def close(self) -> None:
        super().close()
        self._end_link()

    def _divide(self, tag: str) -> None:
        if tag in BLOCKS:
            self._in_blocks = True
            self._parts.append("\n\n")

    def _begin_link(self, url: str) -> None:
        self._end_link()
        scheme, colon, _ = url.partition(":")
        is_other_scheme = (
            colon and scheme.isalpha() and scheme.lower() not in ("http", "https")
        )  # mailto, javascript, data
        if url and not url.startswith("#") and not is_other_scheme and len(url) <= MOST_URL_CHARS:
            self.links.append({"url": url, "text": ""})
            self._label = []

    def _end_link(self) -> None:
        if self._label is not None:
            self.links[-1]["text"] = " ".join("".join(self._label).split())[:MOST_LABEL_CHARS].rstrip()
            self._label = None
