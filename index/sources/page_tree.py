"""Parses a page's bytes to a tree, under limits of size and with its encoding detected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree, html

from index.article import InvalidArticle
from index.sources.encoding import WINDOWS, encoding_of_label, mostly_utf_8

MOST_ELEMENTS = 20_000  # five times as many as the largest of 91 real pages; more take trafilatura over 5 s

Tree = Any  # lxml's elements have no types

# One class for all elements, chosen in C: lxml's own choice by name, for forms, takes a twentieth of a page's time.
_CLASSES = etree.ElementDefaultClassLookup(
    element=html.HtmlElement, comment=html.HtmlComment, pi=html.HtmlProcessingInstruction, entity=html.HtmlEntity
)
_ELEMENTS = etree.XPath("count(//*)")
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]{3,40})", re.IGNORECASE)

_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # lxml takes them in, but not out again


def page_tree(content: bytes) -> Tree:
    """The page's elements. Raises `InvalidArticle` for what is no page, or too large a one."""
    try:
        text = _NO_XML.sub(" ", _decoded(content))
        parser = etree.HTMLParser(encoding="utf-8")
        parser.set_element_class_lookup(_CLASSES)
        tree = html.document_fromstring(text.encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError) as error:
        raise InvalidArticle("page", f"is not HTML: {error}") from error
    if _ELEMENTS(tree) > MOST_ELEMENTS:
        raise InvalidArticle("page", f"has more than {MOST_ELEMENTS:,} elements")
    return tree


def _decoded(content: bytes) -> str:
    """The text in the encoding of the mark, in UTF-8 where that is valid, in what the page declares, else guessed.

    A page with some damaged places stays in its encoding: each becomes U+FFFD, which `damaged_field` finds.
    """
    for encoding in ("utf-16" if content.startswith(_UTF_16_MARKS) else "utf-8-sig", *_declared(content)):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    declared = next(_declared(content), "utf-8")
    if declared == "utf-8":
        declared = "utf-8" if mostly_utf_8(content) else WINDOWS
    return content.decode(declared, "replace")


def _declared(content: bytes) -> Iterator[str]:
    """The encoding that the page names, if it is a known one."""
    match = _CHARSET.search(content[:4_096])
    if match is not None and (encoding := encoding_of_label(match[1].decode())) is not None:
        yield encoding
