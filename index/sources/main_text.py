"""Extracts the text of a page's article, and the links in and after it. The only importer of trafilatura.

The page's own `articleBody`, where it has one, says which paragraphs belong to the article.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence, Set
from copy import deepcopy
from typing import NamedTuple
from urllib.parse import urljoin

import trafilatura
from lxml import etree

from index.article import MAX_LIST_ENTRIES
from index.sources.headline import folded
from index.sources.page_head import line, visible
from index.sources.page_tree import Tree

logging.getLogger("trafilatura").setLevel(logging.ERROR)  # it warns of each page without a text; we say so ourselves

ENOUGH = 250  # characters; trafilatura's own limit for a text worth having
SUMMARY = 0.6  # of the length: a shorter text is no whole article
TEASER = 0.7  # of the characters are links
SAME = 0.5  # share of a paragraph's pieces that the page's own text must hold

_NEVER_TEXT = (
    "script", "style", "noscript", "svg", "iframe", "form", "button", "nav", "footer", "aside", "template", "canvas",
    "video", "audio", "picture", "img", "input", "select", "textarea", "source", "link", "meta", "figcaption",
    "object", "embed", "dialog",
)  # fmt: skip
_LINKED = etree.XPath("//*[self::p or self::li or self::h2 or self::h3 or self::h4][.//a]")
_LINES = re.compile(r"\n+")


class MainText(NamedTuple):
    """Paragraphs of the article with a blank line between them, and the links (url, text) among them."""

    text: str
    links: list[dict[str, str]]


def main_text(tree: Tree, article_body: str, apart: Sequence[str], base: str, whole: Callable[[], Tree]) -> MainText:
    """The text of the page; changes the tree. `apart`: headline and standfirst; `base`: the page's address.

    `whole`: the page's tree once more, for one whose text stands where usually none does.

    Captions, forms, navigation, and paragraphs that only repeat headline or standfirst are left out.
    """
    etree.strip_elements(tree, etree.Comment, etree.ProcessingInstruction, *_NEVER_TEXT, with_tail=False)
    paragraphs = _extracted(deepcopy(tree), thorough=False)
    if sum(map(len, paragraphs)) < ENOUGH:
        paragraphs = _extracted(deepcopy(tree), thorough=True)
    known = set(map(folded, apart)) | _teasers(tree)
    kept = _by_own_text([paragraph for paragraph in paragraphs if folded(paragraph) not in known], article_body)
    if not kept:
        kept = _remaining(whole, paragraphs, apart)
    return MainText("\n\n".join(kept), _links(tree, kept, base))


def _remaining(whole_tree: Callable[[], Tree], paragraphs: Sequence[str], apart: Sequence[str]) -> list[str]:
    """What there is of a text that the stricter ways have left nothing of: the headline alone is none."""
    headline = folded(apart[0]) if apart else ""
    kept = [paragraph for paragraph in paragraphs if folded(paragraph) != headline]
    return kept or [
        paragraph for paragraph in _extracted(whole_tree(), thorough=True) if folded(paragraph) != headline
    ]


def _teasers(tree: Tree) -> set[str]:
    """Paragraphs and list entries that are hardly more than links: "Read more: ..." between the paragraphs."""
    return {
        folded(text)
        for element in _LINKED(tree)
        if (text := visible(element)) and _linked(element) >= TEASER * len(text)
    }


def _linked(element: Tree) -> int:
    return sum(len(visible(anchor)) for anchor in element.iter("a"))


def _links(tree: Tree, paragraphs: Sequence[str], base: str) -> list[dict[str, str]]:
    """Links in the article's text and in teasers between its paragraphs, absolute, each once."""
    holders = _holders(tree, set(paragraphs))
    links: dict[str, dict[str, str]] = {}
    for anchor in holders[0].iter("a") if holders else ():
        if (text := visible(anchor)) and (url := _absolute(anchor.get("href") or "", base)):
            links.setdefault(url, {"url": url, "text": text[:500]})
    return list(links.values())[:MAX_LIST_ENTRIES]


def _holders(tree: Tree, paragraphs: Set[str]) -> list[Tree]:
    """Elements that hold paragraphs of the article directly, the one with most of them first."""
    counted = Counter(paragraph.getparent() for paragraph in tree.iter("p") if visible(paragraph) in paragraphs)
    return [element for element, _ in counted.most_common(1) if element is not None]


def _extracted(tree: Tree, thorough: bool) -> list[str]:
    """Paragraphs by the quick and strict way, or by all of trafilatura's ways, which takes thrice as long."""
    extracted = trafilatura.bare_extraction(
        tree, include_comments=False, fast=not thorough, favor_precision=not thorough
    )
    text = extracted.text if extracted is not None else ""
    return _paragraphs(text or "")


def _paragraphs(text: str) -> list[str]:
    return [paragraph for part in _LINES.split(text) if (paragraph := line(part.removeprefix("- ")))]


def _by_own_text(paragraphs: list[str], own: str) -> list[str]:
    """The paragraphs that the page's own text holds; that text itself where they are too little of it.

    One much shorter than the paragraphs is a summary, and tells nothing.
    """
    if len(own) < SUMMARY * sum(map(len, paragraphs)) or not own:
        return paragraphs
    have = folded(own)
    kept = [paragraph for paragraph in paragraphs if _held(paragraph, have)]
    return kept if sum(map(len, kept)) >= SUMMARY * len(own) else _paragraphs(own)


def _held(paragraph: str, own: str) -> bool:
    """Whether most pieces of forty characters stand in the text, which may differ in a word or a mark."""
    text = folded(paragraph)
    pieces = [text[start : start + 40] for start in range(0, len(text), 40)]
    return sum(piece in own for piece in pieces) >= SAME * len(pieces)


def _absolute(url: str, base: str) -> str:
    try:
        absolute = urljoin(base, url.strip())
    except ValueError:
        return ""
    return absolute if absolute.startswith(("http://", "https://")) and len(absolute) <= 2_000 else ""
