"""Owns a page's bytes until they are a tree: its encoding, and how large it may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree, html

from index.article import InvalidArticle

MOST_ELEMENTS = 20_000  # five times as many as the largest of 91 real pages; more take trafilatura over 5 s

Tree = Any  # lxml's elements have no types

# One class for all elements, chosen in C: lxml's own choice by name, for forms, takes a twentieth of a page's time.
_CLASSES = etree.ElementDefaultClassLookup(
    element=html.HtmlElement, comment=html.HtmlComment, pi=html.HtmlProcessingInstruction, entity=html.HtmlEntity
)
_ELEMENTS = etree.XPath("count(//*)")
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]{3,40})", re.IGNORECASE)

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
    """UTF-8 where it is valid, else what the page declares, else Windows Latin."""
    for encoding in ("utf-8-sig", *_declared(content), "cp1252"):
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("cp1252", "replace")


def _declared(content: bytes) -> Iterator[str]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield "utf-16"
    if found := _CHARSET.search(content[:4_096]):
        name = found[1].decode().lower()
        yield "gb18030" if name in ("gb2312", "gbk") else name
