"""Reads what a page's markup says of its article: meta tags, title, headings, times, bylines, standfirst."""

from __future__ import annotations

import re
from itertools import islice
from urllib.parse import urljoin

import msgspec
from lxml import etree

from index.sources.html_text import BLOCKS, unescaped
from index.sources.page_tree import Tree

MOST_HEADINGS = 10  # of the first level; most pages have one
MOST_AFTER_HEADLINE = 80  # elements between the headline and its standfirst, wrappers and share buttons included
SHORTEST_STANDFIRST, LONGEST_STANDFIRST = 25, 700  # characters

_STANDFIRST = re.compile(
    r"(?:^|[\s_-])(?:standfirst|deck?|subtitle|sub-?head(?:line|ing)?|lead|lede|intro(?:duction)?|summary|excerpt"
    r"|chapo|entradilla|sottotitolo|preamble|ingress|vorspann|teaser|abstract|desc(?:ription)?)(?:$|[\s_-])",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"relat|author|avatar|image|img|photo|picture|caption|gallery|video|media|newsletter|promo|inline|share|sidebar|comment",
    re.IGNORECASE,
)
_MARKED_AUTHORS = etree.XPath("//*[@itemprop='author' or @rel='author']")
_CLASSED_AUTHORS = etree.XPath(
    "//*[self::a or self::span or self::p or self::div or self::li or self::address]"
    "[contains(@class, 'byline') or contains(@class, 'author') or contains(@class, 'autor')]"
)
_PUBLISHED = etree.XPath("//*[@itemprop='datePublished']")
_TIMES = etree.XPath("//time")
_AFTER = etree.XPath(f"following::*[position() <= {MOST_AFTER_HEADLINE}]")
_AUTHOR_METAS = (
    "author", "article:author", "parsely-author", "sailthru.author", "dc.creator", "dcterms.creator",
    "cxenseparse:author", "byl", "authors", "article:author_name",
)  # fmt: skip
_DATE_METAS = (
    "article:published_time", "article:published", "og:published_time", "datepublished", "date", "pubdate",
    "publishdate", "publish-date", "publish_date", "parsely-pub-date", "sailthru.date", "dc.date.issued",
    "dcterms.created", "dc.date", "dcterms.date", "article.published", "originalpublicationdate",
    "cxenseparse:recs:publishtime",
)  # fmt: skip
_UPDATE_METAS = ("article:modified_time", "og:updated_time", "datemodified", "last-modified", "dcterms.modified")
_MAY_BE_STANDFIRST = ("p", "div", "h2", "h3", "span", "section", "strong", "ul")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")


class Head(msgspec.Struct):
    """What a page says of its article, in order of trust within each field; nothing is validated."""

    metas: dict[str, str]
    title: str
    headings: list[str]  # of the first level
    canonical: str
    language: str
    dates: list[str]
    updates: list[str]
    authors: list[str]
    standfirst: str  # the visible one
    keywords: list[str]


def read_head(tree: Tree) -> Head:
    """The page's own words about its article."""
    metas, keywords = _metas(tree)
    return Head(
        metas=metas,
        title=line(unescaped(tree.findtext(".//title") or "")),
        headings=[
            text for heading in islice(tree.iter("h1"), MOST_HEADINGS) if (text := unescaped(visible(heading)))
        ],
        canonical=_canonical(tree, metas),
        language=(tree.get("lang") or metas.get("og:locale") or metas.get("content-language") or "").strip(),
        dates=_values(metas, _DATE_METAS),
        updates=_values(metas, _UPDATE_METAS),
        authors=_values(metas, _AUTHOR_METAS),
        standfirst=_standfirst(tree),
        keywords=keywords,
    )


def line(text: str) -> str:
    """One line with single spaces, without soft hyphens and other invisible characters."""
    return " ".join((text if text.isascii() else _INVISIBLE.sub("", text)).split())


def visible(element: Tree) -> str:
    """The text of an element as one line; blocks and line breaks in it divide words."""
    between = " " if any(child.tag in BLOCKS for child in element.iterdescendants()) else ""
    return line(between.join(element.itertext()))


def _metas(tree: Tree) -> tuple[dict[str, str], list[str]]:
    """The first content of each meta tag by its lower-case name, and all keywords."""
    metas: dict[str, str] = {}
    keywords: list[str] = []
    for meta in tree.iter("meta"):
        content = unescaped(meta.get("content") or "").strip()  # often escaped twice
        for name in filter(
            None, (meta.get("property"), meta.get("name"), meta.get("itemprop"), meta.get("http-equiv"))
        ):
            if content:
                metas.setdefault(name.lower(), content)
                if name.lower() == "article:tag":
                    keywords.append(line(content))
    return metas, keywords or [
        text for value in _values(metas, ("keywords", "news_keywords")) for text in value.split(",")
    ]


def _values(metas: dict[str, str], names: tuple[str, ...]) -> list[str]:
    return [metas[name] for name in names if name in metas]


def _canonical(tree: Tree, metas: dict[str, str]) -> str:
    """The absolute address that the page gives itself, or nothing."""
    links: list[str] = [
        link.get("href") or "" for link in tree.iter("link") if (link.get("rel") or "").lower() == "canonical"
    ]
    for url in (*links, metas.get("og:url", "")):
        try:
            absolute = urljoin(metas.get("og:url", ""), url.strip())
        except ValueError:
            continue
        if absolute.startswith(("http://", "https://")):
            return absolute
    return ""


def marked_times(tree: Tree) -> list[str]:
    """The machine-readable times that the page shows, those marked as its publication first."""
    elements = (element for path in (_PUBLISHED, _TIMES) for element in path(tree)[:10])
    return [value.strip() for element in elements if (value := element.get("datetime") or element.get("content"))]


def bylines(tree: Tree) -> list[str]:
    """The names in the first marked byline: by rel or itemprop, else by class."""
    for path in (_MARKED_AUTHORS, _CLASSED_AUTHORS):
        if names := [text for element in path(tree)[:20] if 2 < len(text := _name(element)) < 80]:
            return list(dict.fromkeys(names)) if path is _MARKED_AUTHORS else names[:1]
    return []


def _name(element: Tree) -> str:
    name = element.find(".//*[@itemprop='name']")
    return visible(element if name is None else name) or (element.get("content") or "")


def _standfirst(tree: Tree) -> str:
    """The text that is marked as standfirst soon after the headline, or nothing."""
    for headline in islice(tree.iter("h1"), MOST_HEADINGS):
        for element in _AFTER(headline):
            if element.tag in _MAY_BE_STANDFIRST and _is_marked(element) and _fits(text := visible(element)):
                return text
    return ""


def _is_marked(element: Tree) -> bool:
    """Marked as a standfirst, and not as one of a picture, an author or another story."""
    marks = " ".join(filter(None, (element.get("class"), element.get("itemprop"), element.get("data-testid"))))
    if not _STANDFIRST.search(marks) or _OTHER.search(marks):
        return False
    return not any(ancestor.tag in ("figure", "aside", "nav", "footer", "a") for ancestor in element.iterancestors())


def _fits(text: str) -> bool:
    return SHORTEST_STANDFIRST <= len(text) <= LONGEST_STANDFIRST
