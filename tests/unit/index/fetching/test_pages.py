"""From a feed's or a sitemap's address to articles, by the command that imports them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from import_articles import main
from loopback_site import HTML, XML, Reply, Site, served

from index.article import Article
from index.sources import read_source

PAGE = """<!doctype html><html lang="en"><head><title>{0}</title><link rel="canonical" href="https://courier.example/{0}">
<meta property="article:published_time" content="2026-03-02T07:30:00Z"></head><body><article><h1>Ferry {0}</h1>
<p>The ferry of this morning broke down in the middle of the river, and {0} came to help its passengers.</p>
<p>Nobody was hurt, the company said, and the next one leaves in the evening as if nothing had happened.</p></article>
</body></html>"""
FEED = """<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Courier</title>
<item><title>One</title><link>{url}/one</link></item><item><title>Two</title><link>/two</link></item>
<item><title>Three</title><link>{url}/three</link><description>Only this.</description></item>
<item><title>Four</title><link>{url}/four</link><content:encoded>Its text, in the feed.</content:encoded></item>
</channel></rss>"""
NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


@pytest.fixture
def site() -> Iterator[Site]:
    with served(Site()) as site:
        site.pages = {f"/{name}": Reply(PAGE.format(name).encode(), headers=HTML) for name in ("one", "two")}
        yield site


def sitemap(*urls: str, kind: str = "url") -> bytes:
    entries = "".join(f"<{kind}><loc>{url}</loc></{kind}>" for url in urls)
    root = "urlset" if kind == "url" else "sitemapindex"
    return f"<?xml version='1.0'?><{root} {NAMESPACE}>{entries}</{root}>".encode()


def fetch(url: str, tmp_path: Path, *more: str) -> tuple[int, list[Article]]:
    out = tmp_path / "out.jsonl"
    options = ["--out", str(out), "--quiet", "--fetch", "--pause", "0", "--fetch-from", "127.0.0.0/8", *more]
    code = main(["--source", url, *options])
    return code, [each for each in read_source(out) if isinstance(each, Article)]


def test_without_the_option_nothing_is_fetched(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--source", f"{site.url}/one", "--out", str(tmp_path / "out"), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert told == (
        f"error: {site.url}/one is an address, and fetching is off: --fetch lets this command ask the network\n"
    )
    assert site.connections == 0


def test_with_the_option_alone_loopback_is_not_fetched(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--source", f"{site.url}/one", "--out", str(tmp_path / "out"), "--quiet", "--fetch"]) == 2
    assert "which is not of the public web" in capsys.readouterr().err
    assert site.connections == 0


def test_a_feed_gives_its_pages_and_its_own_text_where_there_is_no_page(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.pages["/feed"] = Reply(FEED.format(url=site.url).encode(), headers={"Content-Type": "application/rss+xml"})
    code, found = fetch(f"{site.url}/feed", tmp_path)
    assert code == 0
    assert [(each.id, each.headline) for each in found] == [
        ("https://courier.example/one", "Ferry one"),
        ("https://courier.example/two", "Ferry two"),
        (f"{site.url}/four", "Four"),
    ]
    assert found[0].body.startswith("The ferry of this morning broke down")
    assert found[2].body == "Its text, in the feed."
    told = capsys.readouterr().out
    assert told.startswith("3 articles, 1 records rejected")
    assert f"the first: {site.url}/three: answers 404" in told
    assert site.asked == ["/robots.txt", "/feed", "/one", "/two", "/three", "/four"]


def test_sitemaps_are_followed_from_their_index_packed_or_not_each_once(site: Site, tmp_path: Path) -> None:
    site.pages |= {
        "/sitemap.xml": Reply(sitemap("/a.xml", "/b.xml.gz", "/sitemap.xml", "/a.xml", kind="sitemap"), headers=XML),
        "/a.xml": Reply(sitemap(f"{site.url}/one"), headers=XML),
        "/b.xml.gz": Reply(gzip.compress(sitemap("/two", "/two")), headers={"Content-Type": "application/gzip"}),
    }
    code, found = fetch(f"{site.url}/sitemap.xml", tmp_path)
    assert (code, [each.headline for each in found]) == (0, ["Ferry one", "Ferry two"])
    assert site.asked == ["/robots.txt", "/sitemap.xml", "/a.xml", "/one", "/b.xml.gz", "/two"]


def test_no_more_pages_are_asked_for_than_the_limit(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.pages["/s.xml"] = Reply(sitemap("/one", "/two", "/three"), headers=XML)
    assert len(fetch(f"{site.url}/s.xml", tmp_path, "--most-pages", "1")[1]) == 1
    assert "lists more than 1 pages: the rest was not asked for" in capsys.readouterr().out
    assert site.asked == ["/robots.txt", "/s.xml", "/one"]


def test_a_page_alone_is_an_article_in_the_encoding_that_its_header_names(site: Site, tmp_path: Path) -> None:
    latin = PAGE.format("one").replace("Ferry one", "Łódź").encode("iso-8859-2")
    site.pages["/p"] = Reply(latin, headers={"Content-Type": "text/html; charset=ISO-8859-2"})
    assert [each.headline for each in fetch(f"{site.url}/p", tmp_path)[1]] == ["Łódź"]


def test_a_second_import_asks_for_the_list_and_of_its_pages_only_for_what_is_new(site: Site, tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state.db"))
    site.pages["/s.xml"] = Reply(sitemap("/one", "/two", "/three"), headers=XML)
    assert len(fetch(f"{site.url}/s.xml", tmp_path, *state)[1]) == 2
    del site.asked[:]
    site.pages["/three"] = site.pages["/one"]
    assert len(fetch(f"{site.url}/s.xml", tmp_path, *state)[1]) == 3
    assert site.asked == ["/robots.txt", "/s.xml", "/three"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", 2),
        (b"\x89PNG", 2),
        (b"<rss><channel/></rss>", 1),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><urlset/>", 1),
        (gzip.compress(bytes(30 << 20)), 2),
    ],
)
def test_what_is_no_list_of_pages_is_named(site: Site, tmp_path: Path, content: bytes, code: int) -> None:
    site.pages["/x"] = Reply(content, headers=XML)
    assert fetch(f"{site.url}/x", tmp_path)[0] == code


def test_an_unusable_network_or_state_is_named(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("no database, but longer than a header of one" * 20)
    assert fetch(site.url, tmp_path, "--fetch-from", "intranet")[0] == 2
    assert fetch(site.url, tmp_path, "--state", str(tmp_path / "text"))[0] == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("error: --fetch-from: 'intranet' does not appear to be")
    assert told[1] == f"error: {tmp_path / 'text'} cannot keep what was fetched: file is not a database"
