"""The contract of what is embedded in pages: the fragment, the feed, the widget's two files."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from newsroom import Newsroom, story

from service.widget.script import widget
from service.widget.stories import drawable, feed, safe

TOPIC = "ferry river crossing timetable harbour"
MOST_BYTES = 6 * 1_024


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    newsroom = Newsroom(tmp_path, cors_origins=("https://courier.example",))
    newsroom.rebuild(
        [
            story(
                f"ferry/{n}",
                TOPIC,
                10 + n,
                headline=f"The <b>ferry</b>, part {n}",
                url=f"https://courier.example/ferry/{n}",
                standfirst="What became of it",
                image={"url": f"/media/{n}.jpg", "alt": 'A "ferry"'},
            )
            for n in range(9)
        ]
    )
    yield newsroom
    newsroom.close()


def fragment(newsroom: Newsroom, **asked: Any) -> Any:
    return newsroom.client.get("/v1/related.html", query_string={"id": "ferry/3", "fallback": "none"} | asked)


def linked(text: str) -> list[str]:
    return re.findall(r'<a href="https://courier.example/([^"]*)"', text)


def test_the_fragment_is_the_list_as_html(newsroom: Newsroom) -> None:
    answer = fragment(newsroom, limit=4, layout="grid", heading="More & more")
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    assert linked(answer.text) == newsroom.ids("ferry/3", limit=4)
    assert 'data-layout="grid"><h2>More &amp; more</h2>' in answer.text
    assert "The &lt;b&gt;ferry&lt;/b&gt;, part" in answer.text
    assert 'alt="A &#34;ferry&#34;"' in answer.text
    assert not re.search(r"<script(?! type=.application/ld\+json)|style=|\son\w+=", answer.text)
    by_path = newsroom.client.get("/v1/articles/ferry/3/related.html?fallback=none&limit=4")
    assert linked(by_path.text) == linked(answer.text)


def test_the_fragment_tells_search_engines_the_list(newsroom: Newsroom) -> None:
    text = fragment(newsroom, heading="</script><b>").text
    (script,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text)
    found = json.loads(script)
    assert (found["@context"], found["@type"], found["name"]) == ("https://schema.org", "ItemList", "</script><b>")
    assert [each["url"].removeprefix("https://courier.example/") for each in found["itemListElement"]] == linked(text)


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"id": "unknown"}, 404, "article_not_found"),
        ({"limit": 0}, 400, "invalid_limit"),
        ({"layout": "mosaic"}, 400, "invalid_layout"),
        ({"unit": "reader"}, 400, "unknown_parameter"),
    ],
)
def test_an_error_of_the_fragment_shows_nothing_on_the_page(
    newsroom: Newsroom, asked: dict[str, Any], status: int, code: str
) -> None:
    answer = fragment(newsroom, **asked)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert answer.text == f"<!-- related stories: {code} -->"
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_list_without_stories_is_an_empty_fragment(newsroom: Newsroom) -> None:
    answer = fragment(newsroom, published_after="2030-01-01")
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.parametrize("path", ["/v1/related.html?id=ferry/3", "/v1/related.feed.json?id=ferry/3"])
def test_what_did_not_change_costs_a_304(newsroom: Newsroom, path: str) -> None:
    answer = newsroom.client.get(path, headers={"Origin": "https://courier.example"})
    assert answer.headers["Cache-Control"] == "public, no-cache"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://courier.example"
    again = newsroom.client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_feed_is_a_json_feed_of_the_list(newsroom: Newsroom) -> None:
    answer = newsroom.client.get("/v1/articles/ferry/3/related.feed.json?fallback=none&limit=2")
    assert answer.content_type == "application/feed+json"
    found = json.loads(answer.data)
    assert found["version"] == "https://jsonfeed.org/version/1.1"
    assert found["title"] == "Related stories: The <b>ferry</b>, part 3"
    assert found["home_page_url"] == "https://courier.example/ferry/3"
    assert [each["id"] for each in found["items"]] == newsroom.ids("ferry/3", limit=2)
    first = found["items"][0]
    assert first["url"] == f"https://courier.example/{first['id']}"
    assert first["image"] == f"https://courier.example/media/{first['id'][-1]}.jpg"
    assert first["content_text"] == first["summary"] == "What became of it"
    assert first["date_published"].startswith("2026-11-")
    problem = newsroom.client.get("/v1/related.feed.json?id=unknown")
    assert (problem.status_code, problem.get_json()["code"]) == (404, "article_not_found")


def test_the_widget_is_small_and_kept_by_browsers(newsroom: Newsroom) -> None:
    plain = newsroom.client.get("/embed.js")
    zipped = newsroom.client.get("/embed.js", headers={"Accept-Encoding": "br, gzip"})
    assert plain.content_type == "text/javascript; charset=utf-8"
    assert gzip.decompress(zipped.data) == plain.data
    assert (zipped.headers["Content-Encoding"], zipped.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert len(zipped.data) <= MOST_BYTES
    assert plain.headers["Cache-Control"].startswith("public, max-age=")
    assert plain.headers["Access-Control-Allow-Origin"] == "*"
    for answer, encoding in ((plain, ""), (zipped, "gzip")):
        asked = {"If-None-Match": answer.headers["ETag"], "Accept-Encoding": encoding}
        assert newsroom.client.get("/embed.js", headers=asked).status_code == 304


def test_comments_are_not_sent_and_nothing_else_is_lost() -> None:
    sent = widget().plain.decode()
    assert not re.search(r"^\s*//|/\*", sent, re.MULTILINE)
    assert "https://schema.org" in sent


def test_the_fragment_has_a_style_of_its_own(newsroom: Newsroom) -> None:
    answer = newsroom.client.get("/embed.css")
    assert answer.content_type == "text/css; charset=utf-8"
    assert ".related-stories" in answer.text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://courier.example/a", True),
        ("HTTP://courier.example/a", True),
        ("/a", True),
        ("", False),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        (" https://courier.example", False),
    ],
)
def test_links_lead_to_pages_and_nowhere_else(url: str, expected: bool) -> None:
    assert bool(safe(url)) == expected


def test_a_story_that_no_link_leads_to_is_left_out_and_a_language_gives_the_direction() -> None:
    def teaser(**facts: Any) -> dict[str, Any]:
        told = {"url": "https://x.example/", "language": "", "image": None, "age_label": "1 day old"}
        return told | {"published_at": "2026-11-23T09:00:00Z"} | facts

    assert drawable([teaser(url="")]) == []
    found = drawable(teaser(language=each) for each in ("", "en", "fa", "de"))
    assert [(each["direction"], each["age"]) for each in found] == [
        ("auto", "1 day old"),
        ("ltr", "1 day old"),
        ("rtl", "2026-11-23"),
        ("ltr", "2026-11-23"),
    ]
    pictured = drawable(
        [teaser(image={"url": "javascript:x", "alt": ""}), teaser(image={"url": "/x.jpg", "alt": ""})]
    )
    assert [each["picture"] for each in pictured] == ["", "/x.jpg"]


def test_a_feed_leaves_out_what_is_not_known() -> None:
    source = {"headline": "The ferry", "url": "", "language": ""}
    assert feed(source, []) == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Related stories: The ferry",
        "items": [],
    }


def test_every_address_of_the_package_is_declared(newsroom: Newsroom) -> None:
    paths = newsroom.client.get("/openapi.json").get_json()["paths"]
    for path in ("/v1/related", "/v1/articles/{id}/related"):
        declared = {each["name"] for each in paths[f"{path}.html"]["get"]["parameters"]}
        assert {"layout", "heading", "limit", "exclude"} <= declared
        assert not {"unit", "block", "fields", "explain"} & declared
        assert f"{path}.feed.json" in paths
    assert {"/embed.js", "/embed.css"} <= paths.keys()
