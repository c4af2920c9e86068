"""WordPress (export file and REST API) and IPTC ninjs: the same story comes out the same."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest

from index.article import Article, Image, epoch_seconds
from index.sources import Rejection, Tally, Unpublished, Withdrawal, read_source

WXR = """<?xml version="1.0" encoding="UTF-8"?><!-- generator="WordPress" -->
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wp="http://wordpress.org/export/1.2/"><channel>
<wp:author><wp:author_login>aquill</wp:author_login>
<wp:author_display_name><![CDATA[Ada Quill]]></wp:author_display_name></wp:author>
{items}</channel></rss>"""
ITEM = """<item><title>Ferry breaks down</title><link>https://courier.example/ferry/</link><dc:creator>aquill</dc:creator>
<guid isPermaLink="false">https://courier.example/?p={id}</guid>
<content:encoded><![CDATA[<!-- wp:paragraph --><p>It broke down.</p><!-- /wp:paragraph -->
[caption id="a1" width="300"]<img src="x.jpg"> The ferry[/caption]<p>Nobody was hurt.</p>
[gallery ids="1,2"]]]></content:encoded>
<excerpt:encoded><![CDATA[A tug helped.]]></excerpt:encoded><wp:post_id>{id}</wp:post_id>
<wp:post_date_gmt>2026-03-02 06:30:00</wp:post_date_gmt>
<wp:post_modified_gmt>2026-03-02 08:00:00</wp:post_modified_gmt>
<wp:status>{status}</wp:status><wp:post_type>{kind}</wp:post_type>
<category domain="category" nicename="news"><![CDATA[News]]></category>
<category domain="post_tag" nicename="ferry"><![CDATA[ferry]]></category></item>"""
POST: dict[str, Any] = {
    "id": 7, "date": "2026-03-02T07:30:00", "date_gmt": "2026-03-02T06:30:00", "modified_gmt": "2026-03-02T08:00:00",
    "link": "https://courier.example/ferry/", "status": "publish", "type": "post",
    "title": {"rendered": "Ferry breaks down"}, "excerpt": {"rendered": "<p>A tug helped.</p>\n"}, "categories": [3],
    "content": {"rendered": "<p>It broke down.</p>\n<p>Nobody was hurt.</p>", "protected": False}, "tags": [4],
    "_embedded": {
        "author": [{"name": "Ada Quill"}],
        "wp:featuredmedia": [{"source_url": "https://courier.example/f.jpg", "alt_text": "F"}],
        "wp:term": [[{"taxonomy": "category", "name": "News"}], [{"taxonomy": "post_tag", "name": "ferry"}]],
    },
}  # fmt: skip
STORY = Article(
    id="7",
    url="https://courier.example/ferry/",
    headline="Ferry breaks down",
    standfirst="A tug helped.",
    body="It broke down.\n\nNobody was hurt.",
    section="News",
    tags=("ferry",),
    authors=("Ada Quill",),
    published_at=epoch_seconds("2026-03-02T06:30:00Z", ""),
    updated_at=epoch_seconds("2026-03-02T08:00:00Z", ""),
)
NINJS: dict[str, Any] = {
    "uri": "urn:courier:7", "type": "text", "language": "en-GB", "pubstatus": "usable", "by": "By Ada Quill",
    "versioncreated": "2026-03-02T08:00:00Z", "contentcreated": "2026-03-02T06:30:00Z",
    "headlines": [{"role": "short", "value": "Ferry"}, {"role": "main", "value": "Ferry breaks down"}],
    "descriptions": [{"role": "caption", "value": "c"}, {"role": "summary", "value": "A tug helped."}],
    "bodies": [{"role": "main", "contenttype": "text/plain", "value": "It broke down. Nobody was hurt."},
               {"role": "rich", "contenttype": "text/html", "value": "<p>It broke down.</p><p>Nobody was hurt.</p>"}],
    "subjects": [{"name": "ferry"}], "places": [{"name": "Wendmouth"}], "url": "https://courier.example/ferry",
    "associations": [{"type": "picture", "headline": "F", "renditions": [{"href": "https://courier.example/f.jpg"}]}],
}  # fmt: skip


def read(path: Path, content: str | bytes, tally: Tally | None = None) -> list[Article | Rejection]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_source(path, tally))


def test_an_export_gives_posts_and_leaves_out_drafts_pages_and_pictures(tmp_path: Path) -> None:
    kinds = [
        ("publish", "post"),
        ("draft", "post"),
        ("inherit", "attachment"),
        ("publish", "page"),
        ("publish", "post"),
    ]
    items = "".join(
        ITEM.format(id=number, status=status, kind=kind) for number, (status, kind) in enumerate(kinds, 7)
    )
    tally = Tally()
    first, *hidden, last = read(tmp_path / "a.xml", WXR.format(items=items), tally)
    assert first == STORY
    assert isinstance(last, Article)
    assert last.id == "11"
    assert [(each.id, each.status) for each in hidden if isinstance(each, Unpublished)] == [
        ("8", "draft"),
        ("9", "other"),
        ("10", "other"),
    ]
    assert (tally.unpublished, tally.other, tally.types) == (1, 2, {"attachment": 1, "page": 1})


PICTURE = """<item><title>f</title><wp:post_id>{id}</wp:post_id><wp:post_type>attachment</wp:post_type>
<wp:status>inherit</wp:status><wp:attachment_url>{url}</wp:attachment_url><wp:postmeta>
<wp:meta_key>_wp_attachment_image_alt</wp:meta_key><wp:meta_value>F</wp:meta_value></wp:postmeta></item>"""
FEATURED = (
    "<wp:postmeta><wp:meta_key>_thumbnail_id</wp:meta_key><wp:meta_value>{}</wp:meta_value></wp:postmeta></item>"
)
MEDIA = '<media:{} xmlns:media="http://search.yahoo.com/mrss/" url="{}" medium="{}"/></item>'


@pytest.mark.parametrize("packed", [False, True])
def test_an_export_gives_the_featured_picture_wherever_its_item_stands(tmp_path: Path, packed: bool) -> None:
    posts = [
        ITEM.format(id=number, status="publish", kind="post").replace("</item>", FEATURED.format(picture))
        for number, picture in ((7, 30), (8, 31), (9, 32))
    ]
    before, after = (PICTURE.format(id=n, url=f"https://courier.example/{n}.jpg") for n in (30, 31))
    content = WXR.format(items="".join([before, *posts, after])).encode()
    found = read(tmp_path / "a.xml", gzip.compress(content) if packed else content)
    assert [each.image for each in found if isinstance(each, Article)] == [
        Image("https://courier.example/30.jpg", "F"),
        Image("https://courier.example/31.jpg", "F"),
        None,  # a picture of another file
    ]


@pytest.mark.parametrize(
    ("media", "image"),
    [
        (MEDIA.format("content", "https://courier.example/m.jpg", "image"), Image("https://courier.example/m.jpg")),
        (MEDIA.format("thumbnail", "https://courier.example/t.jpg", ""), Image("https://courier.example/t.jpg")),
        (MEDIA.format("content", "https://courier.example/m.mp4", "video"), None),
        (MEDIA.format("content", "data:image/png;base64,AA", "image"), None),
    ],
)
def test_media_beside_a_post_are_its_picture(tmp_path: Path, media: str, image: Image | None) -> None:
    item = ITEM.format(id=7, status="publish", kind="post").replace("</item>", media)
    (found,) = read(tmp_path / "a.xml", WXR.format(items=item))
    assert isinstance(found, Article)
    assert found.image == image


def test_a_torn_export_gives_what_stands_before_the_tear(tmp_path: Path) -> None:
    items = "".join(ITEM.format(id=n, status="publish", kind="post") for n in range(7, 400))
    whole = gzip.compress(WXR.format(items=items).encode())
    *found, last = read(tmp_path / "a.xml.gz", whole[: len(whole) // 2])
    assert len(found) > 50
    assert found[0] == STORY
    assert isinstance(last, Rejection)
    assert last.reason.startswith("the file is torn")


def test_the_rest_api_gives_the_same_story_as_the_export(tmp_path: Path) -> None:
    with_picture = msgspec.structs.replace(STORY, image=Image("https://courier.example/f.jpg", "F"))
    assert read(tmp_path / "posts.json", msgspec.json.encode([POST])) == [with_picture]
    assert read(tmp_path / "posts.jsonl", msgspec.json.encode(POST)) == [with_picture]


def test_a_post_without_embedded_terms_or_with_odd_shapes_costs_only_those(tmp_path: Path) -> None:
    bare = {**POST, "_embedded": "odd", "title": {"rendered": "Ferry &#8217;breaks&#8217; down"}}
    (found,) = read(tmp_path / "posts.json", msgspec.json.encode([bare]))
    assert isinstance(found, Article)
    assert (found.headline, found.authors, found.tags, found.section) == ("Ferry ’breaks’ down", (), (), "")


@pytest.mark.parametrize(
    ("excerpt", "standfirst"),
    [
        ("<p>It broke down. Nobody [&hellip;]</p>\n", ""),  # made by WordPress of the text
        ("<p>It broke down. Nobody was hurt.</p>\n", ""),
        ("<p>It broke down&#8230;</p>\n", ""),
        ("<p>It broke down again.</p>\n", "It broke down again."),
        ("", ""),
    ],
)
def test_an_excerpt_that_nobody_wrote_is_no_standfirst(tmp_path: Path, excerpt: str, standfirst: str) -> None:
    post = {**POST, "excerpt": {"rendered": excerpt}}
    (found,) = read(tmp_path / "posts.json", msgspec.json.encode([post]))
    assert isinstance(found, Article)
    assert found.standfirst == standfirst


@pytest.mark.parametrize(("state", "counted"), [("draft", (1, 0)), ("future", (1, 0)), ("private", (1, 0))])
def test_posts_that_nobody_published_are_counted(tmp_path: Path, state: str, counted: tuple[int, int]) -> None:
    tally = Tally()
    (found,) = read(tmp_path / "posts.json", msgspec.json.encode([{**POST, "status": state}]), tally)
    assert isinstance(found, Unpublished)
    assert (found.id, found.status, found.updated_at) == ("7", state, STORY.updated_at)
    assert (tally.unpublished, tally.other) == counted


def test_ninjs_gives_the_main_headline_the_summary_and_the_text_with_paragraphs(tmp_path: Path) -> None:
    assert read(tmp_path / "a.json", msgspec.json.encode(NINJS)) == [
        Article(
            id="urn:courier:7",
            url="https://courier.example/ferry",
            headline="Ferry breaks down",
            standfirst="A tug helped.",
            body="It broke down.\n\nNobody was hurt.",
            tags=("ferry", "Wendmouth"),
            authors=("Ada Quill",),
            language="en",
            image=Image("https://courier.example/f.jpg", "F"),
            published_at=epoch_seconds("2026-03-02T06:30:00Z", ""),
            updated_at=epoch_seconds("2026-03-02T08:00:00Z", ""),
        )
    ]


def test_ninjs_of_version_3_spells_names_otherwise_and_of_version_1_has_one_of_each(tmp_path: Path) -> None:
    spelled = {"contentcreated": "contentCreated", "versioncreated": "versionCreated", "pubstatus": "pubStatus"}
    third = {spelled.get(name, name): value for name, value in NINJS.items()}
    third["bodies"] = [{**each, "contentType": each["contenttype"]} for each in NINJS["bodies"]]
    second = read(tmp_path / "2.json", msgspec.json.encode(NINJS))
    assert read(tmp_path / "3.json", msgspec.json.encode(third)) == second
    first: dict[str, Any] = {
        "uri": "urn:7",
        "versioncreated": "2026-03-02T08:00:00Z",
        "headline": "Ferry",
        "byline": "Ada Quill",
    }
    first |= {"body_xhtml": "<p>A.</p><p>B.</p>", "body_text": "A. B.", "description_text": "S"}
    first |= {"person": [{"name": "Ben"}]}
    (found,) = read(tmp_path / "1.json", msgspec.json.encode(first))
    assert isinstance(found, Article)
    assert (found.headline, found.body, found.standfirst, found.tags) == ("Ferry", "A.\n\nB.", "S", ("Ben",))


def test_a_canceled_item_withdraws_and_a_picture_is_no_article(tmp_path: Path) -> None:
    tally = Tally()
    canceled = {"uri": "urn:7", "versioncreated": "2026-03-02T08:00:00Z", "pubstatus": "canceled"}
    picture = {**NINJS, "type": "picture"}
    withheld = {**NINJS, "pubstatus": "withheld"}
    lines = b"\n".join(map(msgspec.json.encode, (canceled, picture, withheld)))
    found, *hidden = read(tmp_path / "a.jsonl", lines, tally)
    assert isinstance(found, Withdrawal)
    assert not isinstance(found, Unpublished)
    assert [each.status for each in hidden if isinstance(each, Unpublished)] == ["other", "private"]
    assert (found.id, tally.types, tally.unpublished) == ("urn:7", {"picture": 1}, 1)
