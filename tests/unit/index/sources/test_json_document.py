"""JSON documents: which of their lists are read, and what is told of those that are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from index.article import Article
from index.sources import Rejection, read_source


def record(number: str) -> dict[str, Any]:
    return {"id": number, "headline": f"H {number}", "body": "B"}


def read(tmp_path: Path, document: Any, indent: int = 0) -> tuple[list[str], list[str]]:
    """The IDs of the articles, and the reasons of the rejections."""
    content = msgspec.json.encode(document)
    (tmp_path / "a.json").write_bytes(msgspec.json.format(content, indent=indent) if indent else content)
    found = list(read_source(tmp_path / "a.json"))
    ids = [each.id for each in found if isinstance(each, Article)]
    return ids, [each.reason for each in found if isinstance(each, Rejection)]


@pytest.mark.parametrize("indent", [0, 2])
def test_all_lists_of_records_are_read(tmp_path: Path, indent: int) -> None:
    document = {"articles": [record("a")], "posts": [record("b")], "data": {"stories": [record("c")], "items": []}}
    assert read(tmp_path, document, indent) == (["a", "b", "c"], [])


def test_a_list_of_articles_under_another_name_is_told(tmp_path: Path) -> None:
    ids, (reason,) = read(tmp_path, {"articles": [record("a")], "pages": [record("b")], "users": [{"id": "u"}]})
    assert (ids, reason.partition(";")[0]) == (["a"], "the list pages is not read")


def test_all_exports_of_ghost_in_a_document_are_read(tmp_path: Path) -> None:
    exports = [
        {
            "meta": {"version": "5"},
            "data": {"posts": [{"id": each, "title": "T", "status": "published", "html": "B"}]},
        }
        for each in "ab"
    ]
    assert read(tmp_path, {"db": exports}) == (["a", "b"], [])
    ids, (reason,) = read(tmp_path, {"db": [exports[0], {"meta": {}}]})
    assert (ids, reason) == (["a"], "db: its entry 2 is no Ghost export, and is not read")


@pytest.mark.parametrize("indent", [0, 2])
def test_an_article_with_a_list_of_teasers_is_the_article(tmp_path: Path, indent: int) -> None:
    teasers = [{"id": "t", "title": "Teaser"}]
    assert read(tmp_path, {**record("s"), "items": teasers}, indent) == (["s"], [])
    ids, (reason,) = read(tmp_path, {"name": "My story", "id": "s", "items": teasers}, indent)
    assert (ids, reason.partition(";")[0]) == (["s"], "the list items is not read")


def test_a_title_of_the_list_makes_it_no_article(tmp_path: Path) -> None:
    assert read(tmp_path, {"title": "Courier", "articles": [record("a")]}) == (["a"], [])
