"""RSS, Atom and news sitemaps; XML that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.article import Article, Image, Link, epoch_seconds
from index.sources import Rejection, UnreadableSource, read_source
from index.sources.feeds import MOST_FEED_BYTES

RSS = """<?xml version="1.0"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
  xmlns:media="http://search.yahoo.com/mrss/"
  xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>Courier</title><link>https://courier.example/</link><language>en-gb</language>
<item><title>Ferry &amp;amp; bridge</title><link>https://courier.example/ferry</link>
<guid isPermaLink="false">n-1</guid>
<description>&lt;p&gt;A tug &lt;b&gt;helped&lt;/b&gt;.&lt;/p&gt;</description><dc:creator>Ada Quill</dc:creator>
<content:encoded><![CDATA[<p>It broke <a href="/engine">down</a>.</p><p>Nobody was hurt.</p>]]></content:encoded>
<category>ferry</category><category>council</category><pubDate>Mon, 02 Mar 2026 07:30:00 +0100</pubDate>
<media:content url="https://courier.example/f.jpg" medium="image"/></item>
<item><link>https://courier.example/untitled</link></item>
<item><title>Only a link</title><link>https://courier.example/only</link></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de"><title>Courier</title>
<entry><id>tag:courier,2026:1</id><title type="html">F&amp;auml;hre</title>
<link href="https://courier.example/f"/>
<author><name>Ada Quill</name></author><published>2026-03-02T07:30:00Z</published>
<updated>2026-03-03T07:30:00Z</updated>
<summary>Kurz</summary><content type="html">&lt;p&gt;Lang&lt;/p&gt;</content></entry></feed>"""
SITEMAP = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"
  xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
<url><loc>https://courier.example/ferry</loc><news:news><news:publication><news:name>Courier</news:name>
<news:language>en</news:language></news:publication><news:publication_date>2026-03-02</news:publication_date>
<news:title>Ferry breaks down</news:title><news:keywords>ferry, river</news:keywords></news:news>
<image:image><image:loc>https://courier.example/f.jpg</image:loc></image:image></url>
<url><loc>https://courier.example/about</loc></url></urlset>"""


def read(tmp_path: Path, text: str | bytes, name: str = "a.xml") -> list[Article | Rejection]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_source(path))


def test_an_rss_item_gives_text_media_authors_and_date(tmp_path: Path) -> None:
    first, rejected, last = read(tmp_path, RSS)
    assert first == Article(
        id="n-1",
        url="https://courier.example/ferry",
        headline="Ferry & bridge",
        standfirst="A tug helped.",
        body="It broke down.\n\nNobody was hurt.",
        links=(Link("/engine", "down"),),
        tags=("ferry", "council"),
        authors=("Ada Quill",),
        language="en",
        image=Image("https://courier.example/f.jpg"),
        published_at=epoch_seconds("2026-03-02T06:30:00Z", ""),
    )
    assert rejected == Rejection(str(tmp_path / "a.xml"), 2, "headline: is missing")
    assert isinstance(last, Article)
    assert (last.id, last.headline) == ("https://courier.example/only", "Only a link")


def test_an_atom_entry_gives_summary_and_content_apart(tmp_path: Path) -> None:
    (found,) = read(tmp_path, ATOM, "a.atom")
    assert found == Article(
        id="tag:courier,2026:1",
        url="https://courier.example/f",
        headline="Fähre",
        standfirst="Kurz",
        body="Lang",
        authors=("Ada Quill",),
        language="de",
        published_at=epoch_seconds("2026-03-02T07:30:00Z", ""),
        updated_at=epoch_seconds("2026-03-03T07:30:00Z", ""),
    )


def test_a_long_description_alone_is_the_text(tmp_path: Path) -> None:
    text = "The ferry broke down. " * 60
    (found,) = read(
        tmp_path,
        f"<rss><channel><item><title>T</title><guid>1</guid><description>{text}</description></item></channel></rss>",
    )
    assert isinstance(found, Article)
    assert (found.standfirst, found.body) == ("", text.strip())


def test_a_news_sitemap_gives_headlines_and_refuses_pages_without_news(tmp_path: Path) -> None:
    found, rejected = read(tmp_path, SITEMAP)
    assert found == Article(
        id="https://courier.example/ferry",
        url="https://courier.example/ferry",
        headline="Ferry breaks down",
        tags=("ferry", "river"),
        language="en",
        image=Image("https://courier.example/f.jpg"),
        published_at=epoch_seconds("2026-03-02", ""),
    )
    assert rejected == Rejection(str(tmp_path / "a.xml"), 8, "headline: is missing")


def test_a_feed_cut_short_gives_its_whole_items(tmp_path: Path) -> None:
    assert [each.id for each in read(tmp_path, RSS[:900]) if isinstance(each, Article)] == ["n-1"]
    assert [each.id for each in read(tmp_path, SITEMAP[:-80]) if isinstance(each, Article)] == [
        "https://courier.example/ferry"
    ]


HEAD = '<?xml version="1.0"?><rss version="2.0"><channel><title>C</title>'
ITEMS = [
    f"<item><title>T{each}</title><guid>{each}</guid><description>D{each}</description></item>" for each in "abc"
]
TAIL = "</channel></rss>"
TORN = "the file is torn: the feed ends before its last tag"


@pytest.mark.parametrize(
    ("text", "ids", "reasons"),
    [
        (HEAD + ITEMS[0] + ITEMS[1], ["a", "b"], [TORN]),
        (HEAD + ITEMS[0] + ITEMS[1] + ITEMS[2][:45], ["a", "b"], [TORN]),
        (HEAD + ITEMS[0] + "<item><guid>b</guid><title>T</title><description><![CDATA[x", ["a"], [TORN]),
        (
            HEAD + ITEMS[0].replace("Da<", "<![CDATA[x<") + ITEMS[1].replace("Db", "<![CDATA[x]]>") + ITEMS[2] + TAIL,
            ["c"],
            ["the XML is damaged here: a text has swallowed the tags behind it"],
        ),
        (
            HEAD + ITEMS[0].replace("</description>", "") + ITEMS[1] + TAIL,
            ["a"],
            ["the XML is damaged: 1 of 2 entries cannot be told apart"],
        ),
    ],
)
def test_what_a_damaged_feed_has_lost_is_told(tmp_path: Path, text: str, ids: list[str], reasons: list[str]) -> None:
    found = read(tmp_path, text)
    assert [each.id for each in found if isinstance(each, Article)] == ids
    assert [each.reason for each in found if isinstance(each, Rejection)] == reasons


@pytest.mark.parametrize(
    "content",
    [
        (HEAD + ITEMS[0].replace("Da", "D&nbsp;a & b, 1 < 2<br>") + ITEMS[1] + TAIL).encode(),
        (HEAD + ITEMS[0].replace("Da", "Fähre") + ITEMS[1] + TAIL).encode("latin-1"),
        (HEAD.replace('"1.0"', '"1.0" encoding="utf-16"') + ITEMS[0] + ITEMS[1] + TAIL).encode("utf-16"),
        (HEAD + ITEMS[0].replace("Da", "<![CDATA[<p>the &lt;item&gt; tag</p>]]>") + ITEMS[1] + TAIL + "\n").encode(),
        (HEAD + ITEMS[0].replace("</item>", "") + ITEMS[1] + TAIL).encode(),
    ],
)
def test_a_sloppy_feed_that_has_lost_nothing_is_read_without_a_word(tmp_path: Path, content: bytes) -> None:
    assert [each.id if isinstance(each, Article) else each.reason for each in read(tmp_path, content)] == ["a", "b"]


LOL = '<!DOCTYPE r [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "body", ["<rss><channel><item><title>&i;</title></item></channel></rss>", "<urlset>&i;</urlset>"]
)
@pytest.mark.parametrize("start", [LOL + "]>", '<!DOCTYPE r [<!ENTITY i SYSTEM "file:///etc/passwd">]>'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_declared_entities_are_refused_unread(tmp_path: Path, start: str, body: str, encoding: str) -> None:
    (found,) = read(tmp_path, (start + body).encode(encoding))
    assert isinstance(found, Rejection)
    assert found.reason.startswith("declares XML entities: refused")


def test_entities_that_hide_behind_a_long_comment_are_not_expanded(tmp_path: Path) -> None:
    late = (
        f"<!--{'x' * 20_000}-->"
        + LOL
        + "]>"
        + "<rss><channel><item><guid>1</guid><title>&i;</title></item></channel></rss>"
    )
    with pytest.raises(UnreadableSource, match="XML of no known kind"):
        read(tmp_path, late)
    assert read(tmp_path, f"<rss version='2'>{late}</rss>") == [
        Rejection(str(tmp_path / "a.xml"), 0, "declares XML entities: refused, as feeds need none")
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<sitemapindex><sitemap/></sitemapindex>", "only lists other sitemaps: give those"),
        ("<opml><body/></opml>", r"is XML of no known kind \(its root is opml\)"),
        ("", r"is XML of no known kind \(its root is missing\)"),
    ],
)
def test_other_xml_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (RSS + " " * MOST_FEED_BYTES, "the feed is longer than 8 MiB"),
        ("<rss>" + "<item/>" * 5_001, "the feed has more than 5,000 entries"),
        ("<rss>" + "<b/>" * 400_001, "the feed has more than 400,000 tags and entities"),
    ],
)
def test_a_huge_feed_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    assert read(tmp_path, text) == [Rejection(str(tmp_path / "a.xml"), 0, reason)]
