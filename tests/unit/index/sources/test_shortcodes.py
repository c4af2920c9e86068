"""Entities, shortcodes and what feeds add at the end: no way in lets them reach readers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from index.article import Article, article_from_record
from index.sources import read_source
from index.sources.html_text import without_html
from index.sources.shortcodes import text_without_codes
from service.auth.webhook_signatures import read_events
from service.http.request_bodies import read_article
from service.recommend.draft import read_draft

REPORTS = Path(__file__).parents[3] / "reports"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('[caption id="a" width="3"]<img src="x"> A ferry[/caption]Text', "Text"),
        ("[caption id=&#8221;a&#8221;]A ferry[/caption]Text", "Text"),
        ('[gallery ids="1,2"]Text[gallery]', "Text"),
        ('[et_pb_section fb_built="1"]Inside[/et_pb_section]', "Inside"),
        ('[button url="https://x.example/"]Inside[/button]', "Inside"),
        ("[quote]Inside[/quote]", "Inside"),
        ('[contact-form-7 id="4" title="Write"]Text', "Text"),
        ("[embed]https://video.example/1[/embed]Text", "Text"),
        ("[youtube https://video.example/1] Text", " Text"),
        ("He said [sic] that [the minister] [...] left", "He said [sic] that [the minister] [...] left"),
        ("[note that x = y] [1] [a] [x](https://x.example/?a=b)", "[note that x = y] [1] [a] [x](https://x.example/?a=b)"),
    ],
)  # fmt: skip
def test_shortcodes_go_and_bracketed_words_stay(text: str, plain: str) -> None:
    assert text_without_codes(text) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("It broke. Continue reading ...", "It broke."),
        ("It broke down near … Continue reading “Ferry breaks down” →", "It broke down near …"),
        ("It broke down near [&hellip;]", "It broke down near …"),
        ("It broke down near […]", "It broke down near …"),
        ("It broke.\n\nRead more", "It broke."),
        ("Continue reading Ferry", ""),
        ("It broke.\n\nThe post Ferry appeared first on Courier.", "It broke."),
        ("Es brach [...]\n\nDer Beitrag Fähre erschien zuerst auf Courier.", "Es brach …"),
        ("L’été. Lire la suite de « Bac »", "L’été."),
        ("You can Read more in the book", "You can Read more in the book"),
        ("It broke. Read more books, she said.", "It broke. Read more books, she said."),
        (
            "It moved. The post office appeared first on the list.",
            "It moved. The post office appeared first on the list.",
        ),
        ("The post office appeared first on the list.", "The post office appeared first on the list."),
        ("He left […] and came back.", "He left […] and came back."),
    ],
)
def test_added_last_words_go(text: str, plain: str) -> None:
    record, _ = without_html({"standfirst": text, "body": text})
    assert (record["standfirst"], record["body"]) == (plain, plain)


def test_a_more_link_goes_wherever_it_stands() -> None:
    html = (
        '<p>One. <a class="more-link" href="/x">Lue lisää <span>Lautta</span></a></p><p>Two <a href="/y">y</a>.</p>'
    )
    record, _ = without_html({"body": html})
    assert record == {"body": "One.\n\nTwo y.", "links": [{"url": "/y", "text": "y"}]}


def test_a_post_of_every_format_is_without_codes_and_last_words(tmp_path: Path) -> None:
    note = '<p>The post <a href="/t">T</a> appeared first on <a href="/">C</a>.</p>'
    text = f"[vc_row]<p>It [sic] broke.</p>[/vc_row]{note}"
    short = "<p>Beginning [&hellip;]</p> <p>The post T appeared first on C.</p>"
    (tmp_path / "rest.json").write_text(json.dumps([{
        "id": 1, "type": "post", "status": "publish", "title": {"rendered": "T"}, "content": {"rendered": text},
        "excerpt": {"rendered": short},
    }]))  # fmt: skip
    (tmp_path / "feed.xml").write_text(
        '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><item><guid>1</guid>'
        f"<title>T</title><description><![CDATA[{short}]]></description>"
        f"<content:encoded><![CDATA[{text}]]></content:encoded></item></channel></rss>"
    )
    (tmp_path / "plain.jsonl").write_text(json.dumps({"id": 1, "title": "T", "summary": short, "body": text}))
    found = [each for each in read_source(tmp_path) if isinstance(each, Article)]
    assert [(each.standfirst, each.body) for each in found] == [("Beginning …", "It [sic] broke.")] * 3


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("Caf&eacute; owner&#8217;s &amp; co", "Café owner’s & co"),
        ("Caf&amp;eacute; owner&amp;#8217;s", "Café owner’s"),
        ("AT&T < 3 &copy 2026 &unknown;", "AT&T < 3 &copy 2026 &unknown;"),
    ],
)
def test_entities_of_every_one_line_field_are_decoded(given: str, text: str) -> None:
    names = ("headline", "kicker", "standfirst", "section", "brand")
    record: dict[str, Any] = {
        "id": "a",
        "image": {"url": "/a.jpg?x=1&amp;y=2", "alt": given},
        "tags": [given],
        "authors": given,
    }
    article = article_from_record(without_html({**record, **dict.fromkeys(names, given)})[0])
    assert [getattr(article, name) for name in names] == [text] * len(names)
    assert (article.tags, article.authors, article.image and article.image.alt) == ((text,), (text,), text)
    assert article.image is not None
    assert article.image.url == "/a.jpg?x=1&amp;y=2"


def test_a_body_that_explains_entities_is_decoded_once() -> None:
    assert without_html({"body": "<p>Write &amp;eacute; for &eacute;.</p>"})[0]["body"] == "Write &eacute; for é."


def test_a_page_whose_title_was_escaped_twice_has_none_of_it() -> None:
    (found,) = read_source(REPORTS / "pages" / "entities.html")
    assert isinstance(found, Article)
    assert (found.headline, found.standfirst) == ('Entities: café owner\'s "Q&A"', "Tom & Ilse")


def test_a_page_of_wordpress_and_one_of_plain_text_are_without_them_too(tmp_path: Path) -> None:
    page = '<html><head><title>T</title><meta name="description" content="Beginning [&hellip;]"></head></html>'
    (tmp_path / "a.html").write_text(page)
    (tmp_path / "b.txt").write_text("Caf&eacute;\n\nIt broke.\n\nRead more\n")
    found = [each for each in read_source(tmp_path) if isinstance(each, Article)]
    assert [(each.headline, each.standfirst, each.body) for each in found] == [
        ("T", "Beginning …", ""),
        ("Café", "", "It broke."),
    ]


@pytest.mark.parametrize(
    "piece", ["[", "[a ", "[a b=", "[/a]", "[a]", "\n", "The post A", "Read more ", "… [", "[caption] "]
)
def test_a_text_that_is_built_to_take_long_does_not(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    without_html({"body": text, "standfirst": text})
    assert time.process_time() - started < 5


def test_what_is_published_live_and_a_draft_are_plain_text_as_well() -> None:
    body = json.dumps(
        {"headline": "Caf&amp;eacute;&#8217;s", "body": "<p>It [sic] broke.</p>[gallery ids=1]"}
    ).encode()
    put, draft = read_article(body, "a"), read_draft(body)
    published, *_ = read_events(
        json.dumps({"action": "publish", "article": {"id": "a", **json.loads(body)}}).encode()
    )
    assert published.article == put
    assert [(each.headline, each.body) for each in (put, draft)] == [("Café’s", "It [sic] broke.")] * 2
