"""Ghost's export (`{"db": [{"data": {"posts": [...], ...}}]}`), its posts under our names.

Posts for members are articles too: a site shows their teasers to everyone. Pages of the site are no articles, and
posts that were only sent as newsletters were never on the site.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping as Dict
from typing import Any

import msgspec

from index.sources.fields import our_names

SITE = "__GHOST_URL__"  # stands for the site's address, which an export does not say

Row = Dict[str, Any]


def ghost_exports(document: Any) -> list[Row | None] | None:
    """The tables of each export in a document, None for an entry that is no export; None for another document."""
    exports = document.get("db") if isinstance(document, Dict) else None
    outers = exports if isinstance(exports, list) and exports else [document]
    tables = [_tables(outer) for outer in outers]
    return None if all(table is None for table in tables) else tables


def _tables(outer: Any) -> Row | None:
    if not isinstance(outer, Dict) or not isinstance(outer.get("meta"), Dict):
        return None
    data = outer.get("data")
    return data if isinstance(data, Dict) and isinstance(data.get("posts"), list) else None


def ghost_posts(data: Row) -> list[Any]:
    """The posts under our names; what is no object stays, to be refused."""
    tags = _related(data, "posts_tags", "tag_id", _by_id(data, "tags"))
    authors = _related(data, "posts_authors", "author_id", _by_id(data, "users"))
    users = _by_id(data, "users")
    metas = {str(row.get("post_id")): row for row in _rows(data, "posts_meta")}
    return [
        _record(post, tags, authors, users, metas.get(str(post.get("id")), {})) if isinstance(post, Dict) else post
        for post in data["posts"]
    ]


def _record(
    post: Row, tags: Dict[str, list[str]], authors: Dict[str, list[str]], users: Dict[str, Row], meta: Row
) -> dict[str, Any]:
    number = str(post.get("id"))
    names = [tag for tag in tags.get(number, []) if not tag.startswith("#")]  # those with # are internal
    written_by = authors.get(number) or [users[key]["name"] for key in [str(post.get("author_id"))] if key in users]
    image = _on_site(post.get("feature_image"))
    return our_names(
        {
            "id": post.get("id"),
            "url": _on_site(post.get("canonical_url")) or (f"/{post['slug']}/" if post.get("slug") else None),
            "headline": post.get("title"),
            "standfirst": post.get("custom_excerpt") or meta.get("custom_excerpt"),
            "body": _body(post),
            "section": names[:1],
            "tags": names,
            "authors": written_by,
            "language": post.get("locale"),
            "image": image and {"url": image, "alt": meta.get("feature_image_alt")},
            "published_at": post.get("published_at"),
            "updated_at": post.get("updated_at"),
            "status": _status(post),
        }
    )


def _status(post: Row) -> Any:
    """Ours; `sent` was only a newsletter. A post without a status is no published one: it is refused by name."""
    if post.get("type", "post") != "post" or post.get("page") in (True, 1):
        return "other"
    status = post.get("status")
    return "private" if status == "sent" else status or "missing"


def _body(post: Row) -> Any:
    """The text as HTML, else as plain text, else the words of the editor's own format."""
    for name in ("html", "plaintext"):
        if isinstance(text := post.get(name), str) and text.strip():
            return text.replace(SITE, "")
    for name in ("lexical", "mobiledoc"):
        if isinstance(text := post.get(name), str) and text.strip():
            try:
                return "\n\n".join(_paragraphs(msgspec.json.decode(text)))
            except (msgspec.DecodeError, RecursionError):
                continue
    return None


def _paragraphs(document: Any) -> list[str]:
    """The text of each block of a document of Lexical (`root`) or Mobiledoc (`sections`), cards left out."""
    if not isinstance(document, Dict):
        return []
    root = document.get("root")
    if isinstance(root, Dict):
        blocks = ["".join(_lexical(child)) for child in _list(root.get("children"))]
    else:
        blocks = [text for section in _list(document.get("sections")) for text in _mobiledoc(_list(section))]
    return [block for block in blocks if block.strip()]


def _lexical(node: Any) -> Iterator[str]:
    """The texts of a node and of its children."""
    if isinstance(node, Dict):
        if isinstance(text := node.get("text"), str):
            yield text
        for child in _list(node.get("children")):
            yield from _lexical(child)


def _mobiledoc(section: list[Any]) -> Iterator[str]:
    """The text of a section `[1, tag, markers]`, or of each entry of a list `[3, tag, [markers, ...]]`."""
    if len(section) < 3 or section[0] not in (1, 3):
        return
    for markers in [section[2]] if section[0] == 1 else _list(section[2]):
        yield "".join(
            marker[3] for marker in map(_list, _list(markers)) if len(marker) == 4 and isinstance(marker[3], str)
        )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _on_site(url: Any) -> str | None:
    return url.replace(SITE, "") if isinstance(url, str) and url.strip() else None


def _rows(data: Row, table: str) -> list[Row]:
    rows = data.get(table)
    return [row for row in rows if isinstance(row, Dict)] if isinstance(rows, list) else []


def _by_id(data: Row, table: str) -> dict[str, Row]:
    return {str(row.get("id")): row for row in _rows(data, table) if isinstance(row.get("name"), str)}


def _related(data: Row, table: str, column: str, others: Dict[str, Row]) -> dict[str, list[str]]:
    """By post the names of the rows of another table that belong to it, in their order."""
    related: dict[str, list[str]] = defaultdict(list)
    for link in sorted(_rows(data, table), key=lambda row: _place(row.get("sort_order"))):
        if (other := others.get(str(link.get(column)))) is not None:
            related[str(link.get("post_id"))].append(other["name"])
    return related


def _place(value: Any) -> float:
    return value if isinstance(value, int | float) else 0
