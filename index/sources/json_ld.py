"""Schema.org data in a page's JSON-LD: which of its objects is the page's article, and what it says.

Comments, trailing commas and bad escapes are repaired. Scripts broken otherwise cost what stands in them, never the
page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import Any

MOST_REPAIRED = 1_000_000  # characters of a script, which bounds the time that a hostile one takes
MOST_OBJECTS = 20_000  # in a page; live blogs have hundreds

Node = Mapping[str, Any]

_ARTICLE = re.compile(r"(?:Article|BlogPosting|LiveBlogPosting|Report|Review)$")
_TELLING = ("headline", "datePublished", "author", "description", "articleBody", "articleSection", "image")
# Our types of what is more than an article; ours are free text, and policies name some of them (`type_weights`).
_TYPES = {
    "LiveBlogPosting": "live",
    "AnalysisNewsArticle": "analysis",
    "BackgroundNewsArticle": "explainer",
    "OpinionNewsArticle": "opinion",
    "ReviewNewsArticle": "review",
    "Review": "review",
    "CriticReview": "review",
    "SatiricalArticle": "satire",
    "AdvertiserContentArticle": "advertorial",
}
_STRING = r'"(?:[^"\\]+|\\.)*+(?:"|\\?\Z)'
_MARKS = re.compile(
    rf"(?P<string>{_STRING})|//[^\n]*|/\*.*?(?:\*/|\Z)|<!--.*?(?:-->|\Z)|<!\[CDATA\[|\]\]>", re.DOTALL
)
_COMMAS = re.compile(rf"(?P<string>{_STRING})|,(?=\s*+[,}}\]])", re.DOTALL)
_BAD_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}|x(?P<code>[0-9a-fA-F]{2})|(?P<own>.)|\Z)', re.DOTALL)
_TAG = re.compile(r"<[^<>]{1,200}>")


def article_node(scripts: Iterable[str]) -> Node:
    """The object that says most about an article, references to other objects filled in; {} for none.

    Objects inside an article (updates of a live blog, related stories) come after the article itself.
    """
    roots = [root for script in scripts for root in _roots(script)]
    nodes = list(_objects(roots))
    named = {node["@id"]: node for _, node in nodes if isinstance(node.get("@id"), str) and len(node) > 1}
    articles = [(depth, node) for depth, node in nodes if _is_article(node)]
    if not articles:
        return {}
    outermost = min(depth for depth, _ in articles)
    best = max((node for depth, node in articles if depth == outermost), key=_worth)
    return {name: _resolved(value, named) for name, value in best.items()}


def text_of(value: Any) -> str:
    """A text of the node without tags, entities decoded as often as they were encoded; "" for anything else."""
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str):
        return ""
    return _TAG.sub(" ", unescape(unescape(value))).strip()


def texts_of(value: Any) -> list[str]:
    """The texts of a list, or of a text with commas between them; of objects their names."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, Mapping):
        value = [value]
    entries = value if isinstance(value, list) else []
    named = (entry.get("name") if isinstance(entry, Mapping) else entry for entry in entries)
    return [text for entry in named if (text := text_of(entry))]


def url_of(value: Any) -> str:
    """The address in a text, an image object, or the first of several."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, Mapping):
        value = value.get("url") or value.get("contentUrl") or value.get("@id")
    return value.strip() if isinstance(value, str) else ""


def urls_of(value: Any, depth: int = 3) -> Iterator[str]:
    """The addresses in a text, an object (of a picture), or a list of either; no names of objects in the page."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and depth:
        for name in ("url", "contentUrl", "@id", "thumbnailUrl", "thumbnail"):
            if name != "@id" or "#" not in str(value.get(name)):
                yield from urls_of(value.get(name), depth - 1)
    elif isinstance(value, list) and depth:
        for entry in value:
            yield from urls_of(entry, depth - 1)


def type_of(node: Node) -> str:
    """Our type of an article node: of a live blog `live`, of an opinion piece `opinion`; "" for a plain article."""
    types = node.get("@type")
    names = (str(entry).rpartition("/")[2] for entry in (types if isinstance(types, list) else [types]))
    return next((_TYPES[name] for name in names if name in _TYPES), "")


def _roots(script: str) -> list[Any]:
    text = script.strip().removeprefix("<!--").removesuffix("-->").strip()
    text = text.removeprefix("//<![CDATA[").removeprefix("<![CDATA[").removesuffix("//]]>").removesuffix("]]>")
    for source, reading in ((text, str), (text, _repaired), (script, _repaired)):
        if reading is _repaired and len(source) > MOST_REPAIRED:
            continue
        try:
            root = json.loads(reading(source).strip().rstrip(";"), strict=False)
        except (ValueError, RecursionError):
            continue
        return root if isinstance(root, list) else [root]
    return []


def _repaired(text: str) -> str:
    """The text without comments, CDATA marks and trailing commas; bad escapes as JavaScript reads them."""
    bare = _MARKS.sub(lambda mark: mark["string"] or " ", text)
    if "\\" in bare:
        bare = _BAD_ESCAPE.sub(_good_escape, bare)  # outside of strings there is none that means anything
    return _COMMAS.sub(lambda comma: comma["string"] or "", bare)


def _good_escape(escape: re.Match[str]) -> str:
    if escape["code"]:
        return f"\\u00{escape['code']}"
    if escape["own"] == "u":
        return r"\\u"
    return escape[0] if escape["own"] is None else escape["own"]


def _objects(roots: list[Any]) -> Iterator[tuple[int, Node]]:
    """Every object with how many articles stand around it, outer ones first, at most 20,000."""
    waiting = [(0, root) for root in roots]
    for seen, (depth, value) in enumerate(waiting):
        if seen >= MOST_OBJECTS:
            return
        if isinstance(value, Mapping):
            yield depth, value
            inside = depth + _is_article(value)
            waiting.extend((inside, child) for child in value.values() if isinstance(child, list | Mapping))
        elif isinstance(value, list):
            waiting.extend((depth, child) for child in value if isinstance(child, list | Mapping))


def _is_article(node: Node) -> bool:
    types = node.get("@type")
    return any(
        isinstance(entry, str) and _ARTICLE.search(entry) for entry in (types if isinstance(types, list) else [types])
    )


def _worth(node: Node) -> int:
    return sum(bool(node.get(name)) for name in _TELLING)


def _resolved(value: Any, named: Mapping[str, Node]) -> Any:
    """The object that `{"@id": ...}` refers to; of a list each."""
    if isinstance(value, list):
        return [_resolved(entry, named) for entry in value]
    if isinstance(value, Mapping) and set(value) == {"@id"} and isinstance(value["@id"], str):
        return named.get(value["@id"], value)
    return value
