"""Owns schema.org data in a page's JSON-LD: which of its objects is the page's article, and what it says.

Broken scripts cost what stands in them, never the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import Any

MOST_OBJECTS = 20_000  # in a page; live blogs have hundreds

Node = Mapping[str, Any]

_ARTICLE = re.compile(r"(?:Article|BlogPosting|LiveBlogPosting|Report|Review)$")
_TELLING = ("headline", "datePublished", "author", "description", "articleBody", "articleSection", "image")
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
    named = (each.get("name") if isinstance(each, Mapping) else each for each in entries)
    return [text for each in named if (text := text_of(each))]


def url_of(value: Any) -> str:
    """The address in a text, an image object, or the first of several."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, Mapping):
        value = value.get("url") or value.get("contentUrl") or value.get("@id")
    return value.strip() if isinstance(value, str) else ""


def _roots(script: str) -> list[Any]:
    text = script.strip().removeprefix("<!--").removesuffix("-->").strip()
    text = text.removeprefix("//<![CDATA[").removeprefix("<![CDATA[").removesuffix("//]]>").removesuffix("]]>")
    try:
        found = json.loads(text.strip().rstrip(";"), strict=False)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else [found]


def _objects(roots: list[Any]) -> Iterator[tuple[int, Node]]:
    """Every object with how many articles stand around it, outer ones first, at most 20,000."""
    waiting = [(0, root) for root in roots]
    for seen, (depth, value) in enumerate(waiting):
        if seen >= MOST_OBJECTS:
            return
        if isinstance(value, Mapping):
            yield depth, value
            inside = depth + _is_article(value)
            waiting.extend((inside, each) for each in value.values() if isinstance(each, list | Mapping))
        elif isinstance(value, list):
            waiting.extend((depth, each) for each in value if isinstance(each, list | Mapping))


def _is_article(node: Node) -> bool:
    types = node.get("@type")
    return any(
        isinstance(each, str) and _ARTICLE.search(each) for each in (types if isinstance(types, list) else [types])
    )


def _worth(node: Node) -> int:
    return sum(bool(node.get(name)) for name in _TELLING)


def _resolved(value: Any, named: Mapping[str, Node]) -> Any:
    """The object that `{"@id": ...}` refers to; of a list each."""
    if isinstance(value, list):
        return [_resolved(each, named) for each in value]
    if isinstance(value, Mapping) and set(value) == {"@id"} and isinstance(value["@id"], str):
        return named.get(value["@id"], value)
    return value
