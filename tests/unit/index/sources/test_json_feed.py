"""JSON Feed, which the service writes too, and Ghost's export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from index.article import Article, Image, Link, article_from_record, iso_time
from index.sources import Rejection, Tally, Unpublished, read_source
from index.sources.mapping import read_mapping
from service.widget.stories import feed

FEED: dict[str, Any] = {
    "version": "https://jsonfeed.org/version/1.1",
    "title": "Courier",
    "language": "en-GB",
    "authors": [{"name": "The desk"}],
    "items": [
        {
            "id": "7",
            "url": "https://courier.example/ferry",
            "title": "Ferry &amp; tug",
            "content_html": '<p>It broke <a href="/engine">down</a>.</p>',
            "summary": "A tug helped.",
            "image": "https://courier.example/f.jpg",
            "date_published": "2026-03-02T07:30:00+01:00",
            "date_modified": "2026-03-03T07:30:00+01:00",
            "authors": [{"name": "Ada Quill"}],
            "tags": ["ferry"],
            "language": "de",
        },
        {"id": 8, "title": "Bridge", "content_text": "It opened."},
        {"id": "9", "content_text": "A note without a title."},
        "no item",
    ],
}


def read(
    tmp_path: Path, document: Any, tally: Tally | None = None, indent: int | None = 2
) -> list[Article | Rejection]:
    (tmp_path / "a.json").write_text(json.dumps(document, indent=indent))
    return list(read_source(tmp_path / "a.json", tally))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("version", ["1", "1.1"])
def test_the_items_of_a_json_feed_are_articles(tmp_path: Path, indent: int | None, version: str) -> None:
    where = str(tmp_path / "a.json")
    document = {**FEED, "version": f"https://jsonfeed.org/version/{version}"}
    first, second, *rejected = read(tmp_path, document, indent=indent)
    assert isinstance(first, Article)
    assert first == Article(
        id="7",
        url="https://courier.example/ferry",
        headline="Ferry & tug",
        standfirst="A tug helped.",
        body="It broke down.",
        links=(Link("/engine", "down"),),
        tags=("ferry",),
        authors=("Ada Quill",),
        language="de",
        image=Image("https://courier.example/f.jpg"),
        published_at=first.published_at,
        updated_at=first.updated_at,
    )
    assert (iso_time(first.published_at), iso_time(first.updated_at)) == (
        "2026-03-02T06:30:00Z", "2026-03-03T06:30:00Z"
    )  # fmt: skip
    assert second == Article(id="8", headline="Bridge", body="It opened.", authors=("The desk",), language="en")
    assert rejected == [
        Rejection(where, 3, "headline: is missing"),
        Rejection(where, 4, "not an object but str"),
    ]


def test_a_json_feed_without_items_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path, {**FEED, "items": []}) == []
    assert read(tmp_path, {**FEED, "items": 7}) == []


def test_a_mapping_names_the_fields_of_items(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(FEED))
    (tmp_path / "m.toml").write_text('[columns]\nid = "id"\nheadline = "summary"\n')
    found = list(read_source(tmp_path / "a.json", mapping=read_mapping(tmp_path / "m.toml")))
    assert found[0] == Article(id="7", headline="A tug helped.")


def test_what_the_service_writes_as_json_feed_is_read_again(tmp_path: Path) -> None:
    article = article_from_record({
        "id": "7", "url": "https://courier.example/ferry", "headline": "Ferry", "standfirst": "A tug helped.",
        "published_at": "2026-03-02T06:30:00Z", "authors": ["Ada Quill"], "language": "en",
        "image": "https://courier.example/f.jpg",
    })  # fmt: skip
    teaser = article.teaser()
    shown = {name: getattr(teaser, name) for name in teaser.__struct_fields__} | {
        "picture": teaser.image.url if teaser.image else ""
    }
    assert read(tmp_path, feed({"headline": "Bridge", "url": "", "language": "en"}, [shown])) == [article]


def post(number: str, **fields: Any) -> dict[str, Any]:
    return {"id": number, "title": f"Post {number}", "slug": f"post-{number}", "type": "post", "status": "published",
            "visibility": "public", "published_at": "2026-03-02T06:30:00.000Z", **fields}  # fmt: skip


LEXICAL = {"root": {"children": [
    {"type": "paragraph", "children": [{"text": "It "}, {"type": "link", "children": [{"text": "broke"}]}]},
    {"type": "image", "src": "x"},
]}}  # fmt: skip
MOBILEDOC = {"version": "0.3.1", "sections": [
    [1, "p", [[0, [], 0, "It "], [0, [0], 1, "broke"]]], [10, 0],
    [3, "ul", [[[0, [], 0, "One"]], [[0, [], 0, "Two"]]]],
]}  # fmt: skip
GHOST: dict[str, Any] = {"db": [{"meta": {"version": "5.0"}, "data": {
    "posts": [
        post("a", html='<p>It broke <a href="__GHOST_URL__/engine/">down</a>.</p>', custom_excerpt="A tug helped.",
             feature_image="__GHOST_URL__/content/images/f.jpg", locale="de"),
        post("b", visibility="paid", plaintext="For members."),
        post("c", lexical=json.dumps(LEXICAL)),
        post("d", mobiledoc=json.dumps(MOBILEDOC)),
        post("e", status="draft"), post("f", status="scheduled"), post("g", status="sent"), post("h", status=None),
        post("i", type="page"), post("j", page=1),
        7,
    ],
    "tags": [{"id": "t1", "name": "Harbour"}, {"id": "t2", "name": "Ferry"}, {"id": "t3", "name": "#internal"}],
    "posts_tags": [{"post_id": "a", "tag_id": "t2", "sort_order": 1},
                   {"post_id": "a", "tag_id": "t1", "sort_order": 0},
                   {"post_id": "a", "tag_id": "t3", "sort_order": 2}],
    "users": [{"id": "u1", "name": "Ada Quill"}, {"id": "u2", "name": "Ben Inkwell"}],
    "posts_authors": [{"post_id": "a", "author_id": "u2", "sort_order": 1}, {"post_id": "a", "author_id": "u1"}],
    "posts_meta": [{"post_id": "a", "feature_image_alt": "A ferry"}],
}}]}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
def test_the_published_posts_of_a_ghost_export_are_articles(tmp_path: Path, indent: int | None) -> None:
    tally = Tally()
    records = read(tmp_path, GHOST, tally, indent)
    first, *others, unsure, rejected = [each for each in records if not isinstance(each, Unpublished)]
    assert isinstance(first, Article)
    assert first == Article(
        id="a",
        url="/post-a/",
        headline="Post a",
        standfirst="A tug helped.",
        body="It broke down.",
        links=(Link("/engine/", "down"),),
        section="Harbour",
        tags=("Harbour", "Ferry"),
        authors=("Ada Quill", "Ben Inkwell"),
        language="de",
        image=Image("/content/images/f.jpg", "A ferry"),
        published_at=first.published_at,
    )
    assert [(each.id, each.body) for each in others if isinstance(each, Article)] == [
        ("b", "For members."),
        ("c", "It broke"),
        ("d", "It broke\n\nOne\n\nTwo"),
    ]
    assert isinstance(unsure, Rejection)
    assert (unsure.line, unsure.reason[:7]) == (8, "status:")
    assert rejected == Rejection(str(tmp_path / "a.json"), 11, "not an object but int")
    assert (tally.unpublished, tally.other) == (3, 2)


@pytest.mark.parametrize("table", ["tags", "posts_tags", "users", "posts_authors", "posts_meta"])
@pytest.mark.parametrize("value", [None, 7, [7], [{}], {"a": 1}])
def test_a_ghost_export_with_an_odd_table_still_gives_its_posts(tmp_path: Path, table: str, value: Any) -> None:
    (tables,) = GHOST["db"]
    found = read(tmp_path, {"db": [{**tables, "data": {**tables["data"], table: value}}]})
    assert [each.id for each in found if isinstance(each, Article)] == ["a", "b", "c", "d"]


def test_posts_of_ghosts_interface_keep_text_and_picture(tmp_path: Path) -> None:
    posts = {"posts": [{"id": "a", "title": "T", "html": "<p>It broke.</p>", "feature_image": "/f.jpg"}], "meta": {}}
    assert read(tmp_path, posts) == [Article(id="a", headline="T", body="It broke.", image=Image("/f.jpg"))]
