"""Pure: the links in a text of HTML, Markdown or plain prose, in order of kind: anchors, then the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple

# Markdown's <https://...> and [text](<url>): to the HTML parser they would be tags.
_AUTOLINK = re.compile(r"<(https?://[^<>\s]+)>")
_BRACKETED = re.compile(r"\]\(\s*<([^<>\s]+)>")
_MARKDOWN = re.compile(r"(?<!!)\[([^\[\]]*)\]\(\s*((?:[^\s()<>]|\([^\s()<>]*\))+)(?:\s+[\"'(][^)]*)?\s*\)")
_BARE = re.compile(r"https?://[^\s<>\"'\[\]]+", re.IGNORECASE)


class Anchor(NamedTuple):
    """Where a link points, as written, and its text on one line ("" for a bare URL)."""

    url: str
    text: str


def anchors(text: str) -> Iterator[Anchor]:
    """`<a href>`, `[text](url)` and bare http(s) URLs; images and addresses inside tags are no links."""
    parser = _Parser()
    parser.feed(_AUTOLINK.sub(r" \1 ", _BRACKETED.sub(r"](\1", text)))
    parser.close()
    yield from parser.found
    prose = "".join(parser.prose)
    yield from (Anchor(url, _line(label)) for label, url in _MARKDOWN.findall(prose))
    yield from (Anchor(_without_stop(url), "") for url in _BARE.findall(_MARKDOWN.sub(" ", prose)))


class _Parser(HTMLParser):
    """Collects anchors, and the text outside of them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Anchor] = []
        self.prose: list[str] = []
        self._open: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._end()
            if href := (dict(attrs).get("href") or "").strip():
                self._open = (href, [])

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._end()

    def handle_data(self, data: str) -> None:
        (self.prose if self._open is None else self._open[1]).append(data)

    def close(self) -> None:
        super().close()
        self._end()

    def _end(self) -> None:
        if self._open is not None:
            self.found.append(Anchor(self._open[0], _line("".join(self._open[1]))))
            self._open = None


def _line(text: str) -> str:
    return " ".join(text.split())


def _without_stop(url: str) -> str:
    """Without the sentence's punctuation, and without a bracket that was opened before the URL."""
    url = url.rstrip(".,;:!?*_…")
    return url.rstrip(")") if url.count(")") > url.count("(") else url
